/*-------------------------------------------------------------------------
 *
 * worker/control/pending.c
 *	  What start_subscription and drop_subscription leave to the commit.
 *
 * A worker that is started must see the rows of the transaction that starts it,
 * so it is registered just before that commits and waits for it to end; where
 * it cannot be registered the transaction fails, with a hint.  A target's ledger
 * cannot roll back with us, so it is told of a drop at the last moment.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "worker/connection.h"
#include "worker/control/lookup.h"
#include "worker/control/pending.h"
#include "worker/driver/driver.h"
#include "worker/limit.h"
#include "worker/run/launcher.h"
#include "worker/target.h"

/* subscriptions to start when this transaction commits */
static List *starting = NIL;

/* subscriptions to delete from their targets' ledgers when it commits */
typedef struct Forgotten
{
	int			id;
	DbsyncJob	kind;
	pg_uuid_t	uid;
	bool		has_played;		/* of a receiver */
	bool		force;
	DbsyncTargetConfig *config;
} Forgotten;

static List *forgetting = NIL;
static bool callback_registered = false;

static void
start_pending(void)
{
	ListCell   *lc;

	foreach(lc, starting)
	{
		DbsyncWorkerArgs args = {0};
		DbsyncFound found = dbsync_lookup_id(lfirst_int(lc));

		args.kind = found.kind;
		args.database = MyDatabaseId;
		args.starter = GetTopTransactionId();
		args.owner = dbsync_limited_role(found.owner);
		if (!dbsync_launcher_start_worker(lfirst_int(lc), &args, NULL))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("could not start the worker of a subscription"),
					 errdetail("No background worker slot is free."),
					 errhint(DBSYNC_NO_SLOT_HINT)));
	}
	starting = NIL;
}

/*
 * Is a receiver's row its own?  Not that of a live subscription; nor, if it has played nothing, one that another receiver,
 * perhaps of another database, has come further with than the beginning of a chain.
 */
static bool
is_own_row(const Forgotten *forgotten, const DbsyncLedger *ledger)
{
	long long	chain;
	long long	number;

	if (ledger->chain == 0)
		return false;
	return forgotten->has_played || ledger->note == NULL ||
		(sscanf(ledger->note, "chain %lld number %lld", &chain, &number) == 2 && number == 0);
}

static bool
forget_at(DbsyncTarget *target, const Forgotten *forgotten)
{
	DbsyncLedger ledger = {0};
	bool		found;

	if (forgotten->kind == DBSYNC_JOB_RECEIVER)
	{
		if (!dbsync_target_try_ledger_read(target, &forgotten->uid, &ledger, &found))
			return false;
		if (!found || !is_own_row(forgotten, &ledger))
			return true;
	}
	return dbsync_target_try_ledger_forget(target, &forgotten->uid);
}

/*
 * Delete the ledger's rows of a subscription that this transaction has dropped;
 * with force a target that does not do it is only a warning.
 */
static void
forget_one(const Forgotten *forgotten)
{
	DbsyncTarget *volatile target = NULL;
	bool		ok;

	PG_TRY();
	{
		target = dbsync_target_try_open(forgotten->config, &ok);
		ok = ok && forget_at(target, forgotten);
		if (!ok && !forgotten->force)
			dbsync_target_raise(target, "deleting the subscription from the target's ledger");
		if (!ok)
			ereport(WARNING,
					(errmsg("could not delete the subscription from the ledger on target \"%s\"",
							forgotten->config->name),
					 errdetail("%s", target->fault.message)));
	}
	PG_FINALLY();
	{
		if (target != NULL)
			dbsync_target_close(target);
	}
	PG_END_TRY();
}

/*
 * Only now, as the transaction commits: the target cannot roll back with us.  A
 * subscription that is there again was dropped in a savepoint.
 */
static void
forget_pending(void)
{
	ListCell   *lc;

	foreach(lc, forgetting)
	{
		Forgotten  *forgotten = lfirst(lc);

		if (dbsync_lookup_id(forgotten->id).id == 0)
			forget_one(forgotten);
	}
	forgetting = NIL;
}

static void
on_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			start_pending();
			forget_pending();
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (starting != NIL || forgetting != NIL)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot PREPARE a transaction that has started or dropped a subscription")));
			break;
		case XACT_EVENT_ABORT:
			starting = NIL;
			forgetting = NIL;
			break;
		default:
			break;
	}
}

static void
register_callback(void)
{
	if (!callback_registered)
		RegisterXactCallback(on_transaction, NULL);
	callback_registered = true;
}

PG_FUNCTION_INFO_V1(dbsync_forget_at_target);

void
dbsync_pending_start(int subscription)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	register_callback();
	starting = list_append_unique_int(starting, subscription);
	MemoryContextSwitchTo(old);
}

void
dbsync_pending_cancel_start(int subscription)
{
	starting = list_delete_int(starting, subscription);
}

bool
dbsync_pending_is_starting(int subscription)
{
	return list_member_int(starting, subscription);
}

/*
 * How to reach the target; with force NULL, and a warning, where its owner has lost
 * the right to.
 */
static DbsyncTargetConfig *
config_to_forget(const DbsyncFound *found, bool force)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	DbsyncTargetConfig *volatile config = NULL;

	if (!force)
		return dbsync_connection_config(found->target, found->owner);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		config = dbsync_connection_config(found->target, found->owner);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		/* who breaks it off does not want it done without the ledger */
		if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED || edata->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			ReThrowError(edata);
		config = NULL;
		ereport(WARNING,
				(errmsg("could not delete the subscription from the ledger on target \"%s\"",
						found->target),
				 errdetail_internal("%s", edata->message)));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return config;
}

Datum
dbsync_forget_at_target(PG_FUNCTION_ARGS)
{
	DbsyncFound found = dbsync_lookup_id(PG_GETARG_INT32(0));
	Forgotten  *forgotten;
	MemoryContext old;

	if (found.id == 0 || !found.has_run)
		PG_RETURN_VOID();

	/* server and user mapping may be dropped by the time of the commit */
	register_callback();
	old = MemoryContextSwitchTo(TopTransactionContext);
	forgotten = palloc0(sizeof(Forgotten));
	forgotten->id = found.id;
	forgotten->kind = found.kind;
	forgotten->uid = found.uid;
	forgotten->has_played = found.has_played;
	forgotten->force = PG_GETARG_BOOL(1);
	forgotten->config = config_to_forget(&found, forgotten->force);
	if (forgotten->config != NULL)
		forgetting = lappend(forgetting, forgotten);
	MemoryContextSwitchTo(old);
	PG_RETURN_VOID();
}
