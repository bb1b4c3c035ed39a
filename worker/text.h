/*-------------------------------------------------------------------------
 *
 * worker/text.h
 *	  Texts that need not be there, and arrays of them as text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TEXT_H
#define DBSYNC_WORKER_TEXT_H

#include "lib/stringinfo.h"

/* Are both the same, or both NULL? */
static inline bool
dbsync_text_is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Keep a copy of the text in a context, in place of what was kept. */
extern void dbsync_text_keep(MemoryContext context, char **kept, const char *text);

/* Append a value to the text of an array, which begins empty, and lacks its last brace until then. */
extern void dbsync_text_append_element(StringInfo array, const char *value);

/* The text of an array of so many values, none of which is NULL; in CurrentMemoryContext. */
extern char *dbsync_text_array(int n, char *const *values);

#endif							/* DBSYNC_WORKER_TEXT_H */
