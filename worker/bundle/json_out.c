/*-------------------------------------------------------------------------
 *
 * worker/bundle/json_out.c
 *	  JSON out into a string.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "worker/bundle/json.h"

void
dbsync_json_item(StringInfo out)
{
	char		last = out->len > 0 ? out->data[out->len - 1] : '{';

	if (last != '{' && last != '[' && last != '\n')
		appendStringInfoString(out, ", ");
}

void
dbsync_json_key(StringInfo out, const char *key)
{
	dbsync_json_item(out);
	appendStringInfo(out, "\"%s\": ", key);
}

void
dbsync_json_put_string(StringInfo out, const char *key, const char *value)
{
	dbsync_json_key(out, key);
	if (value != NULL)
		escape_json(out, value);
	else
		appendStringInfoString(out, "null");
}

void
dbsync_json_put_int(StringInfo out, const char *key, int64 value)
{
	dbsync_json_key(out, key);
	appendStringInfo(out, INT64_FORMAT, value);
}

void
dbsync_json_put_bool(StringInfo out, const char *key, bool value)
{
	dbsync_json_key(out, key);
	appendStringInfoString(out, value ? "true" : "false");
}

void
dbsync_json_put_time(StringInfo out, const char *key, TimestampTz value)
{
	int			year;
	int			month;
	int			day;
	int64		days = value / USECS_PER_DAY;
	int64		rest = value % USECS_PER_DAY;

	if (rest < 0)
	{
		rest += USECS_PER_DAY;
		days--;
	}
	j2date((int) (days + POSTGRES_EPOCH_JDATE), &year, &month, &day);
	dbsync_json_key(out, key);
	appendStringInfo(out, "\"%04d-%02d-%02dT%02d:%02d:%02d.%06dZ\"", year, month, day,
					 (int) (rest / USECS_PER_HOUR), (int) (rest / USECS_PER_MINUTE % 60),
					 (int) (rest / USECS_PER_SEC % 60), (int) (rest % USECS_PER_SEC));
}

void
dbsync_json_put_uuid(StringInfo out, const char *key, const pg_uuid_t *value)
{
	dbsync_json_key(out, key);
	appendStringInfoChar(out, '"');
	for (int i = 0; i < UUID_LEN; i++)
		appendStringInfo(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", value->data[i]);
	appendStringInfoChar(out, '"');
}
