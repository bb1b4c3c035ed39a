/*-------------------------------------------------------------------------
 *
 * worker/source/members.h
 *	  The transactions of a cut that have rows in segments, by id.
 *
 * Blocks hold rows of other transactions too: each row that is read is asked for
 * its transaction here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_MEMBERS_H
#define DBSYNC_WORKER_SOURCE_MEMBERS_H

#include "utils/palloc.h"

#include "extension/log/segment.h"

typedef struct DbsyncMembers
{
	/* who was asked for last: rows of one transaction lie side by side */
	uint64		last_xid;		/* 0, which nobody is: nobody */
	int			last_rank;		/* -1: it is not in the cut */

	int			expected;
	struct members_hash *by_xid;	/* NULL: there are none */
	MemoryContext context;
} DbsyncMembers;

/* Nobody yet; all of it lives in "context". */
extern DbsyncMembers *dbsync_members_create(MemoryContext context);

/* Begin anew with none; so many at most will come. */
extern void dbsync_members_reset(DbsyncMembers *members, int expected);

/* A transaction and its place in closing order; all of them come before anybody is asked for. */
extern void dbsync_members_add(DbsyncMembers *members, uint64 xid, int rank);

/* For dbsync_members_rank(). */
extern void dbsync_members_look_up(DbsyncMembers *members, uint64 xid);

/* The transaction's place in the cut's closing order; -1: it is not in it. */
static inline int
dbsync_members_rank(DbsyncMembers *members, uint64 xid)
{
	if (xid != members->last_xid)
		dbsync_members_look_up(members, xid);
	return members->last_rank;
}

/*
 * The place of a row in a cut, as one number: rank is the transaction's place in closing
 * order, no the row's number in it.  Never 0.
 */
static inline int64
dbsync_members_place(int rank, int64 no)
{
	/* a cut has fewer than 2^18 transactions (dbsync_window_next()) */
	return ((int64) rank << DBSYNC_NO_BITS) | no;
}

#endif							/* DBSYNC_WORKER_SOURCE_MEMBERS_H */
