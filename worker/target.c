/*-------------------------------------------------------------------------
 *
 * worker/target.c
 *	  Targets: the only way from the worker to a driver.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "utils/memutils.h"

#include "worker/dialect.h"
#include "worker/drivers.h"
#include "worker/target.h"
#include "worker/text.h"

void
dbsync_target_raise(DbsyncTarget *target, const char *doing)
{
	DbsyncFault *fault = &target->fault;
	/* where it happened is a fact that status shows; it has no context */
	const char *detail = fault->detail ? fault->detail : fault->context;

	ereport(ERROR,
			(errcode(fault->sqlstate ? fault->sqlstate : ERRCODE_INTERNAL_ERROR),
			 errmsg_internal("%s", fault->message ? fault->message : "unknown fault"),
			 detail ? errdetail_internal("%s", detail) : 0,
			 fault->hint ? errhint("%s", fault->hint) : 0,
			 fault->context ? errcontext("%s", fault->context) : 0,
			 doing ? errcontext("%s", doing) : 0));
	pg_unreachable();
}

void
dbsync_target_require(bool done, DbsyncTarget *target, const char *doing)
{
	if (!done)
		dbsync_target_raise(target, doing);
}

bool
dbsync_target_has_fault(const DbsyncTarget *target)
{
	return target != NULL && target->fault.sqlstate != 0;
}

bool
dbsync_target_fault_is(const DbsyncTarget *target, DbsyncFaultKind kind)
{
	return dbsync_target_has_fault(target) && target->fault.kind == kind;
}

DbsyncTarget *
dbsync_target_try_open(const DbsyncTargetConfig *config, bool *ok)
{
	const DbsyncDriver *driver = dbsync_target_driver(config->driver);
	DbsyncTarget *target;

	*ok = false;
	target = driver->open(config, ok);
	if (target == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("driver \"%s\" has made no target of \"%s\"", driver->name, config->name)));
	/* whatever is called next, close() among it, is found by it */
	target->driver = driver;
	return target;
}

void
dbsync_target_close(DbsyncTarget *target)
{
	target->driver->close(target);
}

bool
dbsync_target_is_same(const DbsyncTarget *a, const DbsyncTarget *b)
{
	const List *of_a = a->identity.properties;
	const List *of_b = b->identity.properties;
	ListCell   *ca;
	ListCell   *cb;

	if (a->driver != b->driver || !dbsync_text_is_same(a->identity.origin, b->identity.origin) ||
		a->identity.version != b->identity.version || list_length(of_a) != list_length(of_b))
		return false;
	forboth(ca, of_a, cb, of_b)
	{
		if (!dbsync_text_is_same(defGetString(lfirst(ca)), defGetString(lfirst(cb))))
			return false;
	}
	return true;
}

void
dbsync_target_ledger_read(DbsyncTarget *target, const pg_uuid_t *subscription,
						  DbsyncLedger *ledger, bool *found)
{
	dbsync_target_require(target->driver->ledger_read(target, subscription, ledger, found),
			target, "reading the ledger");
}

List *
dbsync_target_ledger_read_parts(DbsyncTarget *target, const pg_uuid_t *subscription)
{
	List	   *parts = NIL;

	dbsync_target_require(target->driver->ledger_read_parts(target, subscription, &parts),
			target, "reading the ledger");
	return parts;
}

void
dbsync_target_ledger_create(DbsyncTarget *target, const DbsyncLedger *ledger)
{
	dbsync_target_require(target->driver->ledger_create(target, ledger),
			target, "creating the subscription's row in the ledger");
}

void
dbsync_target_ledger_forget(DbsyncTarget *target, const pg_uuid_t *subscription, const char *doing)
{
	dbsync_target_require(target->driver->ledger_forget(target, subscription), target, doing);
}

bool
dbsync_target_try_ledger_read(DbsyncTarget *target, const pg_uuid_t *subscription,
							  DbsyncLedger *ledger, bool *found)
{
	return target->driver->ledger_read(target, subscription, ledger, found);
}

bool
dbsync_target_try_ledger_forget(DbsyncTarget *target, const pg_uuid_t *subscription)
{
	return target->driver->ledger_forget(target, subscription);
}

void
dbsync_target_ledger_move(DbsyncTarget *target, const DbsyncLedger *ledger)
{
	dbsync_target_require(target->driver->ledger_move(target, ledger), target, "writing the ledger");
}

void
dbsync_target_ledger_write_parts(DbsyncTarget *target, const pg_uuid_t *subscription, List *parts)
{
	dbsync_target_require(target->driver->ledger_write_parts(target, subscription, parts),
			target, "writing the ledger");
}

void
dbsync_target_ledger_forget_parts(DbsyncTarget *target, List *attachments)
{
	dbsync_target_require(target->driver->ledger_forget_parts(target, attachments), target, "writing the ledger");
}

