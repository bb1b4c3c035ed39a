/*-------------------------------------------------------------------------
 *
 * worker/copy/reverse.c
 *	  Two databases that feed each other: only one of them copies.
 *
 * Rows that a first copy brings are as old as its snapshot, and count as made by who
 * copies.  With copies in both directions each end gets old rows of its own
 * back, over newer ones, and nobody puts them right.  So before a chunk we look
 * whether the target copies, or has copied, its table to ours.  What its worker has
 * written here says so: this database is its target, with a ledger.
 *
 * That ledger is a table that others can make, own and alter, so it is read straight
 * from the heap, its columns taken for what they are only if they have the
 * types they should have: no operator, cast or view of anybody's is run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "extension/route.h"
#include "worker/copy/reverse.h"
#include "worker/identity.h"
#include "worker/table.h"
#include "worker/work.h"

#include "extension/compat.h"

PG_FUNCTION_INFO_V1(dbsync_is_applied_into);

/* columns of the ledger that tell of the other direction */
enum
{
	ID, SUBSCRIPTION, SYSTEM_IDENTIFIER, DATABASE, LIVE, ROWS, RELATION, NCOLUMNS
};

static const struct
{
	const char *name;
	Oid			type;
}			columns[NCOLUMNS] = {
	[ID] = {"id", UUIDOID},
	[SUBSCRIPTION] = {"subscription", UUIDOID},
	[SYSTEM_IDENTIFIER] = {"system_identifier", INT8OID},
	[DATABASE] = {"database_oid", OIDOID},
	[LIVE] = {"live", BOOLOID},
	[ROWS] = {"rows", INT8OID},
	[RELATION] = {"relation", TEXTOID},
};

/* what there is to know of the target's subscriptions that write here */
typedef struct Reverse
{
	const List *identities;		/* of the target */
	const char *relation;		/* our table */
	List	   *subscriptions;	/* pg_uuid_t *: theirs */
	List	   *fed;			/* the same: those that have it in them, */
	List	   *copied;			/* and have copied it, or do */
	bool		any;			/* does anybody's subscription write here? */
} Reverse;

/* The ledger of those who write here, locked; NULL: there is none. */
static Relation
open_own_ledger(AttrNumber *numbers)
{
	Oid			schema = get_namespace_oid("dbsync_ledger", true);
	Oid			relid = OidIsValid(schema) ? get_relname_relid("position", schema) : InvalidOid;
	Relation	rel = OidIsValid(relid) ? try_relation_open(relid, AccessShareLock) : NULL;

	if (rel == NULL)
		return NULL;
	memset(numbers, 0, sizeof(AttrNumber) * NCOLUMNS);
	if (rel->rd_rel->relkind == RELKIND_RELATION && rel->rd_rel->relam == HEAP_TABLE_AM_OID)
		for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
		{
			Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);

			for (int c = 0; c < NCOLUMNS; c++)
			{
				if (!att->attisdropped && att->atttypid == columns[c].type &&
					strcmp(NameStr(att->attname), columns[c].name) == 0)
					numbers[c] = i + 1;
			}
		}
	for (int c = 0; c < NCOLUMNS; c++)
	{
		if (numbers[c] != 0)
			continue;
		relation_close(rel, AccessShareLock);
		return NULL;
	}
	return rel;
}

static bool
is_among(const List *uuids, const pg_uuid_t *uuid)
{
	ListCell   *lc;

	foreach(lc, uuids)
	{
		if (memcmp(lfirst(lc), uuid, sizeof(pg_uuid_t)) == 0)
			return true;
	}
	return false;
}

static List *
append_uuid(List *list, Datum uuid)
{
	return lappend(list, memcpy(palloc(sizeof(pg_uuid_t)), DatumGetUUIDP(uuid), sizeof(pg_uuid_t)));
}

