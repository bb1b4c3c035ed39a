/*-------------------------------------------------------------------------
 *
 * worker/receive/shape.c
 *	  Is a table of one bundle that of another?
 *
 * Handles of the driver and rows must agree on how many columns there are: who has the key of a source could say of two tables of
 * different shape that they are one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/receive/shape.h"

static bool
are_columns_same(const DbsyncBundleTable *a, const DbsyncBundleTable *b)
{
	if (a->ncolumns != b->ncolumns)
		return false;
	for (int i = 0; i < a->ncolumns; i++)
	{
		const DbsyncBundleColumn *left = &a->columns[i];
		const DbsyncBundleColumn *right = &b->columns[i];

		if (left->oid != right->oid || left->typmod != right->typmod || left->not_null != right->not_null ||
			strcmp(left->name, right->name) != 0 || strcmp(left->type, right->type) != 0)
			return false;
	}
	return true;
}

static bool
are_keys_same(const DbsyncBundleTable *a, const DbsyncBundleTable *b)
{
	return a->nkeys == b->nkeys && (a->nkeys == 0 || memcmp(a->keys, b->keys, sizeof(int) * a->nkeys) == 0);
}

static bool
are_generated_same(const DbsyncBundleTable *a, const DbsyncBundleTable *b)
{
	if (a->ngenerated != b->ngenerated)
		return false;
	for (int i = 0; i < a->ngenerated; i++)
	{
		if (strcmp(a->generated[i], b->generated[i]) != 0)
			return false;
	}
	return true;
}

bool
dbsync_shape_is_same(const DbsyncBundleTable *a, const DbsyncBundleTable *b)
{
	return a == b ||
		(memcmp(&a->id, &b->id, sizeof(pg_uuid_t)) == 0 && strcmp(a->fingerprint, b->fingerprint) == 0 &&
		 strcmp(a->schema, b->schema) == 0 && strcmp(a->table, b->table) == 0 && a->chosen == b->chosen &&
		 are_columns_same(a, b) && are_keys_same(a, b) && are_generated_same(a, b));
}

DbsyncBundleTable *
dbsync_shape_copy(const DbsyncBundleTable *table)
{
	DbsyncBundleTable *copy = palloc(sizeof(DbsyncBundleTable));

	*copy = *table;
	copy->source = pstrdup(table->source);
	copy->schema = pstrdup(table->schema);
	copy->table = pstrdup(table->table);
	copy->columns = palloc(sizeof(DbsyncBundleColumn) * Max(table->ncolumns, 1));
	for (int i = 0; i < table->ncolumns; i++)
	{
		copy->columns[i] = table->columns[i];
		copy->columns[i].name = pstrdup(table->columns[i].name);
		copy->columns[i].type = pstrdup(table->columns[i].type);
	}
	copy->keys = palloc(sizeof(int) * Max(table->nkeys, 1));
	for (int k = 0; k < table->nkeys; k++)
		copy->keys[k] = table->keys[k];
	copy->generated = palloc(sizeof(char *) * Max(table->ngenerated, 1));
	for (int i = 0; i < table->ngenerated; i++)
		copy->generated[i] = pstrdup(table->generated[i]);
	return copy;
}
