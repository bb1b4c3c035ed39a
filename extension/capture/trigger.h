/*-------------------------------------------------------------------------
 *
 * extension/capture/trigger.h
 *	  Capturing changes in the user's session.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_TRIGGER_H
#define DBSYNC_EXTENSION_CAPTURE_TRIGGER_H

/* Called from _PG_init: transaction callbacks and executor hooks. */
extern void dbsync_capture_init(void);

#endif							/* DBSYNC_EXTENSION_CAPTURE_TRIGGER_H */
