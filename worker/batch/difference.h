/*-------------------------------------------------------------------------
 *
 * worker/batch/difference.h
 *	  What leads from one shape of a table to another.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_DIFFERENCE_H
#define DBSYNC_WORKER_BATCH_DIFFERENCE_H

#include "worker/driver/driver.h"
#include "worker/shape.h"
#include "worker/source/source.h"

typedef struct DbsyncDifference
{
	List	   *changes;		/* of DbsyncChange, in an order in which they can be made */
	bool		taken;			/* a name is that of another column now: names alone do not
								 * tell whether the changes have been made */
	bool		key;			/* the key, or the order of its values, is another */
} DbsyncDifference;

/* In CurrentMemoryContext; points to what the shapes and the turn own. */
extern DbsyncDifference dbsync_difference(const DbsyncTableShape *before,
										  const DbsyncTableShape *after, const DbsyncTurn *turn);

/*
 * The columns that have come with a shape, called as they are in a later one: where that has
 * them still.
 */
extern List *dbsync_difference_added(const DbsyncTableShape *before, const DbsyncTableShape *shape,
									 const DbsyncTableShape *later, const DbsyncTurn *turn);

/*
 * Are rows of the first shape what they are to be when their text is written into a table of the
 * later one?  Not where a column's text says something else in its later type, or the key is gone.
 */
extern bool dbsync_difference_reads(const DbsyncTableShape *shape, const DbsyncTableShape *later);

#endif							/* DBSYNC_WORKER_BATCH_DIFFERENCE_H */
