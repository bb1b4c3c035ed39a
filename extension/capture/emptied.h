/*-------------------------------------------------------------------------
 *
 * extension/capture/emptied.h
 *	  TRUNCATE of partitions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_EMPTIED_H
#define DBSYNC_EXTENSION_CAPTURE_EMPTIED_H

#include "extension/capture/cache.h"
#include "utils/rel.h"

/*
 * For the BEFORE and AFTER TRUNCATE triggers of a relation that is partitioned, or a
 * partition: note it, and capture what is to be captured of it.  The first is called
 * behind dbsync_statement_open_truncate(); the second is for partitions only, and closes it.
 */
extern void dbsync_emptied_before(DbsyncEntry *entry, Relation rel);
extern void dbsync_emptied_after(DbsyncEntry *entry, Relation rel);

#endif							/* DBSYNC_EXTENSION_CAPTURE_EMPTIED_H */
