/*-------------------------------------------------------------------------
 *
 * worker/target_batch.c
 *	  Targets: what a batch asks of a driver, from its beginning to its commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/target.h"

bool
dbsync_target_try_begin(DbsyncTarget *target, const DbsyncLedger *ledger,
						const char *origin, int64 expected_rows, int flags)
{
	return target->driver->begin(target, ledger, origin, expected_rows, flags);
}

void
dbsync_target_begin(DbsyncTarget *target, const DbsyncLedger *ledger,
					const char *origin, int64 expected_rows, int flags)
{
	dbsync_target_require(dbsync_target_try_begin(target, ledger, origin, expected_rows, flags),
			target, "beginning a batch");
}

void
dbsync_target_truncate(DbsyncTarget *target, DbsyncTargetTable **tables, int ntables,
					   const char *doing)
{
	dbsync_target_require(target->driver->truncate(target, tables, ntables), target, doing);
}

bool
dbsync_target_has_foreign_keys(const DbsyncTarget *target)
{
	return (target->driver->features & DBSYNC_FEATURE_FOREIGN_KEYS) != 0;
}

void
dbsync_target_foreign_keys(DbsyncTarget *target, int ntables, const char **schemas,
						   const char **tables, bool *checked, List **keys)
{
	dbsync_target_require(target->driver->foreign_keys(target, ntables, schemas, tables, checked, keys),
			target, "looking for foreign keys");
}

void
dbsync_target_rows_together(DbsyncTarget *target, bool clashed, const char *doing)
{
	dbsync_target_require(target->driver->rows_together(target, clashed), target, doing);
}

bool
dbsync_target_table_is_followed(const DbsyncTarget *target, const DbsyncTargetTable *table)
{
	return target->driver->table_is_followed != NULL && target->driver->table_is_followed(table);
}

bool
dbsync_target_clears(const DbsyncTarget *target)
{
	return (target->driver->features & DBSYNC_FEATURE_CLEAR) != 0;
}

void
dbsync_target_rows_clear(DbsyncTarget *target, DbsyncTargetTable *table, List *sets, List **keys)
{
	dbsync_target_require(target->driver->rows_clear(target, table, sets, keys), target, "deleting rows that are in the way");
}

bool
dbsync_target_parks(const DbsyncTarget *target)
{
	return target != NULL && (target->driver->features & DBSYNC_FEATURE_QUARANTINE) != 0;
}

List *
dbsync_target_quarantine_read(DbsyncTarget *target, const pg_uuid_t *subscription, bool make)
{
	List	   *rows = NIL;

	dbsync_target_require(target->driver->quarantine_read(target, subscription, make, &rows), target, "reading the quarantine");
	return rows;
}

void
dbsync_target_quarantine_free(DbsyncTarget *target, List *rows)
{
	dbsync_target_require(target->driver->quarantine_free(target, rows), target, "writing the quarantine");
}

void
dbsync_target_doubt(DbsyncTarget *target, List *late)
{
	dbsync_target_require(target->driver->doubt(target, late), target, "beginning a batch");
}

bool
dbsync_target_deletes_where(const DbsyncTarget *target)
{
	return target->driver->delete_where != NULL;
}

bool
dbsync_target_try_delete_where(DbsyncTarget *target, DbsyncTargetTable *table,
							   const DbsyncTableSpec *spec, const char *condition)
{
	return target->driver->delete_where(target, table, spec, condition);
}

bool
dbsync_target_try_rows_begin(DbsyncTarget *target, DbsyncTargetTable *table,
							 DbsyncRowsMode mode, int64 expected_rows)
{
	return target->driver->rows_begin(target, table, mode, expected_rows);
}

void
dbsync_target_rows_begin(DbsyncTarget *target, DbsyncTargetTable *table,
						 DbsyncRowsMode mode, int64 expected_rows, const char *doing)
{
	dbsync_target_require(dbsync_target_try_rows_begin(target, table, mode, expected_rows), target, doing);
}

bool
dbsync_target_try_rows_end(DbsyncTarget *target)
{
	return target->driver->rows_end(target);
}

void
dbsync_target_rows_go_between(DbsyncTarget *target)
{
	if (target->driver->rows_go_between != NULL)
		target->driver->rows_go_between(target);
}

bool
dbsync_target_rows_have_room(DbsyncTarget *target)
{
	return target->driver->rows_have_room == NULL || target->driver->rows_have_room(target);
}

void
dbsync_target_hurry(DbsyncTarget *target)
{
	dbsync_target_require(target->driver->hurry(target), target, "sending a batch");
}

void
dbsync_target_fence(DbsyncTarget *target, const DbsyncLedger *ledger)
{
	dbsync_target_require(target->driver->fence(target, ledger), target, "beginning a batch");
}

void
dbsync_target_commit(DbsyncTarget *target)
{
	dbsync_target_require(target->driver->commit(target), target, "committing a batch");
}

bool
dbsync_target_has_sequences(const DbsyncTarget *target)
{
	return (target->driver->features & DBSYNC_FEATURE_SEQUENCES) != 0;
}

void
dbsync_target_sequences_advance(DbsyncTarget *target, List *sequences)
{
	dbsync_target_require(target->driver->sequences_advance(target, sequences), target, "setting sequences");
}
