/*-------------------------------------------------------------------------
 *
 * extension/capture/follow.c
 *	  Statements between a command that changes partitions and its judgement.
 *
 * Capture follows a command when the guard's event trigger judges it.  Event triggers of others
 * may be called before ours, and write to the very table: into a partition that has come, through
 * the root, which captures the row, so that it would be found with those that came along, and be
 * there twice; or within the bound of one that has gone, whose rows would be said to have gone
 * after that.  So what the command did to partitions is followed before such a statement, and
 * the guard finds nothing left to do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "extension/capture/cache.h"
#include "extension/capture/follow.h"

void		(*dbsync_follow_members) (int captured_id) = NULL;

void
dbsync_follow_before(Relation rel)
{
	const DbsyncEntry *entry;

	if (dbsync_follow_members == NULL || rel->trigdesc == NULL)
		return;
	entry = dbsync_cache_find(rel);
	if (entry->mode == DBSYNC_MODE_CAPTURE && entry->tree)
		dbsync_follow_members(entry->captured.id);
}
