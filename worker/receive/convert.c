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
#include "worker/row_describe.h"
#include "worker/types/form.h"

typedef struct Column
{
	const char *name;
	DbsyncFormKind kind;		/* in which the driver takes it */
	FmgrInfo	read;			/* receive or input */
	FmgrInfo	write;			/* output or send; of the standard's forms ... */
	DbsyncFormWriter *writer;	/* ... this, else NULL */
	Oid			param;
} Column;

struct DbsyncConverter
{
	const DbsyncBundleTable *table;
	int			ncolumns;
	DbsyncEncoding form;
	const DbsyncForm *forms;	/* in which the driver takes columns of the table; NULL: all as text */
	bool		recodes;		/* to the database's encoding */
	Column	   *columns;		/* NULL: they stay in the form that they have */
	const Column *current;		/* for messages */
};

/* Of the i-th column that comes. */
static const DbsyncForm *
form_of(const DbsyncConverter *converter, const int *columns, int i)
{
	static const DbsyncForm text = {DBSYNC_FORM_TEXT};

	return converter->forms ? &converter->forms[columns ? columns[i] : i] : &text;
}

static void
learn_column(const DbsyncConverter *converter, Column *column, const DbsyncBundleColumn *from, const DbsyncForm *form)
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
	column->kind = form->kind;
	if (form->kind != DBSYNC_FORM_TEXT && form->kind != DBSYNC_FORM_BINARY)
	{
		column->writer = dbsync_form_writer_create(from->oid, form);
		return;
	}
	if (form->kind == DBSYNC_FORM_BINARY)
		getTypeBinaryOutputInfo(from->oid, &function, &is_varlena);
	else
		getTypeOutputInfo(from->oid, &function, &is_varlena);
	fmgr_info(function, &column->write);
}

/* They come in the form that the driver takes. */
static bool
stay(const DbsyncConverter *converter, const int *columns)
{
	DbsyncFormKind kind = converter->form == DBSYNC_ENCODING_BINARY ? DBSYNC_FORM_BINARY : DBSYNC_FORM_TEXT;

	for (int i = 0; i < converter->ncolumns; i++)
	{
		if (form_of(converter, columns, i)->kind != kind)
			return false;
	}
	return true;
}

DbsyncConverter *
dbsync_converter_create(const DbsyncBundleTable *table, const int *columns, int ncolumns,
						DbsyncEncoding form, const DbsyncForm *forms)
{
	DbsyncConverter *converter = palloc0(sizeof(DbsyncConverter));

	converter->table = table;
	converter->ncolumns = ncolumns;
	converter->form = form;
	converter->forms = forms;
	converter->recodes = GetDatabaseEncoding() != PG_UTF8 && GetDatabaseEncoding() != PG_SQL_ASCII;
	if (stay(converter, columns) && (!converter->recodes || form == DBSYNC_ENCODING_TEXT))
		return converter;
	converter->columns = palloc0(sizeof(Column) * Max(ncolumns, 1));
	for (int i = 0; i < ncolumns; i++)
		learn_column(converter, &converter->columns[i], &table->columns[columns ? columns[i] : i],
					 form_of(converter, columns, i));
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

static const char *
write_form(const DbsyncConverter *converter, Column *column, Datum datum, int *length)
{
	DbsyncFormProblem problem;
	const char *bytes = dbsync_form_write(column->writer, datum, length, &problem);

	if (bytes == NULL)
		dbsync_row_refuse_value(0, converter->table->source, column->name, "a row of a bundle", NULL, &problem);
	return bytes;
}

/* Send functions write it so as well; but the driver speaks the database's. */
static const char *
write_value(const DbsyncConverter *converter, Column *column, Datum datum, int *length)
{
	bytea	   *bytes;
	char	   *text;

	if (column->writer != NULL)
		return write_form(converter, column, datum, length);
	if (column->kind == DBSYNC_FORM_TEXT)
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
