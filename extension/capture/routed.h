/*-------------------------------------------------------------------------
 *
 * extension/capture/routed.h
 *	  Rows that lie in partitions of the relation that a statement names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_ROUTED_H
#define DBSYNC_EXTENSION_CAPTURE_ROUTED_H

#include "access/tupconvert.h"
#include "executor/tuptable.h"
#include "nodes/execnodes.h"

/* how rows of a partition become rows of the relation that is named */
typedef struct DbsyncLayout
{
	bool		same;			/* as they are; the rest is not set then */
	TupleConversionMap *map;	/* NULL: they are only stored otherwise */
	TupleTableSlot *rows[2];	/* an old row, and a new one */
} DbsyncLayout;

/* Find out, in CurrentMemoryContext, which must live as long. */
extern void dbsync_layout_learn(DbsyncLayout *layout, TupleDesc partition, TupleDesc named);

/*
 * A row of the partition as the named relation would have it; good until the next of its
 * kind ("which", 0 or 1) comes, or the partition's own slot is emptied.
 */
extern TupleTableSlot *dbsync_layout_row(DbsyncLayout *layout, int which, TupleTableSlot *row);

typedef struct DbsyncRouted DbsyncRouted;

/* Called with each row when it was written, in the layout of the named relation. */
typedef void (*DbsyncRoutedRow) (void *arg, TupleTableSlot *row);

/* Is it an INSERT that names a partitioned table? */
extern bool dbsync_routed_is(const ModifyTableState *state);

/*
 * Have a function called for each row that such a plan, which has no RETURNING, puts into a
 * partition; until the end, which must come, also after an error.  Made in CurrentMemoryContext,
 * which must be the plan's.
 */
extern DbsyncRouted *dbsync_routed_begin(ModifyTableState *state, DbsyncRoutedRow call, void *arg);
extern void dbsync_routed_end(DbsyncRouted *routed);

/* What a row becomes where nothing is returned: one without columns. */
extern TupleTableSlot *dbsync_routed_no_columns(void);

#endif							/* DBSYNC_EXTENSION_CAPTURE_ROUTED_H */
