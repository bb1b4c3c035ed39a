/*-------------------------------------------------------------------------
 *
 * worker/relay_what.h
 *	  What comes to a relay.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RELAY_WHAT_H
#define DBSYNC_WORKER_RELAY_WHAT_H

typedef struct DbsyncRelay DbsyncRelay;

/* what comes */
typedef enum DbsyncRelayWhat
{
	DBSYNC_RELAY_CHUNK,			/* the table's columns */
	DBSYNC_RELAY_CHANGES,		/* dbsync_op, and the table's columns */
	DBSYNC_RELAY_REMAINING,		/* the same, but what was deleted is left out */
	DBSYNC_RELAY_GONE,			/* the same, but nothing else is sent */
	DBSYNC_RELAY_KEYS,			/* key columns of what is to be deleted */
	DBSYNC_RELAY_ROWS			/* the table's columns, of rows that may have come before */
} DbsyncRelayWhat;

#endif							/* DBSYNC_WORKER_RELAY_WHAT_H */
