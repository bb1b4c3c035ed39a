/*-------------------------------------------------------------------------
 *
 * extension/capture/unchanged.h
 *	  Large values that an UPDATE left untouched.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_UNCHANGED_H
#define DBSYNC_EXTENSION_CAPTURE_UNCHANGED_H

#include "executor/tuptable.h"
#include "extension/capture/shape.h"
#include "nodes/pg_list.h"

/* Which columns can have large values; as the shape is filled in. */
extern void dbsync_unchanged_learn(DbsyncShape *shape);

/*
 * The numbers, from 1, of captured columns whose values are large and the same in
 * both rows; NULL if there is none.  assigned: the table's columns that can differ,
 * whose values are compared; NIL: all.  Good until the next call for the table.
 */
extern int2vector *dbsync_unchanged_find(DbsyncShape *shape, const List *assigned,
										 TupleTableSlot *old, TupleTableSlot *new);

#endif							/* DBSYNC_EXTENSION_CAPTURE_UNCHANGED_H */
