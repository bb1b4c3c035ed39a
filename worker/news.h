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

/* so many relations are told apart */
#define DBSYNC_NEWS_NAMED	64

/* One for each reader; static, as the server keeps it for the life of the process. */
typedef struct DbsyncNews
{
	uint64		count;			/* so far: who notes it before reading sees afterwards whether there was more */

	/* of nobody else's concern */
	Oid		   *relids;			/* watched, sorted */
	int			n;
	bool		registered;
	Oid			heard[DBSYNC_NEWS_NAMED];	/* of which watched relations there was some, */
	int			nheard;
	bool		of_all;			/* unless it may be of any */
} DbsyncNews;

/* There is some of this relation, or with InvalidOid of any. */
extern void dbsync_news_of(DbsyncNews *news, Oid relid);

/*
 * Of which relations there was some, as an array for SQL, in CurrentMemoryContext; NULL: it may be of any.
 * Until dbsync_news_end() it may be of any then; false: there was more meanwhile.
 */
extern const char *dbsync_news_begin(DbsyncNews *news);
extern bool dbsync_news_end(DbsyncNews *news, uint64 begun);

/*
 * Count what the server tells of any object in these system caches, ncaches of them, from now on, and
 * of relations that are watched.  Further calls do nothing, and say false.
 */
extern bool dbsync_news_listen(DbsyncNews *news, const int *caches, int ncaches);

/* Watch these relations, and none of those before; the array is copied, and kept until the next call. */
extern void dbsync_news_watch(DbsyncNews *news, const Oid *relids, int n);

#endif							/* DBSYNC_WORKER_NEWS_H */
