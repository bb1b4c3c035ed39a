/*-------------------------------------------------------------------------
 *
 * worker/run/cron.h
 *	  Minutes of which a line of a crontab speaks.
 *
 * Five fields, as Vixie's cron reads them: minute, hour, day of the month, month, day of the
 * week; lists, ranges, steps, names; 7 is Sunday, too; where both the day of the month and
 * that of the week are restricted, either will do.  Times are those of clocks on the wall.
 * While the hour is restricted, what falls into an hour that the clocks skip is due at the
 * first minute that there is, once; and what falls into one that comes twice is due the first
 * time.  Where it is not (*), the clocks are gone by as they show.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RUN_CRON_H
#define DBSYNC_WORKER_RUN_CRON_H

#include "datatype/timestamp.h"
#include "pgtime.h"
#include "worker/run/policy_text.h"

typedef struct DbsyncCron
{
	/* one bit for each that is meant */
	uint64		minutes;
	uint32		hours;
	uint32		days;			/* of the month; bit 0 is not used */
	uint16		months;			/* bit 0 is not used */
	uint8		weekdays;		/* bit 0: Sunday */
	/* fields that begin with * */
	bool		any_hour;
	bool		any_day;
	bool		any_weekday;
} DbsyncCron;

/* Read the fields, or a short form as @daily; false: something is wrong with them. */
extern bool dbsync_cron_read(DbsyncPolicyText *text, DbsyncCron *cron);

/* The next time behind "after"; DT_NOEND: none in a hundred years. */
extern TimestampTz dbsync_cron_next(const DbsyncCron *cron, const pg_tz *zone, TimestampTz after);

#endif							/* DBSYNC_WORKER_RUN_CRON_H */
