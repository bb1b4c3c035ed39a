/*-------------------------------------------------------------------------
 *
 * worker/identity.h
 *	  Who this database is, who the target is, and who it has been.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_IDENTITY_H
#define DBSYNC_WORKER_IDENTITY_H

#include "worker/driver/driver.h"
#include "worker/work.h"

/* The identity of this database, as routes name it, palloc'd. */
extern char *dbsync_identity_own(void);

/* Is the target this very database, or a physical copy of it? */
extern bool dbsync_identity_is_own(const DbsyncTarget *target);

/* Who has answered?  Error if it is a copy of this database with its identity. */
extern void dbsync_identity_check(DbsyncWork *work);

/*
 * The ledger has been read, or is about to be made: see to it that it knows who the target
 * is, and take all whom it has been for target_identities.  Error if it is damaged.
 */
extern void dbsync_identity_note(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_IDENTITY_H */
