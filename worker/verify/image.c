/*-------------------------------------------------------------------------
 *
 * worker/verify/image.c
 *	  What rows look like when they are compared: their text, and its hash.
 *
 * What is made of rows, and how it is hashed, DbsyncReadForm says.  Images are written here, from values that are text already, as they are
 * sent to targets: so what is compared is just what would be sent.  Where the target's column is of another
 * type, the value is read and written by that first: 1.5 is 1.50 in numeric(10,2).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "common/hashfn.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "worker/verify/image.h"

/* by way of the type that the target's column has */
typedef struct Conversion
{
	bool		needed;
	FmgrInfo	input;
	Oid			ioparam;
	int32		typmod;
	FmgrInfo	output;
} Conversion;

struct DbsyncImager
{
	bool		hex;
	uint64		seed;
	int			buckets;
	int			ncolumns;
	int			nkeys;
	const int  *keys;
	const DbsyncReadHow *how;
	bool		key_in_image;
	int			nvalues;		/* columns beside the key that have a hash of their own; */
	int		   *valued;
	int			nothers;		/* and that have none */
	int		   *others;
	Conversion *conversions;
	const char **values;		/* of the row, as the target has them, */
	bool	   *foreign;		/* or, of which it can have none, as the source has them */
	bool		has_key;		/* the key's have been taken, and the row is to come; */
	bool		has_hash;		/* or the key's hash is known */
	uint64		key_hash;		/* without a key, of the row */
	StringInfoData image;		/* of row or key; */
	StringInfoData hexadecimal; /* what is hashed or listed, where that is hexadecimal */
};

static void
prepare(Conversion *conversion, Oid type, int32 typmod)
{
	Oid			function;
	bool		varlena;

	conversion->needed = OidIsValid(type);
	if (!conversion->needed)
		return;
	getTypeInputInfo(type, &function, &conversion->ioparam);
	fmgr_info(function, &conversion->input);
	getTypeOutputInfo(type, &function, &varlena);
	fmgr_info(function, &conversion->output);
	conversion->typmod = typmod;
}

/* Columns beside the key, by how they are hashed. */
static void
divide(DbsyncImager *imager)
{
	imager->valued = palloc(sizeof(int) * Max(imager->ncolumns, 1));
	imager->others = palloc(sizeof(int) * Max(imager->ncolumns, 1));
	for (int i = 0; i < imager->ncolumns; i++)
	{
		bool		in_image = imager->how[i] == DBSYNC_READ_IN_IMAGE;
		bool		is_key = false;

		for (int k = 0; k < imager->nkeys; k++)
			is_key |= imager->keys[k] == i;
		if (is_key)
			imager->key_in_image |= in_image;
		else if (in_image)
			imager->others[imager->nothers++] = i;
		else
			imager->valued[imager->nvalues++] = i;
	}
}

DbsyncImager *
dbsync_imager_create(const DbsyncReadForm *form, int ncolumns, int nkeys, const int *keys, int64 seed, int buckets)
{
	DbsyncImager *imager = palloc0(sizeof(DbsyncImager));

	imager->hex = form->hex;
	imager->seed = (uint64) seed;
	imager->buckets = buckets;
	imager->ncolumns = ncolumns;
	imager->nkeys = nkeys;
	imager->keys = keys;
	imager->how = form->how;
	divide(imager);
	imager->conversions = palloc0(sizeof(Conversion) * Max(ncolumns, 1));
	for (int i = 0; i < ncolumns; i++)
		prepare(&imager->conversions[i], form->types[i], form->typmods[i]);
	imager->values = palloc0(sizeof(char *) * Max(ncolumns, 1));
	imager->foreign = palloc0(sizeof(bool) * Max(ncolumns, 1));
	initStringInfo(&imager->image);
	initStringInfo(&imager->hexadecimal);
	return imager;
}

/* As the server's own record_out() has it. */
static bool
needs_quotes(const char *value)
{
	if (*value == '\0')
		return true;
	for (const char *p = value; *p; p++)
	{
		if (*p == '"' || *p == '\\' || *p == '(' || *p == ')' || *p == ',' || isspace((unsigned char) *p))
			return true;
	}
	return false;
}

