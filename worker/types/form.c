/*-------------------------------------------------------------------------
 *
 * worker/types/form.c
 *	  Writing a value in one of the standard's forms.
 *
 * Nothing here depends on settings but what arrays are made of.  Numbers, dates and times are written by hand: output functions
 * look at settings, and allocate for each value.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "worker/types/clock_form.h"
#include "worker/types/form.h"
#include "worker/types/json_form.h"
#include "worker/types/resolve.h"

#include "extension/compat.h"

struct DbsyncFormWriter
{
	DbsyncForm	form;
	DbsyncWritten written;
	FmgrInfo	output;			/* OUTPUT, NUMERIC, JSON but of json */
	bool		varlena_text;	/* JSON: it is its own text */
	bool		recodes;		/* the database's text is not UTF-8 */
	int64		number;			/* INT64 */
	double		real;			/* DOUBLE */
	char		scratch[DBSYNC_FORM_SCRATCH];
};

DbsyncFormWriter *
dbsync_form_writer_create(Oid type, const DbsyncForm *form)
{
	DbsyncFormWriter *writer = palloc0(sizeof(DbsyncFormWriter));
	Oid			base = getBaseType(type);
	Oid			function;
	bool		is_varlena;

	writer->form = *form;
	writer->written = dbsync_type_line(base, -1)->written;
	writer->varlena_text = base == JSONOID;
	writer->recodes = GetDatabaseEncoding() != PG_UTF8;
	if (writer->written == DBSYNC_WRITTEN_NOT)
		elog(ERROR, "type %s has no form", format_type_be(type));
	if (writer->written == DBSYNC_WRITTEN_OUTPUT || writer->written == DBSYNC_WRITTEN_NUMERIC ||
		writer->written == DBSYNC_WRITTEN_JSON)
	{
		getTypeOutputInfo(base, &function, &is_varlena);
		fmgr_info(function, &writer->output);
	}
	return writer;
}

static const char *
refuse(DbsyncFormProblem *problem, int sqlstate, const char *what, const char *instead)
{
	problem->sqlstate = sqlstate;
	problem->what = what;
	problem->instead = instead;
	return NULL;
}

static const char *
write_integer(DbsyncFormWriter *writer, int64 value, int *length)
{
	if (writer->form.kind == DBSYNC_FORM_INT64)
	{
		writer->number = value;
		*length = sizeof(int64);
		return (const char *) &writer->number;
	}
	*length = pg_lltoa(value, writer->scratch);
	return writer->scratch;
}

static const char *
write_float(DbsyncFormWriter *writer, double value, bool is_single, int *length, DbsyncFormProblem *problem)
{
	if (isnan(value) && !(writer->form.takes & DBSYNC_TAKES_NAN))
		return refuse(problem, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "it is NaN", "nullif(%s, 'NaN')");
	if (isinf(value) && !(writer->form.takes & DBSYNC_TAKES_INFINITY))
		return refuse(problem, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "it is infinite", "nullif(nullif(%s, 'Infinity'), '-Infinity')");
	if (writer->form.kind == DBSYNC_FORM_DOUBLE)
	{
		writer->real = value;
		*length = sizeof(double);
		return (const char *) &writer->real;
	}
	*length = is_single ? float_to_shortest_decimal_buf((float) value, writer->scratch)
		: double_to_shortest_decimal_buf(value, writer->scratch);
	return writer->scratch;
}

/* Digits on both sides of the point; zeros at the end, behind all that the column has, are none. */
static const char *
fit_digits(const DbsyncForm *form, char *text, int *length, DbsyncFormProblem *problem)
{
	char	   *digits = text + (*text == '-');
	char	   *point = strchr(digits, '.');
	int			whole = point ? point - digits : strlen(digits);
	int			fraction = point ? strlen(point + 1) : 0;

	*length = strlen(text);
	while (form->scale >= 0 && fraction > form->scale && text[*length - 1] == '0')
	{
		fraction--;
		(*length)--;
	}
	if (point != NULL && fraction == 0)
		*length = point - text;
	if (form->scale >= 0 && fraction > form->scale)
		return refuse(problem, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
					  psprintf("it has %d digits behind the point, the column %d", fraction, form->scale),
					  psprintf("round(%%s, %d)", form->scale));
	if (*digits == '0')
		whole = 0;
	if (form->precision >= 0 && whole > form->precision - Max(form->scale, 0))
		return refuse(problem, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
					  psprintf("it has %d digits before the point, the column %d", whole, form->precision - Max(form->scale, 0)), NULL);
	return text;
}

