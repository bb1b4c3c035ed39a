/*-------------------------------------------------------------------------
 *
 * worker/oversize.c
 *	  Rows that are too large to be sent, and the tables that have them.
 *
 * PostgreSQL handles values of up to 1 GB in memory.  A row can be stored that does
 * not fit when it is to travel: text is longer than what it stands for, and values
 * that were stored one after the other have to be there at the same time.  No attempt
 * will ever get it through, and all tables of the subscription would wait behind it.
 * So its table is suspended in this subscription, with a note that says which row it
 * is and what to do; the others go on.  What it misses a new copy brings.
 *
 * Nothing is suspended for what may pass: memory that the system does not have,
 * cancelled queries, or a refusal of the target's that a change there can cure.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "worker/oversize.h"
#include "worker/query.h"
#include "worker/row_size.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"

/* attempts in a row that fail so, before it is believed */
#define ATTEMPTS	2

/*
 * The table whose rows were being read and sent.  A refusal of the target's counts
 * only if a row was on its way that is large enough to be the reason, as there are
 * other limits there.
 */
static DbsyncTable *
find_table(DbsyncWork *work, const ErrorData *edata)
{
	bool		remote = dbsync_target_has_fault(work->target);
	int			id = remote ? dbsync_row_size_heavy() : work->sending;

	if (id == 0 || !dbsync_row_size_is_too_large(edata->sqlerrcode, edata->message))
		return NULL;
	return dbsync_subscription_table(work->subscription, id);
}

static char *
copy_text(const char *text)
{
	return text ? pstrdup(text) : NULL;
}

bool
dbsync_oversize_judge(DbsyncWork *work, const ErrorData *edata)
{
	DbsyncTable *table = find_table(work, edata);
	MemoryContext old;

	work->sending = 0;
	if (table == NULL)
		return false;
	if (++table->oversized < ATTEMPTS)
		return true;
	old = MemoryContextSwitchTo(work->context);
	work->suspend_due = table->captured_id;
	work->suspended_for = palloc0(sizeof(ErrorData));
	work->suspended_for->sqlerrcode = edata->sqlerrcode;
	work->suspended_for->message = copy_text(edata->message);
	work->suspended_for->detail = copy_text(edata->detail);
	work->suspended_for->hint = copy_text(edata->hint);
	MemoryContextSwitchTo(old);
	return true;
}

void
dbsync_oversize_suspend(DbsyncWork *work)
{
	DbsyncTable *table;
	char	   *note;

	if (work->suspend_due == 0)
		return;
	table = dbsync_subscription_table(work->subscription, work->suspend_due);
	/* somebody may have taken it out meanwhile */
	if (table != NULL && table->state != DBSYNC_TABLE_SUSPENDED)
	{
		note = psprintf("%s%s%s To go on: make the row smaller or delete it, then SELECT dbsync.copy_table(%s, %s);"
						" or take the table out with dbsync.remove_table().",
						work->suspended_for->message,
						work->suspended_for->detail ? ": " : ".",
						work->suspended_for->detail ? work->suspended_for->detail : "",
						quote_literal_cstr(work->subscription->name),
						quote_literal_cstr(table->qualified));
		dbsync_query_begin(false, "suspending a table");
		dbsync_subscription_suspend(work->subscription, table, note);
		dbsync_query_commit();
		ereport(WARNING,
				(errmsg("table %s of subscription \"%s\" is suspended: %s", table->qualified,
						work->subscription->name, work->suspended_for->message)));
	}
	work->suspend_due = 0;
}
