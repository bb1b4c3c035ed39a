/*-------------------------------------------------------------------------
 *
 * worker/verify/ends.c
 *	  What a verify process knows of both ends: the configuration, connections to the target, a table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/extension.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "extension/catalog.h"
#include "worker/connection.h"
#include "worker/query.h"
#include "worker/subscription.h"
#include "worker/target.h"
#include "worker/target_compare.h"
#include "worker/target_table.h"
#include "worker/verify/ends.h"

void
dbsync_ends_read_configuration(DbsyncVerify *v)
{
	DbsyncWork *work = v->work;

	if (work->subscription != NULL && work->subscription->generation == dbsync_catalog_generation())
		return;
	dbsync_query_begin(true, "reading the configuration");
	if (OidIsValid(get_extension_oid("dbsync", true)))
		work->subscription = dbsync_subscription_read(work->context, work->subscription_id, work->subscription);
	else
		work->subscription = NULL;
	dbsync_query_commit();
	MemoryContextSwitchTo(v->context);
	if (work->subscription == NULL || !work->subscription->adopted)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the subscription does not exist any more")));
}

void
dbsync_ends_close(DbsyncVerify *v)
{
	DbsyncWork *work = v->work;
	ListCell   *lc;

	if (work->subscription != NULL)
		foreach(lc, work->subscription->tables)
		{
			DbsyncTable *table = lfirst(lc);

			table->handle = NULL;
			table->sent = NULL;
			table->expressions = NULL;
		}
	if (work->target != NULL)
		dbsync_target_close(work->target);
	if (v->watch != NULL)
		dbsync_target_close(v->watch);
	work->target = v->watch = NULL;
	v->watch_lost = false;
	if (work->target_context != NULL)
		MemoryContextDelete(work->target_context);
	work->target_context = NULL;
}

static DbsyncTarget *
open_target(const DbsyncVerify *v, const char *purpose)
{
	DbsyncTarget *target;
	bool		ok;

	target = dbsync_connection_open(v->work->subscription, purpose, v->work->target_context, &ok);
	if (!ok)
		dbsync_target_raise(target, psprintf("connecting to target \"%s\"", v->work->subscription->target));
	return target;
}

void
dbsync_ends_connect(DbsyncVerify *v)
{
	DbsyncWork *work = v->work;

	if (work->target != NULL)
		return;
	work->target_context = AllocSetContextCreate(work->context, "dbsync target", ALLOCSET_DEFAULT_SIZES);
	work->target = open_target(v, " verify");
	if (!dbsync_target_compares(work->target))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("target \"%s\" cannot be compared", work->subscription->target),
				 errdetail("Its driver \"%s\" does not have the feature COMPARE: it cannot show what is in its tables.",
						   work->target->driver->name)));
	v->watch = open_target(v, " verify, watching");
	MemoryContextSwitchTo(v->context);
}

bool
dbsync_ends_look_up(DbsyncVerify *v, int captured_id, bool for_good)
{
	DbsyncWork *work = v->work;
	DbsyncTable *table = dbsync_subscription_table(work->subscription, captured_id);

	dbsync_query_begin(false, "looking up a table");
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(v->context);
	dbsync_target_table_choose_columns(work, table, table->shape);
	v->spec = dbsync_target_table_spec(table, table->shape);
	v->handle = dbsync_target_table_look_up(work->target, work->target_context, table, table->shape);
	if (v->handle == NULL && !for_good && work->target->fault.sqlstate == ERRCODE_UNDEFINED_COLUMN)
		return false;
	if (v->handle == NULL)
		dbsync_target_raise(work->target, psprintf("looking up target table \"%s.%s\"", table->target_schema, table->target_table));
	PopActiveSnapshot();
	dbsync_query_commit();
	MemoryContextSwitchTo(v->context);
	table->leaves = NIL;
	v->table = table;
	return true;
}
