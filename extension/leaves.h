/*-------------------------------------------------------------------------
 *
 * extension/leaves.h
 *	  The tables that rows of a captured table lie in: itself, or its partitions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_LEAVES_H
#define DBSYNC_EXTENSION_LEAVES_H

#include "access/tupconvert.h"
#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"

/* one of them; what is NULL is not open yet */
typedef struct DbsyncLeaf
{
	Oid			relid;
	Relation	rel;
	Relation	index;			/* the key's */
	TupleConversionMap *map;	/* to the captured table's layout; NULL: it has that */
	TupleTableSlot *converted;	/* with a map: room for a row */
} DbsyncLeaf;

typedef struct DbsyncLeaves
{
	Relation	root;			/* the captured table, open */
	Oid			key_index;
	MemoryContext context;		/* that they were opened in */
	int			n;
	DbsyncLeaf *leaf;
	int			latest;			/* the one that was found last */
} DbsyncLeaves;

/*
 * All tables with rows that a table consists of, as of now: itself, or the leaves below it, in a list of
 * oids in CurrentMemoryContext.  With "detached" those that are about to be detached, too; else as
 * the active snapshot has it.  With "lock" each member is locked in ACCESS SHARE mode, without
 * waiting, before what is below it is looked up: false if one of the locks is not to be had, those
 * that were taken stay.
 */
extern bool dbsync_leaves_find(Oid root, bool detached, bool lock, List **leaves);

/*
 * The leaves of a captured table that the caller has open and keeps so; key_index is its key's, or
 * InvalidOid, where nobody looks for keys.
 * Made in CurrentMemoryContext, which must live as long.  None of them is open yet, nor locked:
 * which ones there are is as of now, and may change while no lock is had.
 */
extern DbsyncLeaves *dbsync_leaves_begin(Relation root, Oid key_index);

/*
 * Open a leaf and its index, in ACCESS SHARE mode, if they are not.  Error if it is not there
 * any more or lacks the index.  The locks stay to the end of the transaction.
 */
extern DbsyncLeaf *dbsync_leaves_open(DbsyncLeaves *leaves, int i);

/*
 * Which leaf a row with this key belongs to, by values of key columns, in their order, with
 * the numbers that they have in the captured table; -1: it may be any, or there is none.
 */
extern int	dbsync_leaves_route(DbsyncLeaves *leaves, const AttrNumber *numbers,
								const Datum *values, const bool *nulls, int nkeys);

/* A row of a leaf as the captured table would have it; good until the next one of that leaf. */
extern TupleTableSlot *dbsync_leaves_row(DbsyncLeaf *leaf, TupleTableSlot *slot);

extern void dbsync_leaves_end(DbsyncLeaves *leaves);

#endif							/* DBSYNC_EXTENSION_LEAVES_H */
