/*-------------------------------------------------------------------------
 *
 * extension/capture/commit.h
 *	  What capture does as a transaction ends.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_COMMIT_H
#define DBSYNC_EXTENSION_CAPTURE_COMMIT_H

/* Register the callbacks; called once, from dbsync_capture_init. */
extern void dbsync_commit_init(void);

#endif							/* DBSYNC_EXTENSION_CAPTURE_COMMIT_H */
