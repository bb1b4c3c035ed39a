/*-------------------------------------------------------------------------
 *
 * worker/run/civil.c
 *	  Clocks on the wall: how far they are ahead of UTC, and until when.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/run/civil.h"

/* 1 January 1970 was a Thursday */
#define FIRST_WEEKDAY	4

static void
look(const pg_tz *zone, pg_time_t at, DbsyncStretch *stretch)
{
	long		ahead = 0;
	long		after;
	int			isdst;
	int			isdst_after;
	pg_time_t	boundary;

	stretch->begin = at;
	stretch->end = PG_INT64_MAX;
	if (pg_next_dst_boundary(&at, &ahead, &isdst, &boundary, &after, &isdst_after, zone) > 0)
		stretch->end = boundary;
	stretch->ahead = ahead;
}

DbsyncStretch
dbsync_civil_first(const pg_tz *zone, pg_time_t at)
{
	DbsyncStretch stretch;

	look(zone, at, &stretch);
	stretch.before = stretch.ahead;
	return stretch;
}

bool
dbsync_civil_next(const pg_tz *zone, DbsyncStretch *stretch)
{
	long		before = stretch->ahead;

	if (stretch->end == PG_INT64_MAX)
		return false;
	look(zone, stretch->end, stretch);
	stretch->before = before;
	return true;
}

int64
dbsync_civil_day(pg_time_t wall, int *second)
{
	int64		day = wall / DBSYNC_DAY;

	if (wall % DBSYNC_DAY < 0)
		day--;
	if (second != NULL)
		*second = (int) (wall - day * DBSYNC_DAY);
	return day;
}

int
dbsync_civil_weekday(int64 day)
{
	int			weekday = (int) ((day + FIRST_WEEKDAY) % 7);

	return weekday < 0 ? weekday + 7 : weekday;
}

pg_time_t
dbsync_civil_wall(const pg_tz *zone, pg_time_t at)
{
	return at + dbsync_civil_first(zone, at).ahead;
}
