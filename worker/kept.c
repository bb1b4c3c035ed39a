/*-------------------------------------------------------------------------
 *
 * worker/kept.c
 *	  Rows that a target has and its source has not, and that are meant to be there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/kept.h"
#include "worker/query.h"

bool
dbsync_kept_rows(const DbsyncSubscription *subscription, const DbsyncTable *table)
{
	const int	gone = DBSYNC_SENDS_DELETE | DBSYNC_SENDS_TRUNCATE;
	const char *args[2] = {psprintf("%d", subscription->id), psprintf("%d", table->captured_id)};
	bool		has;

	if ((table->operations & gone) != gone || dbsync_table_keeps_rows(table))
		return true;
	SPI_connect();
	has = dbsync_query("SELECT 1 FROM dbsync.kept_partition k WHERE k.subscription_id = $1::pg_catalog.int4"
					   " AND k.captured_id = $2::pg_catalog.int4 AND k.kept LIMIT 1", 2, args) > 0;
	SPI_finish();
	return has;
}
