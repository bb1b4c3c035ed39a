/*-------------------------------------------------------------------------
 *
 * worker/verify/image_read.c
 *	  Values of a row that is known by its image.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "worker/verify/image.h"

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
