/*-------------------------------------------------------------------------
 *
 * worker/run/policy_read.c
 *	  When changes travel: the text of a policy.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "worker/run/policy.h"

#define EXAMPLE			"rows 10000 or age 1 min during Mon-Fri 20:00-06:00"

/* so that nothing overflows that is counted with it: ten years */
#define LONGEST			(3650 * USECS_PER_DAY)
#define SHORTEST		(10 * INT64CONST(1000))
#define LARGEST			(INT64CONST(1) << 60)

#define DURATION_EXPECTED "a duration of 10 ms to 3650 days (ms, s, min, h, days or weeks)"

typedef struct Unit
{
	const char *names;			/* with a space before and behind each */
	double		of;				/* microseconds, or bytes */
} Unit;

static const Unit durations[] = {
	{" us usec usecs microsecond microseconds ", 1},
	{" ms msec msecs millisecond milliseconds ", 1000},
	{" s sec secs second seconds ", USECS_PER_SEC},
	{" m min mins minute minutes ", USECS_PER_MINUTE},
	{" h hr hrs hour hours ", USECS_PER_HOUR},
	{" d day days ", USECS_PER_DAY},
	{" w week weeks ", 7.0 * USECS_PER_DAY},
};

static const Unit sizes[] = {
	{" b byte bytes ", 1},
	{" kb ", 1024.0},
	{" mb ", 1024.0 * 1024},
	{" gb ", 1024.0 * 1024 * 1024},
	{" tb ", 1024.0 * 1024 * 1024 * 1024},
};