static void
append_value(StringInfo image, const char *value)
{
	if (!needs_quotes(value))
	{
		appendStringInfoString(image, value);
		return;
	}
	appendStringInfoCharMacro(image, '"');
	for (const char *p = value; *p; p++)
	{
		if (*p == '"' || *p == '\\')
			appendStringInfoCharMacro(image, *p);
		appendStringInfoCharMacro(image, *p);
	}
	appendStringInfoCharMacro(image, '"');
}

static void
write_image(DbsyncImager *imager, StringInfo image, int n, const int *columns)
{
	resetStringInfo(image);
	for (int i = 0; i < n; i++)
	{
		const char *value = imager->values[columns ? columns[i] : i];

		appendStringInfoCharMacro(image, i == 0 ? '(' : ',');
		if (value != NULL)
			append_value(image, value);
	}
	if (n == 0)
		appendStringInfoCharMacro(image, '(');
	appendStringInfoCharMacro(image, ')');
}

static void
write_hexadecimal(const char *text, int length, StringInfo hexadecimal)
{
	char	   *utf8 = pg_server_to_any(text, length, PG_UTF8);

	if (utf8 != text)
		length = strlen(utf8);
	resetStringInfo(hexadecimal);
	enlargeStringInfo(hexadecimal, length * 2 + 1);
	hexadecimal->len = (int) hex_encode(utf8, length, hexadecimal->data);
	hexadecimal->data[hexadecimal->len] = '\0';
}

/* Of the row, or of its key; as it is hashed and listed. */
static const StringInfoData *
image_of(DbsyncImager *imager, int n, const int *columns)
{
	write_image(imager, &imager->image, n, columns);
	if (!imager->hex)
		return &imager->image;
	write_hexadecimal(imager->image.data, imager->image.len, &imager->hexadecimal);
	return &imager->hexadecimal;
}

/* --- hashes, as DbsyncReadForm has them --- */

static uint64
hash(const char *text, int length, uint64 seed)
{
	return DatumGetUInt64(hash_any_extended((const unsigned char *) text, length, seed));
}

/* As hashint8extended() does. */
static uint64
hash_number(int64 number, uint64 seed)
{
	uint32		low = (uint32) number;
	uint32		high = (uint32) (number >> 32);

	return hash_bytes_uint32_extended(low ^ (number >= 0 ? high : ~high), seed);
}

/* What an output function has written. */
static int64
read_number(const char *text)
{
	bool		negative = *text == '-';
	uint64		number = 0;

	for (const char *p = negative ? text + 1 : text; *p; p++)
		number = number * 10 + (*p - '0');
	return (int64) (negative ? -number : number);
}

static uint64
hash_integer(DbsyncReadHow how, int64 number, uint64 seed)
{
	return hash_number(number, how == DBSYNC_READ_BIGINT ? hash_number(number >> 32, seed) : seed);
}

/* Of the value of a column that has a hash of its own. */
static uint64
hash_value(DbsyncImager *imager, int i, uint64 seed)
{
	const char *value = imager->values[i];

	/* what is no number of the target's is hashed as a text, lest it be taken for one */
	if (imager->how[i] != DBSYNC_READ_TEXT && !imager->foreign[i])
		return hash_integer(imager->how[i], read_number(value), seed);
	if (!imager->hex)
		return hash(value, strlen(value), seed);
	write_hexadecimal(value, strlen(value), &imager->hexadecimal);
	return hash(imager->hexadecimal.data, imager->hexadecimal.len, seed);
}

static uint64
hash_image(DbsyncImager *imager, int n, const int *columns, uint64 seed)
{
	const StringInfoData *image = image_of(imager, n, columns);

	return hash(image->data, image->len, seed);
}

static uint64
hash_key(DbsyncImager *imager)
{
	uint64		h = imager->seed;

	if (imager->key_in_image)
		return hash_image(imager, imager->nkeys, imager->keys, h);
	for (int k = 0; k < imager->nkeys; k++)
	{
		int			column = imager->keys[k];

		h = imager->values[column] ? hash_value(imager, column, h) : 0;
	}
	return h;
}

/* --- rows --- */

