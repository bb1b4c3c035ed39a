/*-------------------------------------------------------------------------
 *
 * worker/news.h
 *	  Has the server told of anything that what we have read hangs on?
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_NEWS_H
#define DBSYNC_WORKER_NEWS_H

#include "nodes/pg_list.h"

/* One for each reader; static, as the server keeps it for the life of the process. */
typedef struct DbsyncNews
{
	uint64		count;			/* so far: who notes it before reading sees afterwards whether there was more */

	/* of nobody else's concern */
	Oid		   *relids;			/* watched, sorted */
	int			n;
	bool		registered;
} DbsyncNews;

/*
 * Count what the server tells of any object in these system caches, ncaches of them, from now on, and
 * of relations that are watched.  Further calls do nothing, and say false.
 */
extern bool dbsync_news_listen(DbsyncNews *news, const int *caches, int ncaches);

/* Watch these relations, and none of those before; the array is copied, and kept until the next call. */
extern void dbsync_news_watch(DbsyncNews *news, const Oid *relids, int n);

#endif							/* DBSYNC_WORKER_NEWS_H */
