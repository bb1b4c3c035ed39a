/*-------------------------------------------------------------------------
 *
 * worker/ties.h
 *	  Tables that foreign keys of the target tie to one another.
 *
 * Where the target checks its keys, rows have an order: what is referenced is there before what
 * references it, and goes after it.  A table that is held, or is not live, takes along the others.
 * Where keys are not checked no table has ties, and nothing here costs anything.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TIES_H
#define DBSYNC_WORKER_TIES_H

#include "worker/table.h"
#include "worker/work.h"

/*
 * Ask the target which keys it checks, once a connection and configuration; outside of a
 * transaction, and of a batch.  What comes of it is in the tables' ties.
 */
extern void dbsync_ties_look(DbsyncWork *work);

/* The connection is gone: what was learned over it is no more. */
extern void dbsync_ties_forget(DbsyncSubscription *subscription);

/*
 * The configuration was read anew: what is known goes over where no table is another than before, else
 * it is learned again.  Before anything of the old one is freed, or its tables are taken.
 */
extern void dbsync_ties_take_over(DbsyncSubscription *subscription, DbsyncSubscription *old);

/* Tables (DbsyncTable) in one circle with it, itself included; it alone where it is in none.  In CurrentMemoryContext. */
extern List *dbsync_ties_circle(DbsyncWork *work, DbsyncTable *table);

/*
 * The table whose rows it needs and that does not have all of them yet, as its first copy is not
 * complete, or because it is held or suspended; NULL: there is none.  Those of its own circle do not count.
 */
extern const DbsyncTable *dbsync_ties_waits_for(const DbsyncTable *table);

#endif							/* DBSYNC_WORKER_TIES_H */
