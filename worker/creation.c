/*-------------------------------------------------------------------------
 *
 * worker/creation.c
 *	  What a table that the target lacks is made of.
 *
 * It is a change like others, of a table without columns.  The worker hands it to the driver, and
 * a session that wants to see it has the driver put it into words.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "extension/selection/selection.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "worker/creation.h"
#include "worker/dialect.h"
#include "worker/query.h"

/* the columns of columns_sql */
enum
{
	COLUMN_NAME = 1,
	COLUMN_NUMBER,
	COLUMN_TYPE,
	COLUMN_TYPMOD,
	COLUMN_COLLATION,
	COLUMN_NOT_NULL,
	COLUMN_DEFAULT,
	COLUMN_IDENTITY,
	COLUMN_KEY_PLACE			/* from 1 on; 0: it is not in the key */
};

static const char *const columns_sql =
"SELECT c.name, coalesce(c.num, 0), c.type, c.typmod, c.\"collation\", c.not_null, c.\"default\", c.identity, c.key_place"
" FROM dbsync_internal.creation_columns($1::pg_catalog.int4, $2::pg_catalog.int4) c";

static const char *const indexes_sql =
"SELECT i.name, i.is_key, i.is_primary, i.is_unique, i.definition, i.problem"
" FROM dbsync_internal.creation_indexes($1::pg_catalog.int4, $2::pg_catalog.int4) i";

static char *
keep_text(MemoryContext context, uint64 row, int column)
{
	char	   *text = dbsync_query_text(row, column);

	return text ? MemoryContextStrdup(context, text) : NULL;
}

/* Names of the target, and the types of expressions; the query of the selection has them in order. */
static TupleDesc
read_names(DbsyncTableSpec *spec, MemoryContext context, const char *const *ids)
{
	const char *query;
	TupleDesc	desc = NULL;
	MemoryContext old;

	if (dbsync_query("SELECT a.target_schema, a.target_table, a.selection OPERATOR(pg_catalog.->>) 'query'"
					 " FROM dbsync.subscription_table a"
					 " WHERE a.subscription_id = $1::pg_catalog.int4 AND a.captured_id = $2::pg_catalog.int4", 2, ids) != 1)
		elog(ERROR, "captured table %s is not in subscription %s any more", ids[1], ids[0]);
	spec->schema = keep_text(context, 0, 1);
	spec->table = keep_text(context, 0, 2);
	query = dbsync_query_text(0, 3);
	if (query == NULL)
		return NULL;
	old = MemoryContextSwitchTo(context);
	desc = dbsync_selector_describe(query);
	MemoryContextSwitchTo(old);
	return desc;
}

static void
read_column(DbsyncChange *change, MemoryContext context, uint64 row)
{
	change->type = dbsync_query_oid(row, COLUMN_TYPE);
	change->typmod = (int32) dbsync_query_int(row, COLUMN_TYPMOD);
	change->collation = dbsync_query_oid(row, COLUMN_COLLATION);
	change->not_null = dbsync_query_bool(row, COLUMN_NOT_NULL);
	change->value = keep_text(context, row, COLUMN_DEFAULT);
	change->identity = keep_text(context, row, COLUMN_IDENTITY);
}

/* What an expression gives may be null, and has no default. */
static void
take_expression(DbsyncChange *change, TupleDesc expressions, int i)
{
	Form_pg_attribute att;

	if (expressions == NULL || i >= expressions->natts)
		elog(ERROR, "the selection's query lacks an expression");
	att = TupleDescAttr(expressions, i);
	change->typmod = att->atttypmod;
	change->type = getBaseTypeAndTypmod(att->atttypid, &change->typmod);
	change->collation = att->attcollation;
}

