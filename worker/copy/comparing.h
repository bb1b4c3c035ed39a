/*-------------------------------------------------------------------------
 *
 * worker/copy/comparing.h
 *	  When tables are compared with their shadows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_COPY_COMPARING_H
#define DBSYNC_WORKER_COPY_COMPARING_H

#include "worker/work.h"

/*
 * Before a batch, whose snapshot is taken behind it: compare those tables with their shadows that are due, each in a
 * transaction of its own.  What differs is captured then, for all who have the table.
 */
extern void dbsync_comparing_run(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_COPY_COMPARING_H */
