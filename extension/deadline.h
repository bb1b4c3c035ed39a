/*-------------------------------------------------------------------------
 *
 * extension/deadline.h
 *	  How long a function that somebody calls waits for one thing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_DEADLINE_H
#define DBSYNC_EXTENSION_DEADLINE_H

/* The shorter one of dbsync.call_timeout and another time in ms, of which 0 is none. */
extern int	dbsync_deadline_or(int other);

/*
 * Wait for no lock longer than that, until AtEOXact_GUC() of the caller's nest level: the
 * level must be begun (NewGUCNestLevel()).
 */
extern void dbsync_deadline_for_locks(void);

/* What to do about a lock that was not to be had in time (ERRCODE_LOCK_NOT_AVAILABLE). */
extern const char *dbsync_deadline_lock_hint(void);

#endif							/* DBSYNC_EXTENSION_DEADLINE_H */
