/*-------------------------------------------------------------------------
 *
 * worker/receive/convert.c
 *	  Values of a bundle in the form in which a driver takes them.
 *
 * The source has recorded a table in binary form where all of its types are built in, and did not know what the target's columns
 * are.  Where they are of other types, values go there as text; where the target would take binary, and the source could not
 * make it, text becomes that.  All by the server's own functions of the type, which is built in, and so the same here.
 *
 * Text is UTF-8, and so is what is text within a binary form.  In a database of another encoding drivers speak that one, so there each
 * value goes through its type.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "worker/receive/convert.h"

typedef struct Column
{
	const char *name;
	FmgrInfo	read;			/* receive or input */
	FmgrInfo	write;			/* output or send */
	Oid			param;
} Column;

struct DbsyncConverter
{
	const DbsyncBundleTable *table;
	int			ncolumns;
	DbsyncEncoding form;
	DbsyncEncoding wanted;
	bool		recodes;		/* to the database's encoding */
	Column	   *columns;		/* NULL: they stay in the form that they have */
	const Column *current;		/* for messages */
};

static void
learn_column(const DbsyncConverter *converter, Column *column, const DbsyncBundleColumn *from)
{
	bool		is_varlena;
	Oid			function;

	column->name = from->name;
	if (!OidIsValid(from->oid) || !get_typisdefined(from->oid))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("values of column \"%s\" of table %s cannot be read: its type, \"%s\", is not built in",
						from->name, converter->table->source, from->type)));
	if (converter->form == DBSYNC_ENCODING_BINARY)
		getTypeBinaryInputInfo(from->oid, &function, &column->param);
	else
		getTypeInputInfo(from->oid, &function, &column->param);
	fmgr_info(function, &column->read);
	if (converter->wanted == DBSYNC_ENCODING_BINARY)
		getTypeBinaryOutputInfo(from->oid, &function, &is_varlena);
	else
		getTypeOutputInfo(from->oid, &function, &is_varlena);
	fmgr_info(function, &column->write);
}

DbsyncConverter *
dbsync_converter_create(const DbsyncBundleTable *table, const int *columns, int ncolumns,
						DbsyncEncoding form, DbsyncEncoding wanted)
{
	DbsyncConverter *converter = palloc0(sizeof(DbsyncConverter));

	converter->table = table;
	converter->ncolumns = ncolumns;
	converter->form = form;
	converter->wanted = wanted;
	converter->recodes = GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII;
	if (form == wanted && (!converter->recodes || form == DBSYNC_ENCODING_TEXT))
		return converter;
	converter->columns = palloc0(sizeof(Column) * Max(ncolumns, 1));
	for (int i = 0; i < ncolumns; i++)
		learn_column(converter, &converter->columns[i], &table->columns[columns ? columns[i] : i]);
	return converter;
}

static void
describe(void *arg)
{
	const DbsyncConverter *converter = arg;

	if (converter->current != NULL)
		errcontext("converting column \"%s\" of table %s", converter->current->name, converter->table->source);
}

static const char *
recode(const char *value, int *length)
{
	char	   *recoded = pg_any_to_server(value, *length, PG_UTF8);

	if (recoded != value)
		*length = strlen(recoded);
	return recoded;
}

/* Receive functions read text in the client's encoding, which is UTF-8 in this process. */
static Datum
read_value(const DbsyncConverter *converter, Column *column, const char *value, int length)
{
	StringInfoData buf;
	Datum		datum;

	if (converter->form == DBSYNC_ENCODING_TEXT)
		return InputFunctionCall(&column->read, unconstify(char *, recode(value, &length)), column->param, -1);
	buf.data = unconstify(char *, value);
	buf.len = length;
	buf.maxlen = length + 1;
	buf.cursor = 0;
	datum = ReceiveFunctionCall(&column->read, &buf, column->param, -1);
	if (buf.cursor != buf.len)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("incorrect binary data format")));
	return datum;
}

/* Send functions write it so as well; but the driver speaks the database's. */
static const char *
write_value(const DbsyncConverter *converter, Column *column, Datum datum, int *length)
{
	bytea	   *bytes;
	char	   *text;

	if (converter->wanted == DBSYNC_ENCODING_TEXT)
	{
		text = OutputFunctionCall(&column->write, datum);
		*length = strlen(text);
		return text;
	}
	if (converter->recodes)
		(void) SetClientEncoding(GetDatabaseEncoding());
	bytes = SendFunctionCall(&column->write, datum);
	if (converter->recodes)
		(void) SetClientEncoding(PG_UTF8);
	*length = VARSIZE(bytes) - VARHDRSZ;
	return VARDATA(bytes);
}

void
dbsync_converter_row(DbsyncConverter *converter, const char **values, int *lengths)
{
	ErrorContextCallback callback;

	if (converter->columns == NULL && !converter->recodes)
		return;
	/* an error may have passed over write_value() */
	if (converter->recodes)
		(void) SetClientEncoding(PG_UTF8);
	callback.callback = describe;
	callback.arg = converter;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	for (int i = 0; i < converter->ncolumns; i++)
	{
		if (values[i] == NULL)
			continue;
		converter->current = converter->columns ? &converter->columns[i] : NULL;
		if (converter->columns != NULL)
			values[i] = write_value(converter, &converter->columns[i],
									read_value(converter, &converter->columns[i], values[i], lengths[i]), &lengths[i]);
		else
			values[i] = recode(values[i], &lengths[i]);
	}
	converter->current = NULL;
	error_context_stack = callback.previous;
}
