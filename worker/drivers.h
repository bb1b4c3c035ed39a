/*-------------------------------------------------------------------------
 *
 * worker/drivers.h
 *	  Which drivers there are.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVERS_H
#define DBSYNC_WORKER_DRIVERS_H

#include "worker/driver/driver.h"

/*
 * The driver of a foreign data wrapper; NULL if there is none.  Error if it was made for
 * another version of the contract, or lacks what goes with its features.
 */
extern const DbsyncDriver *dbsync_target_driver(const char *wrapper);

/* Does the option lend the server's own account?  As DbsyncDriver.option_lends_account. */
extern bool dbsync_target_option_lends_account(const char *wrapper, const char *keyword);

#endif							/* DBSYNC_WORKER_DRIVERS_H */
