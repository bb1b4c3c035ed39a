/*-------------------------------------------------------------------------
 *
 * extension/capture/eligibility.h
 *	  Which plans are captured without triggers, and their transition tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_ELIGIBILITY_H
#define DBSYNC_EXTENSION_CAPTURE_ELIGIBILITY_H

#include "executor/execdesc.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"

/* a table whose triggers, or their wish for transition tables, are hidden */
typedef struct DbsyncHidden
{
	Relation	rel;			/* NULL: none */
	TriggerDesc *triggers;
	TriggerDesc before;
	Trigger    *copied;			/* to be handed to the plan; NULL: it copied its own */
} DbsyncHidden;

/*
 * A copy of the triggers in which only ours (those that call the function) are
 * enabled, or only the others.  Places stay as they are: the executor keeps things by
 * number.  Flags are copied as well.
 */
extern TriggerDesc *dbsync_eligibility_split_triggers(const TriggerDesc *all, Oid function,
													  bool ours, MemoryContext context);

/* Is the table captured, and can the plan, started and not yet run, do without our triggers? */
extern bool dbsync_eligibility_is_plain(const QueryDesc *query, Oid function);

/*
 * Around the start of a plan: have no transition tables made if it looks like a plain
 * one.  After hiding, showing must follow, also after an error; and then, if there was
 * none, handing over.
 */
extern void dbsync_eligibility_hide_tables(DbsyncHidden *hidden, const QueryDesc *query,
										   int eflags, Oid function);
extern void dbsync_eligibility_show_tables(DbsyncHidden *hidden);
extern void dbsync_eligibility_hand_over(const DbsyncHidden *hidden, QueryDesc *query);

/* The triggers will capture after all: make the tables if they were left out. */
extern void dbsync_eligibility_make_tables(QueryDesc *query);

#endif							/* DBSYNC_EXTENSION_CAPTURE_ELIGIBILITY_H */
