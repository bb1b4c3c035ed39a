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
#include "worker/shape.h"
#include "worker/table.h"
#include "worker/work.h"

/*
 * Look up and check the target's table for rows of a shape, once per connection; the handle
 * of another shape is gone then.
 */
extern void dbsync_target_table_open(DbsyncWork *work, DbsyncTable *table,
									 const DbsyncTableShape *shape);

/*
 * Before a batch: enums of the target's get the labels that they have at the source, or are
 * looked at for labels that have another name there; likewise attributes of composite types.  before: the shape
 * that the target's table has, if the batch is to make it another one; or NULL.
 */
extern void dbsync_target_table_follow_types(DbsyncWork *work, DbsyncTable *table,
											 const DbsyncTableShape *shape, const DbsyncTableShape *before);

/*
 * What a driver is told of the table, for rows of a shape; points to what the two own, and
 * to what it has in CurrentMemoryContext.  Of columns, those that are sent: see dbsync_target_table_choose_columns().
 */
extern DbsyncTableSpec dbsync_target_table_spec(const DbsyncTable *table,
												const DbsyncTableShape *shape);

/*
 * Before the target's table is looked up for rows of a shape: which columns are to be sent?
 * Those that somebody has chosen; or where the subscription ignores DDL those that the target has, and all
 * key columns.  Error if what was chosen cannot be had of this shape.
 */
extern void dbsync_target_table_choose_columns(DbsyncWork *work, DbsyncTable *table,
										  const DbsyncTableShape *shape);

/*
 * What a driver is told of a table that has the columns of a later shape already: rows of the
 * earlier one go to what their columns are called by then, and columns that are gone by then are
 * not sent.  The key's must not be among them.
 */
extern DbsyncTableSpec dbsync_target_table_spec_as(DbsyncWork *work, DbsyncTable *table,
												   const DbsyncTableShape *shape,
												   const DbsyncTableShape *later);

/* Has it been looked up for rows of this shape? */
extern bool dbsync_target_table_is_open(const DbsyncTable *table, const DbsyncTableShape *shape);

/* The same over another connection; NULL: its fault says why not. */
extern DbsyncTargetTable *dbsync_target_table_look_up(DbsyncTarget *target, MemoryContext context,
											  const DbsyncTable *table,
											  const DbsyncTableShape *shape);

/* Behind a batch: give up tables that were not used for long, if there are too many. */
extern void dbsync_target_table_close_surplus(DbsyncWork *work);

/* Before a batch with a table's first chunk: may it be copied into? */
extern void dbsync_target_table_check_empty(DbsyncWork *work, DbsyncTable *table);

#endif							/* DBSYNC_WORKER_TARGET_TABLE_H */
