/*-------------------------------------------------------------------------
 *
 * t/bundle/maker.c
 *	  For tests: a bundle out of the two JSON texts that it is to have, and queries.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "worker/bundle/contents.h"
#include "worker/bundle/crypto.h"
#include "worker/bundle/frames.h"
#include "worker/bundle/names.h"
#include "worker/bundle/writer.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(make_bundle);
PG_FUNCTION_INFO_V1(make_key);

static void
check_superuser(void)
{
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only superusers make bundles for tests")));
}

static char *
text_or_null(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(i));
}

/* JSON is UTF-8 */
static char *
utf8_of(FunctionCallInfo fcinfo, int i)
{
	char	   *text = text_or_null(fcinfo, i);

	return pg_server_to_any(text, strlen(text), PG_UTF8);
}

static const char *
value_of(HeapTuple tuple, TupleDesc desc, int i, DbsyncEncoding form, int *length)
{
	bool		isnull;
	bool		varlena;
	Oid			function;
	Datum		value = SPI_getbinval(tuple, desc, i + 1, &isnull);
	bytea	   *bytes;
	char	   *text;

	*length = 0;
	if (isnull)
		return NULL;
	if (form == DBSYNC_ENCODING_TEXT)
	{
		text = SPI_getvalue(tuple, desc, i + 1);
		*length = strlen(text);
		return text;
	}
	getTypeBinaryOutputInfo(TupleDescAttr(desc, i)->atttypid, &function, &varlena);
	bytes = OidSendFunctionCall(function, value);
	*length = VARSIZE(bytes) - VARHDRSZ;
	return VARDATA(bytes);
}

/* The rows of a step are those of a query. */
static void
put_rows(DbsyncBundleWriter *writer, DbsyncBundleStep *step, const char *query)
{
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "row", ALLOCSET_DEFAULT_SIZES);
	Portal		portal = SPI_cursor_open_with_args(NULL, query, 0, NULL, NULL, NULL, true, 0);
	TupleDesc	desc = portal->tupDesc;
	const char *values[DBSYNC_FRAMES_FIELDS];
	int			lengths[DBSYNC_FRAMES_FIELDS];

	dbsync_bundle_rows_begin(writer, step->form, desc->natts);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, 1000);
		if (SPI_processed == 0)
			break;
		for (uint64 n = 0; n < SPI_processed; n++)
		{
			MemoryContext old = MemoryContextSwitchTo(row);

			for (int i = 0; i < desc->natts; i++)
				values[i] = value_of(SPI_tuptable->vals[n], desc, i, step->form, &lengths[i]);
			dbsync_bundle_rows_put(writer, values, lengths);
			MemoryContextSwitchTo(old);
			MemoryContextReset(row);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	dbsync_bundle_rows_end(writer, step);
	MemoryContextDelete(row);
}

static void
put_steps(DbsyncBundleWriter *writer, List *steps, ArrayType *queries)
{
	Datum	   *values;
	bool	   *nulls;
	int			n;
	int			next = 0;
	ListCell   *lc;

	deconstruct_array(queries, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	foreach(lc, steps)
	{
		DbsyncBundleStep *step = lfirst(lc);

		if (!dbsync_contents_has_rows(step->what))
			continue;
		if (next == n)
			elog(ERROR, "step has no query");
		put_rows(writer, step, TextDatumGetCString(values[next++]));
	}
}

/*
 * make_bundle(path, key_file, head, contents, queries, level, recipients, load_sql): the hash of its sums.  Of the
 * two texts all counts but what the writer knows itself: rows, bytes, files.
 */
Datum
make_bundle(PG_FUNCTION_ARGS)
{
	DbsyncBundleWriting writing = {0};
	DbsyncBundleHead *head = NULL;
	DbsyncBundleContents *contents = NULL;
	DbsyncBundleWriter *writer;
	char	   *name;
	char	   *recipients = text_or_null(fcinfo, 6);
	char	   *text;
	const char *problem;
	uint8		sums[DBSYNC_BUNDLE_HASH];
	char		hex[DBSYNC_BUNDLE_HEX];

	check_superuser();
	text = utf8_of(fcinfo, 2);
	if ((problem = dbsync_head_read(text, strlen(text), &head, &name)) != NULL)
		elog(ERROR, "head: %s", problem);
	text = utf8_of(fcinfo, 3);
	if ((problem = dbsync_contents_read(text, strlen(text), ".copy", &contents)) != NULL)
		elog(ERROR, "contents: %s", problem);
	writing.path = text_or_null(fcinfo, 0);
	writing.signer = dbsync_sign_load(text_or_null(fcinfo, 1), "signing key");
	writing.folder = dbsync_names_folder(name, &head->subscription, head->chain, head->number);
	writing.level = PG_GETARG_INT32(5);
	writing.sealer = recipients ? dbsync_seal_load(recipients, "file of recipients") : NULL;
	SPI_connect();
	writer = dbsync_bundle_create(&writing);
	put_steps(writer, contents->steps, PG_GETARG_ARRAYTYPE_P(4));
	dbsync_bundle_finish(writer, head, contents, text_or_null(fcinfo, 7), sums);
	SPI_finish();
	dbsync_hash_hex(sums, hex);
	PG_RETURN_TEXT_P(cstring_to_text(hex));
}

/* make_key(path): the public one, PEM */
Datum
make_key(PG_FUNCTION_ARGS)
{
	char	   *pem;

	check_superuser();
	dbsync_sign_make(text_or_null(fcinfo, 0), &pem);
	PG_RETURN_TEXT_P(cstring_to_text(pem));
}
