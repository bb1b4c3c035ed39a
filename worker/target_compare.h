/*-------------------------------------------------------------------------
 *
 * worker/target_compare.h
 *	  Targets: showing what is in their tables, to be compared.
 *
 * As worker/target.h: each calls the driver's function of the same name, and raises the target's fault; those called
 * try_... return false.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TARGET_COMPARE_H
#define DBSYNC_WORKER_TARGET_COMPARE_H

#include "worker/driver/driver.h"

/* Can it? */
extern bool dbsync_target_compares(const DbsyncTarget *target);

extern bool dbsync_target_try_read_begin(DbsyncTarget *target, DbsyncTargetTable *table, DbsyncReadForm *form);
extern void dbsync_target_read_ask(DbsyncTarget *target, DbsyncTargetTable *table, const DbsyncReadRequest *request);
extern bool dbsync_target_read_next(DbsyncTarget *target, DbsyncReadRow *row);
extern void dbsync_target_read_end(DbsyncTarget *target);
extern void dbsync_target_read_sequence(DbsyncTarget *target, DbsyncTargetTable *table, int column, bool descending,
										DbsyncReadSequence *sequence);
/* Of a target that parks rows, while it is being read: keys of an attachment that are parked. */
extern List *dbsync_target_read_parked(DbsyncTarget *target, const pg_uuid_t *attachment);

extern bool dbsync_target_try_read_is_in_way(DbsyncTarget *target, DbsyncTargetTable *table, bool *in_way);

#endif							/* DBSYNC_WORKER_TARGET_COMPARE_H */
