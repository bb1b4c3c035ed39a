/*-------------------------------------------------------------------------
 *
 * worker/run/pins.h
 *	  The settings of a worker's own session.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RUN_PINS_H
#define DBSYNC_WORKER_RUN_PINS_H

/* Called once, when the worker has connected to its database. */
extern void dbsync_pin_settings(void);

#endif							/* DBSYNC_WORKER_RUN_PINS_H */