static const char *
write_numeric(DbsyncFormWriter *writer, Datum value, int *length, DbsyncFormProblem *problem)
{
	Numeric		number = DatumGetNumeric(value);
	char	   *text;

	if (numeric_is_nan(number) && !(writer->form.takes & DBSYNC_TAKES_NAN))
		return refuse(problem, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "it is NaN", "nullif(%s, 'NaN')");
	if (numeric_is_inf(number) && !(writer->form.takes & DBSYNC_TAKES_INFINITY))
		return refuse(problem, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "it is infinite", "nullif(nullif(%s, 'Infinity'), '-Infinity')");
	text = OutputFunctionCall(&writer->output, value);
	*length = strlen(text);
	if (numeric_is_nan(number) || numeric_is_inf(number))
		return text;
	return fit_digits(&writer->form, text, length, problem);
}

/* of valid UTF-8: bytes that do not go on with a character */
static int
count_characters(const char *text, int length)
{
	int			n = 0;

	for (int i = 0; i < length; i++)
		n += (text[i] & 0xc0) != 0x80;
	return n;
}

/* Text of the database's encoding. */
static const char *
fit_text(DbsyncFormWriter *writer, const char *text, int *length, DbsyncFormProblem *problem)
{
	const DbsyncForm *form = &writer->form;
	int			n;

	if (writer->recodes)
	{
		const char *recoded = (const char *) pg_do_encoding_conversion((unsigned char *) unconstify(char *, text), *length,
																	   GetDatabaseEncoding(), PG_UTF8);

		if (recoded != text)
			*length = strlen(recoded);
		text = recoded;
	}
	if (form->length < 0 || *length <= form->length)
		return text;
	n = count_characters(text, *length);
	if (n > form->length)
		return refuse(problem, ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
					  psprintf("it has %d characters, the column %d", n, form->length), psprintf("left(%%s, %d)", form->length));
	return text;
}

/* A char's blanks at the end say nothing, and elsewhere they would: without them equal ones are equal there. */
static const char *
write_text(DbsyncFormWriter *writer, Datum value, bool with_blanks, int *length, DbsyncFormProblem *problem)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);
	const char *text = VARDATA_ANY(bytes);

	*length = VARSIZE_ANY_EXHDR(bytes);
	while (!with_blanks && *length > 0 && text[*length - 1] == ' ')
		(*length)--;
	return fit_text(writer, text, length, problem);
}

static const char *
write_output(DbsyncFormWriter *writer, Datum value, int *length, DbsyncFormProblem *problem)
{
	char	   *text = OutputFunctionCall(&writer->output, value);

	*length = strlen(text);
	return fit_text(writer, text, length, problem);
}

static const char *
write_bytes(DbsyncFormWriter *writer, Datum value, int *length, DbsyncFormProblem *problem)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);
	int			n = VARSIZE_ANY_EXHDR(bytes);
	char	   *hex;

	if (writer->form.length >= 0 && n > writer->form.length)
		return refuse(problem, ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
					  psprintf("it has %d bytes, the column %d", n, writer->form.length), NULL);
	*length = n;
	if (writer->form.kind == DBSYNC_FORM_BYTES)
		return VARDATA_ANY(bytes);
	hex = palloc((Size) n * 2 + 1);
	*length = hex_encode(VARDATA_ANY(bytes), n, hex);
	return hex;
}

