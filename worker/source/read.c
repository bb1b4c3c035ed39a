/*-------------------------------------------------------------------------
 *
 * worker/source/read.c
 *	  Reading a cut's rows of one table: by which reader, and whether all were found.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "executor/tuptable.h"

#include "extension/log/segment.h"
#include "extension/owner.h"
#include "worker/relay.h"
#include "worker/shape.h"
#include "worker/source/pick.h"
#include "worker/source/reader.h"
#include "worker/source/scan.h"
#include "worker/source/sort.h"
#include "worker/source/tally.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"

/*
 * In the order in which they are asked.  A new one keeps to what DbsyncReader says, and
 * stands before those that would take what it is for.
 */
static const DbsyncReader readers[] = {
	{"as they lie", dbsync_scan_applies, dbsync_scan_read},
	{"counted", dbsync_tally_applies, dbsync_tally_read},
	{"folded in memory", dbsync_sort_applies, dbsync_sort_read},
	{"picked", NULL, dbsync_pick_read}
};

static const DbsyncReader *
choose_reader(const DbsyncReading *reading)
{
	const DbsyncReader *reader = readers;

	while (reader->applies != NULL && !reader->applies(reading))
		reader++;
	return reader;
}

static void
check_found(const DbsyncReading *reading, int64 found)
{
	const DbsyncCutTable *cut_table = reading->cut_table;
	int64		expected = dbsync_cut_table_rows(cut_table) + cut_table->truncates;

	if (found != expected)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("tracking data of table %s is incomplete", reading->table->qualified),
				 errdetail("Transaction headers announce " INT64_FORMAT " rows, " INT64_FORMAT " were found.",
						   expected, found),
				 errhint("Copy the table anew with dbsync.copy_table().")));
}

const DbsyncTableShape *
dbsync_read_shape(DbsyncSubscription *subscription, const DbsyncTable *table,
				  const DbsyncCutTable *cut_table)
{
	const DbsyncTableShape *shape = NULL;
	ListCell   *lc;

	foreach(lc, cut_table->segments)
	{
		const DbsyncCutSegment *segment = lfirst(lc);
		const DbsyncSegmentInfo *info =
			dbsync_subscription_segment(subscription, segment->segment_id);

		if (shape != NULL && shape != info->shape)
			elog(ERROR, "rows of table %s in one cut have two shapes", table->qualified);
		shape = info->shape;
	}
	if (shape == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("transaction headers do not say where rows of table %s are", table->qualified),
				 errhint("Copy the table anew with dbsync.copy_table().")));
	return shape;
}

static DbsyncReading
prepare(DbsyncSubscription *subscription, const DbsyncTable *table, const DbsyncCut *cut,
		const DbsyncCutTable *cut_table, const DbsyncReadCut *how)
{
	DbsyncReading reading = {subscription, table, NULL, cut, cut_table, how};

	reading.shape = dbsync_read_shape(subscription, table, cut_table);
	return reading;
}

void
dbsync_read_cut(DbsyncSubscription *subscription, DbsyncTable *table, const DbsyncCut *cut,
				const DbsyncCutTable *cut_table, const DbsyncReadCut *how, DbsyncRelay *relay)
{
	const DbsyncReading reading = prepare(subscription, table, cut, cut_table, how);
	const DbsyncReader *reader = choose_reader(&reading);
	DbsyncOwner saved;
	int64		found;
	int64		rows;

	dbsync_owner_begin(&saved, dbsync_table_owner(table));
	elog(DEBUG2, "reading rows of table %s: %s", table->qualified, reader->name);
	found = reader->read(&reading, relay);
	dbsync_relay_end(relay);
	dbsync_owner_end(&saved);
	if (dbsync_relay_result(relay, &rows))
		check_found(&reading, found);
}

static void
begin_truncates(TupleDesc desc, void *arg)
{
}

static bool
note_truncate(TupleTableSlot *slot, int rank, void *arg)
{
	int64	   *last = arg;

	slot_getsomeattrs(slot, DBSYNC_SEGMENT_NO);
	if (DatumGetChar(slot->tts_values[DBSYNC_SEGMENT_OP - 1]) == DBSYNC_OP_TRUNCATE)
		*last = Max(*last, dbsync_scan_place(slot, rank));
	return true;
}

bool
dbsync_read_last_truncate(DbsyncSubscription *subscription, const DbsyncTable *table,
						  const DbsyncCut *cut, const DbsyncCutTable *cut_table, int64 *place)
{
	const DbsyncReadCut everything = {.what = DBSYNC_RELAY_CHANGES};
	const DbsyncReading reading = prepare(subscription, table, cut, cut_table, &everything);
	DbsyncScanSink sink = {begin_truncates, note_truncate, place};

	*place = 0;
	(void) dbsync_scan_rows(&reading, &sink);
	return *place != 0;
}
