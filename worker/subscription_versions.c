/*-------------------------------------------------------------------------
 *
 * worker/subscription_versions.c
 *	  Which tables a subscription has, and who wrote their configuration last.
 *
 * It is asked for at each change of the configuration, of all tables, however many
 * there are: so it is read from the tables as they lie, and not by a join, which
 * takes four times as long for ten thousand.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "extension/catalog.h"
#include "worker/subscription_versions.h"

/* column numbers of 10_config.sql */
#define ATTACHED_SUBSCRIPTION_ID	1
#define ATTACHED_CAPTURED_ID		2
#define CAPTURED_ID					1

typedef struct Versions
{
	DbsyncTableVersion *all;
	int			n;
	int			room;
} Versions;

static DbsyncTableVersion *
add(Versions *versions)
{
	if (versions->n == versions->room)
	{
		versions->room *= 2;
		versions->all = repalloc_huge(versions->all, versions->room * sizeof(DbsyncTableVersion));
	}
	return &versions->all[versions->n++];
}

static int
compare(const void *a, const void *b)
{
	int			left = ((const DbsyncTableVersion *) a)->captured_id;
	int			right = ((const DbsyncTableVersion *) b)->captured_id;

	return left < right ? -1 : left > right;
}

static int
int_of(TupleTableSlot *slot, AttrNumber column)
{
	bool		isnull;

	return DatumGetInt32(slot_getattr(slot, column, &isnull));
}

static TransactionId
writer_of(TupleTableSlot *slot)
{
	bool		isnull;

	return DatumGetTransactionId(slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull));
}

/* Rows of one of our tables that are visible, by one column; of a subscription, or (0) all. */
static Versions
read_writers(const char *name, AttrNumber column, int subscription_id)
{
	Relation	rel = table_open(dbsync_catalog_relation(name), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	Versions	versions = {.room = 64};

	versions.all = palloc(versions.room * sizeof(DbsyncTableVersion));
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		DbsyncTableVersion *version;

		if (subscription_id != 0 && int_of(slot, ATTACHED_SUBSCRIPTION_ID) != subscription_id)
			continue;
		version = add(&versions);
		version->captured_id = int_of(slot, column);
		version->writers[0] = version->writers[1] = writer_of(slot);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
	qsort(versions.all, versions.n, sizeof(DbsyncTableVersion), compare);
	return versions;
}

int
dbsync_subscription_versions(int subscription_id, DbsyncTableVersion **found)
{
	Versions	attached = read_writers("subscription_table", ATTACHED_CAPTURED_ID, subscription_id);
	Versions	captured = read_writers("captured_table", CAPTURED_ID, 0);
	int			n = 0;
	int			next = 0;

	for (int i = 0; i < attached.n; i++)
	{
		DbsyncTableVersion version = attached.all[i];

		while (next < captured.n && captured.all[next].captured_id < version.captured_id)
			next++;
		if (next == captured.n || captured.all[next].captured_id != version.captured_id)
			continue;
		version.writers[1] = captured.all[next].writers[1];
		attached.all[n++] = version;
	}
	*found = attached.all;
	return n;
}
