/*-------------------------------------------------------------------------
 *
 * worker/copy/creating.h
 *	  Tables that the target lacks are made before their first copy.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_COPY_CREATING_H
#define DBSYNC_WORKER_COPY_CREATING_H

#include "worker/work.h"

/*
 * Before a batch, outside a transaction: if the subscription has its tables made, see to it that the
 * target has the one that is copied next, or that becomes live without a copy.  An
 * error is the table's, as one of its copy is.
 */
extern void dbsync_creating_run(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_COPY_CREATING_H */
