/*-------------------------------------------------------------------------
 *
 * worker/verify/parked.c
 *	  Keys that are parked at the target: what differs there is known, and why.
 *
 * They are read in the transaction that shows the target's table, so they are those of the same moment.  Keys are compared as the
 * key's index does it: they may be written otherwise.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "extension/owner.h"
#include "worker/parked.h"
#include "worker/subscription.h"
#include "worker/target_compare.h"
#include "worker/verify/parked.h"

void
dbsync_verify_parked_read(DbsyncVerify *v)
{
	const DbsyncSubscription *subscription = v->work->subscription;
	DbsyncOwner saved;
	List	   *rows;
	ListCell   *lc;

	v->parked = NULL;
	/* what was parked before stays so, whatever on_error is by now */
	if ((!subscription->quarantines && !subscription->any_parked) || v->spec.nkeys == 0)
		return;
	rows = dbsync_target_read_parked(v->work->target, &v->table->uid);
	if (rows == NIL)
		return;
	v->parked = dbsync_parked_create(v->context);
	foreach(lc, rows)
	{
		const DbsyncParkedRow *row = lfirst(lc);

		dbsync_parked_add(v->parked, row->nkeys, row->key);
	}
	dbsync_owner_begin(&saved, dbsync_table_owner(v->table));
	dbsync_parked_prepare(v->parked, v->table->shape);
	dbsync_owner_end(&saved);
}

bool
dbsync_verify_parked_has(DbsyncVerify *v, char *const *key)
{
	DbsyncOwner saved;
	bool		has;

	dbsync_owner_begin(&saved, dbsync_table_owner(v->table));
	has = dbsync_parked_find_written(v->parked, v->table->shape, key) != NULL;
	dbsync_owner_end(&saved);
	return has;
}
