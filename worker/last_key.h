/*-------------------------------------------------------------------------
 *
 * worker/last_key.h
 *	  The key of the last row of a chunk: the next one begins behind it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_LAST_KEY_H
#define DBSYNC_WORKER_LAST_KEY_H

#include "executor/tuptable.h"

#include "worker/shape.h"

typedef struct DbsyncLastKey DbsyncLastKey;

/*
 * For rows of this description, which have the shape's columns at "place"; both must live as long.
 * Allocates in CurrentMemoryContext.
 */
extern DbsyncLastKey *dbsync_last_key_create(const DbsyncTableShape *shape, const int *place, TupleDesc desc);

/* This row is the last one, until the next; its values are copied. */
extern void dbsync_last_key_remember(DbsyncLastKey *key, const TupleTableSlot *slot);

/* Its key columns as text, in CurrentMemoryContext; as the table's owner, as output functions run. */
extern char **dbsync_last_key_text(const DbsyncLastKey *key);

#endif							/* DBSYNC_WORKER_LAST_KEY_H */
