/*-------------------------------------------------------------------------
 *
 * worker/batch/quarantine.c
 *	  Rows that the target refuses for what they are, on_error => 'quarantine'.
 *
 * What a crash leaves behind, of whomever:
 *
 *	before a doubted batch is committed		nothing: the refusal comes again
 *	behind it								the target has the keys, and its position with them; the note here is
 *											compared with the ledger as the next worker connects
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "worker/batch/quarantine.h"
#include "worker/batch/quarantine_note.h"
#include "worker/copy/connections.h"
#include "worker/driver/driver.h"
#include "worker/parked.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"

/* a batch comes again so often, for another check each time: the names are the target's, and may be made up */
#define CHECKS_TRIED	20

static DbsyncTable *
find_table(const DbsyncWork *work, const pg_uuid_t *attachment)
{
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (memcmp(&table->uid, attachment, sizeof(pg_uuid_t)) == 0)
			return table;
	}
	return NULL;
}

/* It is parked, or it is not any more; the row says which.  True: it was not parked before. */
static bool
take(DbsyncWork *work, const DbsyncParkedRow *row)
{
	bool		news = false;
	DbsyncTable *table = find_table(work, &row->attachment);

	if (table == NULL)
		return false;
	if (table->parked == NULL)
	{
		if (row->freed)
			return false;
		table->parked = dbsync_parked_create(work->target_context);
	}
	if (row->freed)
		dbsync_parked_remove(table->parked, row->nkeys, row->key);
	else if (dbsync_parked_find_text(table->parked, row->nkeys, row->key) == NULL)
	{
		dbsync_parked_add(table->parked, row->nkeys, row->key);
		news = true;
	}
	if (dbsync_parked_count(table->parked) == 0)
		table->parked = NULL;
	return news;
}

static void
report(const DbsyncWork *work)
{
	int			n = 0;
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		const DbsyncTable *table = lfirst(lc);

		n += table->parked != NULL ? dbsync_parked_count(table->parked) : 0;
	}
	dbsync_report_parked(n);
}

static void
refuse_driver(const DbsyncWork *work)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("target \"%s\" does not park rows", work->subscription->target),
			 errdetail("Its driver lacks the feature QUARANTINE."),
			 errhint("SELECT dbsync.alter_subscription('%s', on_error => 'stop').", work->subscription->name)));
}

void
dbsync_quarantine_attach(DbsyncWork *work)
{
	const DbsyncSubscription *subscription = work->subscription;
	MemoryContext old;
	List	   *rows;
	ListCell   *lc;

	work->parks = subscription->quarantines;
	report(work);
	work->parked_seen = work->parked_new = 0;
	if (!subscription->quarantines && !subscription->any_parked)
		return;
	if (!dbsync_target_parks(work->target))
	{
		if (subscription->quarantines)
			refuse_driver(work);
		return;
	}
	/* a driver may look up types to take answers apart */
	dbsync_query_begin(false, "reading the quarantine");
	old = MemoryContextSwitchTo(work->target_context);
	rows = dbsync_target_quarantine_read(work->target, &subscription->uid, subscription->quarantines);
	foreach(lc, rows)
		(void) take(work, lfirst(lc));
	report(work);
	MemoryContextSwitchTo(old);
	dbsync_query_commit();
	work->parked_read = rows;
	work->parked_read_due = rows != NIL || subscription->any_parked;
	dbsync_quarantine_note(work);
}

/*
 * What the target is asked about a table is no row.  Rows go ahead of that in one pipeline, though, and answers come when
 * somebody waits for one.
 */
static bool
is_asking(const DbsyncWork *work)
{
	return work->asking != 0 && !(dbsync_target_has_fault(work->target) && work->target->fault.rows_of != NULL);
}

bool
dbsync_quarantine_finds(const DbsyncWork *work)
{
	/* the configuration may not have been read */
	return work->subscription != NULL && work->subscription->quarantines && !is_asking(work) &&
		dbsync_target_parks(work->target) &&
		((dbsync_target_has_fault(work->target) && work->target->fault.of_row && work->target->fault.kind != DBSYNC_FAULT_LOST) ||
		 dbsync_connections_refuse_row(work));
}

