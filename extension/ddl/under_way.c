/*-------------------------------------------------------------------------
 *
 * extension/ddl/under_way.c
 *	  Commands that have begun and that the guard has not judged yet.
 *
 * Between what a command does and its judgement event triggers of others may run, with statements
 * on captured tables, and commands of their own in them.  While any command is under way
 * statements on partitioned tables ask for judgement first (dbsync_follow_before()).
 *
 * One that failed is not under way any more, which shows when its subtransaction is rolled back.
 * If one were counted too many, those statements would ask in vain, and nothing worse.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "extension/admin.h"
#include "extension/capture/follow.h"
#include "extension/catalog.h"
#include "extension/ddl/under_way.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/* more of them within each other go without: those are judged when they are done */
#define MAX_UNDER_WAY 32

typedef struct Command
{
	int			level;			/* transaction nesting in which it began */
	Oid			role;
} Command;

Oid			dbsync_commander = InvalidOid;

static Command commands[MAX_UNDER_WAY];
static int	ncommands = 0;

/* The name leads to a function of one or two arguments. */
static void
call(const char *name, int nargs, const Oid *types, const Datum *values)
{
	Oid			function = dbsync_catalog_function(name, buildoidvector(types, nargs));

	if (!OidIsValid(function))
		return;
	if (nargs == 1)
		OidFunctionCall1(function, values[0]);
	else
		OidFunctionCall2(function, values[0], values[1]);
}

void
dbsync_guard_call(Oid role, const char *name, int nargs, const Oid *types, const Datum *values)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			outer = dbsync_commander;
	bool		snapshot = !ActiveSnapshotSet();

	if (snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	dbsync_commander = role;
	PG_TRY();
	{
		call(name, nargs, types, values);
	}
	PG_CATCH();
	{
		dbsync_commander = outer;
		dbsync_admin_raise(context);
	}
	PG_END_TRY();
	dbsync_commander = outer;
	if (snapshot)
		PopActiveSnapshot();
}

/* dbsync_follow_members, in the name of who gave the innermost command */
static void
follow_members(int captured_id)
{
	const Oid	types[] = {INT4OID};
	const Datum values[] = {Int32GetDatum(captured_id)};

	dbsync_guard_call(commands[ncommands - 1].role, "follow_before", lengthof(types), types, values);
}

static void
keep(int n)
{
	ncommands = n;
	dbsync_follow_members = n > 0 ? follow_members : NULL;
}

static void
end_of_transaction(XactEvent event, void *arg)
{
	/* also in the middle of DETACH CONCURRENTLY, which nothing can be written behind: it takes no
	 * table with a default partition */
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		keep(0);
}

static void
end_of_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	int			n = ncommands;

	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (n > 0 && commands[n - 1].level >= GetCurrentTransactionNestLevel())
		n--;
	if (n < ncommands)
		keep(n);
}

void
dbsync_under_way_begin(void)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(end_of_transaction, NULL);
		RegisterSubXactCallback(end_of_subtransaction, NULL);
		registered = true;
	}
	if (ncommands == MAX_UNDER_WAY)
		return;
	commands[ncommands].level = GetCurrentTransactionNestLevel();
	commands[ncommands].role = GetUserId();
	keep(ncommands + 1);
}

void
dbsync_under_way_end(void)
{
	if (ncommands > 0)
		keep(ncommands - 1);
}
