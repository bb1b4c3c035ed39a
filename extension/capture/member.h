/*-------------------------------------------------------------------------
 *
 * extension/capture/member.h
 *	  Partitions of captured tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_MEMBER_H
#define DBSYNC_EXTENSION_CAPTURE_MEMBER_H

#include "access/tupdesc.h"
#include "extension/catalog.h"
#include "utils/rel.h"

/* The captured table that a relation is, or is a partition of, at any depth; false: neither. */
extern bool dbsync_member_captured(Relation rel, DbsyncCaptured *captured);

/* How many columns a captured table has ever had. */
extern int	dbsync_member_natts(Oid captured);

/*
 * Which columns of a partition, by its own numbers, are the captured table's columns, and the
 * numbers that these have there, in their order; both with room for natts, which are those of
 * the captured table.  Returns how many there are.  The caller has a lock on the partition,
 * which keeps the columns of both as they are.
 */
extern int	dbsync_member_columns(TupleDesc member, Oid captured, int natts,
								  AttrNumber *columns, AttrNumber *numbers);

/* Is "above" the relation itself, or one that it is a partition of? */
extern bool dbsync_member_is_below(Oid relid, Oid above);

/*
 * The bound of a partition as a condition that means the same at any target, palloc'd; NULL:
 * there is none.
 */
extern char *dbsync_member_bound(Oid relid);

#endif							/* DBSYNC_EXTENSION_CAPTURE_MEMBER_H */
