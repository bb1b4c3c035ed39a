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

#endif							/* DBSYNC_WORKER_BATCH_DIFFERENCE_H */
