/*-------------------------------------------------------------------------
 *
 * worker/table_scan.c
 *	  A table that is read by a column of its own: its options, and its place in the ledger.
 *
 * Moments are written as microseconds, so that no setting of either end has a say in them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/query.h"
#include "worker/table_scan.h"

DbsyncTableScan *
dbsync_table_scan_read(MemoryContext context, const char *id, int captured_id)
{
	DbsyncTableScan *scan = MemoryContextAllocZero(context, sizeof(DbsyncTableScan));
	const char *args[2];
	const char *zone;

	args[0] = id;
	args[1] = psprintf("%d", captured_id);
	if (dbsync_query("SELECT o.\"column\", o.time_zone,"
					 " (extract(epoch FROM o.overlap) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8,"
					 " (extract(epoch FROM o.scan) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8"
					 " FROM dbsync.subscription_table a, dbsync_internal.scan_options(a.capture_options) o"
					 " WHERE a.subscription_id OPERATOR(pg_catalog.=) $1::pg_catalog.int4"
					 " AND a.captured_id OPERATOR(pg_catalog.=) $2::pg_catalog.int4", 2, args) != 1)
		elog(ERROR, "the options of captured table %d have gone", captured_id);
	scan->column = MemoryContextStrdup(context, dbsync_query_text(0, 1));
	zone = dbsync_query_text(0, 2);
	scan->time_zone = zone ? MemoryContextStrdup(context, zone) : NULL;
	scan->overlap = dbsync_query_int(0, 3);
	scan->clock.every = dbsync_query_int(0, 4);
	return scan;
}

void
dbsync_table_scan_move(DbsyncTableScan *scan, const DbsyncTableScan *old)
{
	scan->mark = old->mark;
	dbsync_table_clock_move(&scan->clock, &old->clock);
	scan->expected = old->expected;
}

TimestampTz
dbsync_table_scan_low(const DbsyncLedgerPart *part)
{
	return strtoi64(part->boundary[part->nkeys - 2], NULL, 10);
}

TimestampTz
dbsync_table_scan_seen(const DbsyncLedgerPart *part)
{
	return strtoi64(part->boundary[part->nkeys - 1], NULL, 10);
}

void
dbsync_table_scan_put(DbsyncLedgerPart *part, char **key, int nkeys, TimestampTz low, TimestampTz seen)
{
	char	  **boundary = palloc(sizeof(char *) * (nkeys + DBSYNC_SCAN_MARKS));

	for (int k = 0; k < nkeys; k++)
		boundary[k] = key[k];
	boundary[nkeys] = psprintf(INT64_FORMAT, low);
	boundary[nkeys + 1] = psprintf(INT64_FORMAT, seen);
	part->boundary = boundary;
	part->nkeys = nkeys + DBSYNC_SCAN_MARKS;
}

static bool
is_moment(const char *text)
{
	char	   *end;

	errno = 0;
	(void) strtoi64(text, &end, 10);
	return *text != '\0' && *end == '\0' && errno == 0;
}

const char *
dbsync_table_scan_problem(const DbsyncLedgerPart *part)
{
	if (part->nkeys == 0 && !part->live && part->rows == 0)
		return NULL;
	if (part->live ? part->nkeys != DBSYNC_SCAN_MARKS : part->nkeys <= DBSYNC_SCAN_MARKS)
		return psprintf("column \"boundary\" has %d values, of a table that is scanned", part->nkeys);
	for (int i = part->nkeys - DBSYNC_SCAN_MARKS; i < part->nkeys; i++)
	{
		if (part->boundary[i] == NULL || !is_moment(part->boundary[i]))
			return "column \"boundary\" does not end with two moments";
	}
	return NULL;
}
