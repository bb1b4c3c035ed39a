/*-------------------------------------------------------------------------
 *
 * worker/run/civil.h
 *	  Clocks on the wall: how far they are ahead of UTC, and until when.
 *
 * Times here are whole seconds since 1970, of UTC or of the wall: the wall's are UTC's and
 * what the clocks are ahead.  Between two changes of the clocks both go alike, so whoever
 * looks for a time on the wall does so in one stretch after the other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RUN_CIVIL_H
#define DBSYNC_WORKER_RUN_CIVIL_H

#include "datatype/timestamp.h"
#include "pgtime.h"

#define DBSYNC_DAY		((pg_time_t) SECS_PER_DAY)

typedef struct DbsyncStretch
{
	pg_time_t	begin;			/* UTC */
	pg_time_t	end;			/* UTC, not in it; PG_INT64_MAX: the clocks are not changed any more */
	long		ahead;			/* in it */
	long		before;			/* just before it; of the first one that is asked for, the same */
} DbsyncStretch;

/* The stretch with a moment, from there on. */
extern DbsyncStretch dbsync_civil_first(const pg_tz *zone, pg_time_t at);

/* The one behind it; false: there is none. */
extern bool dbsync_civil_next(const pg_tz *zone, DbsyncStretch *stretch);

/* Days since 1970, also where it is negative, and the seconds of the day that are over. */
extern int64 dbsync_civil_day(pg_time_t wall, int *second);

/* 0: Sunday */
extern int	dbsync_civil_weekday(int64 day);

/* What clocks on the wall show. */
extern pg_time_t dbsync_civil_wall(const pg_tz *zone, pg_time_t at);

#endif							/* DBSYNC_WORKER_RUN_CIVIL_H */
