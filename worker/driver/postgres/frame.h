/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/frame.h
 *	  PostgreSQL driver: the data of a COPY, handed to libpq piece by piece.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_FRAME_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_FRAME_H

#include "worker/driver/postgres/internal.h"

/* Hand the frame over; it is empty afterwards. */
extern bool dbsync_postgres_frame_send(PostgresTarget *target);

/* The server's last word on a COPY, which may have come before its end. */
extern bool dbsync_postgres_frame_outcome(PostgresTarget *target);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_FRAME_H */
