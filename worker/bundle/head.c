/*-------------------------------------------------------------------------
 *
 * worker/bundle/head.c
 *	  bundle.json: who a bundle is, and where it belongs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "worker/bundle/contents.h"

typedef struct Reading
{
	DbsyncBundleHead *head;
	DbsyncLedger *position;
	char	   *name;			/* of the subscription, UTF-8 */
	int64		format;
	bool		has_id;
} Reading;

/* --- out --- */

void
dbsync_head_put_lsn(StringInfo out, const char *key, XLogRecPtr lsn)
{
	char		text[32];

	snprintf(text, sizeof(text), "%X/%X", LSN_FORMAT_ARGS(lsn));
	dbsync_json_put_string(out, key, text);
}

void
dbsync_head_put_place(StringInfo out, const char *after, const char *upto, XLogRecPtr closing, uint64 closing_xid)
{
	dbsync_json_put_string(out, "after", after);
	dbsync_json_put_string(out, "upto", upto);
	dbsync_head_put_lsn(out, "closing", closing);
	dbsync_json_put_int(out, "closing_xid", (int64) closing_xid);
}

static void
put_position(StringInfo out, const DbsyncLedger *position)
{
	dbsync_json_key(out, "position");
	if (position == NULL)
	{
		appendStringInfoString(out, "null");
		return;
	}
	appendStringInfoChar(out, '{');
	dbsync_head_put_lsn(out, "lsn", position->lsn);
	dbsync_json_put_time(out, "server_start", position->server_start);
	dbsync_head_put_place(out, position->after, position->upto, position->closing, position->closing_xid);
	dbsync_json_put_int(out, "checksum", position->checksum);
	dbsync_json_put_string(out, "identities", position->identities);
	appendStringInfoChar(out, '}');
}

static void
put_source(StringInfo out, const DbsyncBundleHead *head)
{
	char		system[32];

	snprintf(system, sizeof(system), UINT64_FORMAT, head->system_identifier);
	dbsync_json_key(out, "source");
	appendStringInfoChar(out, '{');
	dbsync_json_put_string(out, "system", system);
	dbsync_json_put_int(out, "database", head->database_oid);
	dbsync_json_put_int(out, "timeline", head->timeline);
	dbsync_json_put_int(out, "postgresql", head->postgresql);
	dbsync_json_put_string(out, "dbsync", head->dbsync);
	appendStringInfoChar(out, '}');
}

static void
put_requires(StringInfo out, List *requires)
{
	ListCell   *lc;

	dbsync_json_key(out, "requires");
	appendStringInfoChar(out, '[');
	foreach(lc, requires)
	{
		dbsync_json_item(out);
		appendStringInfo(out, "\"%s\"", (char *) lfirst(lc));
	}
	appendStringInfoChar(out, ']');
}

void
dbsync_head_write(StringInfo out, const DbsyncBundleHead *head)
{
	StringInfoData text;
	char	   *utf8;

	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	dbsync_json_put_int(&text, "format", DBSYNC_BUNDLE_FORMAT);
	put_requires(&text, head->requires);
	dbsync_json_key(&text, "subscription");
	appendStringInfoChar(&text, '{');
	dbsync_json_put_uuid(&text, "id", &head->subscription);
	dbsync_json_put_string(&text, "name", head->subscription_name);
	appendStringInfoChar(&text, '}');
	put_source(&text, head);
	dbsync_json_put_int(&text, "chain", head->chain);
	dbsync_json_put_int(&text, "number", head->number);
	dbsync_json_put_string(&text, "previous", head->previous[0] ? head->previous : NULL);
	dbsync_json_put_time(&text, "time", head->time);
	dbsync_json_put_int(&text, "batch", head->batch);
	dbsync_json_put_int(&text, "part", head->part);
	dbsync_json_put_bool(&text, "last", head->last);
	dbsync_json_put_int(&text, "rows", head->rows);
	dbsync_json_put_int(&text, "bytes", head->bytes);
	put_position(&text, head->position);
	appendStringInfoString(&text, "}\n");
	utf8 = pg_server_to_any(text.data, text.len, PG_UTF8);
	appendStringInfoString(out, utf8);
	pfree(text.data);
}