static void
read_columns(DbsyncCreation *creation, MemoryContext context, const char *const *ids, TupleDesc expressions)
{
	DbsyncTableSpec *spec = &creation->spec;
	uint64		n = dbsync_query(columns_sql, 2, ids);
	MemoryContext old = MemoryContextSwitchTo(context);
	DbsyncColumn *columns = palloc0(sizeof(DbsyncColumn) * Max(n, 1));
	int		   *keys = palloc(sizeof(int) * Max(n, 1));
	int			nexpressions = 0;

	for (uint64 row = 0; row < n; row++)
	{
		DbsyncChange *change = palloc0(sizeof(DbsyncChange));
		int			place = (int) dbsync_query_int(row, COLUMN_KEY_PLACE);

		change->kind = DBSYNC_CHANGE_ADD;
		change->column = keep_text(context, row, COLUMN_NAME);
		if (dbsync_query_int(row, COLUMN_NUMBER) == 0)
			take_expression(change, expressions, nexpressions++);
		else
			read_column(change, context, row);
		creation->changes = lappend(creation->changes, change);
		columns[row] = (DbsyncColumn) {.name = change->column, .type = change->type, .typmod = change->typmod,
		.collation = change->collation, .not_null = change->not_null, .key = place};
		if (place > 0)
			keys[place - 1] = row;
		spec->nkeys += place > 0;
	}
	spec->ncolumns = n;
	spec->columns = columns;
	spec->keys = keys;
	MemoryContextSwitchTo(old);
}

static DbsyncIndex *
read_index(MemoryContext context, uint64 row)
{
	DbsyncIndex *index = MemoryContextAllocZero(context, sizeof(DbsyncIndex));

	index->name = keep_text(context, row, 1);
	index->unique = dbsync_query_bool(row, 4);
	index->definition = keep_text(context, row, 5);
	index->problem = keep_text(context, row, 6);
	return index;
}

/* Where the source's index for a key cannot be had, with columns of its own: one over the key's. */
static DbsyncIndex *
plain_index(const DbsyncTableSpec *spec, bool unique)
{
	DbsyncIndex *index = palloc0(sizeof(DbsyncIndex));
	StringInfoData definition;

	index->unique = unique;
	initStringInfo(&definition);
	appendStringInfoString(&definition, "USING btree (");
	for (int k = 0; k < spec->nkeys; k++)
		appendStringInfo(&definition, "%s%s", k > 0 ? ", " : "", quote_identifier(spec->columns[spec->keys[k]].name));
	appendStringInfoChar(&definition, ')');
	index->definition = definition.data;
	return index;
}

/* That of the key is made with the table; the others follow. */
static void
read_indexes(DbsyncCreation *creation, MemoryContext context, const char *const *ids)
{
	uint64		n = dbsync_query(indexes_sql, 2, ids);
	MemoryContext old = MemoryContextSwitchTo(context);
	DbsyncChange *key = palloc0(sizeof(DbsyncChange));

	key->kind = DBSYNC_CHANGE_KEY;
	for (uint64 row = 0; row < n; row++)
	{
		DbsyncIndex *index = read_index(context, row);

		bool		is_key = dbsync_query_bool(row, 2);
		bool		is_primary = dbsync_query_bool(row, 3);

		if (!is_key || (index->problem != NULL && !is_primary))
			creation->indexes = lappend(creation->indexes, index);
		if (is_key && !is_primary)
			key->index = index->problem ? plain_index(&creation->spec, index->unique) : index;
	}
	if (creation->spec.nkeys > 0)
		creation->changes = lappend(creation->changes, key);
	MemoryContextSwitchTo(old);
}

DbsyncCreation *
dbsync_creation_read(int subscription_id, int captured_id)
{
	MemoryContext context = CurrentMemoryContext;
	DbsyncCreation *creation = palloc0(sizeof(DbsyncCreation));
	const char *ids[2] = {psprintf("%d", subscription_id), psprintf("%d", captured_id)};

	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	read_columns(creation, context, ids, read_names(&creation->spec, context, ids));
	read_indexes(creation, context, ids);
	PopActiveSnapshot();
	SPI_finish();
	return creation;
}

char *
dbsync_creation_maker(const pg_uuid_t *subscription)
{
	return psprintf("subscription %s",
					DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(unconstify(pg_uuid_t *, subscription)))));
}

List *
dbsync_creation_statements(const DbsyncDriver *driver, const DbsyncCreation *creation)
{
	DbsyncTableSpec spec = dbsync_dialect_spec(driver, &creation->spec);
	List	   *statements = driver->create_sql(&spec, creation->changes);
	ListCell   *lc;

	foreach(lc, creation->indexes)
	{
		const DbsyncIndex *index = lfirst(lc);
		char	   *sql = driver->index_sql(&spec, index);

		if (index->problem != NULL)
			sql = psprintf("-- not made, as %s: %s", index->problem, sql);
		statements = lappend(statements, sql);
	}
	return statements;
}
