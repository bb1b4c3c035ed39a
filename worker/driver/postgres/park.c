/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/park.c
 *	  PostgreSQL driver: a row that was refused is written down, and what becomes of its key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/ledger_values.h"
#include "worker/driver/postgres/quarantine.h"
#include "worker/driver/postgres/stay.h"
#include "worker/driver/postgres/step.h"

/* bytes of a value, and of all of a row, that are kept for people */
#define VALUE_KEPT	2048
#define ROW_KEPT	8192

#define PARAMETERS	10

MemoryContext
dbsync_postgres_told_context(PostgresTarget *target)
{
	if (target->told_context == NULL)
		target->told_context = AllocSetContextCreate(target->base.context, "dbsync parked", ALLOCSET_DEFAULT_SIZES);
	return target->told_context;
}

void
dbsync_postgres_quarantine_begin(PostgresTarget *target)
{
	target->base.parked = NIL;
	target->doubted = target->checks_late = false;
	if (target->told_context != NULL)
		MemoryContextReset(target->told_context);
}

static void
append_json(StringInfo buf, const char *text, int length)
{
	int			kept = pg_mbcliplen(text, length, VALUE_KEPT);

	appendStringInfoChar(buf, '"');
	for (const char *p = text; p < text + kept; p++)
	{
		if (*p == '"' || *p == '\\')
			appendStringInfo(buf, "\\%c", *p);
		else if ((unsigned char) *p < ' ')
			appendStringInfo(buf, "\\u%04x", (unsigned char) *p);
		else
			appendStringInfoChar(buf, *p);
	}
	appendStringInfoString(buf, kept < length ? "...\"" : "\"");
}

/* Of a row to delete, its key. */
static char *
row_text(const DbsyncTargetTable *table, const DbsyncRow *row)
{
	StringInfoData buf;
	bool		first = true;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (row->kind == DBSYNC_ROW_DELETE && !table->columns[i].is_key)
			continue;
		if (buf.len > ROW_KEPT)
			break;
		appendStringInfoString(&buf, first ? "" : ", ");
		first = false;
		append_json(&buf, table->columns[i].name, strlen(table->columns[i].name));
		appendStringInfoString(&buf, ": ");
		if (row->values[i] == NULL)
			appendStringInfoString(&buf, "null");
		else
			append_json(&buf, row->values[i], row->lengths[i]);
	}
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

