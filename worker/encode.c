/*-------------------------------------------------------------------------
 *
 * worker/encode.c
 *	  Values of a row as they travel, in the forms that the driver has asked for.
 *
 * Text is what output functions make under the settings that the worker has
 * pinned (dbsync_pin_settings()), so that neither end's taste in dates or floats matters.
 *
 * The binary form is what send functions make and receive functions of the same
 * built-in types take, of any major version; the driver says whether all columns
 * of a table allow it.  A send function allocates for each value, which for the
 * commonest types costs more than the value: those are written here, in network
 * byte order, or are the bytes of the value as they are.  That is what their
 * send functions would do, as no encoding has to be changed on our side.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "port/pg_bswap.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

#include "worker/encode.h"
#include "worker/row_size.h"

#include "extension/compat.h"

typedef enum EncodeHow
{
	ENCODE_OUTPUT,				/* text, by the output function */
	ENCODE_SEND,				/* binary, by the send function */
	ENCODE_BYTE,				/* one byte by value */
	ENCODE_INT16,
	ENCODE_INT32,
	ENCODE_INT64,
	ENCODE_FIXED,				/* bytes by reference, as they are */
	ENCODE_VARLENA,				/* what a varlena holds, as it is */
	ENCODE_FORM					/* one of the standard's */
} EncodeHow;

typedef struct EncodeColumn
{
	EncodeHow	how;
	int			size;			/* of ENCODE_FIXED */
	FmgrInfo	function;
	DbsyncFormWriter *writer;	/* of ENCODE_FORM */
	char		scratch[sizeof(uint64)];
} EncodeColumn;

struct DbsyncEncoder
{
	int			n;
	DbsyncFormProblem problem;
	EncodeColumn columns[FLEXIBLE_ARRAY_MEMBER];
};

static EncodeHow
how_to_send(Oid type)
{
	switch (type)
	{
		case BOOLOID:
		case CHAROID:
			return ENCODE_BYTE;
		case INT2OID:
			return ENCODE_INT16;
		case INT4OID:
		case OIDOID:
		case FLOAT4OID:
		case DATEOID:
			return ENCODE_INT32;
		case INT8OID:
		case FLOAT8OID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return FLOAT8PASSBYVAL ? ENCODE_INT64 : ENCODE_SEND;
		case UUIDOID:
			return ENCODE_FIXED;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case BYTEAOID:
		case JSONOID:
			return ENCODE_VARLENA;
		default:
			return ENCODE_SEND;
	}
}

static EncodeHow
how_to_encode(Oid type, DbsyncFormKind kind)
{
	switch (kind)
	{
		case DBSYNC_FORM_TEXT:
			return ENCODE_OUTPUT;
		case DBSYNC_FORM_BINARY:
			return how_to_send(type);
		default:
			return ENCODE_FORM;
	}
}

DbsyncEncoder *
dbsync_encoder_create(TupleDesc desc, const int *at, int n, const DbsyncForm *forms)
{
	DbsyncEncoder *encoder = palloc0(offsetof(DbsyncEncoder, columns) + n * sizeof(EncodeColumn));

	encoder->n = n;
	for (int i = 0; i < n; i++)
	{
		EncodeColumn *column = &encoder->columns[i];
		Oid			type = TupleDescAttr(desc, at[i])->atttypid;
		Oid			function = InvalidOid;
		bool		varlena;

		column->how = how_to_encode(type, forms ? forms[i].kind : DBSYNC_FORM_TEXT);
		column->size = UUID_LEN;
		if (column->how == ENCODE_FORM)
			column->writer = dbsync_form_writer_create(type, &forms[i]);
		if (column->how == ENCODE_OUTPUT)
			getTypeOutputInfo(type, &function, &varlena);
		else if (column->how == ENCODE_SEND)
			getTypeBinaryOutputInfo(type, &function, &varlena);
		if (OidIsValid(function))
			fmgr_info(function, &column->function);
	}
	return encoder;
}

const char *
dbsync_encoder_value(DbsyncEncoder *encoder, int i, Datum value, int *length)
{
	EncodeColumn *column = &encoder->columns[i];
	struct varlena *bytes;
	char	   *text;
	uint64		u64;
	uint32		u32;
	uint16		u16;

	switch (column->how)
	{
		case ENCODE_OUTPUT:
			text = OutputFunctionCall(&column->function, value);
			*length = strlen(text);
			return text;
		case ENCODE_SEND:
			bytes = SendFunctionCall(&column->function, value);
			*length = VARSIZE(bytes) - VARHDRSZ;
			return VARDATA(bytes);
		case ENCODE_BYTE:
			column->scratch[0] = DatumGetChar(value);
			*length = 1;
			return column->scratch;
		case ENCODE_INT16:
			u16 = pg_hton16(DatumGetUInt16(value));
			memcpy(column->scratch, &u16, sizeof(u16));
			*length = sizeof(u16);
			return column->scratch;
		case ENCODE_INT32:
			u32 = pg_hton32(DatumGetUInt32(value));
			memcpy(column->scratch, &u32, sizeof(u32));
			*length = sizeof(u32);
			return column->scratch;
		case ENCODE_INT64:
			u64 = pg_hton64(DatumGetUInt64(value));
			memcpy(column->scratch, &u64, sizeof(u64));
			*length = sizeof(u64);
			return column->scratch;
		case ENCODE_FIXED:
			*length = column->size;
			return DatumGetPointer(value);
		case ENCODE_VARLENA:
			bytes = PG_DETOAST_DATUM_PACKED(value);
			*length = VARSIZE_ANY_EXHDR(bytes);
			return VARDATA_ANY(bytes);
		case ENCODE_FORM:
			return dbsync_form_write(column->writer, value, length, &encoder->problem);
	}
	pg_unreachable();
}

const DbsyncFormProblem *
dbsync_encoder_problem(const DbsyncEncoder *encoder)
{
	return &encoder->problem;
}

const char *
dbsync_encoder_try_value(DbsyncEncoder *encoder, int i, Datum value, int *length, const char **problem)
{
	MemoryContext context = CurrentMemoryContext;
	const char *volatile result = NULL;

	*problem = NULL;
	PG_TRY();
	{
		result = dbsync_encoder_value(encoder, i, value, length);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		if (!dbsync_row_size_is_too_large(edata->sqlerrcode, edata->message))
			PG_RE_THROW();
		FlushErrorState();
		*problem = edata->message;
	}
	PG_END_TRY();
	return result;
}
