/*-------------------------------------------------------------------------
 *
 * worker/upkeep/wal_keys.h
 *	  From messages of the output plugin to keys in the segments.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_UPKEEP_WAL_KEYS_H
#define DBSYNC_WORKER_UPKEEP_WAL_KEYS_H

#include "access/xlogdefs.h"

struct DbsyncWalTable;

/* what is being fed in this transaction; on the caller's stack */
typedef struct DbsyncWalKeys
{
	struct HTAB *tables;		/* of DbsyncWalTable, by their oids */
	struct DbsyncWalTable *current; /* the one whose feed is open, or NULL */
	struct DbsyncFeed *feed;
	MemoryContext context;		/* of all this; a child of the transaction's */
	MemoryContext scratch;		/* of one message */
	int64		messages;
	XLogRecPtr	end;			/* of the last transaction that is in as a whole */
} DbsyncWalKeys;

extern void dbsync_wal_keys_begin(DbsyncWalKeys *keys);

/* A message of what lies at "lsn"; error if it is none. */
extern void dbsync_wal_keys_take(DbsyncWalKeys *keys, XLogRecPtr lsn, const char *data, Size size);

/*
 * Write what waits, and let go of everything but the locks.  Calls "give_up" for each table of
 * which a key could not be told, with its captured id and why: it must be copied anew.
 */
extern void dbsync_wal_keys_end(DbsyncWalKeys *keys, void (*give_up) (int captured_id, const char *reason));

/*
 * The captured table in the reading of whose key the last transaction failed, or 0; each call
 * forgets it.
 */
extern int	dbsync_wal_keys_failed(void);

#endif							/* DBSYNC_WORKER_UPKEEP_WAL_KEYS_H */
