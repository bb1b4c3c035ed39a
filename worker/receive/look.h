/*-------------------------------------------------------------------------
 *
 * worker/receive/look.h
 *	  A file of the inbox as it lies there, before anything of it is proved.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RECEIVE_LOOK_H
#define DBSYNC_WORKER_RECEIVE_LOOK_H

#include "postgres.h"

#include <sys/stat.h>

/* what its first and last bytes say, which may be lies */
typedef struct DbsyncLook
{
	struct stat st;
	bool		ours;			/* it may be a bundle, or what has come of one */
	bool		has_end;		/* it ends as bundles do */
	int64		chain;			/* by the name of its folder; 0: it does not say */
	int64		number;
	char		id[9];			/* of the subscription's uuid the first 8 digits; empty: it does not say */
} DbsyncLook;

/* Look at a regular file; false: it is none, or has gone.  Never follows a link, nor waits for a FIFO. */
extern bool dbsync_look(const char *path, DbsyncLook *look);

/* where headers lead, from one to the next */
typedef enum DbsyncLookWay
{
	DBSYNC_LOOK_TO_END,
	DBSYNC_LOOK_BEYOND,			/* more is to come */
	DBSYNC_LOOK_ASTRAY			/* one is none, or the end is none */
} DbsyncLookWay;

/*
 * Of a file that has an end.  This costs a read for each member, and not for each byte: a file that has got its size
 * before its bytes need not be copied again and again while they come.
 */
extern DbsyncLookWay dbsync_look_way(const char *path, const struct stat *st);

/* Is this file there still, and as it was when it was looked at?  Some write over a file that has a name already. */
extern bool dbsync_look_is_same(const char *path, const struct stat *st);

/* When it was written to last, as finely as the system knows. */
extern int64 dbsync_look_written(const struct stat *st);

/*
 * Copy it to a file that must not be there, mode 0600, which need not be on the disk yet.  False: it has gone, or is
 * another file than the one that was looked at.  Errors of the copy are raised.
 */
extern bool dbsync_look_copy(const char *from, const struct stat *st, const char *to);

#endif							/* DBSYNC_WORKER_RECEIVE_LOOK_H */
