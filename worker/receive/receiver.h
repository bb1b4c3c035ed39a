/*-------------------------------------------------------------------------
 *
 * worker/receive/receiver.h
 *	  The process that works on one receiver.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RECEIVE_RECEIVER_H
#define DBSYNC_WORKER_RECEIVE_RECEIVER_H

#include "postgres.h"

extern PGDLLEXPORT void dbsync_receiver_main(Datum arg);

#endif							/* DBSYNC_WORKER_RECEIVE_RECEIVER_H */