bool
dbsync_quarantine_checks_sooner(DbsyncWork *work)
{
	const char *late = dbsync_quarantine_finds(work) ? work->target->fault.late : NULL;
	MemoryContext old;
	ListCell   *lc;

	if (late == NULL || list_length(work->late) >= CHECKS_TRIED)
		return false;
	foreach(lc, work->late)
	{
		if (strcmp(lfirst(lc), late) == 0)
			return false;
	}
	old = MemoryContextSwitchTo(work->context);
	work->late = lappend(work->late, pstrdup(late));
	MemoryContextSwitchTo(old);
	return true;
}

static void
forget_late(DbsyncWork *work)
{
	list_free_deep(work->late);
	work->late = NIL;
}

void
dbsync_quarantine_failed(DbsyncWork *work, bool doubted)
{
	ListCell   *lc;

	forget_late(work);
	work->refused = 0;
	if (!doubted || !dbsync_target_has_fault(work->target) || work->target->fault.rows_of == NULL ||
		!(work->target->fault.of_row || work->target->fault.kind == DBSYNC_FAULT_TOO_MANY))
		return;
	foreach(lc, work->subscription->tables)
	{
		const DbsyncTable *table = lfirst(lc);

		/* one whose first copy has not begun is put off, as for all else */
		if (table->handle == work->target->fault.rows_of && table->part_found)
			work->refused = table->captured_id;
	}
}

void
dbsync_quarantine_see(DbsyncWork *work)
{
	const List *parked = work->target->parked;

	for (; work->parked_seen < list_length(parked); work->parked_seen++)
	{
		const DbsyncParkedRow *row = list_nth(parked, work->parked_seen);

		/* rows that were caught of a table wait with what is known of its keys */
		if (!row->freed)
			work->parked_new += take(work, row);
	}
}

static bool
has_same_key(const DbsyncTableShape *a, const DbsyncTableShape *b)
{
	if (a->nkeys != b->nkeys)
		return false;
	for (int k = 0; k < a->nkeys; k++)
	{
		if (a->numbers[a->keys[k]] != b->numbers[b->keys[k]])
			return false;
	}
	return true;
}

void
dbsync_quarantine_check_key(DbsyncWork *work, const DbsyncTable *table, const DbsyncTableShape *before,
							const DbsyncTableShape *shape)
{
	/* the driver may have parked some as it came to the change */
	dbsync_quarantine_see(work);
	if (table->parked == NULL || before == NULL || has_same_key(before, shape))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table %s has got another key, while %d rows are parked at the target by the one before", table->qualified,
					dbsync_parked_count(table->parked)),
			 errdetail("Nobody could tell any more which rows these are."),
			 errhint("SELECT dbsync.copy_table(%s, %s, existing_rows => 'truncate') copies it anew, and frees them.",
					 quote_literal_cstr(work->subscription->name), quote_literal_cstr(table->qualified))));
}

void
dbsync_quarantine_gather(DbsyncWork *work)
{
	MemoryContext old;
	ListCell   *lc;
	int			n = work->parked_new;

	forget_late(work);
	work->parked_seen = work->parked_new = 0;
	if (work->target->parked == NIL)
		return;
	foreach(lc, work->target->parked)
		n += take(work, lfirst(lc));
	report(work);
	if (n > 0)
		ereport(LOG,
				(errmsg("target \"%s\" has refused %d rows of subscription \"%s\", whose keys are parked",
						work->subscription->target, n, work->subscription->name),
				 errhint("SELECT * FROM dbsync.quarantine.")));
	old = MemoryContextSwitchTo(work->target_context);
	work->parked_news = list_concat(work->parked_news, dbsync_quarantine_copy(work->target->parked));
	MemoryContextSwitchTo(old);
	work->target->parked = NIL;
}

void
dbsync_quarantine_note(DbsyncWork *work)
{
	/* who has called retry(), and not committed yet, keeps nobody waiting */
	if (work->parked_read_due && !dbsync_query_attempt(dbsync_quarantine_note_all, work))
		return;
	if (work->parked_news != NIL || work->parked_done != NIL)
		(void) dbsync_query_attempt(dbsync_quarantine_note_news, work);
}
