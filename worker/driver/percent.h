/*-------------------------------------------------------------------------
 *
 * worker/driver/percent.h
 *	  Percent-encoding, as parts of URIs are written (RFC 3986, 2.1).
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_PERCENT_H
#define DBSYNC_WORKER_DRIVER_PERCENT_H

/* What these bytes say, in CurrentMemoryContext; NULL: nothing, and *problem says why in words. */
extern char *dbsync_percent_decode(const char *text, size_t length, const char **problem);

#endif							/* DBSYNC_WORKER_DRIVER_PERCENT_H */
