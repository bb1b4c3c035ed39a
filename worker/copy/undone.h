/*-------------------------------------------------------------------------
 *
 * worker/copy/undone.h
 *	  Tables that a round was to look at, and could not.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_COPY_UNDONE_H
#define DBSYNC_WORKER_COPY_UNDONE_H

#include "worker/work.h"

/*
 * Tables that are scanned, or compared with a shadow or with the target, and that are due, but were locked: until the first of
 * them is to be tried again, in ms; LONG_MAX: there is none.  Those that have failed are none: they would have rounds begin for ever.
 */
extern long dbsync_undone_pause(const DbsyncWork *work);

#endif							/* DBSYNC_WORKER_COPY_UNDONE_H */