/* The same JSON in ASCII, for a target that has no such character: it refused the row for that, and would refuse these words. */
static char *
in_ascii(const char *json)
{
	StringInfoData buf;

	if (GetDatabaseEncoding() != PG_UTF8)
		return pstrdup(json);
	initStringInfo(&buf);
	for (const unsigned char *p = (const unsigned char *) json; *p; p += pg_utf_mblen(p))
	{
		pg_wchar	c = utf8_to_unicode(p);

		if (c < 0x80)
			appendStringInfoChar(&buf, *p);
		else if (c < 0x10000)
			appendStringInfo(&buf, "\\u%04x", c);
		else
			appendStringInfo(&buf, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
	}
	return buf.data;
}

static char **
key_of(const DbsyncTargetTable *table, const DbsyncRow *row)
{
	char	  **key = palloc(sizeof(char *) * table->nkeys);

	for (int k = 0; k < table->nkeys; k++)
		key[k] = unconstify(char *, row->values[table->keys[k]]);
	return key;
}

static char *
keep(const char *text)
{
	return text ? pstrdup(text) : NULL;
}

/* Room for what the worker is told behind the commit. */
static DbsyncParkedRow *
tell(PostgresTarget *target, const DbsyncTargetTable *table, char *const *key)
{
	DbsyncParkedRow *told;

	MemoryContextSwitchTo(dbsync_postgres_told_context(target));
	told = palloc0(sizeof(DbsyncParkedRow));
	told->attachment = table->spec.attachment;
	told->nkeys = table->nkeys;
	told->key = palloc(sizeof(char *) * Max(table->nkeys, 1));
	for (int k = 0; k < table->nkeys; k++)
		told->key[k] = pstrdup(key[k]);
	target->base.parked = lappend(target->base.parked, told);
	return told;
}

static bool
count_parked(PostgresTarget *target, DbsyncTargetTable *table)
{
	const char *values[1] = {dbsync_postgres_uuid_text(&table->spec.attachment)};
	const PostgresAnswer *answer;

	if (table->parked_known)
		return true;
	answer = dbsync_postgres_query(target, "SELECT count(*) FROM dbsync_ledger.quarantine WHERE attachment = $1", 1, values, "1l");
	if (answer == NULL)
		return false;
	table->parked = dbsync_postgres_answer_int(answer, 0, 0);
	table->parked_known = true;
	return true;
}

static bool
refuse_more(PostgresTarget *target, const DbsyncTargetTable *table, const DbsyncFault *said)
{
	(void) dbsync_postgres_refuse(target, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
								  psprintf("target table %s refuses more than %d rows", table->label, DBSYNC_MAX_PARKED),
								  psprintf("The last one: %s", said->message ? said->message : "it did not say why"),
								  "Mend the cause on the target: then the table goes on by itself, and dbsync.retry() sends what is parked of it.");
	target->base.fault.kind = DBSYNC_FAULT_TOO_MANY;
	target->base.fault.rows_of = table;
	return false;
}

/* columns that are written, and the parameters behind the three that say of which key they are */
#define NEWS	"op = $4, \"row\" = $5, sqlstate = $6, message = $7, detail = $8, hint = $9, changes = changes + 1"

/* whatever somebody has made of it */
#define SINCE_AND_CHANGES	" RETURNING CAST(extract(epoch FROM CASE WHEN pg_catalog.isfinite(since) THEN since ELSE 'epoch' END) * 1000000 AS bigint), changes"

static const char *const again_sql =
"UPDATE dbsync_ledger.quarantine SET " NEWS ", relation = $10 WHERE subscription = $1 AND attachment = $2 AND key = $3"
SINCE_AND_CHANGES;

static const char *const park_sql =
"INSERT INTO dbsync_ledger.quarantine (subscription, attachment, key, op, \"row\", sqlstate, message, detail, hint, relation, since, changes)"
" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now(), 1)"
SINCE_AND_CHANGES;

/* *answer: since when, and how many changes; which goes with the next one */
static bool
write_down(PostgresTarget *target, DbsyncTargetTable *table, const char *const *values, const DbsyncFault *said,
		   const PostgresAnswer **answer)
{
	if (!count_parked(target, table))
		return false;
	if (table->parked > 0)
	{
		*answer = dbsync_postgres_query(target, again_sql, PARAMETERS, values, "?ll");
		if (*answer == NULL)
			return false;
		if (dbsync_postgres_answer_rows(*answer) > 0)
			return true;
	}
	if (table->parked >= DBSYNC_MAX_PARKED)
		return refuse_more(target, table, said);
	*answer = dbsync_postgres_query(target, park_sql, PARAMETERS, values, "1ll");
	table->parked++;
	return *answer != NULL;
}

bool
dbsync_postgres_park(PostgresTarget *target, DbsyncTargetTable *table, const DbsyncRow *row, const DbsyncFault *said)
{
	char	  **key = row->parked ? row->parked : key_of(table, row);
	const char *values[PARAMETERS];
	const PostgresAnswer *answer;
	DbsyncParkedRow *told;
	MemoryContext old;

	values[0] = dbsync_postgres_uuid_text(&target->subscription);
	values[1] = dbsync_postgres_uuid_text(&table->spec.attachment);
	values[2] = dbsync_postgres_array_text(table->nkeys, (const char *const *) key);
	values[3] = row->kind == DBSYNC_ROW_DELETE ? "delete" : "write";
	values[4] = row_text(table, row);
	if (said->sqlstate == ERRCODE_UNTRANSLATABLE_CHARACTER)
		values[4] = in_ascii(values[4]);
	values[5] = unpack_sql_state(said->sqlstate);
	values[6] = said->message ? said->message : "the target refused without a word";
	values[7] = said->detail;
	values[8] = said->hint;
	values[9] = table->quoted;
	if (!dbsync_postgres_may_stay(target, table, row, said) || !write_down(target, table, values, said, &answer))
		return false;
	old = CurrentMemoryContext;
	told = tell(target, table, key);
	told->deletes = row->kind == DBSYNC_ROW_DELETE;
	told->row = keep(values[4]);
	told->sqlstate = keep(values[5]);
	told->message = keep(values[6]);
	told->detail = keep(values[7]);
	told->hint = keep(values[8]);
	told->since = dbsync_postgres_answer_int(answer, 0, 0) - DBSYNC_POSTGRES_UNIX_EPOCH;
	told->changes = dbsync_postgres_answer_int(answer, 0, 1);
	MemoryContextSwitchTo(old);
	return true;
}

/* Tell of keys that were parked, as the answer has them. */
static void
tell_freed(PostgresTarget *target, const pg_uuid_t *attachment, const PostgresAnswer *answer)
{
	MemoryContext old = CurrentMemoryContext;

	for (int i = 0; i < dbsync_postgres_answer_rows(answer); i++)
	{
		DbsyncTargetTable of = {.spec.attachment = *attachment};
		DbsyncParkedRow *told = tell(target, &of, NULL);

		dbsync_postgres_array_parse(dbsync_postgres_answer_text(answer, i, 0), &told->nkeys, &told->key);
		told->freed = true;
	}
	MemoryContextSwitchTo(old);
}

static bool
free_key(PostgresTarget *target, const pg_uuid_t *attachment, int nkeys, char **key, int64 *freed)
{
	const char *values[3] = {dbsync_postgres_uuid_text(&target->subscription), dbsync_postgres_uuid_text(attachment),
	dbsync_postgres_array_text(nkeys, (const char *const *) key)};
	const PostgresAnswer *answer =
		dbsync_postgres_query(target, "DELETE FROM dbsync_ledger.quarantine WHERE subscription = $1 AND attachment = $2 AND key = $3"
							  " RETURNING key", 3, values, "*t");

	if (answer == NULL)
		return false;
	*freed = dbsync_postgres_answer_rows(answer);
	tell_freed(target, attachment, answer);
	return true;
}

bool
dbsync_postgres_unpark(PostgresTarget *target, DbsyncTargetTable *table, char **key)
{
	int64		freed;

	if (!free_key(target, &table->spec.attachment, table->nkeys, key, &freed))
		return false;
	table->parked -= table->parked_known ? freed : 0;
	return true;
}

bool
dbsync_postgres_quarantine_free(DbsyncTarget *base, List *rows)
{
	PostgresTarget *target = (PostgresTarget *) base;
	ListCell   *lc;

	foreach(lc, rows)
	{
		const DbsyncParkedRow *row = lfirst(lc);
		int64		freed;

		if (!free_key(target, &row->attachment, row->nkeys, row->key, &freed))
			return false;
	}
	foreach(lc, target->tables)
		((DbsyncTargetTable *) lfirst(lc))->parked_known = false;
	return true;
}

bool
dbsync_postgres_unpark_all(PostgresTarget *target, DbsyncTargetTable *table)
{
	const char *values[2] = {dbsync_postgres_uuid_text(&target->subscription), dbsync_postgres_uuid_text(&table->spec.attachment)};
	const PostgresAnswer *answer;

	if (!target->has_quarantine)
		return true;
	answer = dbsync_postgres_query(target, "DELETE FROM dbsync_ledger.quarantine WHERE subscription = $1 AND attachment = $2 RETURNING key",
								   2, values, "*t");
	if (answer == NULL)
		return false;
	tell_freed(target, &table->spec.attachment, answer);
	table->parked = 0;
	table->parked_known = true;
	return true;
}

/*
 * A session that forgets it need not have looked whether there is anything.  A role that may not write there, as docs/ledger.sql
 * leaves it to whoever runs that, has parked nothing.
 */
static bool
may_have_parked(PostgresTarget *target, bool *may)
{
	const PostgresAnswer *answer =
		dbsync_postgres_query(target, "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
							  " WHERE n.nspname = 'dbsync_ledger' AND c.relname = 'quarantine' AND c.relkind = 'r'"
							  " AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'DELETE'))", 0, NULL, "1b");

	if (answer == NULL)
		return false;
	*may = dbsync_postgres_answer_bool(answer, 0, 0);
	return true;
}

static bool
unpark_all_of(PostgresTarget *target, const char *sql, const pg_uuid_t *uid)
{
	const char *values[1] = {dbsync_postgres_uuid_text(uid)};
	bool		may = target->has_quarantine;

	if (!may && !may_have_parked(target, &may))
		return false;
	return !may || dbsync_postgres_query(target, sql, 1, values, NULL) != NULL;
}

bool
dbsync_postgres_unpark_attachment(PostgresTarget *target, const pg_uuid_t *attachment)
{
	return unpark_all_of(target, "DELETE FROM dbsync_ledger.quarantine WHERE attachment = $1", attachment);
}

bool
dbsync_postgres_unpark_subscription(PostgresTarget *target, const pg_uuid_t *subscription)
{
	return unpark_all_of(target, "DELETE FROM dbsync_ledger.quarantine WHERE subscription = $1", subscription);
}
