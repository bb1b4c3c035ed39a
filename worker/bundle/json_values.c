/*-------------------------------------------------------------------------
 *
 * worker/bundle/json_values.c
 *	  Strings of JSON that stand for something: numbers of 64 bits, times, uuids.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "worker/bundle/json.h"

uint64
dbsync_json_uint64(DbsyncJson *json)
{
	char	   *text = dbsync_json_utf8(json);
	uint64		value = 0;
	int			n = 0;

	for (; text && text[n] >= '0' && text[n] <= '9'; n++)
	{
		uint64		digit = text[n] - '0';

		if (value > (PG_UINT64_MAX - digit) / 10)
			break;
		value = value * 10 + digit;
	}
	if (n == 0 || text[n] != '\0')
	{
		dbsync_json_wrong(json, "there is no string with a number where one is due");
		return 0;
	}
	return value;
}

/* A number of so many digits; -1: there is none. */
static int
read_digits(const char *text, int n)
{
	int			value = 0;

	for (int i = 0; i < n; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + text[i] - '0';
	}
	return value;
}

TimestampTz
dbsync_json_time(DbsyncJson *json)
{
	static const char form[] = "0000-00-00T00:00:00.000000Z";
	static const int at[] = {0, 5, 8, 11, 14, 17, 20};
	static const int size[] = {4, 2, 2, 2, 2, 2, 6};
	static const int max[] = {9999, 12, 31, 23, 59, 59, 999999};
	char	   *text = dbsync_json_utf8(json);
	int			part[lengthof(at)];
	bool		good = text != NULL && strlen(text) == strlen(form);

	for (int i = 0; good && form[i]; i++)
		good = form[i] == '0' || form[i] == text[i];
	for (int i = 0; good && i < (int) lengthof(at); i++)
	{
		part[i] = read_digits(text + at[i], size[i]);
		good = part[i] >= (i == 1 || i == 2 ? 1 : 0) && part[i] <= max[i];
	}
	if (!good)
	{
		dbsync_json_wrong(json, "there is no time where one is due");
		return 0;
	}
	return (date2j(part[0], part[1], part[2]) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY +
		part[3] * USECS_PER_HOUR + part[4] * USECS_PER_MINUTE + part[5] * USECS_PER_SEC + part[6];
}

/* A hexadecimal digit, as uuids are written; -1: it is none. */
static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void
dbsync_json_uuid(DbsyncJson *json, pg_uuid_t *value)
{
	static const char form[] = "00000000-0000-0000-0000-000000000000";
	char	   *text = dbsync_json_utf8(json);
	bool		good = text != NULL && strlen(text) == strlen(form);
	int			n = 0;

	memset(value, 0, sizeof(pg_uuid_t));
	for (int i = 0; good && form[i]; i++)
	{
		int			digit = hex_digit(text[i]);

		good = form[i] == '-' ? text[i] == '-' : digit >= 0;
		if (good && form[i] != '-')
		{
			value->data[n / 2] = value->data[n / 2] * 16 + digit;
			n++;
		}
	}
	if (!good)
		dbsync_json_wrong(json, "there is no uuid where one is due");
}

void *
dbsync_json_grow(void *array, int n, size_t size)
{
	if (array == NULL)
		return palloc(size);
	return (n & (n - 1)) == 0 ? repalloc(array, 2 * n * size) : array;
}