/* As the target's type writes it, which comes with PostgreSQL; NULL: it cannot read it. */
static const char *
convert(Conversion *c, const char *value)
{
	MemoryContext context = CurrentMemoryContext;
	const char *volatile written = NULL;

	PG_TRY();
	{
		written = OutputFunctionCall(&c->output, InputFunctionCall(&c->input, unconstify(char *, value), c->ioparam, c->typmod));
	}
	PG_CATCH();
	{
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	return written;
}

bool
dbsync_imager_reads(DbsyncImager *imager, int column, const char *value)
{
	Conversion *c = &imager->conversions[column];

	return !c->needed || convert(c, value) != NULL;
}

static void
take_value(DbsyncImager *imager, int i, const char *value)
{
	Conversion *c = &imager->conversions[i];
	const char *written = value;

	if (value != NULL && c->needed)
		written = convert(c, value);
	/* what it cannot have is parked, or was never sent: so the target has another value */
	imager->foreign[i] = value != NULL && written == NULL;
	imager->values[i] = imager->foreign[i] ? value : written;
}

void
dbsync_imager_take_key(DbsyncImager *imager, const char *const *values)
{
	for (int k = 0; k < imager->nkeys; k++)
		take_value(imager, imager->keys[k], values[imager->keys[k]]);
	if (!imager->has_hash)
		imager->key_hash = hash_key(imager);
	imager->has_key = true;
}

bool
dbsync_imager_key_is_number(const DbsyncImager *imager)
{
	return imager->nkeys == 1 && !imager->conversions[imager->keys[0]].needed &&
		(imager->how[imager->keys[0]] == DBSYNC_READ_INTEGER || imager->how[imager->keys[0]] == DBSYNC_READ_BIGINT);
}

void
dbsync_imager_take_number(DbsyncImager *imager, bool isnull, int64 key)
{
	imager->key_hash = isnull ? 0 : hash_integer(imager->how[imager->keys[0]], key, imager->seed);
	imager->has_hash = true;
}

void
dbsync_imager_pass(DbsyncImager *imager)
{
	imager->has_key = imager->has_hash = false;
}

void
dbsync_imager_take(DbsyncImager *imager, const char *const *values)
{
	if (!imager->has_key && imager->nkeys > 0)
		dbsync_imager_take_key(imager, values);
	imager->has_key = imager->has_hash = false;
	for (int i = 0; i < imager->nvalues; i++)
		take_value(imager, imager->valued[i], values[imager->valued[i]]);
	for (int i = 0; i < imager->nothers; i++)
		take_value(imager, imager->others[i], values[imager->others[i]]);
	if (imager->nkeys == 0)
		imager->key_hash = hash_image(imager, imager->ncolumns, NULL, imager->seed);
}

int
dbsync_imager_bucket(DbsyncImager *imager)
{
	return (int) (imager->key_hash & (uint64) (imager->buckets - 1));
}

uint64
dbsync_imager_hash(DbsyncImager *imager)
{
	uint64		k = imager->key_hash;
	uint64		h = k;

	if (imager->nkeys == 0)
		return h;
	for (int i = 0; i < imager->nvalues; i++)
	{
		int			column = imager->valued[i];
		uint64		place = (uint64) column + 1;

		h ^= imager->values[column] ? hash_value(imager, column, k ^ place) : place;
	}
	if (imager->nothers > 0)
		h ^= hash_image(imager, imager->nothers, imager->others, k);
	return h;
}

const StringInfoData *
dbsync_imager_listed(DbsyncImager *imager)
{
	return imager->nkeys > 0 ? image_of(imager, imager->nkeys, imager->keys) : image_of(imager, imager->ncolumns, NULL);
}

const char *
dbsync_imager_row(DbsyncImager *imager)
{
	write_image(imager, &imager->image, imager->ncolumns, NULL);
	return imager->image.data;
}

const char *
dbsync_imager_key(DbsyncImager *imager)
{
	write_image(imager, &imager->image, imager->nkeys, imager->keys);
	return imager->image.data;
}

int
dbsync_imager_longest(const DbsyncImager *imager)
{
	return imager->image.maxlen;
}
