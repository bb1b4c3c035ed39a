/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/pending.h
 *	  PostgreSQL driver: what waits for the end of the transaction, and stands in the way of ALTER TABLE.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_PENDING_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_PENDING_H

#include "worker/driver/postgres/changing.h"

/* Before a table is altered in the batch's transaction, and behind that.  False: fault set. */
extern bool dbsync_postgres_pending_now(Changing *changing);
extern bool dbsync_postgres_pending_later(Changing *changing);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_PENDING_H */
