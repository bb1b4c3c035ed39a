/*-------------------------------------------------------------------------
 *
 * fuzz/parsers/ini.c
 *	  INI files: lines, and the names and lists in them.
 *
 * Input: a file.  Whatever is a value or a section in it is read as names and as a list, too.
 *
 *-------------------------------------------------------------------------
 */
#include "extension/ini.c"
#include "extension/ini_names.c"

#include "utils/formatting.h"

#include "fuzz/parsers/shim.h"

/* what is read of names once is read as the same again */
static void
check_names(const char *text, char separator)
{
	List	   *names;
	List	   *again;
	StringInfoData joined;
	ListCell   *lc;

	if (!dbsync_ini_names(text, separator, &names))
		return;
	initStringInfo(&joined);
	foreach(lc, names)
	{
		fuzz_check(strlen(lfirst(lc)) > 0);
		if (joined.len > 0)
			appendStringInfo(&joined, "%c", separator);
		appendStringInfoString(&joined, lfirst(lc));
	}
	fuzz_check(dbsync_ini_names(joined.data, separator, &again));
	fuzz_check(list_length(again) == list_length(names));
	for (int i = 0; i < list_length(names); i++)
		fuzz_check(strcmp(list_nth(names, i), list_nth(again, i)) == 0);
}

/* elements that are put together are the same ones */
static void
check_list(const char *text)
{
	List	   *elements;
	List	   *again;
	StringInfoData joined;
	ListCell   *lc;

	if (!dbsync_ini_list(text, &elements))
		return;
	initStringInfo(&joined);
	foreach(lc, elements)
	{
		fuzz_check(strlen(lfirst(lc)) > 0);
		/* a comment to the end of the line would take the comma with it */
		if (joined.len > 0)
			appendStringInfoString(&joined, "\n,");
		appendStringInfoString(&joined, lfirst(lc));
	}
	fuzz_check(dbsync_ini_list(joined.data, &again));
	fuzz_check(list_length(again) == list_length(elements));
}

void
fuzz_one(const char *data, Size size)
{
	DbsyncIni	ini;
	DbsyncIniEntry entry;
	int			line = 0;

	dbsync_ini_begin(&ini, data);
	while (dbsync_ini_next(&ini, &entry))
	{
		fuzz_check(entry.line > line && entry.head > 0 && entry.head <= entry.line);
		fuzz_check(entry.section != NULL && strlen(entry.section) > 0);
		fuzz_check((entry.key == NULL) == (entry.head == entry.line));
		fuzz_check(entry.value.len <= (int) size && !(entry.cut && entry.exact));
		fuzz_check(entry.cut || entry.exact || strcmp(entry.value.data, entry.uncut.data) == 0);
		line = entry.line;
		if (entry.key == NULL)
			check_names(entry.section, '/');
		else
		{
			check_names(entry.value.data, ',');
			check_list(entry.uncut.data);
		}
	}
	check_names(data, ',');
	check_list(data);
}

/* --- what stands in for the server, beside the shim --- */

/* all is plain ASCII or quoted here */
const char *
quote_identifier(const char *ident)
{
	StringInfoData quoted;

	initStringInfo(&quoted);
	appendStringInfoString(&quoted, "\"");
	for (const char *p = ident; *p != '\0'; p++)
	{
		char		piece[3] = {*p, *p == '"' ? '"' : '\0', '\0'};

		appendStringInfoString(&quoted, piece);
	}
	appendStringInfoString(&quoted, "\"");
	return quoted.data;
}

char *
downcase_identifier(const char *ident, int len, bool warn, bool truncate)
{
	return asc_tolower(ident, len);
}

void
pg_unicode_to_server(pg_wchar c, unsigned char *s)
{
	if (c == 0)
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("invalid Unicode code point")));
	/* how it is encoded is no matter */
	memcpy(s, "\xC3\xA4", 3);
}
