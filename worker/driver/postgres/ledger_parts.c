/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/ledger_parts.c
 *	  PostgreSQL driver: the ledger's rows of tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/ledger.h"
#include "worker/driver/postgres/ledger_values.h"
#include "worker/driver/postgres/quarantine.h"
#include "worker/driver/postgres/step.h"

/* its id and its subscription's, then what it says */
#define PART_PARAMETERS	11

/* columns of the query below as they come; NULL: this one may be null */
static const char *const part_columns[] = {"id", "live", NULL, "rows", "checksum", NULL, NULL, NULL, NULL};

#define PARTS_SHAPE		"*tBTLLTTTL"

const char *
dbsync_postgres_part_sql(void)
{
	return "INSERT INTO dbsync_ledger.position (id, subscription, live, boundary, rows, checksum, relation,"
		" after, upto, closing, closing_xid)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
		" ON CONFLICT (id) DO UPDATE SET live = EXCLUDED.live,"
		" boundary = EXCLUDED.boundary, rows = EXCLUDED.rows,"
		" checksum = EXCLUDED.checksum, relation = EXCLUDED.relation, after = EXCLUDED.after,"
		" upto = EXCLUDED.upto, closing = EXCLUDED.closing, closing_xid = EXCLUDED.closing_xid,"
		" updated = now()";
}

static DbsyncLedgerPart *
part_from_answer(const PostgresAnswer *answer, int row)
{
	DbsyncLedgerPart *part = palloc0(sizeof(DbsyncLedgerPart));

	dbsync_postgres_uuid_parse(dbsync_postgres_answer_text(answer, row, 0), &part->attachment);
	part->null_column = dbsync_postgres_null_column(answer, row, part_columns, lengthof(part_columns));
	part->live = !dbsync_postgres_answer_is_null(answer, row, 1) &&
		dbsync_postgres_answer_bool(answer, row, 1);
	if (!dbsync_postgres_answer_is_null(answer, row, 2))
		dbsync_postgres_array_parse(dbsync_postgres_answer_text(answer, row, 2), &part->nkeys, &part->boundary);
	part->rows = dbsync_postgres_number_field(answer, row, 3);
	part->checksum = dbsync_postgres_number_field(answer, row, 4);
	part->after = dbsync_postgres_field(answer, row, 5);
	part->upto = dbsync_postgres_field(answer, row, 6);
	part->closing = dbsync_postgres_lsn_field(answer, row, 7);
	part->closing_xid = (uint64) dbsync_postgres_number_field(answer, row, 8);
	return part;
}

bool
dbsync_postgres_ledger_read_parts(DbsyncTarget *base, const pg_uuid_t *subscription, List **parts)
{
	PostgresTarget *target = (PostgresTarget *) base;
	const char *values[1] = {dbsync_postgres_uuid_text(subscription)};
	MemoryContext old;
	const PostgresAnswer *answer;

	*parts = NIL;
	if (!dbsync_postgres_begin(target, "off", NULL))
		return false;
	answer = dbsync_postgres_query(target,
								   "SELECT id, live, boundary, rows, checksum, after, upto, closing, closing_xid"
								   " FROM dbsync_ledger.position"
								   " WHERE subscription = $1 AND id <> $1 ORDER BY id",
								   1, values, PARTS_SHAPE);
	if (answer == NULL)
		return false;
	old = MemoryContextSwitchTo(base->context);
	for (int i = 0; i < dbsync_postgres_answer_rows(answer); i++)
		*parts = lappend(*parts, part_from_answer(answer, i));
	MemoryContextSwitchTo(old);
	return dbsync_postgres_commit(target);
}

static bool
queue_part(PostgresTarget *target, const pg_uuid_t *subscription, const DbsyncLedgerPart *part)
{
	const char *values[PART_PARAMETERS];

	values[0] = dbsync_postgres_uuid_text(&part->attachment);
	values[1] = dbsync_postgres_uuid_text(subscription);
	values[2] = part->live ? "t" : "f";
	values[3] = part->nkeys > 0 ? dbsync_postgres_array_text(part->nkeys, (const char *const *) part->boundary)
		: NULL;
	values[4] = psprintf(INT64_FORMAT, part->rows);
	values[5] = psprintf(INT64_FORMAT, part->checksum);
	values[6] = part->relation;
	values[7] = part->after;
	values[8] = part->upto;
	values[9] = part->closing ? dbsync_postgres_lsn_text(part->closing) : NULL;
	values[10] = part->closing ? psprintf(INT64_FORMAT, (int64) part->closing_xid) : NULL;
	return dbsync_postgres_queue_fixed(target, POSTGRES_PART, PART_PARAMETERS, values);
}

bool
dbsync_postgres_ledger_write_parts(DbsyncTarget *base, const pg_uuid_t *subscription, List *parts)
{
	ListCell   *lc;

	foreach(lc, parts)
	{
		if (!queue_part((PostgresTarget *) base, subscription, lfirst(lc)))
			return false;
	}
	return true;
}

bool
dbsync_postgres_ledger_forget_parts(DbsyncTarget *base, List *attachments)
{
	ListCell   *lc;

	foreach(lc, attachments)
	{
		const DbsyncLedgerPart *part = lfirst(lc);
		const char *values[1] = {dbsync_postgres_uuid_text(&part->attachment)};

		if (!dbsync_postgres_queue_fixed((PostgresTarget *) base, POSTGRES_FORGET_PART, 1, values) ||
			!dbsync_postgres_unpark_attachment((PostgresTarget *) base, &part->attachment))
			return false;
	}
	return true;
}
