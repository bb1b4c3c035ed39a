/*-------------------------------------------------------------------------
 *
 * worker/control/lacks.h
 *	  What an answer that all is there leaves out, as it is said to who has waited for it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_CONTROL_LACKS_H
#define DBSYNC_WORKER_CONTROL_LACKS_H

#include "worker/control/lookup.h"

/* Tables that are suspended, which others go on without: a warning.  False: there are none. */
extern bool dbsync_lacks_suspended(const char *name, const DbsyncFound *found);

/* A table stands still, and nobody waits for it: an error, which names it. */
extern void dbsync_lacks_check_held(const char *name, const DbsyncFound *found);

/* Rows that the target has refused are there in its quarantine only: a notice. */
extern void dbsync_lacks_tell_parked(const char *name, const DbsyncFound *found);

#endif							/* DBSYNC_WORKER_CONTROL_LACKS_H */
