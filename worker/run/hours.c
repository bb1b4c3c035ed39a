/*-------------------------------------------------------------------------
 *
 * worker/run/hours.c
 *	  Hours of the week in which rounds may go on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "worker/run/civil.h"
#include "worker/run/hours.h"

#define EXAMPLE			"immediate during Mon-Fri 20:00-06:00, Sat-Sun 00:00-24:00"
#define DAY_MINUTES		(HOURS_PER_DAY * MINS_PER_HOUR)
#define ENDS			",-"

/* Clocks that skip the hours of one week do not skip those of the next. */
#define MAX_DAYS		22

static const char *const weekdays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Is the next thing this sign?  It is taken if it is. */
static bool
take_sign(DbsyncPolicyText *text, char sign)
{
	(void) dbsync_policy_skip(text);
	if (*text->at != sign)
		return false;
	text->at++;
	return true;
}

static bool
read_weekday(DbsyncPolicyText *text, int *weekday)
{
	DbsyncWord	word = dbsync_policy_peek(text, ENDS);

	*weekday = dbsync_policy_name(word, weekdays, lengthof(weekdays));
	if (*weekday < 0)
		return dbsync_policy_wrong(text, word, "a day of the week (Mon to Sun) or a time (HH:MM)", EXAMPLE);
	dbsync_policy_take(text, word);
	return true;
}

/* HH:MM, in minutes */
static bool
read_time(DbsyncPolicyText *text, int most, int *minutes)
{
	DbsyncWord	word = dbsync_policy_peek(text, ENDS);
	DbsyncWord	hour = word;
	DbsyncWord	minute = word;
	int			colon = 0;

	while (colon < word.length && word.start[colon] != ':')
		colon++;
	hour.length = colon;
	minute.start += colon + 1;
	minute.length = Max(word.length - colon - 1, 0);
	*minutes = -1;
	if (hour.length >= 1 && hour.length <= 2 && minute.length == 2 &&
		dbsync_policy_number(hour) >= 0 && dbsync_policy_number(minute) >= 0 && dbsync_policy_number(minute) < MINS_PER_HOUR)
		*minutes = dbsync_policy_number(hour) * MINS_PER_HOUR + dbsync_policy_number(minute);
	if (*minutes < 0 || *minutes > most)
		return dbsync_policy_wrong(text, word, most == DAY_MINUTES ? "the time of its end (00:00 to 24:00)"
								   : "a time (00:00 to 23:59)", EXAMPLE);
	dbsync_policy_take(text, word);
	return true;
}

static bool
read_days(DbsyncPolicyText *text, uint8 *days)
{
	int			first;
	int			last;

	*days = 0x7f;
	(void) dbsync_policy_skip(text);
	if (!is_letter(*text->at))
		return true;
	if (!read_weekday(text, &first))
		return false;
	last = first;
	if (take_sign(text, '-') && !read_weekday(text, &last))
		return false;
	*days = 0;
	for (int day = first;; day = (day + 1) % 7)
	{
		*days |= 1 << day;
		if (day == last)
			return true;
	}
}

static bool
read_span(DbsyncPolicyText *text, DbsyncSpan *span)
{
	DbsyncWord	word;

	if (!read_days(text, &span->weekdays))
		return false;
	(void) dbsync_policy_skip(text);
	word.start = text->at;
	if (!read_time(text, DAY_MINUTES - 1, &span->begin))
		return false;
	if (!take_sign(text, '-'))
		return dbsync_policy_wrong(text, dbsync_policy_peek(text, ""), "\"-\" and the time of its end", EXAMPLE);
	if (!read_time(text, DAY_MINUTES, &span->end))
		return false;
	word.length = text->at - word.start;
	if (span->begin == span->end)
		return dbsync_policy_wrong(text, word, "a span with a length; the whole day is 00:00-24:00", EXAMPLE);
	if (span->end < span->begin)
		span->end += DAY_MINUTES;
	return true;
}

bool
dbsync_hours_read(DbsyncPolicyText *text, DbsyncHours *hours)
{
	for (;;)
	{
		DbsyncWord	word;

		if (hours->n == DBSYNC_MAX_SPANS)
			return dbsync_policy_wrong(text, dbsync_policy_peek(text, ""), "fewer spans: 32 is the most", EXAMPLE);
		if (!read_span(text, &hours->spans[hours->n]))
			return false;
		hours->n++;
		if (!dbsync_policy_skip(text))
			return true;
		word = dbsync_policy_peek(text, ENDS);
		if (!take_sign(text, ','))
			return dbsync_policy_wrong(text, word, "a comma, or the end of the text", EXAMPLE);
	}
}

/* When a span of this day begins and ends, on the wall; false: it has none then. */
static bool
of_day(const DbsyncSpan *span, int64 day, pg_time_t *begin, pg_time_t *end)
{
	if ((span->weekdays & (1 << dbsync_civil_weekday(day))) == 0)
		return false;
	*begin = day * DBSYNC_DAY + span->begin * SECS_PER_MINUTE;
	*end = day * DBSYNC_DAY + span->end * SECS_PER_MINUTE;
	return true;
}

/* The first second on the wall, of "from" and those before "to", that is inside; false: none. */
static bool
find_on_wall(const DbsyncHours *hours, pg_time_t from, pg_time_t to, pg_time_t *found)
{
	bool		any = false;

	/* one that began the day before may go on */
	for (int64 day = dbsync_civil_day(from, NULL) - 1; day * DBSYNC_DAY < to && !any; day++)
	{
		for (int i = 0; i < hours->n; i++)
		{
			pg_time_t	begin;
			pg_time_t	end;

			if (!of_day(&hours->spans[i], day, &begin, &end) || end <= from || Max(begin, from) >= to)
				continue;
			if (!any || Max(begin, from) < *found)
				*found = Max(begin, from);
			any = true;
		}
	}
	return any;
}

bool
dbsync_hours_are_open(const DbsyncHours *hours, const pg_tz *zone, TimestampTz at)
{
	pg_time_t	wall = dbsync_civil_wall(zone, timestamptz_to_time_t(at));
	pg_time_t	found;

	return hours->n == 0 || find_on_wall(hours, wall, wall + 1, &found);
}

TimestampTz
dbsync_hours_opening(const DbsyncHours *hours, const pg_tz *zone, TimestampTz at)
{
	pg_time_t	begin = timestamptz_to_time_t(at);
	pg_time_t	until = begin + MAX_DAYS * DBSYNC_DAY;
	pg_time_t	found;
	DbsyncStretch stretch;

	if (TIMESTAMP_NOT_FINITE(at) || dbsync_hours_are_open(hours, zone, at))
		return at;
	if (until > timestamptz_to_time_t(END_TIMESTAMP - 1))
		return DT_NOEND;
	stretch = dbsync_civil_first(zone, begin);
	do
	{
		if (find_on_wall(hours, stretch.begin + stretch.ahead, Min(stretch.end, until) + stretch.ahead, &found))
			return time_t_to_timestamptz(found - stretch.ahead);
	} while (stretch.end < until && dbsync_civil_next(zone, &stretch));
	return DT_NOEND;
}
