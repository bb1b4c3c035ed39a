/*-------------------------------------------------------------------------
 *
 * worker/verify/image.c
 *	  What rows look like when they are compared: their text, its hash, and back again.
 *
 * An image is what PostgreSQL writes for ROW(...)::text.  It is written here, from values that are text already, as they are
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
	int64		seed;
	int			buckets;
	int			ncolumns;
	int			nkeys;
	const int  *keys;
	Conversion *conversions;
	const char **values;		/* of the row, as the target has them */
	StringInfoData row;
	StringInfoData key;			/* both plain */
	StringInfoData hexadecimal[2];	/* of row and key */
	bool		has_row;		/* it has been made of these values */
	bool		has_key;
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

DbsyncImager *
dbsync_imager_create(const DbsyncReadForm *form, int ncolumns, int nkeys, const int *keys, int64 seed, int buckets)
{
	DbsyncImager *imager = palloc0(sizeof(DbsyncImager));

	imager->hex = form->hex;
	imager->seed = seed;
	imager->buckets = buckets;
	imager->ncolumns = ncolumns;
	imager->nkeys = nkeys;
	imager->keys = keys;
	imager->conversions = palloc0(sizeof(Conversion) * Max(ncolumns, 1));
	for (int i = 0; i < ncolumns; i++)
		prepare(&imager->conversions[i], form->types[i], form->typmods[i]);
	imager->values = palloc0(sizeof(char *) * Max(ncolumns, 1));
	initStringInfo(&imager->row);
	initStringInfo(&imager->key);
	initStringInfo(&imager->hexadecimal[0]);
	initStringInfo(&imager->hexadecimal[1]);
	return imager;
}

void
dbsync_imager_take(DbsyncImager *imager, const char *const *values)
{
	for (int i = 0; i < imager->ncolumns; i++)
	{
		Conversion *c = &imager->conversions[i];

		imager->values[i] = values[i];
		if (values[i] != NULL && c->needed)
			imager->values[i] = OutputFunctionCall(&c->output,
												   InputFunctionCall(&c->input, unconstify(char *, values[i]), c->ioparam, c->typmod));
	}
	imager->has_row = imager->has_key = false;
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
write_hexadecimal(const StringInfoData *image, StringInfo hexadecimal)
{
	char	   *utf8 = pg_server_to_any(image->data, image->len, PG_UTF8);
	int			length = utf8 == image->data ? image->len : (int) strlen(utf8);

	resetStringInfo(hexadecimal);
	enlargeStringInfo(hexadecimal, length * 2 + 1);
	hexadecimal->len = (int) hex_encode(utf8, length, hexadecimal->data);
	hexadecimal->data[hexadecimal->len] = '\0';
}

/* Of the row, or of its key, as it is hashed. */
static const StringInfoData *
image_of(DbsyncImager *imager, bool key)
{
	StringInfo	image = key ? &imager->key : &imager->row;
	bool	   *has = key ? &imager->has_key : &imager->has_row;

	if (!*has)
	{
		write_image(imager, image, key ? imager->nkeys : imager->ncolumns, key ? imager->keys : NULL);
		if (imager->hex)
			write_hexadecimal(image, &imager->hexadecimal[key]);
		*has = true;
	}
	return imager->hex ? &imager->hexadecimal[key] : image;
}

static uint64
hash(const DbsyncImager *imager, const StringInfoData *image)
{
	return DatumGetUInt64(hash_any_extended((const unsigned char *) image->data, image->len, (uint64) imager->seed));
}

int
dbsync_imager_bucket(DbsyncImager *imager)
{
	return (int) (hash(imager, dbsync_imager_listed(imager)) & (uint64) (imager->buckets - 1));
}

uint64
dbsync_imager_hash(DbsyncImager *imager)
{
	return hash(imager, image_of(imager, false));
}

const StringInfoData *
dbsync_imager_listed(DbsyncImager *imager)
{
	return image_of(imager, imager->nkeys > 0);
}

const char *
dbsync_imager_row(DbsyncImager *imager)
{
	(void) image_of(imager, false);
	return imager->row.data;
}

char *
dbsync_image_plain(const DbsyncReadForm *form, const char *image)
{
	int			length = strlen(image);
	char	   *utf8;

	if (!form->hex)
		return pstrdup(image);
	utf8 = palloc(length / 2 + 1);
	utf8[hex_decode(image, length, utf8)] = '\0';
	return pg_any_to_server(utf8, strlen(utf8), PG_UTF8);
}

/* The value that begins at *p, which goes on to what is behind it. */
static char *
read_value(const char **p)
{
	StringInfoData value;
	bool		quoted = **p == '"';
	const char *s = *p + (quoted ? 1 : 0);

	if (!quoted && (*s == ',' || *s == ')'))
		return NULL;
	initStringInfo(&value);
	for (; *s; s++)
	{
		if (quoted && *s == '"' && s[1] != '"')
			break;
		if (!quoted && (*s == ',' || *s == ')'))
			break;
		if (quoted && (*s == '"' || *s == '\\') && s[1] == *s)
			s++;
		appendStringInfoChar(&value, *s);
	}
	*p = s + (quoted && *s == '"' ? 1 : 0);
	return value.data;
}

char **
dbsync_image_values(const char *image, int n)
{
	char	  **values = palloc0(sizeof(char *) * Max(n, 1));
	const char *p = image;
	int			i = 0;

	if (*p == '(')
		p++;
	while (i < n)
	{
		values[i++] = read_value(&p);
		if (*p != ',')
			break;
		p++;
	}
	if (n > 0 && (i != n || strcmp(p, ")") != 0))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("a row that a target shows has not %d columns", n)));
	return values;
}
