/*-------------------------------------------------------------------------
 *
 * worker/drivers.h
 *	  Which drivers there are, and what their options are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVERS_H
#define DBSYNC_WORKER_DRIVERS_H

#include "worker/driver/driver.h"

/*
 * The driver of a foreign data wrapper, which lives as long as the process; NULL if there is none.  Error if its library
 * is not there, was made for another version of the contract, or lacks what goes with its features.
 * Outside of transactions those are known that have been asked for before.
 */
extern const DbsyncDriver *dbsync_target_driver(const char *wrapper);

/* The same, and an error if there is none. */
extern const DbsyncDriver *dbsync_target_driver_needed(const char *wrapper);

/* An option of the driver's, which says nothing of it if it is NULL. */
extern const DbsyncOption *dbsync_driver_option(const DbsyncDriver *driver, const char *name);

/* Is an option of this name a secret of any driver that is built in? */
extern bool dbsync_driver_is_secret_of_any(const char *name);

/*
 * The wrapper of URIs with this scheme, which need not be there; *package has what its library needs, as Debian
 * calls it, or NULL.  In CurrentMemoryContext.
 */
extern const char *dbsync_driver_wrapper_of_scheme(const char *scheme, const char **package);

#endif							/* DBSYNC_WORKER_DRIVERS_H */
