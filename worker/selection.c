/*-------------------------------------------------------------------------
 *
 * worker/selection.c
 *	  What a subscription sends of a table: columns, expressions, a filter, operations.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "worker/query.h"
#include "worker/selection.h"

#include "extension/compat.h"

/* the attachment that a query is about */
#define OF_ATTACHMENT \
	" WHERE a.subscription_id = $1::pg_catalog.int4 AND a.captured_id = $2::pg_catalog.int4"

static char *
keep_text(MemoryContext context, uint64 row, int column)
{
	char	   *text = dbsync_query_text(row, column);

	return text ? MemoryContextStrdup(context, text) : NULL;
}

static void
read_columns(DbsyncSelection *selection, MemoryContext context, const char *const *values)
{
	uint64		n = dbsync_query("SELECT c.value OPERATOR(pg_catalog.->>) 'name', c.value OPERATOR(pg_catalog.->>) 'number',"
								 " c.value OPERATOR(pg_catalog.->>) 'column'"
								 " FROM dbsync.subscription_table a,"
								 " pg_catalog.jsonb_array_elements(a.selection OPERATOR(pg_catalog.->) 'columns')"
								 "  WITH ORDINALITY c (value, n)" OF_ATTACHMENT " ORDER BY c.n", 2, values);

	selection->ncolumns = n;
	selection->columns = MemoryContextAllocZero(context, sizeof(DbsyncSelectedColumn) * Max(n, 1));
	for (uint64 row = 0; row < n; row++)
	{
		selection->columns[row].name = keep_text(context, row, 1);
		selection->columns[row].number = dbsync_query_int(row, 2);
		selection->columns[row].column = keep_text(context, row, 3);
	}
}

static void
read_read(DbsyncSelection *selection, MemoryContext context, const char *const *values)
{
	uint64		n = dbsync_query("SELECT r.value OPERATOR(pg_catalog.->>) 'number', r.value OPERATOR(pg_catalog.->>) 'name',"
								 " (r.value OPERATOR(pg_catalog.->>) 'type')::pg_catalog.oid,"
								 " r.value OPERATOR(pg_catalog.->>) 'typmod',"
								 " (r.value OPERATOR(pg_catalog.->>) 'collation')::pg_catalog.oid"
								 " FROM dbsync.subscription_table a,"
								 " pg_catalog.jsonb_array_elements(a.selection OPERATOR(pg_catalog.->) 'row')"
								 "  WITH ORDINALITY r (value, n)" OF_ATTACHMENT " ORDER BY r.n", 2, values);

	selection->nread = n;
	selection->read = MemoryContextAllocZero(context, sizeof(AttrNumber) * Max(n, 1));
	selection->read_names = MemoryContextAllocZero(context, sizeof(char *) * Max(n, 1));
	selection->read_types = MemoryContextAllocZero(context, sizeof(Oid) * Max(n, 1));
	selection->read_typmods = MemoryContextAllocZero(context, sizeof(int32) * Max(n, 1));
	selection->read_collations = MemoryContextAllocZero(context, sizeof(Oid) * Max(n, 1));
	for (uint64 row = 0; row < n; row++)
	{
		selection->read[row] = dbsync_query_int(row, 1);
		selection->read_names[row] = keep_text(context, row, 2);
		selection->read_types[row] = dbsync_query_oid(row, 3);
		selection->read_typmods[row] = dbsync_query_int(row, 4);
		selection->read_collations[row] = dbsync_query_oid(row, 5);
	}
}

DbsyncSelection *
dbsync_selection_read(MemoryContext context, const char *id, int captured_id, Oid owner)
{
	const char *values[2] = {id, psprintf("%d", captured_id)};
	DbsyncSelection *selection = MemoryContextAllocZero(context, sizeof(DbsyncSelection));

	if (dbsync_query("SELECT pg_catalog.jsonb_typeof(a.selection OPERATOR(pg_catalog.->) 'columns')"
					 " OPERATOR(pg_catalog.=) 'array', a.selection OPERATOR(pg_catalog.->>) 'query'"
					 " FROM dbsync.subscription_table a" OF_ATTACHMENT, 2, values) != 1)
		elog(ERROR, "the selection of captured table %d has gone", captured_id);
	selection->owner = owner;
	selection->query = keep_text(context, 0, 2);
	if (dbsync_query_bool(0, 1))
		read_columns(selection, context, values);
	read_read(selection, context, values);
	return selection;
}

