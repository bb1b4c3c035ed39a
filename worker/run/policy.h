/*-------------------------------------------------------------------------
 *
 * worker/run/policy.h
 *	  When changes travel: the policy of a subscription, and what it says of a moment.
 *
 *	policy := 'manual' | when { 'or' when } [ 'during' span { ',' span } ]
 *	when   := 'immediate' | 'interval' DURATION | 'cron' FIELDS | 'rows' N | 'bytes' SIZE
 *			| 'age' DURATION | 'idle' DURATION
 *	span   := [ day [ '-' day ] ] HH:MM '-' HH:MM
 *
 * A policy lets a round begin.  What a worker makes of that is worker/run/rounds.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RUN_POLICY_H
#define DBSYNC_WORKER_RUN_POLICY_H

#include "worker/run/cron.h"
#include "worker/run/hours.h"

#define DBSYNC_MAX_CRONS	16

/* bytes that the text of a policy may have */
#define DBSYNC_MAX_POLICY	1000

/* Of each kind that is named more than once the one that comes first counts. */
typedef struct DbsyncPolicy
{
	bool		manual;
	bool		immediate;
	int64		interval;		/* microseconds, as all durations; 0: not named */
	int64		rows;			/* 0: not named */
	int64		bytes;			/* 0: not named */
	int64		age;
	int64		idle;
	int			ncrons;
	DbsyncCron	crons[DBSYNC_MAX_CRONS];
	DbsyncHours hours;
} DbsyncPolicy;

/*
 * Read a text; false: something is wrong with it, and fault->wrong and what follows say what.
 * The words of fault point into the text, or are constants.
 */
extern bool dbsync_policy_read(const char *text, DbsyncPolicy *policy, DbsyncPolicyText *fault);

/* Error 22023 with what dbsync_policy_read() has found; what: as the text is called. */
extern void dbsync_policy_raise(const char *what, const DbsyncPolicyText *fault);

/* Has it a time at which rounds begin, whatever has been captured? */
extern bool dbsync_policy_is_planned(const DbsyncPolicy *policy);

/* The zone of this name; NULL: there is none.  A null name is UTC. */
extern pg_tz *dbsync_policy_zone(const char *name);

/*
 * Behind which moment planned rounds are due, the last one having begun at "last_run": there.  A
 * clock that was set back by hours was wrong before; by less, what was planned for them has been.
 */
extern TimestampTz dbsync_policy_due_behind(TimestampTz last_run, TimestampTz now);

/*
 * The first time after "after" at which it has a round begin, by cron alone or by interval,
 * too; hours are not asked.  DT_NOEND: none.
 */
extern TimestampTz dbsync_policy_next_cron(const DbsyncPolicy *policy, const pg_tz *zone, TimestampTz after);
extern TimestampTz dbsync_policy_next(const DbsyncPolicy *policy, const pg_tz *zone, TimestampTz after);

#endif							/* DBSYNC_WORKER_RUN_POLICY_H */