/* --- in --- */

XLogRecPtr
dbsync_head_lsn(DbsyncJson *json)
{
	char	   *text = dbsync_json_utf8(json);
	unsigned int high = 0;
	unsigned int low = 0;
	char		behind;

	if (text == NULL || strspn(text, "0123456789ABCDEF/") != strlen(text) || strlen(text) > 17 ||
		sscanf(text, "%8X/%8X%c", &high, &low, &behind) != 2)
		dbsync_json_wrong(json, "there is no place in the WAL where one is due");
	return ((XLogRecPtr) high << 32) | low;
}

static void
read_position(DbsyncJson *json, const char *key, void *arg)
{
	DbsyncLedger *position = arg;

	if (strcmp(key, "lsn") == 0)
		position->lsn = dbsync_head_lsn(json);
	else if (strcmp(key, "server_start") == 0)
		position->server_start = dbsync_json_time(json);
	else if (strcmp(key, "after") == 0)
		position->after = dbsync_json_string(json);
	else if (strcmp(key, "upto") == 0)
		position->upto = dbsync_json_string(json);
	else if (strcmp(key, "closing") == 0)
		position->closing = dbsync_head_lsn(json);
	else if (strcmp(key, "closing_xid") == 0)
		position->closing_xid = dbsync_json_int(json, 0, PG_INT64_MAX);
	else if (strcmp(key, "checksum") == 0)
		position->checksum = dbsync_json_int(json, PG_INT64_MIN, PG_INT64_MAX);
	else if (strcmp(key, "identities") == 0)
		position->identities = dbsync_json_string(json);
	else
		dbsync_json_skip(json);
}

static void
read_subscription(DbsyncJson *json, const char *key, void *arg)
{
	Reading    *reading = arg;

	if (strcmp(key, "id") == 0)
	{
		dbsync_json_uuid(json, &reading->head->subscription);
		reading->has_id = true;
	}
	else if (strcmp(key, "name") == 0)
	{
		reading->name = dbsync_json_utf8(json);
		if (reading->name != NULL)
			reading->head->subscription_name = pg_any_to_server(reading->name, strlen(reading->name), PG_UTF8);
	}
	else
		dbsync_json_skip(json);
}

static void
read_source(DbsyncJson *json, const char *key, void *arg)
{
	DbsyncBundleHead *head = ((Reading *) arg)->head;

	if (strcmp(key, "system") == 0)
		head->system_identifier = dbsync_json_uint64(json);
	else if (strcmp(key, "database") == 0)
		head->database_oid = dbsync_json_int(json, 0, PG_UINT32_MAX);
	else if (strcmp(key, "timeline") == 0)
		head->timeline = dbsync_json_int(json, 0, PG_UINT32_MAX);
	else if (strcmp(key, "postgresql") == 0)
		head->postgresql = dbsync_json_int(json, 0, PG_INT32_MAX);
	else if (strcmp(key, "dbsync") == 0)
		head->dbsync = dbsync_json_string(json);
	else
		dbsync_json_skip(json);
}

static void
read_requires(DbsyncJson *json, void *arg)
{
	DbsyncBundleHead *head = arg;
	char	   *word = dbsync_json_string(json);

	if (word == NULL || list_length(head->requires) >= 100)
		dbsync_json_wrong(json, "\"requires\" is no list of words");
	else
		head->requires = lappend(head->requires, word);
}

static void
read_previous(DbsyncJson *json, DbsyncBundleHead *head)
{
	char	   *hex = dbsync_json_utf8(json);

	if (hex == NULL)
		return;
	if (strlen(hex) != DBSYNC_BUNDLE_HEX - 1 || strspn(hex, "0123456789abcdef") != DBSYNC_BUNDLE_HEX - 1)
		dbsync_json_wrong(json, "\"previous\" is no SHA-256");
	else
		strlcpy(head->previous, hex, DBSYNC_BUNDLE_HEX);
}

