/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/pins.h
 *	  PostgreSQL driver: settings pinned for each transaction, or for the session.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_PINS_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_PINS_H

#include "worker/driver/postgres/internal.h"

/* a target table that somebody has locked becomes a fault, and is tried again */
#define POSTGRES_LOCK_TIMEOUT	"30s"

/*
 * Settings of the session, where it is ours alone (target->direct).  None of them is worth
 * failing for.  False: the connection is lost, fault set.
 */
extern bool dbsync_postgres_set_session(PostgresTarget *target);

/*
 * Prepare what pins each transaction (target->pins), and pin the session where that is enough;
 * called once, when it is known who has answered and what we may do there.  False: fault set.
 */
extern bool dbsync_postgres_pin(PostgresTarget *target);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_PINS_H */
