/*-------------------------------------------------------------------------
 *
 * worker/verify/outcome.c
 *	  What has come of comparing a table, written down for good.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "worker/query.h"
#include "worker/text.h"
#include "worker/verify/outcome.h"

/* of a value that is shown; of longer ones so much, and how long they are */
#define SHOWN_BYTES		1000

/* keys that are written down by one statement */
#define KEYS_AT_A_TIME	1000

static char *
uuid_text(const pg_uuid_t *uuid)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid)));
}

/* Of comparisons on a schedule there is one row for each table. */
static void
begin_scan(DbsyncVerify *v, int captured_id)
{
	const char *args[3] = {uuid_text(&v->order.uid), psprintf("%d", v->order.subscription), psprintf("%d", captured_id)};
	MemoryContext old = CurrentMemoryContext;

	dbsync_query_begin(false, "beginning to compare a table");
	dbsync_query_run("SELECT dbsync_internal.begin_scan($1::pg_catalog.uuid, a.uid) FROM dbsync.subscription_table a"
					 " WHERE a.subscription_id = $2::pg_catalog.int4 AND a.captured_id = $3::pg_catalog.int4", 3, args);
	dbsync_query_commit();
	MemoryContextSwitchTo(old);
	v->id = captured_id;
}

void
dbsync_outcome_begin(DbsyncVerify *v, int captured_id)
{
	const char *args[5];
	MemoryContext old = CurrentMemoryContext;

	if (v->order.scan)
	{
		begin_scan(v, captured_id);
		return;
	}
	args[0] = uuid_text(&v->order.uid);
	args[1] = psprintf("%d", v->order.subscription);
	args[2] = psprintf("%d", captured_id);
	args[3] = psprintf("%u", v->order.caller);
	args[4] = psprintf("%.17g", v->order.sample);
	dbsync_query_begin(false, "beginning to verify a table");
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) dbsync_query("SELECT dbsync_internal.begin_verification($1::pg_catalog.uuid, $2::pg_catalog.int4,"
						" $3::pg_catalog.int4, $4::pg_catalog.oid, $5::pg_catalog.float8)", 5, args);
	v->id = dbsync_query_int(0, 1);
	PopActiveSnapshot();
	SPI_finish();
	dbsync_query_commit();
	MemoryContextSwitchTo(old);
}

void
dbsync_outcome_end(DbsyncVerify *v, const char *verdict, const char *note)
{
	const DbsyncFindings *f = &v->found;
	MemoryContext old = CurrentMemoryContext;
	const char *args[7];

	args[0] = psprintf(INT64_FORMAT, v->id);
	args[1] = verdict;
	args[2] = note;
	args[3] = v->position;
	args[4] = psprintf("{" INT64_FORMAT "," INT64_FORMAT "," INT64_FORMAT "," INT64_FORMAT "," INT64_FORMAT "," INT64_FORMAT "," INT64_FORMAT "," INT64_FORMAT "," INT64_FORMAT "}",
					   f->rows_here, f->rows_there, f->missing, f->extra, f->different, f->kept, f->repaired, f->parked, f->absent);
	args[5] = psprintf("{%d,%d,%d}", f->buckets, f->compared, f->differing);
	args[6] = v->words;
	dbsync_query_begin(false, "writing down what was verified");
	if (v->order.scan)
	{
		const char *scan[6] = {uuid_text(&v->order.uid), verdict, note, args[4], v->shown, v->words};

		dbsync_query_run("SELECT dbsync_internal.end_scan(c.attachment, $2, $3, $4::pg_catalog.int8[], $5, $6) FROM dbsync_internal.scan c"
						 " WHERE c.run = $1::pg_catalog.uuid", 6, scan);
	}
	else
		dbsync_query_run("SELECT dbsync_internal.end_verification($1::pg_catalog.int8, $2, $3, $4::pg_catalog.pg_snapshot,"
					 " $5::pg_catalog.int8[], $6::pg_catalog.int4[], $7)", 7, args);
	dbsync_query_commit();
	MemoryContextSwitchTo(old);
}

