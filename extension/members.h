/*-------------------------------------------------------------------------
 *
 * extension/members.h
 *	  The transactions of the current cut, by id.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_MEMBERS_H
#define DBSYNC_EXTENSION_MEMBERS_H

/* Begin with none; about so many will come. */
extern void dbsync_members_reset(int expected);

/* rank: place in closing order */
extern void dbsync_members_add(uint64 xid, int rank);

/* Is the transaction in the cut?  Counts as a hit, as window_has(xid8) does. */
extern bool dbsync_members_has(uint64 xid);

extern int64 dbsync_members_hits(void);
extern void dbsync_members_reset_hits(void);

#endif							/* DBSYNC_EXTENSION_MEMBERS_H */