/* Rows of subscriptions have an id that is theirs; the others are those of tables. */
static void
take_row(Reverse *reverse, const Datum *values, const bool *nulls)
{
	bool		of_table;

	if (nulls[ID] || nulls[SUBSCRIPTION])
		return;
	of_table = memcmp(DatumGetUUIDP(values[ID]), DatumGetUUIDP(values[SUBSCRIPTION]),
					  sizeof(pg_uuid_t)) != 0;
	reverse->any |= !of_table;
	if (!of_table && !nulls[SYSTEM_IDENTIFIER] && !nulls[DATABASE] &&
		dbsync_route_has_any(dbsync_route_identity((uint64) DatumGetInt64(values[SYSTEM_IDENTIFIER]),
												   DatumGetObjectId(values[DATABASE])),
							 reverse->identities))
		reverse->subscriptions = append_uuid(reverse->subscriptions, values[SUBSCRIPTION]);

	if (!of_table || reverse->relation == NULL || nulls[LIVE] || nulls[ROWS] || nulls[RELATION] ||
		strcmp(TextDatumGetCString(values[RELATION]), reverse->relation) != 0)
		return;
	reverse->fed = append_uuid(reverse->fed, values[SUBSCRIPTION]);
	/* one that began with no copy has no rows, and is live at once */
	if (!DatumGetBool(values[LIVE]) || DatumGetInt64(values[ROWS]) > 0)
		reverse->copied = append_uuid(reverse->copied, values[SUBSCRIPTION]);
}

static void
read_own_ledger(Reverse *reverse)
{
	AttrNumber	numbers[NCOLUMNS];
	Relation	rel = open_own_ledger(numbers);
	Snapshot	snapshot;
	TableScanDesc scan;
	TupleTableSlot *slot;

	if (rel == NULL)
		return;
	/* the batch's own snapshot may be older than what they have written */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = dbsync_table_beginscan_compat(rel, snapshot, 0, NULL);
	slot = table_slot_create(rel, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		Datum		values[NCOLUMNS];
		bool		nulls[NCOLUMNS];

		CHECK_FOR_INTERRUPTS();
		for (int c = 0; c < NCOLUMNS; c++)
			values[c] = slot_getattr(slot, numbers[c], &nulls[c]);
		take_row(reverse, values, nulls);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	relation_close(rel, AccessShareLock);
}

/* Is one of these a subscription of the target's? */
static bool
has_theirs(const Reverse *reverse, const List *uuids)
{
	ListCell   *lc;

	foreach(lc, uuids)
	{
		if (is_among(reverse->subscriptions, lfirst(lc)))
			return true;
	}
	return false;
}

bool
dbsync_reverse_feeds(DbsyncWork *work, const DbsyncTable *table)
{
	Reverse		reverse = {.identities = work->target_identities,.relation = table->qualified};

	if (dbsync_identity_is_own(work->target))
		return false;
	read_own_ledger(&reverse);
	return has_theirs(&reverse, reverse.fed);
}

bool
dbsync_reverse_is_target(void)
{
	Reverse		reverse = {0};

	read_own_ledger(&reverse);
	return reverse.any;
}

bool
dbsync_reverse_applies(const char *qualified)
{
	Reverse		reverse = {.relation = qualified};

	read_own_ledger(&reverse);
	return reverse.fed != NIL;
}

/* dbsync_internal.is_applied_into(oid); a table that is not there is none. */
Datum
dbsync_is_applied_into(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(dbsync_reverse_applies(quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), name)));
}

void
dbsync_reverse_check(DbsyncWork *work, const DbsyncTable *table)
{
	Reverse		reverse = {.identities = work->target_identities,.relation = table->qualified};
	const char *subscription = quote_literal_cstr(work->subscription->name);
	const char *name = quote_literal_cstr(table->qualified);

	/* a database that feeds itself has no other end */
	if (!table->copy_data || dbsync_identity_is_own(work->target))
		return;
	read_own_ledger(&reverse);
	if (!has_theirs(&reverse, reverse.copied))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table %s is copied from target \"%s\"", table->qualified,
					work->subscription->target),
			 errdetail("A subscription there feeds it, and has copied it or is about to. Copies in both directions would bring old rows back."),
			 errhint("Only one of two ends may copy. For this one: SELECT dbsync.remove_table(%s, %s); then dbsync.add_table(%s, %s, copy_data => false).",
					 subscription, name, subscription, name)));
}
