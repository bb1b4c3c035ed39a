/*-------------------------------------------------------------------------
 *
 * extension/log/packed.c
 *	  Reading numbers and bytes that were packed into a header.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "extension/log/packed.h"
#include "fmgr.h"

DbsyncPacked
dbsync_packed_open(Datum value, uint64 xid)
{
	bytea	   *bytes = DatumGetByteaPP(value);
	DbsyncPacked packed;

	packed.at = VARDATA_ANY(bytes);
	packed.end = packed.at + VARSIZE_ANY_EXHDR(bytes);
	packed.xid = xid;
	return packed;
}

void
dbsync_packed_corrupted(const DbsyncPacked *packed)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("header of transaction " UINT64_FORMAT " cannot be read", packed->xid)));
}

uint64
dbsync_packed_number(DbsyncPacked *packed)
{
	uint64		number = 0;

	for (int shift = 0; packed->at < packed->end && shift < 64; shift += 7)
	{
		uint8		byte = (uint8) *packed->at++;

		number |= (uint64) (byte & 0x7f) << shift;
		if (byte < 0x80)
			return number;
	}
	dbsync_packed_corrupted(packed);
}

uint64
dbsync_packed_number_upto(DbsyncPacked *packed, uint64 most)
{
	uint64		number = dbsync_packed_number(packed);

	if (number > most)
		dbsync_packed_corrupted(packed);
	return number;
}

const char *
dbsync_packed_bytes(DbsyncPacked *packed, Size size)
{
	const char *bytes = packed->at;

	if (size > packed->end - packed->at)
		dbsync_packed_corrupted(packed);
	packed->at += size;
	return bytes;
}
