/*-------------------------------------------------------------------------
 *
 * worker/news.c
 *	  Has the server told of anything that what we have read hangs on?
 *
 * Much of what a worker goes by changes without a word to dbsync's configuration, but none of it
 * without the server telling of a relation, or of an entry of a system cache.  Callbacks count such
 * news, and who has read something reads it again when there are more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "extension/catalog.h"
#include "worker/news.h"

static int
compare_oids(const void *a, const void *b)
{
	Oid			left = *(const Oid *) a;
	Oid			right = *(const Oid *) b;

	return left < right ? -1 : left > right;
}

void
dbsync_news_of(DbsyncNews *news, Oid relid)
{
	news->count++;
	for (int i = 0; i < news->nheard; i++)
	{
		if (news->heard[i] == relid)
			return;
	}
	if (!OidIsValid(relid) || news->nheard == DBSYNC_NEWS_NAMED)
		news->of_all = true;
	else
		news->heard[news->nheard++] = relid;
}

const char *
dbsync_news_begin(DbsyncNews *news)
{
	StringInfoData list;

	if (news->of_all)
		return NULL;
	initStringInfo(&list);
	appendStringInfoChar(&list, '{');
	for (int i = 0; i < news->nheard; i++)
		appendStringInfo(&list, "%s%u", i > 0 ? "," : "", news->heard[i]);
	appendStringInfoChar(&list, '}');
	news->of_all = true;
	return list.data;
}

bool
dbsync_news_end(DbsyncNews *news, uint64 begun)
{
	if (news->count != begun)
		return false;
	news->nheard = 0;
	news->of_all = false;
	return true;
}

/* The callbacks can run at any moment, in any state: they only count. */
static void
hear_of_relation(Datum arg, Oid relid)
{
	DbsyncNews *news = (DbsyncNews *) DatumGetPointer(arg);

	if (dbsync_catalog_is_trimming())
		return;
	if (!OidIsValid(relid) ||
		(news->n > 0 && bsearch(&relid, news->relids, news->n, sizeof(Oid), compare_oids)))
		dbsync_news_of(news, relid);
}

static void
hear_of_object(Datum arg, int cacheid, uint32 hashvalue)
{
	if (!dbsync_catalog_is_trimming())
		dbsync_news_of((DbsyncNews *) DatumGetPointer(arg), InvalidOid);
}

bool
dbsync_news_listen(DbsyncNews *news, const int *caches, int ncaches)
{
	if (news->registered)
		return false;
	CacheRegisterRelcacheCallback(hear_of_relation, PointerGetDatum(news));
	for (int i = 0; i < ncaches; i++)
		CacheRegisterSyscacheCallback(caches[i], hear_of_object, PointerGetDatum(news));
	news->registered = true;
	return true;
}

void
dbsync_news_watch(DbsyncNews *news, const Oid *relids, int n)
{
	Oid		   *copied = MemoryContextAlloc(TopMemoryContext, sizeof(Oid) * Max(n, 1));
	Oid		   *before = news->relids;

	memcpy(copied, relids, sizeof(Oid) * n);
	qsort(copied, n, sizeof(Oid), compare_oids);
	news->n = 0;
	news->relids = copied;
	news->n = n;
	if (before != NULL)
		pfree(before);
}
