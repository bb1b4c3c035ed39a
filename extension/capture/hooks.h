/*-------------------------------------------------------------------------
 *
 * extension/capture/hooks.h
 *	  What capture must know of running plans.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_HOOKS_H
#define DBSYNC_EXTENSION_CAPTURE_HOOKS_H

#include "commands/trigger.h"

/* Install the hooks; called once, from dbsync_capture_init. */
extern void dbsync_executor_init(void);

/*
 * The running plan that fired this trigger, if that is an upsert or MERGE and
 * nothing else that writes; NULL if it is not, or in any doubt.  The address
 * tells plans apart as long as one of their statement triggers is yet to fire.
 */
extern const void *dbsync_executor_upsert(const TriggerData *trigdata);

/*
 * May the transition tables of this AFTER STATEMENT trigger hold a row twice?
 * Foreign-key actions can have changed it more than once on one account.
 */
extern bool dbsync_executor_disturbed(const TriggerData *trigdata);

#endif							/* DBSYNC_EXTENSION_CAPTURE_HOOKS_H */
