/*-------------------------------------------------------------------------
 *
 * worker/text.c
 *	  Texts that need not be there, and arrays of them as text.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/text.h"

void
dbsync_text_keep(MemoryContext context, char **kept, const char *text)
{
	if (*kept != NULL)
		pfree(*kept);
	*kept = text ? MemoryContextStrdup(context, text) : NULL;
}

void
dbsync_text_append_element(StringInfo array, const char *value)
{
	appendStringInfoString(array, array->len == 0 ? "{\"" : ",\"");
	for (const char *p = value; *p; p++)
	{
		if (*p == '"' || *p == '\\')
			appendStringInfoChar(array, '\\');
		appendStringInfoChar(array, *p);
	}
	appendStringInfoChar(array, '"');
}

char *
dbsync_text_array(int n, char *const *values)
{
	StringInfoData array;

	initStringInfo(&array);
	for (int i = 0; i < n; i++)
		dbsync_text_append_element(&array, values[i]);
	appendStringInfoString(&array, n > 0 ? "}" : "{}");
	return array.data;
}