void
dbsync_target_confirm(DbsyncTarget *target, const pg_uuid_t *subscription)
{
	dbsync_target_require(target->driver->confirm(target, subscription), target, "confirming the position");
}

DbsyncTargetTable *
dbsync_target_try_table_open(DbsyncTarget *target, const DbsyncTableSpec *spec)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dbsync table spec", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	DbsyncTableSpec resolved = dbsync_dialect_spec(target->driver, spec);
	DbsyncTargetTable *table;

	MemoryContextSwitchTo(old);
	table = target->driver->table_open(target, &resolved);
	MemoryContextDelete(context);
	return table;
}

bool
dbsync_target_tables_close(DbsyncTarget *target, List *tables)
{
	if (target->driver->tables_close == NULL)
		return false;
	dbsync_target_require(target->driver->tables_close(target, tables), target, "giving up tables that are not used");
	return true;
}

bool
dbsync_target_is_folder(const DbsyncTarget *target)
{
	return (target->driver->features & DBSYNC_FEATURE_FILES) != 0;
}

void
dbsync_target_upkeep(DbsyncTarget *target, long *pause, int *wants)
{
	if (target->driver->upkeep != NULL)
		dbsync_target_require(target->driver->upkeep(target, pause, wants), target, "seeing to the target");
}

bool
dbsync_target_follows_changes(const DbsyncTarget *target)
{
	return (target->driver->features & DBSYNC_FEATURE_CHANGE) != 0;
}

DbsyncTargetTable *
dbsync_target_try_table_change(DbsyncTarget *target, DbsyncTargetTable *before,
							   const DbsyncTableSpec *spec, List *changes, int how)
{
	DbsyncTableSpec resolved = dbsync_dialect_spec(target->driver, spec);

	return target->driver->table_change(target, before, &resolved, changes, how);
}

bool
dbsync_target_try_types_follow(DbsyncTarget *target, List *enums, List *row_types, bool make)
{
	return target->driver->types_follow(target, enums, row_types, make);
}

bool
dbsync_target_try_table_lacks(DbsyncTarget *target, const DbsyncTableSpec *spec, bool *lacks)
{
	return target->driver->table_lacks(target, spec, lacks);
}

bool
dbsync_target_creates_tables(const DbsyncTarget *target)
{
	return (target->driver->features & DBSYNC_FEATURE_CREATE) != 0;
}

bool
dbsync_target_try_table_create(DbsyncTarget *target, const DbsyncTableSpec *spec, List *changes,
							   const char *maker, bool *made)
{
	DbsyncTableSpec resolved = dbsync_dialect_spec(target->driver, spec);

	return target->driver->table_create(target, &resolved, changes, maker, made);
}

void
dbsync_target_index_create(DbsyncTarget *target, const DbsyncTableSpec *spec, const DbsyncIndex *index,
						   DbsyncIndexOutcome *outcome, const char **words)
{
	dbsync_target_require(target->driver->index_create(target, spec, index, outcome, words), target,
			psprintf("making index \"%s\" of target table \"%s.%s\"", index->name, spec->schema, spec->table));
}

void
dbsync_target_table_complete(DbsyncTarget *target, const DbsyncTableSpec *spec, const char *maker)
{
	dbsync_target_require(target->driver->table_complete(target, spec, maker), target,
			psprintf("taking the mark off target table \"%s.%s\"", spec->schema, spec->table));
}

bool
dbsync_target_table_has_rows(DbsyncTarget *target, DbsyncTargetTable *table)
{
	bool		has_rows = false;

	dbsync_target_require(target->driver->table_has_rows(target, table, &has_rows),
			target, "looking for rows in the target table");
	return has_rows;
}

const DbsyncForm *
dbsync_target_table_forms(const DbsyncTarget *target, const DbsyncTargetTable *table)
{
	return target->driver->table_forms == NULL ? NULL : target->driver->table_forms(table);
}

bool
dbsync_target_table_wants_replace(const DbsyncTarget *target, const DbsyncTargetTable *table,
								  int64 rows)
{
	return target->driver->table_wants_replace != NULL &&
		target->driver->table_wants_replace(table, rows);
}

bool
dbsync_target_table_takes_unchanged(const DbsyncTarget *target, const DbsyncTargetTable *table)
{
	return (target->driver->features & DBSYNC_FEATURE_PATCH) != 0 &&
		target->driver->table_takes_unchanged(table);
}

bool
dbsync_target_counts_rows(const DbsyncTarget *target)
{
	return (target->driver->features & DBSYNC_FEATURE_COUNT) != 0;
}

int64
dbsync_target_table_missing(const DbsyncTarget *target, DbsyncTargetTable *table)
{
	return target->driver->table_missing(table);
}

bool
dbsync_target_table_takes_several(const DbsyncTarget *target, const DbsyncTargetTable *table)
{
	return (target->driver->features & DBSYNC_FEATURE_SEVERAL) != 0 &&
		target->driver->table_takes_several(table);
}
