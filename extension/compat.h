/*-------------------------------------------------------------------------
 *
 * extension/compat.h
 *	  Every difference between PostgreSQL majors, and nothing else.
 *
 * Included last, and only in .c files.  Functions have the newest major's
 * signature and the suffix _compat; dropping a major is deleting lines here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_COMPAT_H
#define DBSYNC_EXTENSION_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "dbsync needs PostgreSQL 15 or newer"
#endif

#include "access/xlog.h"

/*
 * The running server's timeline.  PostgreSQL 15 asserts that recovery has
 * ended, which holds wherever a worker runs.
 */
#define dbsync_timeline_compat() GetWALInsertionTimeLine()

/*
 * A set of wait events that outlives the transaction.  PostgreSQL 17 asks for a
 * resource owner, and none means: until it is freed.
 */
#if PG_VERSION_NUM >= 170000
#define dbsync_create_wait_set_compat(context, n) CreateWaitEventSet(NULL, n)
#else
#define dbsync_create_wait_set_compat(context, n) CreateWaitEventSet(context, n)
#endif

/*
 * From PostgreSQL 18 on, builds with assertions want an active snapshot at every
 * insert into a table that has a TOAST table; before, only reading wants one.
 */
#if PG_VERSION_NUM >= 180000
#define dbsync_insert_wants_snapshot_compat true
#else
#define dbsync_insert_wants_snapshot_compat false
#endif

#endif							/* DBSYNC_EXTENSION_COMPAT_H */
