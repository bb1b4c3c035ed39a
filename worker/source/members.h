/*-------------------------------------------------------------------------
 *
 * worker/source/members.h
 *	  The transactions of the current cut, by id.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_MEMBERS_H
#define DBSYNC_WORKER_SOURCE_MEMBERS_H

#include "extension/log/segment.h"

/* Begin with none; so many at most will come. */
extern void dbsync_members_reset(int expected);

/*
 * The place of a row in a cut, as one number: rank is the transaction's place in closing
 * order, no the row's number in it.  Never 0.
 */
static inline int64
dbsync_members_place(int rank, int64 no)
{
	/* a cut has fewer than 2^18 transactions (window.c) */
	return ((int64) rank << DBSYNC_NO_BITS) | no;
}

extern void dbsync_members_add(uint64 xid, int rank);

/* The transaction's place in the cut's closing order, which counts as a hit; -1: it is not in it. */
extern int	dbsync_members_rank(uint64 xid);

extern int64 dbsync_members_hits(void);
extern void dbsync_members_reset_hits(void);

#endif							/* DBSYNC_WORKER_SOURCE_MEMBERS_H */
