/*-------------------------------------------------------------------------
 *
 * worker/sequence_value.h
 *	  Where a sequence of the source stands, and where the target's is to be for that.
 *
 * Distances are counted in steps of the source's sequence.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SEQUENCE_VALUE_H
#define DBSYNC_WORKER_SEQUENCE_VALUE_H

#include "worker/driver/driver.h"

typedef struct DbsyncSequenceValue
{
	bool		used;			/* it has given a value */
	int64		last;			/* ... this one, if not an earlier one */
	int64		increment;
	int64		min;
	int64		max;
	int64		cache;			/* values that a session takes at once */
	bool		cycles;
} DbsyncSequenceValue;

/* what could be read */
typedef enum DbsyncSequenceRead
{
	DBSYNC_SEQUENCE_READ,
	DBSYNC_SEQUENCE_GONE,
	DBSYNC_SEQUENCE_LOCKED		/* by somebody who keeps others from reading it */
} DbsyncSequenceRead;

/*
 * Read it as it is at this moment, whatever the snapshot: all values are in it of rows that
 * any snapshot shows that was taken before.  In a transaction; waits for nobody.
 */
extern DbsyncSequenceRead dbsync_sequence_read(Oid relid, DbsyncSequenceValue *value);

/* Fill in goal and range: the target's is to be so many values ahead, or as far as there are any. */
extern void dbsync_sequence_set_goal(const DbsyncSequenceValue *value, int64 headroom,
									 DbsyncSequenceGoal *goal);

/*
 * How many values can the source's give before it comes to one that the target's may give, if that gives
 * none up to "covered"?  Below 0: it has come to it.
 */
extern int64 dbsync_sequence_left(const DbsyncSequenceValue *value, int64 covered);

#endif							/* DBSYNC_WORKER_SEQUENCE_VALUE_H */