void
dbsync_outcome_differs(DbsyncVerify *v, const DbsyncDifference *difference)
{
	const char *args[7];

	if (v->order.scan)
	{
		if (v->shown == NULL)
			v->shown = MemoryContextStrdup(v->context, psprintf("for example %s, here: %s, there: %s", difference->kind,
																difference->here ? difference->here : "no row",
																difference->there ? difference->there : "no row"));
		return;
	}
	args[0] = psprintf(INT64_FORMAT, v->id);
	args[1] = difference->kind;
	args[2] = difference->key;
	args[3] = difference->here;
	args[4] = difference->there;
	args[5] = psprintf(INT64_FORMAT, difference->count);
	args[6] = difference->parked ? "true" : "false";
	dbsync_query_run("INSERT INTO dbsync_internal.difference (verification, kind, key, here, there, count, parked)"
					 " VALUES ($1::pg_catalog.int8, $2, $3::pg_catalog.jsonb, $4::pg_catalog.jsonb, $5::pg_catalog.jsonb,"
					 " $6::pg_catalog.int8, $7::pg_catalog.bool)", 7, args);
}

void
dbsync_outcome_repair(DbsyncVerify *v, char *const *key, bool extra)
{
	dbsync_text_append_element(&v->keys, dbsync_text_array(v->table->shape->nkeys, key));
	dbsync_text_append_element(&v->extras, extra ? "t" : "f");
	if (++v->nkeys >= KEYS_AT_A_TIME)
		dbsync_outcome_repair_end(v);
}

void
dbsync_outcome_repair_end(DbsyncVerify *v)
{
	const char *args[3] = {uuid_text(&v->table->uid)};

	if (v->nkeys == 0)
		return;
	appendStringInfoChar(&v->keys, '}');
	appendStringInfoChar(&v->extras, '}');
	args[1] = v->keys.data;
	args[2] = v->extras.data;
	dbsync_query_run("INSERT INTO dbsync_internal.repair_key (attachment, key, extra) SELECT $1::pg_catalog.uuid, k.key::pg_catalog.text[], k.extra"
					 " FROM ROWS FROM (pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.bool[])) k (key, extra)", 3, args);
	resetStringInfo(&v->keys);
	resetStringInfo(&v->extras);
	v->nkeys = 0;
}

void
dbsync_outcome_forget_repair(DbsyncVerify *v)
{
	const char *uid = uuid_text(&v->table->uid);

	dbsync_query_run("DELETE FROM dbsync_internal.repair_key r WHERE r.attachment = $1::pg_catalog.uuid", 1, &uid);
}

void
dbsync_outcome_copy_anew(DbsyncVerify *v)
{
	const char *args[3] = {psprintf("%u", v->order.caller), v->work->subscription->name, psprintf("%u", v->table->relid)};

	dbsync_query_begin(false, "having a table copied anew");
	dbsync_query_run("SELECT dbsync_internal.copy_table($1::pg_catalog.oid, $2, $3::pg_catalog.oid::pg_catalog.regclass, 'truncate')", 3, args);
	dbsync_query_commit();
	MemoryContextSwitchTo(v->context);
}

/* Long ones are cut: they are for people. */
static const char *
shown(const char *value)
{
	int			length = strlen(value);

	if (length <= SHOWN_BYTES)
		return value;
	return psprintf("%.*s... (%d bytes, hash %016llx)", pg_mbcliplen(value, length, SHOWN_BYTES), value, length,
					(unsigned long long) DatumGetUInt64(hash_any_extended((const unsigned char *) value, length, 0)));
}

char *
dbsync_outcome_json(int n, const char *const *names, const char *const *values)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
	{
		appendStringInfoString(&buf, i > 0 ? ", " : "{");
		escape_json(&buf, names[i]);
		appendStringInfoString(&buf, ": ");
		if (values[i] == NULL)
			appendStringInfoString(&buf, "null");
		else
			escape_json(&buf, shown(values[i]));
	}
	appendStringInfoString(&buf, n > 0 ? "}" : "{}");
	return buf.data;
}
