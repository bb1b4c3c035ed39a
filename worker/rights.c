/*-------------------------------------------------------------------------
 *
 * worker/rights.c
 *	  Are a subscription's owner's rights still what they were?
 *
 * Rights are asked when a table is added, and then whenever they can have changed:
 * when the configuration is read, and when the server tells of a change to one of
 * the tables (grants, owner, row security), or to roles, memberships, schemas,
 * foreign servers, user mappings, or the database's owner.  Callbacks count such
 * news.  One query for all tables of the subscription follows before the next batch;
 * there is none as long as there is no news.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "extension/catalog.h"
#include "worker/news.h"
#include "worker/query.h"
#include "worker/rights.h"
#include "worker/subscription.h"
#include "worker/table.h"

/* whatever of them changes, rights on any table may have changed */
static const int watched_caches[] = {
	AUTHOID, AUTHMEMMEMROLE, NAMESPACEOID, FOREIGNSERVEROID, USERMAPPINGOID,
	/* its owner is a member of pg_database_owner, and nothing else tells of that */
	DATABASEOID
};

static uint32 anchor_hash = 0;	/* of the function that stands for the subscription */

static DbsyncNews news = {.count = 1};
static uint64 asked = 0;		/* those that the last question came after */

/* REASSIGN OWNED and the like */
static void
hear_of_function(Datum arg, int cacheid, uint32 hashvalue)
{
	if ((hashvalue == 0 || hashvalue == anchor_hash) && !dbsync_catalog_is_trimming())
		dbsync_news_of(&news, InvalidOid);
}

void
dbsync_rights_watch(const DbsyncSubscription *subscription)
{
	Oid		   *relids = palloc(sizeof(Oid) * Max(list_length(subscription->tables), 1));
	int			n = 0;
	ListCell   *lc;

	if (dbsync_news_listen(&news, watched_caches, lengthof(watched_caches)))
		CacheRegisterSyscacheCallback(PROCOID, hear_of_function, (Datum) 0);
	foreach(lc, subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		relids[n++] = table->relid;
		/* of tables that are what they were, news have come */
		if (table->fresh)
			dbsync_news_of(&news, table->relid);
		table->fresh = false;
	}
	dbsync_news_watch(&news, relids, n);
	pfree(relids);
	if (anchor_hash != subscription->anchor_hash)
		dbsync_news_of(&news, InvalidOid);
	anchor_hash = subscription->anchor_hash;
}

bool
dbsync_rights_ask(DbsyncWork *work)
{
	DbsyncSubscription *subscription = work->subscription;
	const char *args[2];
	uint64		now = news.count;
	bool		changed;

	if (asked == now)
		return true;
	dbsync_query_begin(false, "asking for rights");
	args[0] = psprintf("%d", subscription->id);
	args[1] = dbsync_news_begin(&news);
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) dbsync_query("SELECT suspended, owner FROM dbsync_internal.ask_rights($1::pg_catalog.int4, $2::pg_catalog.oid[])",
						2, args);
	changed = dbsync_query_int(0, 1) > 0 || dbsync_query_oid(0, 2) != subscription->owner;
	PopActiveSnapshot();
	SPI_finish();
	dbsync_query_commit();
	asked = now;
	(void) dbsync_news_end(&news, now);
	if (changed)
		dbsync_subscription_forget(subscription);
	return !changed;
}

bool
dbsync_rights_hold(DbsyncWork *work)
{
	const char *args[3];
	uint64		now;
	bool		hold;

	AcceptInvalidationMessages();
	now = news.count;
	if (asked == now)
		return true;
	args[0] = psprintf("%d", work->subscription->id);
	args[1] = psprintf("%u", work->subscription->owner);
	args[2] = dbsync_news_begin(&news);
	SPI_connect();
	(void) dbsync_query("SELECT dbsync_internal.rights_hold($1::pg_catalog.int4, $2::pg_catalog.oid, $3::pg_catalog.oid[])",
						3, args);
	hold = dbsync_query_bool(0, 1);
	SPI_finish();
	if (hold)
	{
		asked = now;
		(void) dbsync_news_end(&news, now);
	}
	return hold;
}
