/*-------------------------------------------------------------------------
 *
 * extension/log/packed.h
 *	  Numbers in as few bytes as they need.
 *
 * Seven bits a byte, the lowest first; the eighth says that more follow (LEB128, as
 * in DWARF and protocol buffers).  Most numbers of a header are below 128.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_LOG_PACKED_H
#define DBSYNC_EXTENSION_LOG_PACKED_H

#include "extension/compat.h"

/* the most that one number takes */
#define DBSYNC_NUMBER_MAX	10

/* Write a number; returns where the next one goes. */
static inline char *
dbsync_number_put(char *at, uint64 number)
{
	while (number >= 0x80)
	{
		*at++ = (char) (number | 0x80);
		number >>= 7;
	}
	*at++ = (char) number;
	return at;
}

/* What such numbers, and other bytes, are read from: some of a stored header. */
typedef struct DbsyncPacked
{
	const char *at;				/* what comes next */
	const char *end;
	uint64		xid;			/* of the header's transaction, for errors; 0: unknown */
} DbsyncPacked;

/* What a bytea holds, where it lies; a copy of it if it is stored out of line. */
extern DbsyncPacked dbsync_packed_open(Datum bytes, uint64 xid);

/* The next number.  Error if there is none. */
extern uint64 dbsync_packed_number(DbsyncPacked *packed);

/* The next number, which cannot be larger than this one.  Error if it is. */
extern uint64 dbsync_packed_number_upto(DbsyncPacked *packed, uint64 most);

/* So many bytes, where they lie.  Error if there are fewer. */
extern const char *dbsync_packed_bytes(DbsyncPacked *packed, Size size);

/* Error: what was read cannot be what was written. */
pg_noreturn extern void dbsync_packed_corrupted(const DbsyncPacked *packed);

#endif							/* DBSYNC_EXTENSION_LOG_PACKED_H */
