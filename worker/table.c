/*-------------------------------------------------------------------------
 *
 * worker/table.c
 *	  One table of a subscription: its columns, key and owner, as the system catalogs
 *	  have them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "worker/table.h"

/* live, stored columns; "place" says where column number i + 1 has come to */
static void
read_live_columns(DbsyncTable *table, int natts, int *place)
{
	table->columns = palloc(sizeof(char *) * Max(natts, 1));
	table->types = palloc(sizeof(Oid) * Max(natts, 1));
	table->typmods = palloc(sizeof(int32) * Max(natts, 1));
	table->collations = palloc(sizeof(Oid) * Max(natts, 1));
	table->generated = palloc(sizeof(char *) * Max(natts, 1));
	for (int i = 0; i < natts; i++)
	{
		HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(table->relid),
											Int16GetDatum(i + 1));
		Form_pg_attribute att;

		place[i] = table->ncolumns;
		if (!HeapTupleIsValid(tuple))
			continue;
		att = (Form_pg_attribute) GETSTRUCT(tuple);
		if (!att->attisdropped && att->attgenerated == '\0')
		{
			table->typmods[table->ncolumns] = att->atttypmod;
			table->types[table->ncolumns] = getBaseTypeAndTypmod(att->atttypid,
																 &table->typmods[table->ncolumns]);
			table->collations[table->ncolumns] = att->attcollation;
			table->columns[table->ncolumns++] = pstrdup(NameStr(att->attname));
		}
		else if (!att->attisdropped)
			table->generated[table->ngenerated++] = pstrdup(NameStr(att->attname));
		ReleaseSysCache(tuple);
	}
}

static Datum
index_field(HeapTuple index, AttrNumber attno)
{
	bool		isnull;
	Datum		value = SysCacheGetAttr(INDEXRELID, index, attno, &isnull);

	if (isnull)
		elog(ERROR, "field %d of an index is null", attno);
	return value;
}

/*
 * The order of the key's index, whatever is the default order of its types.  Always
 * upwards: what has been copied must not depend on the way that an index goes, which
 * may give its place to another.
 */
static void
read_key_order(DbsyncTable *table, HeapTuple index)
{
	oidvector  *classes = (oidvector *) DatumGetPointer(index_field(index, Anum_pg_index_indclass));
	oidvector  *collations = (oidvector *) DatumGetPointer(index_field(index, Anum_pg_index_indcollation));

	table->key_before = palloc(sizeof(Oid) * table->nkeys);
	table->key_collations = palloc(sizeof(Oid) * table->nkeys);
	for (int k = 0; k < table->nkeys; k++)
	{
		Oid			family = get_opclass_family(classes->values[k]);
		Oid			type = get_opclass_input_type(classes->values[k]);

		table->key_before[k] = get_opfamily_member(family, type, type, BTLessStrategyNumber);
		table->key_collations[k] = collations->values[k];
		if (!OidIsValid(table->key_before[k]))
			elog(ERROR, "missing operator in operator family %u", family);
	}
}

static void
read_key(DbsyncTable *table, const int *place)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(table->key_index));
	Form_pg_index index;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "key index of captured table %s has gone", table->qualified);
	index = (Form_pg_index) GETSTRUCT(tuple);
	table->nkeys = index->indnkeyatts;
	table->keys = palloc(sizeof(int) * table->nkeys);
	table->key_types = palloc(sizeof(Oid) * table->nkeys);
	for (int k = 0; k < table->nkeys; k++)
	{
		int			attno = index->indkey.values[k];

		table->keys[k] = place[attno - 1];
		table->key_types[k] = get_atttype(table->relid, attno);
	}
	read_key_order(table, tuple);
	ReleaseSysCache(tuple);
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
 * Columns that travel, and which of them are the key; in the current context.
 * From the system caches, without opening the table: somebody who holds a lock
 * on one table must not hold up the others.
 */
void
dbsync_table_read_columns(DbsyncTable *table)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table->relid));
	Form_pg_class rel;
	int		   *place;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("captured table %u does not exist any more", table->relid),
				 errhint("Take it out of its subscriptions with dbsync.remove_table().")));
	rel = (Form_pg_class) GETSTRUCT(tuple);
	place = palloc0(sizeof(int) * Max(rel->relnatts, 1));
	note_owner_and_name(table, rel);
	read_live_columns(table, rel->relnatts, place);
	read_key(table, place);
	ReleaseSysCache(tuple);
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
	char	  **boundary = NULL;

	if (part->nkeys > 0)
		boundary = palloc(sizeof(char *) * part->nkeys);
	for (int k = 0; k < part->nkeys; k++)
		boundary[k] = pstrdup(part->boundary[k]);
	table->part = *part;
	table->part.boundary = boundary;
	for (int k = 0; k < before.nkeys; k++)
		pfree(before.boundary[k]);
	if (before.nkeys > 0)
		pfree(before.boundary);
	MemoryContextSwitchTo(old);
}
