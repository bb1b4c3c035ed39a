/*-------------------------------------------------------------------------
 *
 * worker/receive/seen.h
 *	  Files of the inbox as they were looked at last, so that none is proved again without a reason.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RECEIVE_SEEN_H
#define DBSYNC_WORKER_RECEIVE_SEEN_H

#include <sys/stat.h>

#include "worker/receive/receive.h"

/* longer names are no files of a gateway's */
#define DBSYNC_SEEN_NAME	255

typedef enum DbsyncFoundAs
{
	DBSYNC_FOUND_NEW,					/* to be looked at */
	DBSYNC_FOUND_NOT_OURS,
	DBSYNC_FOUND_PARTIAL,
	DBSYNC_FOUND_BAD,					/* if it stays as it is */
	DBSYNC_FOUND_TOO_NEW,
	DBSYNC_FOUND_FOREIGN,				/* another subscription's */
	DBSYNC_FOUND_OLDER,				/* of a chain that came before, and is not known */
	DBSYNC_FOUND_FORK,
	DBSYNC_FOUND_UNJUDGED,				/* it may have been played, which the target has not been asked yet */
	DBSYNC_FOUND_LEAVING,				/* done with, but it could not be removed */
	DBSYNC_FOUND_DONE					/* taken, refused, or a duplicate: and left there, as nothing is removed */
} DbsyncFoundAs;

/* a file as it was looked at last */
typedef struct DbsyncSeen
{
	char		name[DBSYNC_SEEN_NAME + 1];	/* key */
	dev_t		device;
	ino_t		inode;
	off_t		size;
	int64		written;		/* last, in nanoseconds */
	TimestampTz since;			/* it has been as it is now */
	DbsyncFoundAs		found;
	char		reason[200];
	int64		number;			/* of it, where that is proved; TOO_NEW: as it says; 0: it does not say */
	int64		chain;
	bool		here;			/* it is there in this round */
	bool		told;			/* PARTIAL: that it has been so for long */
} DbsyncSeen;

/* Before any other: there is a table, empty behind dbsync_seen_forget(), as it is another folder. */
extern void dbsync_seen_begin(void);
extern void dbsync_seen_forget(void);

/* What is known of it; new, if it has become another file. */
extern DbsyncSeen *dbsync_seen_find(const char *name, const struct stat *st);

/* It has gone; the entry with it. */
extern void dbsync_seen_remove(DbsyncSeen *entry);

/* Has it been as it is for so many microseconds? */
extern bool dbsync_seen_stands_still(const DbsyncSeen *entry, int64 time);

/* Is there a reason to look at it again?  Chains become known, and what is bad is refused when it has stood still. */
extern bool dbsync_seen_is_due(const DbsyncReceiving *receiving, const DbsyncSeen *entry);

/* Behind a look at all of them: what has gone is forgotten, and what is there adds up in "receiving". */
extern void dbsync_seen_sum_up(DbsyncReceiving *receiving);

#endif							/* DBSYNC_WORKER_RECEIVE_SEEN_H */
