/*-------------------------------------------------------------------------
 *
 * worker/modules.h
 *	  Drivers that are modules of their own: finding their libraries.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_MODULES_H
#define DBSYNC_WORKER_MODULES_H

#include "worker/driver/driver.h"

/*
 * What the library of this wrapper's validator says its driver is: it may be for another version.  NULL if the wrapper is none
 * of dbsync's; error if its library cannot be loaded or has no driver.  Outside of transactions, where
 * no wrapper can be looked up, it is what was found last.
 */
extern const DbsyncDriver *dbsync_module_driver(const char *wrapper);

/* The wrapper and the package of a scheme of those that come with dbsync; false: it is none of these. */
extern bool dbsync_module_of_scheme(const char *scheme, const char **wrapper, const char **package);

#endif							/* DBSYNC_WORKER_MODULES_H */
