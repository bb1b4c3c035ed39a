/*-------------------------------------------------------------------------
 *
 * worker/target_table.c
 *	  The target's tables, as a driver has looked them up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "worker/driver/driver.h"
#include "worker/identity.h"
#include "worker/shape.h"
#include "worker/table.h"
#include "worker/target.h"
#include "worker/target_table.h"

/* Writing a captured table's changes into the table itself never ends. */
static void
refuse_same_table(DbsyncWork *work, DbsyncTable *table)
{
	RangeVar   *name = makeRangeVar(pstrdup(table->target_schema),
									pstrdup(table->target_table), -1);

	if (dbsync_identity_is_own(work->target) &&
		RangeVarGetRelid(name, NoLock, true) == table->relid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s cannot be its own target", table->qualified),
				 errhint("Name another target table with dbsync.add_table(..., target_table => ...).")));
}

DbsyncTableSpec
dbsync_target_table_spec(const DbsyncTable *table, const DbsyncTableShape *shape)
{
	DbsyncTableSpec spec;

	spec.schema = table->target_schema;
	spec.table = table->target_table;
	spec.ncolumns = shape->ncolumns;
	spec.columns = shape->columns;
	spec.types = shape->types;
	spec.typmods = shape->typmods;
	spec.collations = shape->collations;
	spec.nkeys = shape->nkeys;
	spec.keys = shape->keys;
	spec.ngenerated = shape->ngenerated;
	spec.generated = shape->generated;
	return spec;
}

DbsyncTargetTable *
dbsync_target_table_look_up(DbsyncTarget *target, MemoryContext context, const DbsyncTable *table,
							const DbsyncTableShape *shape)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	DbsyncTableSpec spec = dbsync_target_table_spec(table, shape);
	DbsyncTargetTable *handle = dbsync_target_try_table_open(target, &spec);

	MemoryContextSwitchTo(old);
	return handle;
}

bool
dbsync_target_table_is_open(const DbsyncTable *table, const DbsyncTableShape *shape)
{
	return table->handle != NULL && table->handle_shape == shape->id;
}

void
dbsync_target_table_open(DbsyncWork *work, DbsyncTable *table, const DbsyncTableShape *shape)
{
	if (dbsync_target_table_is_open(table, shape))
		return;
	refuse_same_table(work, table);
	table->handle = dbsync_target_table_look_up(work->target, work->target_context, table, shape);
	table->handle_shape = shape->id;
	if (table->handle == NULL)
		dbsync_target_raise(work->target, psprintf("looking up target table \"%s.%s\"",
												  table->target_schema, table->target_table));
}

void
dbsync_target_table_check_empty(DbsyncWork *work, DbsyncTable *table)
{
	if (table->existing_rows != NULL || !table->copy_data)
		return;
	if (dbsync_target_table_has_rows(work->target, table->handle))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("target table \"%s.%s\" has rows already",
						table->target_schema, table->target_table),
				 errdetail("A first copy of table %s would mix with them.", table->qualified),
				 errhint("Say what to do with them: dbsync.copy_table(%s, %s, existing_rows => 'truncate') or 'keep'.",
						 quote_literal_cstr(work->subscription->name),
						 quote_literal_cstr(table->qualified))));
}
