/*-------------------------------------------------------------------------
 *
 * extension/snapshot.h
 *	  Snapshots as values: which top-level transactions are visible.
 *
 * The text form is that of the type pg_snapshot, "xmin:xmax:xip,xip,...".
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_SNAPSHOT_H
#define DBSYNC_EXTENSION_SNAPSHOT_H

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

/* From text; error on malformed input. */
extern DbsyncSnapshot *dbsync_snapshot_parse(const char *text);

extern char *dbsync_snapshot_text(const DbsyncSnapshot *snapshot);

extern DbsyncSnapshot *dbsync_snapshot_copy(const DbsyncSnapshot *snapshot);

extern bool dbsync_snapshot_sees(const DbsyncSnapshot *snapshot, uint64 xid);

/* Is every transaction that "inner" sees also seen by "outer"? */
extern bool dbsync_snapshot_covers(const DbsyncSnapshot *outer, const DbsyncSnapshot *inner);

#endif							/* DBSYNC_EXTENSION_SNAPSHOT_H */
