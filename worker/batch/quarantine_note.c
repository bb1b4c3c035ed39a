/*-------------------------------------------------------------------------
 *
 * worker/batch/quarantine_note.c
 *	  What is parked at the target, in the source's catalog: for people, and for what they ask for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "worker/batch/quarantine_note.h"
#include "worker/batch/retry.h"
#include "worker/driver/driver.h"
#include "worker/query.h"
#include "worker/subscription.h"

static char *
keep(const char *text)
{
	return text ? pstrdup(text) : NULL;
}

List *
dbsync_quarantine_copy(const List *rows)
{
	List	   *copies = NIL;
	ListCell   *lc;

	foreach(lc, rows)
	{
		const DbsyncParkedRow *row = lfirst(lc);
		DbsyncParkedRow *copy = palloc(sizeof(DbsyncParkedRow));

		*copy = *row;
		copy->key = palloc(sizeof(char *) * Max(row->nkeys, 1));
		for (int k = 0; k < row->nkeys; k++)
			copy->key[k] = keep(row->key[k]);
		copy->row = keep(row->row);
		copy->sqlstate = keep(row->sqlstate);
		copy->message = keep(row->message);
		copy->detail = keep(row->detail);
		copy->hint = keep(row->hint);
		copies = lappend(copies, copy);
	}
	return copies;
}

/* an array as text */
static char *
key_text(const DbsyncParkedRow *row)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	for (int k = 0; k < row->nkeys; k++)
	{
		appendStringInfoString(&buf, k > 0 ? "," : "");
		if (row->key[k] == NULL)
		{
			appendStringInfoString(&buf, "NULL");
			continue;
		}
		appendStringInfoChar(&buf, '"');
		for (const char *p = row->key[k]; *p; p++)
		{
			if (*p == '"' || *p == '\\')
				appendStringInfoChar(&buf, '\\');
			appendStringInfoChar(&buf, *p);
		}
		appendStringInfoChar(&buf, '"');
	}
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

static char *
uuid_text(const pg_uuid_t *uuid)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid)));
}

/* In the current transaction.  Whatever was asked for, with "answers" it has been done. */
static void
write_row(const DbsyncParkedRow *row, bool answers)
{
	const char *args[11];

	args[0] = uuid_text(&row->attachment);
	args[1] = key_text(row);
	if (row->freed)
	{
		dbsync_query_run("DELETE FROM dbsync_internal.parked_row p WHERE p.attachment = $1::pg_catalog.uuid"
						 " AND p.key = $2::pg_catalog.text[]", 2, args);
		return;
	}
	args[2] = row->deletes ? "true" : "false";
	args[3] = row->row;
	args[4] = row->sqlstate;
	args[5] = row->message;
	args[6] = row->detail;
	args[7] = row->hint;
	args[8] = timestamptz_to_str(row->since);
	args[8] = pstrdup(args[8]);
	args[9] = psprintf(INT64_FORMAT, row->changes);
	args[10] = answers ? "true" : "false";
	/* an attachment that has ended meanwhile has nothing parked */
	dbsync_query_run("WITH again AS (UPDATE dbsync_internal.parked_row p SET deletes = $3::pg_catalog.bool, \"row\" = $4, sqlstate = $5,"
					 " message = $6, detail = $7, hint = $8, since = $9::pg_catalog.timestamptz, changes = $10::pg_catalog.int8,"
					 " asked = CASE WHEN NOT $11::pg_catalog.bool THEN p.asked END"
					 " WHERE p.attachment = $1::pg_catalog.uuid AND p.key = $2::pg_catalog.text[] RETURNING 1)"
					 " INSERT INTO dbsync_internal.parked_row (attachment, key, deletes, \"row\", sqlstate, message, detail, hint, since, changes)"
					 " SELECT a.uid, $2::pg_catalog.text[], $3::pg_catalog.bool, $4, $5, $6, $7, $8, $9::pg_catalog.timestamptz, $10::pg_catalog.int8"
					 " FROM dbsync.subscription_table a WHERE a.uid = $1::pg_catalog.uuid AND NOT EXISTS (SELECT FROM again)", 11, args);
}

/* Unless somebody has asked once more since. */
static void
write_answer(const DbsyncParkedAnswer *answer)
{
	const char *args[2];

	args[0] = uuid_text(&answer->attachment);
	args[1] = answer->asked;
	dbsync_query_run("WITH done AS (UPDATE dbsync.subscription_table a SET parked_asked = NULL"
					 " WHERE a.uid = $1::pg_catalog.uuid AND a.parked_asked = $2::pg_catalog.timestamptz RETURNING a.uid)"
					 " UPDATE dbsync_internal.parked_row p SET asked = NULL FROM done"
					 " WHERE p.attachment = done.uid AND p.asked IS NOT NULL", 2, args);
}

void
dbsync_quarantine_note_news(void *arg)
{
	DbsyncWork *work = arg;
	ListCell   *lc;

	dbsync_query_begin(false, "noting what is parked");
	foreach(lc, work->parked_news)
		write_row(lfirst(lc), true);
	foreach(lc, work->parked_done)
		write_answer(lfirst(lc));
	dbsync_query_commit();
	work->parked_news = work->parked_done = NIL;
}

/* What was noted, and is not parked, goes; what somebody has asked for of the rest stays. */
void
dbsync_quarantine_note_all(void *arg)
{
	DbsyncWork *work = arg;
	const char *id = psprintf("%d", work->subscription->id);
	ListCell   *lc;

	dbsync_query_begin(false, "noting what is parked");
	dbsync_query_run("UPDATE dbsync_internal.parked_row p SET since = NULL FROM dbsync.subscription_table a"
					 " WHERE a.subscription_id = $1::pg_catalog.int4 AND p.attachment = a.uid", 1, &id);
	foreach(lc, work->parked_read)
		write_row(lfirst(lc), false);
	dbsync_query_run("DELETE FROM dbsync_internal.parked_row p USING dbsync.subscription_table a"
					 " WHERE a.subscription_id = $1::pg_catalog.int4 AND p.attachment = a.uid AND p.since IS NULL", 1, &id);
	dbsync_query_commit();
	work->parked_read = NIL;
	work->parked_read_due = false;
}
