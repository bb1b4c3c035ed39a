/*-------------------------------------------------------------------------
 *
 * t/bundle/teller.c
 *	  For tests: what a bundle has in it, by the reader of worker/bundle.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "worker/bundle/contents.h"
#include "worker/bundle/crypto.h"
#include "worker/bundle/frames.h"
#include "worker/bundle/reader.h"
#include "worker/bundle/sign.h"

PG_FUNCTION_INFO_V1(bundle_contents);
PG_FUNCTION_INFO_V1(bundle_head);
PG_FUNCTION_INFO_V1(bundle_rows);
PG_FUNCTION_INFO_V1(bundle_digest);

/* The bundle that the first two arguments name, by its path and one key. */
static DbsyncBundleReader *
open_bundle(FunctionCallInfo fcinfo)
{
	DbsyncBundleVerdict verdict;
	const char *reason;
	DbsyncBundleReader *reader;

	if (!superuser())
		elog(ERROR, "only superusers read bundles for tests");
	reader = dbsync_bundle_open(text_to_cstring(PG_GETARG_TEXT_PP(0)),
								list_make1(dbsync_sign_read_public(text_to_cstring(PG_GETARG_TEXT_PP(1)))),
								&verdict, &reason);
	if (reader == NULL)
		elog(ERROR, "no good bundle: %s", reason);
	return reader;
}

static DbsyncUnsealer *
unsealer_of(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : dbsync_unseal_load(text_to_cstring(PG_GETARG_TEXT_PP(i)), "identity file");
}

static Datum
utf8_to_text(const char *utf8, int length)
{
	return PointerGetDatum(cstring_to_text(pg_any_to_server(pnstrdup(utf8, length), length, PG_UTF8)));
}

/* bundle_contents(path, public_key, identity): contents.json as it is written once more */
Datum
bundle_contents(PG_FUNCTION_ARGS)
{
	DbsyncBundleReader *reader = open_bundle(fcinfo);
	DbsyncBundleContents *contents = dbsync_bundle_contents(reader, unsealer_of(fcinfo, 2));
	StringInfoData text;

	initStringInfo(&text);
	dbsync_contents_write(&text, contents, ".copy");
	dbsync_bundle_close(reader);
	PG_RETURN_DATUM(utf8_to_text(text.data, text.len));
}

/* bundle_head(path, public_key): bundle.json likewise */
Datum
bundle_head(PG_FUNCTION_ARGS)
{
	DbsyncBundleReader *reader = open_bundle(fcinfo);
	StringInfoData text;

	initStringInfo(&text);
	dbsync_head_write(&text, dbsync_bundle_head(reader));
	dbsync_bundle_close(reader);
	PG_RETURN_DATUM(utf8_to_text(text.data, text.len));
}

/* Values as text, or in binary form as the hex of them. */
static Datum
row_of(DbsyncEncoding form, int n, const char **values, const int *lengths)
{
	Datum		datums[DBSYNC_FRAMES_FIELDS];
	bool		nulls[DBSYNC_FRAMES_FIELDS];
	int			lower = 1;

	for (int i = 0; i < n; i++)
	{
		nulls[i] = values[i] == NULL;
		if (nulls[i])
			continue;
		if (form == DBSYNC_ENCODING_BINARY)
		{
			char	   *hex = palloc(lengths[i] * 2 + 1);

			hex[hex_encode(values[i], lengths[i], hex)] = '\0';
			datums[i] = CStringGetTextDatum(hex);
			continue;
		}
		if (strlen(values[i]) != (size_t) lengths[i])
			elog(ERROR, "a text is not followed by a zero");
		datums[i] = utf8_to_text(values[i], lengths[i]);
	}
	return PointerGetDatum(construct_md_array(datums, nulls, 1, &n, &lower, TEXTOID, -1, false, TYPALIGN_INT));
}

static DbsyncBundleRows *
open_rows(DbsyncBundleReader *reader, FunctionCallInfo fcinfo, DbsyncBundleStep **step)
{
	DbsyncUnsealer *unsealer = unsealer_of(fcinfo, 4);
	DbsyncBundleContents *contents = dbsync_bundle_contents(reader, unsealer);
	int			n = PG_GETARG_INT32(2);

	if (n < 1 || n > list_length(contents->steps))
		elog(ERROR, "there is no step %d", n);
	*step = list_nth(contents->steps, n - 1);
	return dbsync_bundle_rows_open(reader, *step, PG_GETARG_INT32(3), unsealer);
}

/* bundle_rows(path, public_key, step, fields, identity): the rows of a step, each an array of text */
Datum
bundle_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const char *values[DBSYNC_FRAMES_FIELDS];
	int			lengths[DBSYNC_FRAMES_FIELDS];
	MemoryContext context;
	DbsyncBundleReader *reader;
	DbsyncBundleRows *rows;
	DbsyncBundleStep *step;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	reader = open_bundle(fcinfo);
	rows = open_rows(reader, fcinfo, &step);
	context = AllocSetContextCreate(CurrentMemoryContext, "row", ALLOCSET_DEFAULT_SIZES);
	while (dbsync_bundle_rows_next(rows, values, lengths))
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		Datum		row = row_of(step->form, PG_GETARG_INT32(3), values, lengths);
		bool		isnull = false;

		tuplestore_putvalues(result->setResult, result->setDesc, &row, &isnull);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	dbsync_bundle_rows_close(rows);
	dbsync_bundle_close(reader);
	return (Datum) 0;
}

/* bundle_digest(path, public_key, step, fields, identity): how many rows, and SHA-256 of all their values */
Datum
bundle_digest(PG_FUNCTION_ARGS)
{
	DbsyncBundleReader *reader = open_bundle(fcinfo);
	DbsyncHash *hash = dbsync_hash_create();
	const char *values[DBSYNC_FRAMES_FIELDS];
	int			lengths[DBSYNC_FRAMES_FIELDS];
	int			fields = PG_GETARG_INT32(3);
	uint8		digest[DBSYNC_BUNDLE_HASH];
	char		hex[DBSYNC_BUNDLE_HEX];
	DbsyncBundleStep *step;
	DbsyncBundleRows *rows = open_rows(reader, fcinfo, &step);
	int64		count = 0;

	dbsync_hash_begin(hash);
	for (; dbsync_bundle_rows_next(rows, values, lengths); count++)
	{
		for (int i = 0; i < fields; i++)
		{
			dbsync_hash_add(hash, values[i] ? "+" : "-", 1);
			if (values[i] != NULL)
				dbsync_hash_add(hash, values[i], lengths[i]);
		}
	}
	dbsync_hash_end(hash, digest);
	dbsync_hash_hex(digest, hex);
	dbsync_bundle_rows_close(rows);
	dbsync_bundle_close(reader);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf(INT64_FORMAT " %s", count, hex)));
}
