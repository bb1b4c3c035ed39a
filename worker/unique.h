/*-------------------------------------------------------------------------
 *
 * worker/unique.h
 *	  What is unique in a captured table beside its key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_UNIQUE_H
#define DBSYNC_WORKER_UNIQUE_H

#include "nodes/pg_list.h"

#include "worker/shape.h"
#include "worker/table.h"

/*
 * Sets of columns, as they are sent (integer lists in a list, in CurrentMemoryContext), in which the table's rows
 * differ, as its unique indexes say now; those that are not all sent as they are, the key's, and indexes
 * over parts of the rows or expressions are left out.  The table is locked.
 */
extern List *dbsync_unique_sets(const DbsyncTable *table, const DbsyncTableShape *shape);

#endif							/* DBSYNC_WORKER_UNIQUE_H */
