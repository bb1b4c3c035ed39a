/*-------------------------------------------------------------------------
 *
 * worker/target_table.h
 *	  The target's tables, as a driver has looked them up.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TARGET_TABLE_H
#define DBSYNC_WORKER_TARGET_TABLE_H

#include "worker/driver/driver.h"
#include "worker/table.h"
#include "worker/work.h"

/* Look up and check the target's table, once per connection. */
extern void dbsync_target_table_open(DbsyncWork *work, DbsyncTable *table);

/* The same over another connection; NULL: its fault says why not. */
extern DbsyncTargetTable *dbsync_target_table_look_up(DbsyncTarget *target, MemoryContext context,
											  const DbsyncTable *table);

/* Before a batch with a table's first chunk: may it be copied into? */
extern void dbsync_target_table_check_empty(DbsyncWork *work, DbsyncTable *table);

#endif							/* DBSYNC_WORKER_TARGET_TABLE_H */
