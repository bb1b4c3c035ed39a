/*-------------------------------------------------------------------------
 *
 * worker/copy/clocks.h
 *	  When tables are due that are looked at on a schedule, as nobody tells when they change.
 *
 * There are three kinds of them, each with a clock (table_clock.h): those that are scanned by a column, those that are compared
 * with a shadow, and those that are compared with the target.  How each is looked at is its own (scanning.h, comparing.h, snapshots.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_COPY_CLOCKS_H
#define DBSYNC_WORKER_COPY_CLOCKS_H

#include "worker/table.h"
#include "worker/work.h"

/* kinds of clocks; where several are asked for, they are or'ed */
typedef enum DbsyncClocks
{
	DBSYNC_CLOCKS_SCAN = 1,
	DBSYNC_CLOCKS_SHADOW = 2,
	DBSYNC_CLOCKS_SNAPSHOT = 4,
	DBSYNC_CLOCKS_ALL = 7
} DbsyncClocks;

/* The table's clock of one of these kinds, by which it goes; NULL: it has none, or something is in the way.  One that is being copied has. */
extern DbsyncTableClock *dbsync_clocks_of(const DbsyncTable *table, DbsyncClocks kinds);

/* Until the next table is due that has been copied, in ms; LONG_MAX: there is none. */
extern long dbsync_clocks_pause(const DbsyncWork *work, DbsyncClocks kinds);

/*
 * Until the first of the tables that are due, but were locked when a round came to them, is to be tried again, in ms; LONG_MAX: there is none.
 * Those that have failed are none: they would have rounds begin for ever.
 */
extern long dbsync_clocks_undone_pause(const DbsyncWork *work);

/* Is there a table that goes by one? */
extern bool dbsync_clocks_is_any(const DbsyncWork *work);

/* All tables have been looked at since tickets up to this one were drawn; PG_UINT64_MAX: there is none.  Those that are suspended are none. */
extern uint64 dbsync_clocks_answered(const DbsyncWork *work, DbsyncClocks kinds);

/* A round begins that a policy has let begin, or the policy is another: all tables are due. */
extern void dbsync_clocks_begin_round(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_COPY_CLOCKS_H */
