/*-------------------------------------------------------------------------
 *
 * worker/run/configuration.c
 *	  Reading the configuration again when it has changed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/extension.h"

#include "extension/catalog.h"
#include "worker/batch/held.h"
#include "worker/batch/ledger.h"
#include "worker/limit.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/rights.h"
#include "worker/run/configuration.h"
#include "worker/sequence.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"

static int
count_suspended(const DbsyncSubscription *subscription)
{
	int			n = 0;
	ListCell   *lc;

	foreach(lc, subscription->tables)
		n += ((DbsyncTable *) lfirst(lc))->state == DBSYNC_TABLE_SUSPENDED;
	return n;
}

bool
dbsync_configuration_read(DbsyncWork *work)
{
	DbsyncSubscription *old = work->subscription;
	Oid			owner = old ? old->owner : InvalidOid;

	if (old != NULL && old->generation == dbsync_catalog_generation())
		return true;
	work->openings++;
	/* all of it as of one moment: segments name shapes */
	dbsync_query_begin(true, "reading the configuration");
	if (OidIsValid(get_extension_oid("dbsync", true)))
		work->subscription = dbsync_subscription_read(work->context,
													  work->subscription_id, old);
	else
		work->subscription = NULL;
	if (work->subscription != NULL)
		dbsync_report_owner(dbsync_limited_role(work->subscription->owner));
	dbsync_query_commit();
	if (work->subscription == NULL || !work->subscription->adopted)
		return false;

	dbsync_report_suspended(count_suspended(work->subscription));
	dbsync_rights_watch(work->subscription);
	if (work->subscription->tables_changed)
		dbsync_sequences_outdate();
	/* another owner has another user mapping */
	if (work->target != NULL && work->subscription->owner != owner)
		dbsync_ledger_detach(work);

	/* segments may have been closed, and wait for our position */
	work->retention_needed = true;

	/* tables may have begun to flow; a window is cheap to begin again */
	if (work->window != NULL)
		dbsync_window_end(work->window);
	work->window = NULL;
	dbsync_held_end_window(work);

	return work->run != 0 || work->subscription->enabled;
}
