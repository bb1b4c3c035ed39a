/*-------------------------------------------------------------------------
 *
 * worker/table.c
 *	  One table of a subscription: its name and owner, as the system catalogs have them,
 *	  and how far it is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "worker/table.h"

static const char *const state_names[] = {"new", "copying", "indexing", "live", "suspended"};

const char *
dbsync_table_state_name(DbsyncTableState state)
{
	return state_names[state];
}

DbsyncTableState
dbsync_table_parse_state(const char *name)
{
	for (int i = 0; i < lengthof(state_names); i++)
		if (strcmp(name, state_names[i]) == 0)
			return (DbsyncTableState) i;
	elog(ERROR, "unknown table state \"%s\"", name);
}

/* What may change while the table is captured: owner, name, schema. */
static void
note_owner_and_name(DbsyncTable *table, Form_pg_class rel)
{
	char	   *schema;

	table->owner = rel->relowner;
	if (table->schema == rel->relnamespace &&
		strcmp(NameStr(table->name), NameStr(rel->relname)) == 0)
		return;
	schema = get_namespace_name(rel->relnamespace);
	if (schema == NULL)
		return;
	table->qualified = quote_qualified_identifier(schema, NameStr(rel->relname));
	table->schema = rel->relnamespace;
	table->name = rel->relname;
}

/*
 * From the system caches, without opening the table: somebody who holds a lock
 * on one table must not hold up the others.
 */
bool
dbsync_table_read_name(DbsyncTable *table)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table->relid));

	table->qualified = psprintf("%u", table->relid);
	if (!HeapTupleIsValid(tuple))
		return false;
	note_owner_and_name(table, (Form_pg_class) GETSTRUCT(tuple));
	ReleaseSysCache(tuple);
	return true;
}

Oid
dbsync_table_owner(DbsyncTable *table)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table->relid));
	MemoryContext old;

	if (!HeapTupleIsValid(tuple))
		return table->owner;
	old = MemoryContextSwitchTo(GetMemoryChunkContext(table));
	note_owner_and_name(table, (Form_pg_class) GETSTRUCT(tuple));
	MemoryContextSwitchTo(old);
	ReleaseSysCache(tuple);
	return table->owner;
}

bool
dbsync_table_keeps_rows(const DbsyncTable *table)
{
	return table->existing_rows != NULL && strcmp(table->existing_rows, "keep") == 0;
}

bool
dbsync_table_empties(const DbsyncTable *table)
{
	return table->existing_rows != NULL && strcmp(table->existing_rows, "truncate") == 0;
}

bool
dbsync_table_flows(const DbsyncTable *table)
{
	return table->state != DBSYNC_TABLE_SUSPENDED &&
		(table->part.live || table->part.nkeys > 0);
}

void
dbsync_table_set_part(DbsyncTable *table, const DbsyncLedgerPart *part)
{
	DbsyncLedgerPart before = table->part;
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(table));
	const char *after = part->after ? pstrdup(part->after) : NULL;
	const char *upto = part->upto ? pstrdup(part->upto) : NULL;
	char	  **boundary = NULL;

	if (part->nkeys > 0)
		boundary = palloc(sizeof(char *) * part->nkeys);
	for (int k = 0; k < part->nkeys; k++)
		boundary[k] = pstrdup(part->boundary[k]);
	table->part = *part;
	table->part.boundary = boundary;
	table->part.after = after;
	table->part.upto = upto;
	for (int k = 0; k < before.nkeys; k++)
		pfree(before.boundary[k]);
	if (before.nkeys > 0)
		pfree(before.boundary);
	if (before.after != NULL)
		pfree(unconstify(char *, before.after));
	if (before.upto != NULL)
		pfree(unconstify(char *, before.upto));
	MemoryContextSwitchTo(old);
}
