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

/*
 * Which columns of a relation, the captured table or a partition of it, are the captured
 * table's columns that are captured: by its own numbers, and by those that they have there, in
 * their order; both palloc'd.  Returns how many there are.  The caller has a lock on the
 * relation, which keeps the columns of both as they are.
 */
extern int	dbsync_member_columns(TupleDesc desc, Oid relid, Oid captured,
								  AttrNumber **columns, AttrNumber **numbers);

/* Is "above" the relation itself, or one that it is a partition of? */
extern bool dbsync_member_is_below(Oid relid, Oid above);

#endif							/* DBSYNC_EXTENSION_CAPTURE_MEMBER_H */
