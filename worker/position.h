/*-------------------------------------------------------------------------
 *
 * worker/position.h
 *	  Where a target is: which transactions it has, and how much it lacks.
 *
 * It has those visible in snapshot "after" and, while a long window is being worked
 * off, of those visible in "upto" the ones that closed at or before a closing LSN.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_POSITION_H
#define DBSYNC_WORKER_POSITION_H

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"
#include "worker/snapshot.h"

typedef struct DbsyncPosition
{
	DbsyncSnapshot *after;
	DbsyncSnapshot *upto;		/* NULL: no window is begun */
	XLogRecPtr	closing;		/* of the last transaction passed; 0: none */
	uint64		closing_xid;
} DbsyncPosition;

/* what a target does not have yet */
typedef struct DbsyncLag
{
	int64		transactions;
	int64		rows;
	int64		bytes;
	TimestampTz oldest;			/* 0: nothing pending */
} DbsyncLag;

#endif							/* DBSYNC_WORKER_POSITION_H */
