/*-------------------------------------------------------------------------
 *
 * worker/target_config.h
 *	  From a foreign server and a user mapping to what a driver connects with.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TARGET_CONFIG_H
#define DBSYNC_WORKER_TARGET_CONFIG_H

#include "worker/driver/driver.h"

/*
 * How the owner connects to the target: options of the server, then those of
 * the owner's user mapping (or of PUBLIC's).  Needs a transaction; allocates in
 * CurrentMemoryContext; error if there is no such server, if it belongs to no
 * driver, if the owner may not use it, or if it lends credentials that it must not.
 * The caller may set application_name.
 */
extern DbsyncTargetConfig *dbsync_target_config(const char *server_name, Oid owner);

#endif							/* DBSYNC_WORKER_TARGET_CONFIG_H */
