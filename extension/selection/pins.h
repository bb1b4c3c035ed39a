/*-------------------------------------------------------------------------
 *
 * extension/selection/pins.h
 *	  The settings under which selections are read, and written down.
 *
 * They hold until the end of the nest of settings that the caller has begun (NewGUCNestLevel(), or
 * dbsync_owner_begin()).
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_SELECTION_PINS_H
#define DBSYNC_EXTENSION_SELECTION_PINS_H

extern void dbsync_selection_set(const char *name, const char *value);

/* As the worker has them (dbsync_pin_settings()), so far as text says something else under others. */
extern void dbsync_selection_pin_text(void);

#endif							/* DBSYNC_EXTENSION_SELECTION_PINS_H */
