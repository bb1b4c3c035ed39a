/*-------------------------------------------------------------------------
 *
 * extension/capture/active.h
 *	  Which segment of a table is active, and the lock on it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_ACTIVE_H
#define DBSYNC_EXTENSION_CAPTURE_ACTIVE_H

#include "extension/capture/cache.h"
#include "extension/capture/transaction.h"
#include "utils/rel.h"

/* a captured table, and where its rows go; the lock on that stays to the end of the transaction */
typedef struct DbsyncActive
{
	Relation	rel;			/* the captured table */
	DbsyncEntry *entry;
	DbsyncWritten *written;
	Relation	segment;		/* NULL: the header takes the rows along, so far */
	CommandId	cid;			/* of what is written there */
} DbsyncActive;

/*
 * Get ready to write to the segment: lock the one that is active, and the header's, to the
 * end of the transaction, and open it; the caller closes active->segment.  He gives
 * active->rel, and active->segment as NULL.  False if the table turns out not to be captured
 * any more; an error if the segment does not fit the table, or where waiting ends in one.
 */
extern bool dbsync_active_open(DbsyncActive *active);

/*
 * Get ready to have rows taken along by the header, which is locked alone: the rows name the
 * active segment, but nothing is written to it.  False and errors as above.
 */
extern bool dbsync_active_prepare(DbsyncActive *active);

#endif							/* DBSYNC_EXTENSION_CAPTURE_ACTIVE_H */
