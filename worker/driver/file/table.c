/*-------------------------------------------------------------------------
 *
 * worker/driver/file/table.c
 *	  File driver: tables as bundles say them.
 *
 * Nobody can be asked here what the target's table looks like: that is for the receiver, whose
 * driver refuses what does not fit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "worker/driver/binary_types.h"
#include "worker/driver/file/internal.h"

char *
dbsync_file_type_name(Oid type, int32 typmod)
{
	return format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_ALLOW_INVALID | FORMAT_TYPE_FORCE_QUALIFY);
}

Oid
dbsync_file_type_oid(Oid type)
{
	return type < FirstGenbkiObjectId ? type : InvalidOid;
}

static void
copy_columns(DbsyncBundleTable *table, const DbsyncTableSpec *spec)
{
	table->ncolumns = spec->ncolumns;
	table->columns = palloc0(sizeof(DbsyncBundleColumn) * Max(spec->ncolumns, 1));
	for (int i = 0; i < spec->ncolumns; i++)
	{
		DbsyncBundleColumn *column = &table->columns[i];

		column->name = pstrdup(spec->columns[i].name);
		column->type = spec->columns[i].type_name ? pstrdup(spec->columns[i].type_name)
			: dbsync_file_type_name(spec->columns[i].type, spec->columns[i].typmod);
		column->oid = dbsync_file_type_oid(spec->columns[i].type);
		column->typmod = OidIsValid(column->oid) ? spec->columns[i].typmod : -1;
		column->not_null = spec->columns[i].not_null;
	}
}

/* In CurrentMemoryContext. */
static void
copy_spec(DbsyncBundleTable *table, const DbsyncTableSpec *spec)
{
	table->id = spec->attachment;
	table->source = pstrdup(spec->source ? spec->source : quote_qualified_identifier(spec->schema, spec->table));
	table->schema = pstrdup(spec->schema);
	table->table = pstrdup(spec->table);
	copy_columns(table, spec);
	table->nkeys = spec->nkeys;
	table->keys = palloc(sizeof(int) * Max(spec->nkeys, 1));
	memcpy(table->keys, spec->keys, sizeof(int) * spec->nkeys);
	table->ngenerated = spec->ngenerated;
	table->generated = palloc(sizeof(char *) * Max(spec->ngenerated, 1));
	for (int i = 0; i < spec->ngenerated; i++)
		table->generated[i] = pstrdup(spec->generated[i]);
	table->chosen = spec->chosen;
}

static void
add_text(pg_cryptohash_ctx *hash, const char *text)
{
	if (pg_cryptohash_update(hash, (const uint8 *) text, strlen(text) + 1) < 0)
		elog(ERROR, "could not hash a table's definition");
}

/* Over columns, types and key, so that others see at a glance that it is what it was. */
static void
fingerprint(DbsyncBundleTable *table)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	uint8		result[PG_SHA256_DIGEST_LENGTH];

	if (pg_cryptohash_init(hash) < 0)
		elog(ERROR, "could not hash a table's definition");
	for (int i = 0; i < table->ncolumns; i++)
	{
		add_text(hash, table->columns[i].name);
		add_text(hash, table->columns[i].type);
	}
	add_text(hash, "key");
	for (int k = 0; k < table->nkeys; k++)
		add_text(hash, table->columns[table->keys[k]].name);
	if (pg_cryptohash_final(hash, result, sizeof(result)) < 0)
		elog(ERROR, "could not hash a table's definition");
	pg_cryptohash_free(hash);
	strlcpy(table->fingerprint, dbsync_file_hex(result), DBSYNC_BUNDLE_HEX);
}

/*
 * All columns, or none, as COPY wants it.  Not an interval, which has become another one in 17, and
 * nobody knows of which major a receiver is; and where text is another encoding's, its bytes are.
 */
static DbsyncEncoding
form_of(const DbsyncTableSpec *spec)
{
	if (GetDatabaseEncoding() != PG_UTF8)
		return DBSYNC_ENCODING_TEXT;
	for (int i = 0; i < spec->ncolumns; i++)
	{
		if (!dbsync_binary_type_is_stable(spec->columns[i].type) &&
			!dbsync_binary_type_is_stable(dbsync_binary_type_element(spec->columns[i].type)))
			return DBSYNC_ENCODING_TEXT;
	}
	return DBSYNC_ENCODING_BINARY;
}

static bool
open_table(FileTarget *target, const DbsyncTableSpec *spec, DbsyncTargetTable **table)
{
	MemoryContext old = MemoryContextSwitchTo(target->base.context);

	*table = palloc0(sizeof(DbsyncTargetTable));
	copy_spec(&(*table)->table, spec);
	fingerprint(&(*table)->table);
	(*table)->form = form_of(spec);
	(*table)->forms = palloc0(sizeof(DbsyncForm) * Max(spec->ncolumns, 1));
	for (int i = 0; i < spec->ncolumns; i++)
		(*table)->forms[i].kind = DBSYNC_FORM_BINARY;
	(*table)->whole_rows = target->options.whole_rows;
	MemoryContextSwitchTo(old);
	return true;
}

static bool
open_guarded(FileTarget *target, const DbsyncTableSpec *spec, DbsyncTargetTable **table)
{
	DBSYNC_FILE_GUARDED(target, open_table(target, spec, table));
}

DbsyncTargetTable *
dbsync_file_table_open(DbsyncTarget *base, const DbsyncTableSpec *spec)
{
	DbsyncTargetTable *table;

	return open_guarded((FileTarget *) base, spec, &table) ? table : NULL;
}

const DbsyncForm *
dbsync_file_table_forms(const DbsyncTargetTable *table)
{
	return table->form == DBSYNC_ENCODING_BINARY ? table->forms : NULL;
}

/* Nobody knows; the receiver is told that it is to look. */
bool
dbsync_file_table_has_rows(DbsyncTarget *base, DbsyncTargetTable *table, bool *has_rows)
{
	table->first = true;
	*has_rows = false;
	return true;
}

static void
free_table(DbsyncTargetTable *handle)
{
	DbsyncBundleTable *table = &handle->table;

	for (int i = 0; i < table->ncolumns; i++)
	{
		pfree(unconstify(char *, table->columns[i].name));
		pfree(unconstify(char *, table->columns[i].type));
	}
	for (int i = 0; i < table->ngenerated; i++)
		pfree(unconstify(char *, table->generated[i]));
	pfree(table->columns);
	pfree(table->keys);
	pfree(table->generated);
	pfree(handle->forms);
	pfree(unconstify(char *, table->source));
	pfree(unconstify(char *, table->schema));
	pfree(unconstify(char *, table->table));
	pfree(handle);
}

bool
dbsync_file_tables_close(DbsyncTarget *base, List *tables)
{
	ListCell   *lc;

	foreach(lc, tables)
		free_table(lfirst(lc));
	return true;
}
