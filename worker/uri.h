/*-------------------------------------------------------------------------
 *
 * worker/uri.h
 *	  URIs of targets: what they say, as a driver's DbsyncAddress has it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_URI_H
#define DBSYNC_WORKER_URI_H

#include "worker/driver/driver.h"

/*
 * The options that a URI sets, as a list of DefElem, in CurrentMemoryContext.  Error of class 22023 if it is none of the
 * driver's; it shows nothing of the URI, as there may be a password in it.
 */
extern List *dbsync_uri_parse(const DbsyncDriver *driver, const char *uri);

#endif							/* DBSYNC_WORKER_URI_H */
