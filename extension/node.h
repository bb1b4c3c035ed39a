/*-------------------------------------------------------------------------
 *
 * extension/node.h
 *	  Which database this is: the one that was set up, or a copy of it, which is dormant.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_NODE_H
#define DBSYNC_EXTENSION_NODE_H

/*
 * Does dbsync.node name this very database?  Asked once per backend and again
 * after the configuration changed.  False: a copy, dormant until adopt().
 */
extern bool dbsync_node_is_adopted(void);

/* Row of dbsync.skipped for a write that a dormant trigger let pass. */
extern void dbsync_node_note_skipped(int captured_id);

#endif							/* DBSYNC_EXTENSION_NODE_H */
