/*-------------------------------------------------------------------------
 *
 * worker/chunk.c
 *	  Reading a range of a table itself, in the order of its key.
 *
 * A chunk is a cursor, because several of them may be read in turn: two ranges of
 * one snapshot, a few rows of each at a time, for two connections.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"

#include "worker/chunk.h"

struct DbsyncChunk
{
	Portal		portal;
	DbsyncRelay *relay;
};

/* of a query: the key behind which it begins */
typedef struct KeyParams
{
	int			n;
	Oid			types[INDEX_MAX_KEYS];
	Datum		values[INDEX_MAX_KEYS];
} KeyParams;

/*
 * The planner would rather sort a table than follow its index for a large
 * part of it; a chunk must not look at more than it takes.
 */
static void
prefer_key_order(void)
{
	static const char *const off[] = {"enable_seqscan", "enable_bitmapscan", "enable_sort",
	"enable_incremental_sort"};

	for (int i = 0; i < lengthof(off); i++)
		(void) set_config_option(off[i], "off", PGC_SUSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("max_parallel_workers_per_gather", "0", PGC_SUSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

void
dbsync_chunk_begin_reading(DbsyncReading *reading, Oid owner)
{
	reading->nest = NewGUCNestLevel();
	prefer_key_order();
	/* rows that a policy hides would be missing without a word */
	(void) set_config_option("row_security", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	GetUserIdAndSecContext(&reading->user, &reading->security);
	SetUserIdAndSecContext(owner, reading->security | SECURITY_RESTRICTED_OPERATION);
}

void
dbsync_chunk_end_reading(const DbsyncReading *reading)
{
	SetUserIdAndSecContext(reading->user, reading->security);
	AtEOXact_GUC(true, reading->nest);
}

static char *
key_list(const DbsyncTable *table)
{
	StringInfoData keys;

	initStringInfo(&keys);
	for (int k = 0; k < table->nkeys; k++)
		appendStringInfo(&keys, "%ss.%s", k > 0 ? ", " : "",
						 quote_identifier(table->columns[table->keys[k]]));
	return keys.data;
}

/* the table's rows behind a key, in order */
static void
append_range(StringInfo sql, const DbsyncTable *table, char **after, KeyParams *params)
{
	const char *keys = key_list(table);

	appendStringInfo(sql, " FROM ONLY %s s", table->qualified);
	params->n = 0;
	for (int k = 0; after != NULL && k < table->nkeys; k++)
	{
		Oid			type = getBaseType(table->key_types[k]);
		Oid			function;
		Oid			ioparam;

		getTypeInputInfo(type, &function, &ioparam);
		params->types[k] = type;
		params->values[k] = OidInputFunctionCall(function, after[k], ioparam, -1);
		params->n++;
		if (k == 0)
			appendStringInfo(sql, " WHERE (%s) > (", keys);
		appendStringInfo(sql, "%s$%d", k > 0 ? ", " : "", k + 1);
	}
	appendStringInfo(sql, "%s ORDER BY %s", after != NULL ? ")" : "", keys);
}

static SPIPlanPtr
prepare(const char *sql, KeyParams *params)
{
	SPIPlanPtr	plan = SPI_prepare(sql, params->n, params->types);

	if (plan == NULL)
		elog(ERROR, "could not plan \"%s\"", sql);
	return plan;
}

DbsyncChunk *
dbsync_chunk_open(const DbsyncTable *table, char **after, int64 limit,
				  DbsyncRelayWhat what, DbsyncRelay *relay)
{
	DbsyncChunk *chunk = palloc(sizeof(DbsyncChunk));
	StringInfoData sql;
	KeyParams	params;
	SPIPlanPtr	plan;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	if (what == DBSYNC_RELAY_KEYS)
		appendStringInfoString(&sql, key_list(table));
	for (int i = 0; what == DBSYNC_RELAY_CHUNK && i < table->ncolumns; i++)
		appendStringInfo(&sql, "%ss.%s", i > 0 ? ", " : "",
						 quote_identifier(table->columns[i]));
	append_range(&sql, table, after, &params);
	appendStringInfo(&sql, " LIMIT " INT64_FORMAT, limit);
	plan = prepare(sql.data, &params);
	/* "read only": on the active snapshot */
	chunk->portal = SPI_cursor_open(NULL, plan, params.values, NULL, true);
	chunk->relay = relay;
	SPI_freeplan(plan);
	return chunk;
}

bool
dbsync_chunk_read(DbsyncChunk *chunk, long rows)
{
	int64		sent;

	if (chunk->portal->atEnd)
		return false;
	/* straight to the relay: SPI's own fetch would keep the rows first */
	(void) PortalRunFetch(chunk->portal, FETCH_FORWARD, rows > 0 ? rows : FETCH_ALL,
						  dbsync_relay_receiver(chunk->relay));
	return dbsync_relay_result(chunk->relay, &sent) && !chunk->portal->atEnd;
}

void
dbsync_chunk_close(DbsyncChunk *chunk)
{
	SPI_cursor_close(chunk->portal);
	pfree(chunk);
}

char **
dbsync_chunk_find_end(const DbsyncTable *table, char **after, int64 limit)
{
	StringInfoData sql;
	KeyParams	params;
	SPIPlanPtr	plan;
	char	  **end = NULL;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s", key_list(table));
	append_range(&sql, table, after, &params);
	appendStringInfo(&sql, " OFFSET " INT64_FORMAT " LIMIT 1", limit - 1);
	plan = prepare(sql.data, &params);
	if (SPI_execute_plan(plan, params.values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for the end of a chunk");
	if (SPI_processed > 0)
	{
		end = palloc(sizeof(char *) * table->nkeys);
		for (int k = 0; k < table->nkeys; k++)
			end[k] = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, k + 1);
	}
	SPI_freetuptable(SPI_tuptable);
	SPI_freeplan(plan);
	return end;
}
