/*-------------------------------------------------------------------------
 *
 * extension/capture/hooks.h
 *	  The executor's hooks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_HOOKS_H
#define DBSYNC_EXTENSION_CAPTURE_HOOKS_H

/* Install the hooks; called once, from dbsync_capture_init. */
extern void dbsync_hooks_init(void);

#endif							/* DBSYNC_EXTENSION_CAPTURE_HOOKS_H */
