/*-------------------------------------------------------------------------
 *
 * worker/copy/creating.c
 *	  Tables that the target lacks are made before their first copy.
 *
 * The driver makes a table in a transaction of its own, and knows it again.  That further indexes are
 * due is noted here before a row is copied: a worker that ends in between makes the
 * table again, which is there, and notes it then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/uuid.h"

#include "worker/copy/creating.h"
#include "worker/copy/schedule.h"
#include "worker/creation.h"
#include "worker/query.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"
#include "worker/text.h"

static bool
may_lack(const DbsyncTable *table)
{
	return table->state != DBSYNC_TABLE_SUSPENDED && table->captured && table->dropped == 0 &&
		!table->part_found && !table->part.live && table->part.nkeys == 0 && table->handle == NULL && !table->is_there;
}

/* Those without a copy come first, as they do in batches. */
static DbsyncTable *
find_table(DbsyncWork *work)
{
	DbsyncTable *next;
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (!table->copy_data && may_lack(table))
			return table;
	}
	next = dbsync_schedule_next_table(work);
	return next != NULL && may_lack(next) ? next : NULL;
}

static const char *
uid_of(const DbsyncTable *table)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(unconstify(pg_uuid_t *, &table->uid))));
}

/* What went wrong is for people: the configuration is read again, so only what is news. */
static void
note(DbsyncTable *table, const char *words)
{
	const char *args[2] = {words, uid_of(table)};

	if (dbsync_text_is_same(words, table->creation_note))
		return;
	dbsync_query_run("UPDATE dbsync.subscription_table SET note = $1"
					 " WHERE uid = $2::pg_catalog.uuid AND state = 'new'", 2, args);
	table->creation_note = words ? MemoryContextStrdup(GetMemoryChunkContext(table), words) : NULL;
}

static void
note_due(DbsyncTable *table, bool due)
{
	const char *args[2] = {due ? "true" : "false", uid_of(table)};

	if (table->indexing.due == due)
		return;
	dbsync_query_run("UPDATE dbsync.subscription_table SET indexes_due = $1::pg_catalog.bool"
					 " WHERE uid = $2::pg_catalog.uuid", 2, args);
	table->indexing.due = due;
}

/* As the copy of a table that fails is, with the statement. */
pg_noreturn static void
raise_refused(DbsyncWork *work, DbsyncTable *table, const char *words)
{
	const DbsyncFault *fault = &work->target->fault;
	const char *detail = fault->detail ? psprintf("%s ", fault->detail) : "";

	ereport(ERROR,
			(errcode(fault->sqlstate),
			 errmsg("%s", words),
			 fault->statement ? errdetail("%sThe statement was: %s", detail, fault->statement) : 0,
			 fault->hint ? errhint("%s", fault->hint) : 0));
}

static void
refused(DbsyncWork *work, DbsyncTable *table)
{
	const DbsyncFault *fault = &work->target->fault;
	const char *words;

	/* not the table's fault, or not for long */
	if (fault->kind == DBSYNC_FAULT_LOST || fault->kind == DBSYNC_FAULT_UNAVAILABLE || fault->kind == DBSYNC_FAULT_LOCKED)
		dbsync_target_raise(work->target, psprintf("making target table \"%s.%s\"", table->target_schema, table->target_table));
	words = psprintf("target table \"%s.%s\" could not be made: %s", table->target_schema, table->target_table, fault->message);
	note(table, fault->statement ? psprintf("%s; the statement was: %s", words, fault->statement) : words);
	dbsync_query_commit();
	raise_refused(work, table, words);
}

void
dbsync_creating_run(DbsyncWork *work)
{
	DbsyncTable *table;
	DbsyncCreation *creation;
	MemoryContext old = CurrentMemoryContext;
	bool		made = false;

	if (!work->subscription->create_missing || !dbsync_target_creates_tables(work->target) ||
		dbsync_subscription_is_settled(work->subscription))
		return;
	table = find_table(work);
	if (table == NULL)
		return;
	work->blamed = table->captured_id;
	dbsync_query_begin(false, "making a table at the target");
	/* outlives the transaction */
	MemoryContextReset(work->batch_context);
	MemoryContextSwitchTo(work->batch_context);
	/* one that has just been dropped: the configuration says so in a moment */
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table->relid)))
		elog(ERROR, "captured table %u has gone", table->relid);
	creation = dbsync_creation_read(work->subscription_id, table->captured_id);
	if (!dbsync_target_try_table_create(work->target, &creation->spec, creation->changes,
										dbsync_creation_maker(&work->subscription->uid), &made))
		refused(work, table);
	note(table, NULL);
	note_due(table, made);
	dbsync_query_commit();
	table->is_there = true;
	work->blamed = 0;
	MemoryContextSwitchTo(old);
}
