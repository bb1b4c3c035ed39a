/*-------------------------------------------------------------------------
 *
 * worker/catcher.h
 *	  Rows on their way to the driver whose keys are parked: they are caught, to go alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_CATCHER_H
#define DBSYNC_WORKER_CATCHER_H

#include "access/tupdesc.h"
#include "executor/tuptable.h"

#include "worker/driver/driver.h"
#include "worker/shape.h"
#include "worker/table.h"

typedef struct DbsyncCatcher DbsyncCatcher;

/*
 * For rows of a shape of the table, which has keys that are parked.  Rows that come have the shape's columns, or its key's, where "place"
 * says; as they are sent they have the target's, or its key's, where "at" does, n of them in "desc".  As the
 * table's owner (dbsync_owner_begin()), and in a context that lives as long as rows come.
 */
extern DbsyncCatcher *dbsync_catcher_create(const DbsyncTable *table, const DbsyncTableShape *shape, bool keys_only,
											const int *place, TupleDesc desc, const int *at, int n);

/* Is the row's key parked?  Then it is kept (dbsync_parked_catch()), as it would be sent.  As the owner, too. */
extern bool dbsync_catcher_catch(DbsyncCatcher *catcher, DbsyncRowKind kind, const TupleTableSlot *came,
								 const TupleTableSlot *sent);

/*
 * Send what was caught of a table, one by one, within a batch and between other rows (mode DOUBTED); raises what the target
 * refuses all the same.
 */
extern void dbsync_catcher_send(DbsyncTarget *target, DbsyncTable *table);

#endif							/* DBSYNC_WORKER_CATCHER_H */
