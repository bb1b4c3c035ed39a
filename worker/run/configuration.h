/*-------------------------------------------------------------------------
 *
 * worker/run/configuration.h
 *	  Reading the configuration again when it has changed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RUN_CONFIGURATION_H
#define DBSYNC_WORKER_RUN_CONFIGURATION_H

#include "worker/work.h"

/*
 * Read the subscription, if somebody has changed the configuration since, and end what rested on
 * what it was: the window, and the connection if it has another owner.  False: there is no reason to
 * run (any more).  In no transaction.
 */
extern bool dbsync_configuration_read(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_RUN_CONFIGURATION_H */
