/*-------------------------------------------------------------------------
 *
 * extension/capture/find.h
 *	  Looking the key of a captured table up, as it is at this moment.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_FIND_H
#define DBSYNC_EXTENSION_CAPTURE_FIND_H

#include "access/skey.h"
#include "extension/capture/cache.h"
#include "extension/leaves.h"

typedef enum DbsyncFinding
{
	DBSYNC_FOUND_NOTHING,
	DBSYNC_FOUND_OURS,			/* this transaction has written it */
	DBSYNC_FOUND_ANOTHERS
} DbsyncFinding;

/* key columns are numbered in the index's order */
typedef struct DbsyncFind
{
	DbsyncLeaves *leaves;
	int			nkeys;
	AttrNumber	numbers[INDEX_MAX_KEYS];	/* of key columns in the table */
	Oid			equal[INDEX_MAX_KEYS];	/* functions */
	int			at;				/* the leaf that "slot" is for; -1: none yet */
	TupleTableSlot *slot;		/* a version in it */
} DbsyncFind;

/*
 * For a captured table that is open, and stays so, by its entry and the functions that say
 * whether values of its key are equal.  Allocates in CurrentMemoryContext.
 */
extern void dbsync_find_begin(DbsyncFind *find, Relation rel, const DbsyncEntry *entry, const Oid *equal);

/*
 * Look a key up with SnapshotSelf.  If a version of ours is found, *row is it, as the table has
 * its columns, until dbsync_find_forget().
 */
extern DbsyncFinding dbsync_find_key(DbsyncFind *find, const TupleTableSlot *key, TupleTableSlot **row);

extern void dbsync_find_forget(DbsyncFind *find);

extern void dbsync_find_end(DbsyncFind *find);

#endif							/* DBSYNC_EXTENSION_CAPTURE_FIND_H */
