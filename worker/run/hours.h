/*-------------------------------------------------------------------------
 *
 * worker/run/hours.h
 *	  Hours of the week in which rounds may go on: "during Mon-Fri 20:00-06:00".
 *
 * Hours are those of clocks on the wall: what they show is inside or it is not.  So hours
 * that the clocks skip are not there that day, and those that come twice are there twice.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RUN_HOURS_H
#define DBSYNC_WORKER_RUN_HOURS_H

#include "datatype/timestamp.h"
#include "pgtime.h"
#include "worker/run/policy_text.h"

#define DBSYNC_MAX_SPANS	32

typedef struct DbsyncSpan
{
	uint8		weekdays;		/* on which it begins; bit 0: Sunday */
	int			begin;			/* minutes of the day */
	int			end;			/* not in it; behind the day's end where it goes over midnight */
} DbsyncSpan;

typedef struct DbsyncHours
{
	int			n;				/* 0: always */
	DbsyncSpan	spans[DBSYNC_MAX_SPANS];
} DbsyncHours;

/* Read spans up to the end of the text; false: something is wrong with them. */
extern bool dbsync_hours_read(DbsyncPolicyText *text, DbsyncHours *hours);

extern bool dbsync_hours_are_open(const DbsyncHours *hours, const pg_tz *zone, TimestampTz at);

/* From this moment on, when they are open for the first time; the moment itself if they are. */
extern TimestampTz dbsync_hours_opening(const DbsyncHours *hours, const pg_tz *zone, TimestampTz at);

#endif							/* DBSYNC_WORKER_RUN_HOURS_H */
