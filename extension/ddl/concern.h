/*-------------------------------------------------------------------------
 *
 * extension/ddl/concern.h
 *	  Can a command that has run concern anything of dbsync's?
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_DDL_CONCERN_H
#define DBSYNC_EXTENSION_DDL_CONCERN_H

#include "commands/event_trigger.h"

/*
 * False only where judge_command() would find nothing to judge in what the command has
 * made, or judge_drop() in what it has dropped.  To be called from within the event.
 */
extern bool dbsync_concerns_command(const EventTriggerData *trigger);
extern bool dbsync_concerns_drop(void);

/* Is it ALTER TABLE ... NO INHERIT? */
extern bool dbsync_concerns_no_inherit(const Node *command);

#endif							/* DBSYNC_EXTENSION_DDL_CONCERN_H */