int
dbsync_selection_operations(const char *operations)
{
	int			sends = 0;

	if (operations == NULL)
		return DBSYNC_SENDS_ALL;
	if (strstr(operations, "insert") != NULL)
		sends |= DBSYNC_SENDS_INSERT;
	if (strstr(operations, "update") != NULL)
		sends |= DBSYNC_SENDS_UPDATE;
	if (strstr(operations, "delete") != NULL)
		sends |= DBSYNC_SENDS_DELETE;
	if (strstr(operations, "truncate") != NULL)
		sends |= DBSYNC_SENDS_TRUNCATE;
	return sends;
}

bool
dbsync_selection_runs(const DbsyncSelection *selection)
{
	return selection->query != NULL;
}

/* What was chosen goes by a column that is there no more, or is not the key that was. */
pg_noreturn static void
refuse(const char *table, const char *what, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("what is sent of table %s needs %s", table, what),
			 errdetail("%s", detail),
			 errhint("Choose anew what is sent, which copies the table anew: SELECT dbsync.alter_table(..., columns => ..., filter => ...).")));
}

static int
find_column(const DbsyncTableShape *shape, AttrNumber number, const char *name, const char *table)
{
	int			column = dbsync_shape_find_column(shape, number);

	if (column < 0)
		refuse(table, psprintf("column %s", quote_identifier(name)), "The table has lost it, or it is not captured any more.");
	return column;
}

static void
check_keys(const DbsyncTableShape *shape, const int *sent, int n, const char *table)
{
	for (int k = 0; k < shape->nkeys; k++)
	{
		bool		found = false;

		for (int i = 0; !found && i < n; i++)
			found = sent[i] == shape->keys[k];
		if (!found)
			refuse(table, psprintf("column %s", quote_identifier(shape->columns[shape->keys[k]])),
				   "It is part of the table's key by now, and is not among the columns that are sent.");
	}
}

int *
dbsync_selection_columns(const DbsyncSelection *selection, const DbsyncTableShape *shape, const char *table)
{
	int		   *sent = palloc(sizeof(int) * Max(selection->ncolumns, 1));

	for (int i = 0; i < selection->ncolumns; i++)
	{
		const DbsyncSelectedColumn *column = &selection->columns[i];

		sent[i] = column->number == 0 ? -1 : find_column(shape, column->number, column->name, table);
	}
	check_keys(shape, sent, selection->ncolumns, table);
	return sent;
}

int *
dbsync_selection_read_columns(const DbsyncSelection *selection, const DbsyncTableShape *shape, const char *table)
{
	int		   *read = palloc(sizeof(int) * Max(selection->nread, 1));

	for (int i = 0; i < selection->nread; i++)
	{
		read[i] = find_column(shape, selection->read[i], selection->read_names[i], table);
		if (shape->types[read[i]] != selection->read_types[i] || shape->typmods[read[i]] != selection->read_typmods[i] ||
			shape->collations[read[i]] != selection->read_collations[i])
			refuse(table, psprintf("column %s as it was", quote_identifier(selection->read_names[i])),
				   "It has another type by now, and what expressions or the filter say of it is not what it was.");
	}
	return read;
}

bool
dbsync_selection_is_renamed(const DbsyncSelection *selection, const DbsyncTableShape *shape)
{
	for (int i = 0; i < selection->ncolumns; i++)
	{
		int			column = selection->columns[i].number ? dbsync_shape_find_column(shape, selection->columns[i].number) : -1;

		if (column >= 0 && strcmp(shape->columns[column], selection->columns[i].column) != 0)
			return true;
	}
	return false;
}
