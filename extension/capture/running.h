/*-------------------------------------------------------------------------
 *
 * extension/capture/running.h
 *	  Running plans that write, and what triggers must know of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_RUNNING_H
#define DBSYNC_EXTENSION_CAPTURE_RUNNING_H

#include "commands/trigger.h"
#include "executor/execdesc.h"

/* a running plan that writes; on the stack of the executor's hook */
typedef struct DbsyncRunning
{
	QueryDesc  *query;
	bool		disturbed;		/* something else wrote on its account */
	struct DbsyncRunning *below;
} DbsyncRunning;

static inline bool
dbsync_running_writes(const QueryDesc *query)
{
	return query->operation != CMD_SELECT || query->plannedstmt->hasModifyingCTE;
}

/* The plan begins to run, or to be finished: it is the one on top until dbsync_running_end(). */
extern void dbsync_running_begin(DbsyncRunning *mine, QueryDesc *query);

/* It has ended, well or by an error; what began on top of it is forgotten as well. */
extern void dbsync_running_end(const DbsyncRunning *mine);

/*
 * The running plan that fired this trigger, if that is an upsert or MERGE and
 * nothing else that writes; NULL if it is not, or in any doubt.  The address
 * tells plans apart as long as one of their statement triggers is yet to fire.
 */
extern const void *dbsync_running_upsert(const TriggerData *trigdata);

/*
 * May the transition tables of this AFTER STATEMENT trigger hold a row twice?
 * Foreign-key actions can have changed it more than once on one account.
 */
extern bool dbsync_running_disturbed(const TriggerData *trigdata);

#endif							/* DBSYNC_EXTENSION_CAPTURE_RUNNING_H */