/* Numbers and lists; false: the key is none of theirs. */
static bool
read_counts(DbsyncJson *json, const char *key, DbsyncBundleHead *head)
{
	if (strcmp(key, "chain") == 0)
		head->chain = dbsync_json_int(json, 1, DBSYNC_BUNDLE_CHAIN_LIMIT);
	else if (strcmp(key, "number") == 0)
		head->number = dbsync_json_int(json, 1, DBSYNC_BUNDLE_NUMBER_LIMIT);
	else if (strcmp(key, "batch") == 0)
		head->batch = dbsync_json_int(json, 0, PG_INT64_MAX);
	else if (strcmp(key, "part") == 0)
		head->part = dbsync_json_int(json, 1, PG_INT32_MAX);
	else if (strcmp(key, "last") == 0)
		head->last = dbsync_json_bool(json);
	else if (strcmp(key, "rows") == 0)
		head->rows = dbsync_json_int(json, 0, PG_INT64_MAX);
	else if (strcmp(key, "bytes") == 0)
		head->bytes = dbsync_json_int(json, 0, PG_INT64_MAX);
	else
		return false;
	return true;
}

static void
read_head(DbsyncJson *json, const char *key, void *arg)
{
	Reading    *reading = arg;
	DbsyncBundleHead *head = reading->head;

	if (read_counts(json, key, head))
		return;
	if (strcmp(key, "format") == 0)
		reading->format = dbsync_json_int(json, 1, PG_INT32_MAX);
	else if (strcmp(key, "requires") == 0)
	{
		head->requires = NIL;
		dbsync_json_array(json, read_requires, head);
	}
	else if (strcmp(key, "subscription") == 0)
		dbsync_json_object(json, read_subscription, reading);
	else if (strcmp(key, "source") == 0)
		dbsync_json_object(json, read_source, reading);
	else if (strcmp(key, "previous") == 0)
		read_previous(json, head);
	else if (strcmp(key, "time") == 0)
		head->time = dbsync_json_time(json);
	else if (strcmp(key, "position") == 0)
	{
		reading->position = dbsync_json_null(json) ? NULL : palloc0(sizeof(DbsyncLedger));
		if (reading->position != NULL)
			dbsync_json_object(json, read_position, reading->position);
	}
	else
		dbsync_json_skip(json);
}

/* What the position says is also said outside of it. */
static const DbsyncLedger *
complete_position(const Reading *reading)
{
	DbsyncLedger *position = reading->position;
	const DbsyncBundleHead *head = reading->head;

	if (position == NULL)
		return NULL;
	position->subscription = head->subscription;
	position->subscription_name = head->subscription_name;
	position->system_identifier = head->system_identifier;
	position->database_oid = head->database_oid;
	position->timeline = head->timeline;
	position->batch = head->batch;
	return position;
}

static const char *
problem_of(const Reading *reading)
{
	const DbsyncBundleHead *head = reading->head;

	if (reading->format != DBSYNC_BUNDLE_FORMAT)
		return "\"format\" is another one than FORMAT's";
	if (!reading->has_id || reading->name == NULL)
		return "it does not name its subscription";
	if (head->chain == 0 || head->number == 0 || head->part == 0)
		return "it does not say which one it is";
	if ((head->number == 1) != (head->previous[0] == '\0'))
		return "\"previous\" goes with all but number 1";
	if (head->last != (reading->position != NULL))
		return "\"position\" goes with the last part of a batch";
	if (reading->position != NULL && reading->position->after == NULL)
		return "\"position\" has no \"after\"";
	return NULL;
}

const char *
dbsync_head_read(const char *text, size_t length, DbsyncBundleHead **head, char **name)
{
	Reading		reading = {0};
	DbsyncJson	json;

	reading.head = palloc0(sizeof(DbsyncBundleHead));
	dbsync_json_begin(&json, text, length);
	dbsync_json_object(&json, read_head, &reading);
	dbsync_json_end(&json);
	if (json.problem != NULL)
		return json.problem;
	reading.head->position = complete_position(&reading);
	*head = reading.head;
	*name = reading.name;
	return problem_of(&reading);
}
