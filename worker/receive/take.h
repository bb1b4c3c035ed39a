/*-------------------------------------------------------------------------
 *
 * worker/receive/take.h
 *	  From the inbox to the cache: files are copied, proved, and taken, refused, or left alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RECEIVE_TAKE_H
#define DBSYNC_WORKER_RECEIVE_TAKE_H

#include "worker/receive/receive.h"

/*
 * Look at all files of the inbox that are new, or others than they were: those that prove themselves go to the cache.
 * Fills in what the inbox has told.  If nobody has said whose bundles are to come, those of the only
 * subscription that is there are from now on.  Returns how many were taken.  What single files have raised
 * is kept.
 */
extern int	dbsync_take(DbsyncReceiving *receiving);

/* Raise it: what is here already has been played. */
extern void dbsync_take_raise(DbsyncReceiving *receiving);

/* Was it that the disk is full? */
extern bool dbsync_take_lacks_room(const DbsyncReceiving *receiving);

#endif							/* DBSYNC_WORKER_RECEIVE_TAKE_H */
