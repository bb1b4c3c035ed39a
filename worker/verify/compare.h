/*-------------------------------------------------------------------------
 *
 * worker/verify/compare.h
 *	  Comparing one table: buckets, then what is in those that differ, then rows.
 *
 * All in the transaction that has S, with the target's reading begun (dbsync_stand_take()).
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_VERIFY_COMPARE_H
#define DBSYNC_WORKER_VERIFY_COMPARE_H

#include "worker/verify/verify.h"

typedef enum DbsyncCandidateKind
{
	DBSYNC_CANDIDATE_MISSING,	/* it is here and not there */
	DBSYNC_CANDIDATE_EXTRA,
	DBSYNC_CANDIDATE_DIFFERENT
} DbsyncCandidateKind;

/* what images say that differs; the rows have yet to be looked at */
typedef struct DbsyncCandidate
{
	DbsyncCandidateKind kind;
	char	   *image;			/* of the key, or of a row without one; plain */
	int64		count;			/* then: how many more there are */
	bool		parked;			/* the key is */
} DbsyncCandidate;

/* How many buckets there are, by the rows that the table is said to have; and how they are hashed this time. */
extern void dbsync_compare_prepare(DbsyncVerify *v);

/* Count and sum up each bucket at both ends, at the same time.  False: none differs. */
extern bool dbsync_compare_buckets(DbsyncVerify *v);

/*
 * List what is in buckets that differ.  What differs is counted; so many of it are returned, as DbsyncCandidate, and with repair
 * the keys of all of it are written down.
 */
extern List *dbsync_compare_images(DbsyncVerify *v);

/* Look at the rows themselves, and write down those that do differ. */
extern void dbsync_compare_rows(DbsyncVerify *v, List *candidates);

/* Do the subscription's own settings make such a difference? */
extern bool dbsync_compare_is_kept(const DbsyncVerify *v, DbsyncCandidateKind kind);

#endif							/* DBSYNC_WORKER_VERIFY_COMPARE_H */