static const char *
write_json(DbsyncFormWriter *writer, Datum value, int *length, DbsyncFormProblem *problem)
{
	const char *text;

	if (writer->varlena_text)
		text = write_text(writer, value, true, length, problem);
	else
		text = write_output(writer, value, length, problem);
	if (text != NULL && writer->form.depth >= 0 && dbsync_json_depth(text, *length) > writer->form.depth)
		return refuse(problem, ERRCODE_INVALID_JSON_TEXT, psprintf("it is more than %d levels deep", writer->form.depth), NULL);
	return text;
}

static const char *
write_array(DbsyncFormWriter *writer, Datum value, int *length, DbsyncFormProblem *problem)
{
	char	   *text = dbsync_json_of_array(value);

	if (text == NULL)
		return refuse(problem, ERRCODE_ARRAY_SUBSCRIPT_ERROR, "it does not count from 1, which JSON cannot say", NULL);
	*length = strlen(text);
	return fit_text(writer, text, length, problem);
}

static const char *
write_clock(DbsyncFormWriter *writer, Datum value, int *length, DbsyncFormProblem *problem)
{
	char	   *text = writer->scratch;

	problem->what = NULL;
	switch (writer->written)
	{
		case DBSYNC_WRITTEN_DATE:
			*length = dbsync_clock_date(text, DatumGetDateADT(value), &writer->form, &problem->what);
			break;
		case DBSYNC_WRITTEN_TIME:
			*length = dbsync_clock_time(text, DatumGetTimeADT(value), &writer->form, &problem->what);
			break;
		case DBSYNC_WRITTEN_INTERVAL:
			*length = dbsync_clock_interval(text, DatumGetIntervalP(value), &problem->what);
			break;
		default:
			*length = dbsync_clock_timestamp(text, DatumGetTimestamp(value), &writer->form, &problem->what);
			break;
	}
	if (problem->what != NULL)
		return refuse(problem, ERRCODE_DATETIME_FIELD_OVERFLOW, problem->what, NULL);
	return text;
}

const char *
dbsync_form_write(DbsyncFormWriter *writer, Datum value, int *length, DbsyncFormProblem *problem)
{
	switch (writer->written)
	{
		case DBSYNC_WRITTEN_NOT:
			break;
		case DBSYNC_WRITTEN_BOOLEAN:
			return write_integer(writer, DatumGetBool(value), length);
		case DBSYNC_WRITTEN_INT2:
			return write_integer(writer, DatumGetInt16(value), length);
		case DBSYNC_WRITTEN_INT4:
			return write_integer(writer, DatumGetInt32(value), length);
		case DBSYNC_WRITTEN_INT8:
			return write_integer(writer, DatumGetInt64(value), length);
		case DBSYNC_WRITTEN_OID:
			return write_integer(writer, DatumGetObjectId(value), length);
		case DBSYNC_WRITTEN_NUMERIC:
			return write_numeric(writer, value, length, problem);
		case DBSYNC_WRITTEN_FLOAT4:
			return write_float(writer, DatumGetFloat4(value), true, length, problem);
		case DBSYNC_WRITTEN_FLOAT8:
			return write_float(writer, DatumGetFloat8(value), false, length, problem);
		case DBSYNC_WRITTEN_TEXT:
		case DBSYNC_WRITTEN_CHAR:
			return write_text(writer, value, writer->written == DBSYNC_WRITTEN_TEXT, length, problem);
		case DBSYNC_WRITTEN_OUTPUT:
			return write_output(writer, value, length, problem);
		case DBSYNC_WRITTEN_BYTES:
			return write_bytes(writer, value, length, problem);
		case DBSYNC_WRITTEN_DATE:
		case DBSYNC_WRITTEN_TIME:
		case DBSYNC_WRITTEN_TIMESTAMP:
		case DBSYNC_WRITTEN_TIMESTAMPTZ:
		case DBSYNC_WRITTEN_INTERVAL:
			return write_clock(writer, value, length, problem);
		case DBSYNC_WRITTEN_JSON:
			return write_json(writer, value, length, problem);
		case DBSYNC_WRITTEN_ARRAY:
			return write_array(writer, value, length, problem);
	}
	pg_unreachable();
}
