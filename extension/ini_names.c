/*-------------------------------------------------------------------------
 *
 * extension/ini_names.c
 *	  Names and lists in INI files, written as in SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/pg_list.h"
#include "parser/scansup.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "extension/ini.h"

PG_FUNCTION_INFO_V1(dbsync_ini_names_array);
PG_FUNCTION_INFO_V1(dbsync_ini_list_array);

static const char *
skip_blanks(const char *at)
{
	while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')
		at++;
	return at;
}

static bool
begins_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || IS_HIGHBIT_SET(c);
}

static bool
continues_name(char c)
{
	return begins_name(c) || (c >= '0' && c <= '9') || c == '$';
}

/* A name between double quotes, which *at is in front of; behind them then. */
static bool
read_quoted(const char **at, StringInfo name)
{
	const char *p = *at + 1;

	for (; *p != '\0'; p++)
	{
		if (*p == '"' && p[1] != '"')
		{
			*at = p + 1;
			return true;
		}
		if (*p == '"')
			p++;
		appendStringInfoChar(name, *p);
	}
	return false;
}

static int
hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* What \XXXX, \+XXXXXX or \\ means; how many bytes of it there are, 0: it is none of these. */
static int
read_escape(const char *at, StringInfo name)
{
	unsigned char bytes[MAX_UNICODE_EQUIVALENT_STRING + 1] = {0};
	int			skip = at[1] == '+' ? 2 : 1;
	int			digits = at[1] == '+' ? 6 : 4;
	pg_wchar	code = 0;

	if (at[1] == '\\')
	{
		appendStringInfoChar(name, '\\');
		return 2;
	}
	for (int i = 0; i < digits; i++)
	{
		int			value = hex_value(at[skip + i]);

		if (value < 0)
			return 0;
		code = code * 16 + value;
	}
	if (!is_valid_unicode_codepoint(code) || is_utf16_surrogate_first(code) || is_utf16_surrogate_second(code))
		return 0;
	pg_unicode_to_server(code, bytes);
	appendStringInfoString(name, (char *) bytes);
	return skip + digits;
}

/* Turns the escapes of U&"..." into what they mean. */
static bool
unescape(StringInfo name)
{
	char	   *escaped = pstrdup(name->data);

	resetStringInfo(name);
	for (const char *p = escaped; *p != '\0';)
	{
		int			length = *p == '\\' ? read_escape(p, name) : 1;

		if (length == 0)
			return false;
		if (*p != '\\')
			appendStringInfoChar(name, *p);
		p += length;
	}
	return true;
}

/* One identifier is put into "name", which is empty; false: there is none, or it is too long. */
static bool
read_name(const char **at, StringInfo name)
{
	bool		escaped = (**at == 'U' || **at == 'u') && (*at)[1] == '&' && (*at)[2] == '"';

	if (escaped)
		*at += 2;
	if (**at == '"')
	{
		if (!read_quoted(at, name) || (escaped && !unescape(name)))
			return false;
	}
	else if (begins_name(**at))
	{
		const char *begin = *at;
		char	   *folded;

		while (continues_name(**at))
			(*at)++;
		folded = downcase_identifier(begin, *at - begin, false, false);
		appendStringInfoString(name, folded);
		pfree(folded);
	}
	return name->len > 0 && name->len < NAMEDATALEN;
}

/* Identifiers with dots between them are put into "path", quoted; false: there are none. */
static bool
read_path(const char **at, StringInfo path, StringInfo name)
{
	for (;;)
	{
		resetStringInfo(name);
		if (!read_name(at, name))
			return false;
		appendStringInfoString(path, quote_identifier(name->data));
		*at = skip_blanks(*at);
		if (**at != '.')
			return true;
		appendStringInfoChar(path, '.');
		*at = skip_blanks(*at + 1);
	}
}

bool
dbsync_ini_names(const char *text, char separator, List **names)
{
	const char *at = skip_blanks(text);
	StringInfoData path;
	StringInfoData name;

	*names = NIL;
	if (*at == '\0')
		return true;
	initStringInfo(&path);
	initStringInfo(&name);
	for (;;)
	{
		resetStringInfo(&path);
		if (!read_path(&at, &path, &name))
			return false;
		*names = lappend(*names, pstrdup(path.data));
		if (*at == '\0')
			return true;
		if (*at != separator)
			return false;
		at = skip_blanks(at + 1);
	}
}

