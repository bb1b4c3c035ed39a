/*-------------------------------------------------------------------------
 *
 * worker/table_lock.h
 *	  Locks on captured tables that are to be read themselves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TABLE_LOCK_H
#define DBSYNC_WORKER_TABLE_LOCK_H

#include "worker/table.h"

/*
 * Lock a table, and the partitions that it has, in ACCESS SHARE mode and without waiting; to be
 * called in the batch's transaction, before S is taken.  table->leaves are its partitions then; or what is read by a view, with that.
 * False if one of the locks is not to be had.
 */
extern bool dbsync_table_lock(DbsyncTable *table);

/*
 * With S: does it show the partitions that were locked, and no others?  One that was attached
 * in between is not locked, and what S shows of it is captured besides.
 */
extern bool dbsync_table_lock_is_of_now(const DbsyncTable *table);

#endif							/* DBSYNC_WORKER_TABLE_LOCK_H */
