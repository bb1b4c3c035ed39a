/*-------------------------------------------------------------------------
 *
 * worker/run/cron.c
 *	  Minutes of which a line of a crontab speaks: when the next one is.
 *
 * The next minute is looked for on the wall, day by day and bit by bit, in one stretch of the
 * clocks after the other (worker/run/civil.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bitutils.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "worker/run/civil.h"
#include "worker/run/cron.h"

/* 29 February on a Sunday comes every 40 years at least */
#define MAX_DAYS	(100 * 366)

/* clocks are changed by a day at most; what they were changed by before that is over */
#define LOOK_BACK	(2 * DBSYNC_DAY)

static bool
day_is_meant(const DbsyncCron *cron, int64 date)
{
	int			year,
				month,
				day;
	bool		by_day,
				by_weekday;

	j2date((int) (date + UNIX_EPOCH_JDATE), &year, &month, &day);
	if ((cron->months & (1 << month)) == 0)
		return false;
	by_day = (cron->days & ((uint32) 1 << day)) != 0;
	by_weekday = (cron->weekdays & (1 << dbsync_civil_weekday(date))) != 0;
	if (cron->any_day || cron->any_weekday)
		return by_day && by_weekday;
	return by_day || by_weekday;
}

/* The first minute of a day that is meant, from this one on; -1: none. */
static int
find_minute(const DbsyncCron *cron, int from)
{
	for (int hour = from / MINS_PER_HOUR; hour < HOURS_PER_DAY; hour++)
	{
		int			first = hour == from / MINS_PER_HOUR ? from % MINS_PER_HOUR : 0;
		uint64		left = cron->minutes >> first;

		if ((cron->hours & ((uint32) 1 << hour)) != 0 && left != 0)
			return hour * MINS_PER_HOUR + first + pg_rightmost_one_pos64(left);
	}
	return -1;
}

/* The first time on the wall from "from" on and before "to"; false: none. */
static bool
find_on_wall(const DbsyncCron *cron, pg_time_t from, pg_time_t to, pg_time_t *found)
{
	int			second;
	int64		first = dbsync_civil_day(from + SECS_PER_MINUTE - 1, &second);

	for (int64 day = first; day * DBSYNC_DAY < to && day < first + MAX_DAYS; day++)
	{
		int			minute;

		if (!day_is_meant(cron, day))
			continue;
		minute = find_minute(cron, day == first ? second / SECS_PER_MINUTE : 0);
		if (minute < 0)
			continue;
		*found = day * DBSYNC_DAY + minute * SECS_PER_MINUTE;
		return *found < to;
	}
	return false;
}

/*
 * In one stretch: the first time behind "after", in UTC.  Where clocks were put forward at
 * its beginning, what they skipped is due there; where they were put back, what was due
 * before is not once more.
 */
static bool
find_in_stretch(const DbsyncCron *cron, const DbsyncStretch *stretch, pg_time_t after, pg_time_t until, pg_time_t *found)
{
	pg_time_t	from = Max(stretch->begin, after + 1) + stretch->ahead;
	pg_time_t	to = Min(stretch->end, until) + stretch->ahead;

	if (!cron->any_hour && stretch->ahead > stretch->before && stretch->begin > after &&
		find_on_wall(cron, stretch->begin + stretch->before, stretch->begin + stretch->ahead, found))
	{
		*found = stretch->begin;
		return true;
	}
	if (!cron->any_hour)
		from = Max(from, stretch->begin + stretch->before);
	if (!find_on_wall(cron, from, to, found))
		return false;
	*found -= stretch->ahead;
	return true;
}

TimestampTz
dbsync_cron_next(const DbsyncCron *cron, const pg_tz *zone, TimestampTz after)
{
	pg_time_t	begin;
	pg_time_t	until;
	pg_time_t	found;
	DbsyncStretch stretch;

	if (TIMESTAMP_NOT_FINITE(after))
		return DT_NOEND;
	begin = timestamptz_to_time_t(after);
	/* a part of a second before 2000 is cut off upwards */
	if (time_t_to_timestamptz(begin) > after)
		begin--;
	until = begin + MAX_DAYS * DBSYNC_DAY;
	if (until > timestamptz_to_time_t(END_TIMESTAMP - 1))
		return DT_NOEND;
	stretch = dbsync_civil_first(zone, begin - LOOK_BACK);
	do
	{
		if (stretch.begin >= until)
			return DT_NOEND;
		if (stretch.end > begin && find_in_stretch(cron, &stretch, begin, until, &found))
			return time_t_to_timestamptz(found);
	} while (dbsync_civil_next(zone, &stretch));
	return DT_NOEND;
}
