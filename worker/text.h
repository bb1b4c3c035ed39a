/*-------------------------------------------------------------------------
 *
 * worker/text.h
 *	  Texts that need not be there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TEXT_H
#define DBSYNC_WORKER_TEXT_H

/* Are both the same, or both NULL? */
static inline bool
dbsync_text_is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

#endif							/* DBSYNC_WORKER_TEXT_H */
