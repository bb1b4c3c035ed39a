/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/stay.h
 *	  PostgreSQL driver: may a row that is refused stay as it was?
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_STAY_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_STAY_H

#include "worker/driver/postgres/doubting.h"

/*
 * A row to insert has been refused, for the first time in its batch: its kind becomes that of an update where the table has its key all the same,
 * as one that was deleted and inserted again.  To be called at once, before what comes behind it can have taken the old one
 * along.  False: a fault.
 */
extern bool dbsync_postgres_look_for_old(PostgresTarget *target, PostgresDoubted *doubted);

/* Before it is parked; said: what it was refused with.  False: a fault, or it may not, and the table is to be held. */
extern bool dbsync_postgres_may_stay(PostgresTarget *target, const DbsyncTargetTable *table, const DbsyncRow *row, const DbsyncFault *said);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_STAY_H */
