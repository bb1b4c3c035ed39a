/*-------------------------------------------------------------------------
 *
 * extension/capture/direct.h
 *	  Capturing rows as the executor makes them, without our triggers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_DIRECT_H
#define DBSYNC_EXTENSION_CAPTURE_DIRECT_H

#include "executor/execdesc.h"
#include "extension/capture/append.h"
#include "extension/capture/routed.h"
#include "nodes/execnodes.h"

/* a relation that the plan writes rows to */
typedef struct DbsyncDirectTarget
{
	ProjectionInfo projection;	/* first: what the executor calls for each row */
	struct DbsyncDirect *direct;
	ResultRelInfo *result;
	ProjectionInfo *returning;	/* the statement's own, or NULL */
	TriggerDesc *triggers;		/* as they were before */
	const List *assigned;		/* see dbsync_unchanged_find() */
	DbsyncLayout layout;		/* of a partition */
} DbsyncDirectTarget;

/* one run of a plan; lives on the stack of the executor's hook */
typedef struct DbsyncDirect
{
	ModifyTableState *state;	/* NULL: the triggers capture, as always */
	ResultRelInfo *named;		/* what the statement names */
	TriggerDesc *triggers;		/* its own, as they were before */
	TransitionCaptureState *rows;
	TransitionCaptureState *upserted;
	DbsyncDirectTarget *targets;		/* those whose rows come by RETURNING */
	int			ntargets;
	DbsyncDirectTarget only;			/* most often there is one */
	ExprContext context;		/* where the executor puts rows, unless there is RETURNING */
	DbsyncRouted *routed;		/* an INSERT into a partitioned table; else NULL */
	bool		interrupts;		/* user code can run between a row and its capture */
	int64		next_no;		/* if nothing was captured since our last row */
	bool		begun;			/* append is; so there was a row */
	bool		ignored;		/* the table is not captured any more */
	DbsyncAppend append;
} DbsyncDirect;

/*
 * Take over from our triggers (function: which those call) for one run of the
 * plan, if the statement is of a kind that can be captured directly.  state must
 * be NULL before, and stays it otherwise.
 */
extern bool dbsync_direct_begin(DbsyncDirect *direct, QueryDesc *query, Oid function);

/* The run has ended well: write what waits. */
extern void dbsync_direct_flush(DbsyncDirect *direct);

/* Put the plan back as it was, also after an error. */
extern void dbsync_direct_end(DbsyncDirect *direct);

#endif							/* DBSYNC_EXTENSION_CAPTURE_DIRECT_H */
