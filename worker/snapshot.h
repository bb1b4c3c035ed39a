/*-------------------------------------------------------------------------
 *
 * worker/snapshot.h
 *	  Snapshots as values: which top-level transactions are visible.
 *
 * The text form is that of the type pg_snapshot, "xmin:xmax:xip,xip,...".
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SNAPSHOT_H
#define DBSYNC_WORKER_SNAPSHOT_H

#include "utils/snapshot.h"

typedef struct DbsyncSnapshot
{
	uint64		xmin;			/* all below are visible */
	uint64		xmax;			/* none at or above is visible */
	int			nxip;
	uint64		xip[FLEXIBLE_ARRAY_MEMBER]; /* in between, not visible; sorted */
} DbsyncSnapshot;

/*
 * The value of a server snapshot, palloc'd.  The caller's own transaction must
 * not have an id (its own id would count as visible), and the server must not
 * be in recovery (there is no list of running transactions).
 */
extern DbsyncSnapshot *dbsync_snapshot_from(Snapshot snapshot);

/*
 * From text, palloc'd.  Only what dbsync_snapshot_text() could have written is taken:
 * plain decimal numbers, 3 <= xmin <= xmax, ids of running transactions in ascending
 * order between the two.  Whoever may have written the text, it costs no more than
 * reading it once, and memory for DBSYNC_SNAPSHOT_MAX ids.  NULL: it is none, and
 * *problem says why in words.
 */
extern DbsyncSnapshot *dbsync_snapshot_try_parse(const char *text, const char **problem);

/* The same for texts of our own catalog; error on malformed input. */
extern DbsyncSnapshot *dbsync_snapshot_parse(const char *text);

/* so many transactions can run at a time, prepared ones included */
#define DBSYNC_SNAPSHOT_MAX	(2 * 0x3FFFF)

extern char *dbsync_snapshot_text(const DbsyncSnapshot *snapshot);

extern DbsyncSnapshot *dbsync_snapshot_copy(const DbsyncSnapshot *snapshot);

extern bool dbsync_snapshot_sees(const DbsyncSnapshot *snapshot, uint64 xid);

/* What one of both sees, palloc'd. */
extern DbsyncSnapshot *dbsync_snapshot_union(const DbsyncSnapshot *a, const DbsyncSnapshot *b);

/* Is every transaction that "inner" sees also seen by "outer"? */
extern bool dbsync_snapshot_covers(const DbsyncSnapshot *outer, const DbsyncSnapshot *inner);

#endif							/* DBSYNC_WORKER_SNAPSHOT_H */