/* What one of a unit is; 0: there is no such unit. */
static double
unit_of(DbsyncWord word, const Unit *units, int n)
{
	char		name[20];

	if (word.length == 0 || word.length > (int) sizeof(name) - 3)
		return 0;
	name[0] = ' ';
	for (int i = 0; i < word.length; i++)
		name[i + 1] = pg_ascii_tolower((unsigned char) word.start[i]);
	name[word.length + 1] = ' ';
	name[word.length + 2] = '\0';
	for (int i = 0; i < n; i++)
	{
		if (strstr(units[i].names, name) != NULL)
			return units[i].of;
	}
	return 0;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits, and a fraction perhaps, from the start of a word; the rest of it is left there. */
static bool
take_number(DbsyncWord *word, double *number)
{
	double		scale = 1;
	int			digits = 0;

	*number = 0;
	for (; word->length > 0 && is_digit(*word->start); word->start++, word->length--, digits++)
		*number = *number * 10 + (*word->start - '0');
	if (digits == 0 || digits > 18)
		return false;
	if (word->length == 0 || *word->start != '.')
		return true;
	word->start++;
	word->length--;
	if (word->length == 0 || !is_digit(*word->start))
		return false;
	for (; word->length > 0 && is_digit(*word->start); word->start++, word->length--)
		*number += (*word->start - '0') * (scale /= 10);
	return true;
}

/*
 * A number with its unit, which may be a word of its own.  Where a unit may be missing the number
 * alone is of the first one.
 */
static bool
take_quantity(DbsyncPolicyText *text, const Unit *units, int n, bool needs_unit, double *quantity)
{
	DbsyncWord	word = dbsync_policy_peek(text, "");
	DbsyncWord	rest = word;
	double		unit;

	if (!take_number(&rest, quantity))
		return false;
	dbsync_policy_take(text, word);
	if (rest.length == 0)
	{
		rest = dbsync_policy_peek(text, "");
		unit = unit_of(rest, units, n);
		if (unit > 0 || needs_unit)
			dbsync_policy_take(text, rest);
		else
			unit = units[0].of;
	}
	else
		unit = unit_of(rest, units, n);
	*quantity *= unit;
	return unit > 0;
}

/* Numbers with units, as many as there are. */
static bool
read_duration(DbsyncPolicyText *text, const char *example, int64 *least)
{
	DbsyncWord	word = dbsync_policy_peek(text, "");
	double		all = 0;
	int64		duration;

	do
	{
		double		part;

		if (!take_quantity(text, durations, lengthof(durations), true, &part))
		{
			word.length = Max((int) (text->at - word.start), word.length);
			return dbsync_policy_wrong(text, word, DURATION_EXPECTED, example);
		}
		all += part;
		word.length = text->at - word.start;
	} while (dbsync_policy_skip(text) && is_digit(*text->at));
	if (all < SHORTEST || all > LONGEST)
		return dbsync_policy_wrong(text, word, DURATION_EXPECTED, example);
	duration = (int64) rint(all);
	*least = *least == 0 ? duration : Min(*least, duration);
	return true;
}

static bool
read_rows(DbsyncPolicyText *text, int64 *least)
{
	DbsyncWord	word = dbsync_policy_peek(text, "");
	int			rows = dbsync_policy_number(word);

	if (rows < 1)
		return dbsync_policy_wrong(text, word, "a number of rows, 1 to 999999999", "rows 10000");
	dbsync_policy_take(text, word);
	*least = *least == 0 ? rows : Min(*least, rows);
	return true;
}

static bool
read_bytes(DbsyncPolicyText *text, int64 *least)
{
	DbsyncWord	word = dbsync_policy_peek(text, "");
	double		bytes;

	if (!take_quantity(text, sizes, lengthof(sizes), false, &bytes) || bytes < 1 || bytes > LARGEST)
	{
		word.length = Max((int) (text->at - word.start), word.length);
		return dbsync_policy_wrong(text, word, "a size (bytes, kB, MB, GB or TB)", "bytes 64 MB");
	}
	*least = *least == 0 ? (int64) bytes : Min(*least, (int64) bytes);
	return true;
}

static bool
read_cron(DbsyncPolicyText *text, DbsyncPolicy *policy)
{
	if (policy->ncrons == DBSYNC_MAX_CRONS)
		return dbsync_policy_wrong(text, dbsync_policy_peek(text, ""), "fewer of these: 16 is the most", "cron 0 2,14 * * *");
	if (!dbsync_cron_read(text, &policy->crons[policy->ncrons]))
		return false;
	policy->ncrons++;
	return true;
}

static bool
read_when(DbsyncPolicyText *text, DbsyncPolicy *policy)
{
	DbsyncWord	word = dbsync_policy_peek(text, "");

	dbsync_policy_take(text, word);
	if (dbsync_policy_is(word, "immediate"))
	{
		policy->immediate = true;
		return true;
	}
	if (dbsync_policy_is(word, "interval"))
		return read_duration(text, "interval 30 s", &policy->interval);
	if (dbsync_policy_is(word, "cron"))
		return read_cron(text, policy);
	if (dbsync_policy_is(word, "rows"))
		return read_rows(text, &policy->rows);
	if (dbsync_policy_is(word, "bytes"))
		return read_bytes(text, &policy->bytes);
	if (dbsync_policy_is(word, "age"))
		return read_duration(text, "age 1 min", &policy->age);
	if (dbsync_policy_is(word, "idle"))
		return read_duration(text, "idle 5 min", &policy->idle);
	return dbsync_policy_wrong(text, word, "immediate, interval, cron, rows, bytes, age or idle (or manual, alone)", EXAMPLE);
}

static bool
read_policy(DbsyncPolicyText *text, DbsyncPolicy *policy)
{
	DbsyncWord	word = dbsync_policy_peek(text, "");

	if (dbsync_policy_is(word, "manual"))
	{
		policy->manual = true;
		dbsync_policy_take(text, word);
		return !dbsync_policy_skip(text) ||
			dbsync_policy_wrong(text, dbsync_policy_peek(text, ""), "nothing: manual stands alone", "manual");
	}
	for (;;)
	{
		if (!read_when(text, policy))
			return false;
		if (!dbsync_policy_skip(text))
			return true;
		word = dbsync_policy_peek(text, "");
		if (!dbsync_policy_is(word, "or"))
			break;
		dbsync_policy_take(text, word);
	}
	if (!dbsync_policy_is(word, "during"))
		return dbsync_policy_wrong(text, word, "\"or\", \"during\", or the end of the text", EXAMPLE);
	dbsync_policy_take(text, word);
	return dbsync_hours_read(text, &policy->hours);
}

bool
dbsync_policy_read(const char *text, DbsyncPolicy *policy, DbsyncPolicyText *fault)
{
	memset(policy, 0, sizeof(*policy));
	memset(fault, 0, sizeof(*fault));
	fault->whole = fault->at = text;
	if (strlen(text) > DBSYNC_MAX_POLICY)
	{
		DbsyncWord	word = {text, 0};

		return dbsync_policy_wrong(fault, word, "a text of 1000 bytes at most", EXAMPLE);
	}
	return read_policy(fault, policy);
}
