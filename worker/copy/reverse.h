/*-------------------------------------------------------------------------
 *
 * worker/copy/reverse.h
 *	  Two databases that feed each other: only one of them copies.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_COPY_REVERSE_H
#define DBSYNC_WORKER_COPY_REVERSE_H

#include "worker/table.h"
#include "worker/work.h"

/* Does the target feed this table?  Then its own has rows that it made itself. */
extern bool dbsync_reverse_feeds(DbsyncWork *work, const DbsyncTable *table);

/* Does anybody's subscription write to this database? */
extern bool dbsync_reverse_is_target(void);

/* Does the ledger of this database say that anybody's subscription applies into the table of this qualified name? */
extern bool dbsync_reverse_applies(const char *qualified);

/* Before every chunk: error if the target has copied, or is copying, its table to ours. */
extern void dbsync_reverse_check(DbsyncWork *work, const DbsyncTable *table);

#endif							/* DBSYNC_WORKER_COPY_REVERSE_H */
