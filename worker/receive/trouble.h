/*-------------------------------------------------------------------------
 *
 * worker/receive/trouble.h
 *	  What a receiver tells of itself, and what becomes of an error of a round.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RECEIVE_TROUBLE_H
#define DBSYNC_WORKER_RECEIVE_TROUBLE_H

#include "worker/receive/receive.h"

/* Write to the slot where it is, and in what state. */
extern void dbsync_receiver_tell(const DbsyncReceiving *receiving, const char *state);

/*
 * Behind a longjmp: an error has ended the round.  It is told and logged, if it is news, and the connection thrown away.  Returns the
 * pause before the next attempt in ms; one that was run by hand ends here.
 */
extern long dbsync_receiver_after_error(DbsyncReceiving *receiving);

/* All is well: the next error is news. */
extern void dbsync_receiver_forget_words(void);

#endif							/* DBSYNC_WORKER_RECEIVE_TROUBLE_H */