/*
 * Behind what begins here and may have commas that separate nothing: a string, a quoted
 * name, a string between $tags$, a comment.  NULL: it does not end; the same: it is none.
 */
static const char *
skip_quoted(const char *at, bool escapes)
{
	const char *end;

	if (*at == '\'' || *at == '"')
	{
		for (end = at + 1; *end != '\0'; end++)
		{
			if (*end == '\\' && escapes && *at == '\'' && end[1] != '\0')
				end++;
			else if (*end == *at)
				return end + 1;
		}
		return NULL;
	}
	if (at[0] == '-' && at[1] == '-')
	{
		end = strchr(at, '\n');
		return end ? end + 1 : at + strlen(at);
	}
	if (at[0] == '/' && at[1] == '*')
	{
		int			depth = 1;

		for (end = at + 2; *end != '\0' && depth > 0; end++)
		{
			if ((end[0] == '*' && end[1] == '/') || (end[0] == '/' && end[1] == '*'))
				depth += *end++ == '/' ? 1 : -1;
		}
		return depth == 0 ? end : NULL;
	}
	if (*at == '$')
	{
		char	   *tag;

		for (end = at + 1; continues_name(*end) && *end != '$'; end++)
			;
		if (*end != '$' || (at[1] >= '0' && at[1] <= '9'))
			return at;
		tag = pnstrdup(at, end + 1 - at);
		end = strstr(end + 1, tag);
		return end ? end + strlen(tag) : NULL;
	}
	return at;
}

/* Put an element into the list, without the blanks around it; false: there is nothing else. */
static bool
add_element(const char *begin, const char *end, List **elements)
{
	begin = skip_blanks(begin);
	while (end > begin && skip_blanks(end - 1) >= end)
		end--;
	if (begin >= end)
		return false;
	*elements = lappend(*elements, pnstrdup(begin, end - begin));
	return true;
}

bool
dbsync_ini_list(const char *text, List **elements)
{
	const char *begin = text;
	const char *at = text;
	int			depth = 0;

	*elements = NIL;
	if (*skip_blanks(text) == '\0')
		return true;
	while (*at != '\0')
	{
		/* names may have $ in them, and end with an e */
		bool		in_name = at > text && continues_name(at[-1]);
		bool		escapes = in_name && (at[-1] == 'e' || at[-1] == 'E') &&
			(at == text + 1 || !continues_name(at[-2]));
		const char *end = in_name && *at == '$' ? at : skip_quoted(at, escapes);

		if (end == NULL)
			return false;
		if (end > at)
		{
			at = end;
			continue;
		}
		if (strchr("([", *at) != NULL)
			depth++;
		else if (strchr(")]", *at) != NULL && --depth < 0)
			return false;
		else if (*at == ',' && depth == 0)
		{
			if (!add_element(begin, at, elements))
				return false;
			begin = at + 1;
		}
		at++;
	}
	return depth == 0 && add_element(begin, at, elements);
}

static Datum
text_array(List *strings)
{
	Datum	   *values = palloc(sizeof(Datum) * (list_length(strings) + 1));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, strings)
		values[n++] = CStringGetTextDatum(lfirst(lc));
	return PointerGetDatum(construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* dbsync_internal.ini_names(text, separator): NULL for what is no list of names. */
Datum
dbsync_ini_names_array(PG_FUNCTION_ARGS)
{
	List	   *names;

	if (!dbsync_ini_names(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_CHAR(1), &names))
		PG_RETURN_NULL();
	return text_array(names);
}

/* dbsync_internal.ini_list(text): NULL for what is no list. */
Datum
dbsync_ini_list_array(PG_FUNCTION_ARGS)
{
	List	   *elements;

	if (!dbsync_ini_list(text_to_cstring(PG_GETARG_TEXT_PP(0)), &elements))
		PG_RETURN_NULL();
	return text_array(elements);
}
