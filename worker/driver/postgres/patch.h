/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/patch.h
 *	  PostgreSQL driver: updates that leave columns as they are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_PATCH_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_PATCH_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/* most bytes of dbsync_postgres_patch_op(): a letter, and one for each column */
#define POSTGRES_OP_SIZE	(1 + MaxTupleAttributeNumber)

extern bool dbsync_postgres_table_takes_unchanged(const DbsyncTargetTable *table);

/* Queue the update of one row. */
extern bool dbsync_postgres_patch_row(PostgresTarget *target, const DbsyncRow *row);

/* The stage's word for an operation and its columns, as in "U" or "P001"; returns its length. */
extern int	dbsync_postgres_patch_op(const DbsyncTargetTable *table, const DbsyncRow *row, char *op);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_PATCH_H */
