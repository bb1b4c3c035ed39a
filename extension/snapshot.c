/*-------------------------------------------------------------------------
 *
 * extension/snapshot.c
 *	  Snapshots as values: which top-level transactions are visible.
 *
 * The server's own pg_snapshot keeps its layout to itself, hence this one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "lib/stringinfo.h"

#include "extension/snapshot.h"

static int
compare_xids(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return x < y ? -1 : (x > y ? 1 : 0);
}

static DbsyncSnapshot *
snapshot_alloc(int nxip)
{
	DbsyncSnapshot *result = palloc(offsetof(DbsyncSnapshot, xip) +
									sizeof(uint64) * Max(nxip, 1));

	result->nxip = nxip;
	return result;
}

/* a 32-bit id that is running or just ended, with its epoch */
static uint64
widen(TransactionId xid, FullTransactionId next)
{
	uint32		epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return ((uint64) epoch << 32) | xid;
}

DbsyncSnapshot *
dbsync_snapshot_from(Snapshot snapshot)
{
	FullTransactionId next = ReadNextFullTransactionId();
	DbsyncSnapshot *result = snapshot_alloc(snapshot->xcnt);

	if (snapshot->takenDuringRecovery)
		elog(ERROR, "a snapshot taken during recovery is not a position");
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		elog(ERROR, "a transaction with an id of its own cannot give a position");

	result->xmin = widen(snapshot->xmin, next);
	result->xmax = widen(snapshot->xmax, next);
	for (uint32 i = 0; i < snapshot->xcnt; i++)
		result->xip[i] = widen(snapshot->xip[i], next);
	qsort(result->xip, result->nxip, sizeof(uint64), compare_xids);
	return result;
}

DbsyncSnapshot *
dbsync_snapshot_parse(const char *text)
{
	DbsyncSnapshot *result;
	const char *p = text;
	char	   *end;
	int			n = 0;

	for (const char *c = strrchr(text, ':'); c && *c; c++)
		if (*c == ',' || (*c == ':' && c[1] != '\0'))
			n++;
	result = snapshot_alloc(n);

	result->xmin = strtou64(p, &end, 10);
	if (end == p || *end != ':')
		goto malformed;
	p = end + 1;
	result->xmax = strtou64(p, &end, 10);
	if (end == p || *end != ':')
		goto malformed;
	for (int i = 0; i < n; i++)
	{
		p = end + 1;
		result->xip[i] = strtou64(p, &end, 10);
		if (end == p)
			goto malformed;
	}
	qsort(result->xip, n, sizeof(uint64), compare_xids);
	return result;

malformed:
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("malformed snapshot \"%s\" in a dbsync position", text)));
	return NULL;				/* keep compiler quiet */
}

char *
dbsync_snapshot_text(const DbsyncSnapshot *snapshot)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, UINT64_FORMAT ":" UINT64_FORMAT ":",
					 snapshot->xmin, snapshot->xmax);
	for (int i = 0; i < snapshot->nxip; i++)
		appendStringInfo(&buf, i ? "," UINT64_FORMAT : UINT64_FORMAT,
						 snapshot->xip[i]);
	return buf.data;
}

DbsyncSnapshot *
dbsync_snapshot_copy(const DbsyncSnapshot *snapshot)
{
	DbsyncSnapshot *result = snapshot_alloc(snapshot->nxip);

	memcpy(result, snapshot,
		   offsetof(DbsyncSnapshot, xip) + sizeof(uint64) * snapshot->nxip);
	return result;
}

bool
dbsync_snapshot_sees(const DbsyncSnapshot *snapshot, uint64 xid)
{
	if (xid < snapshot->xmin)
		return true;
	if (xid >= snapshot->xmax)
		return false;
	return bsearch(&xid, snapshot->xip, snapshot->nxip, sizeof(uint64),
				   compare_xids) == NULL;
}

bool
dbsync_snapshot_covers(const DbsyncSnapshot *outer, const DbsyncSnapshot *inner)
{
	/*
	 * What inner sees lies below its xmax; outer misses what is at or above its
	 * own xmax, and what it lists.  Between the two xmax, inner may see nothing
	 * only if all of it is on inner's list.
	 */
	for (uint64 xid = outer->xmax; xid < inner->xmax; xid++)
		if (dbsync_snapshot_sees(inner, xid))
			return false;
	for (int i = 0; i < outer->nxip; i++)
		if (dbsync_snapshot_sees(inner, outer->xip[i]))
			return false;
	return true;
}
