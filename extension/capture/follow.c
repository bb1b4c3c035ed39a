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
 * the guard finds nothing left to do.  A table that has got its first child cannot be made to be
 * captured by row then: such a statement is refused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"

#include "extension/capture/cache.h"
#include "extension/capture/follow.h"

void		(*dbsync_follow_members) (int captured_id) = NULL;

/*
 * A parent is captured by row, so that rows of its children are theirs.  That can be made so only when no
 * statement is open on it.
 */
static void
refuse_parent(Relation rel)
{
	if (rel->rd_rel->relkind != RELKIND_RELATION || !rel->rd_rel->relhassubclass ||
		find_inheritance_children(RelationGetRelid(rel), NoLock) == NIL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("cannot write to captured table \"%s\" within the command that gives it its first child",
					RelationGetRelationName(rel)),
			 errdetail("A statement that names it would reach rows of the child, and be captured as if they were its own."),
			 errhint("It is an event trigger that writes to it, or a function that the command calls: have it write to the table when the command is over.")));
}

void
dbsync_follow_before(Relation rel)
{
	const DbsyncEntry *entry;

	if (dbsync_follow_members == NULL || rel->trigdesc == NULL)
		return;
	entry = dbsync_cache_find(rel);
	if (entry->mode != DBSYNC_MODE_CAPTURE)
		return;
	if (entry->tree)
		dbsync_follow_members(entry->captured.id);
	else if (!entry->by_row)
		refuse_parent(rel);
}
