/*-------------------------------------------------------------------------
 *
 * worker/verify/verify.h
 *	  Comparing a subscription's tables with the target's, while both are written to.
 *
 * The life of a verification: a session makes a place for a meeting (extension/meeting.h) and starts a process, whose main
 * function is dbsync_verify_main().  For each table this gets to stand at S with the worker (stand.h), compares buckets,
 * lists what is in those that differ, and looks at the rows themselves (compare.h); what has come of it is written down
 * (outcome.h).  What differs can be sent anew, by the worker, at another S.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_VERIFY_VERIFY_H
#define DBSYNC_WORKER_VERIFY_VERIFY_H

#include "extension/meeting.h"
#include "worker/driver/driver.h"
#include "worker/table.h"
#include "worker/verify/image.h"
#include "worker/work.h"

/* why a table is left in the middle */
typedef enum DbsyncLeaving
{
	DBSYNC_STAYS,
	DBSYNC_LEAVES_FOR_LOCK,		/* somebody waits for a lock that it has */
	DBSYNC_LEAVES_FOR_TIME		/* the deadline has come */
} DbsyncLeaving;

/* what has been found of a table */
typedef struct DbsyncFindings
{
	int64		rows_here;
	int64		rows_there;
	int			buckets;
	int			compared;		/* buckets that were */
	int			differing;		/* buckets that do */
	int64		missing;		/* rows of the source that the target lacks, */
	int64		extra;			/* that it has beside them, */
	int64		different;		/* and that are others there */
	int64		parked;			/* of these three, those whose keys are parked: they count as nothing else */
	int64		kept;			/* differences that the subscription's own settings make */
	int64		repaired;
	int64		absent;			/* of those missing or different, so many had gone as they were to be sent */
	int64		foreign;		/* of those to be repaired, extra ones whose keys the source's columns cannot have */
	bool		all_differ;		/* nearly all rows do */
} DbsyncFindings;

typedef struct DbsyncOwnKey DbsyncOwnKey;	/* own_key.h */

typedef struct DbsyncVerify
{
	DbsyncVerifyOrder order;
	DbsyncWork *work;			/* configuration and connection of this process */
	DbsyncTarget *watch;		/* another connection, over which locks are looked at; NULL: none */
	bool		watch_lost;
	DbsyncVerifyProgress progress;
	DbsyncLeaving leaving;
	TimestampTz look_at;		/* when locks and clock are looked at again */

	/* of the table that is being compared */
	MemoryContext context;
	DbsyncTable *table;
	bool		keeps;			/* the target may have rows beside ours */
	bool		repairs;		/* keys of what differs are written down, to be sent anew; */
	bool		may_shrink;		/* ... also where the source has less than half of the target's rows, */
	bool		may_differ;		/* and where nearly all rows differ */
	StringInfoData keys;		/* some that have yet to be written down, */
	StringInfoData extras;		/* whether the target alone has them, */
	int			nkeys;			/* so many */
	const char *shown;			/* of a comparison on a schedule: the first row that differs, in words */
	const char *words;			/* of an error, behind the note: they may quote values of rows, and are for the owner; NULL: none */
	const char *obstacle;		/* or why it is not repaired, in words; NULL: nothing is in the way */
	DbsyncTableSpec spec;
	DbsyncTargetTable *handle;
	DbsyncReadForm form;
	struct DbsyncParkedKeys *parked;	/* keys that are parked at the target at S (parked.h); NULL: none is */
	DbsyncImager *imager;
	DbsyncOwnKey *own_key;
	int64		seed;
	int			buckets;
	int			below;			/* of them, those below this one are compared */
	uint8	   *wanted;			/* those of which rows are listed */
	int64		id;				/* of the row of the verification */
	DbsyncFindings found;
	const char *behind;			/* sequences that are, in words; NULL: none is */
	char	   *position;		/* S, as text */
} DbsyncVerify;

#endif							/* DBSYNC_WORKER_VERIFY_VERIFY_H */
