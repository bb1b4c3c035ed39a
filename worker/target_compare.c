/*-------------------------------------------------------------------------
 *
 * worker/target_compare.c
 *	  Targets: showing what is in their tables, to be compared.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/target.h"
#include "worker/target_compare.h"

#define DOING	"reading the target's table"

bool
dbsync_target_compares(const DbsyncTarget *target)
{
	return (target->driver->features & DBSYNC_FEATURE_COMPARE) != 0;
}

bool
dbsync_target_try_read_begin(DbsyncTarget *target, DbsyncTargetTable *table, DbsyncReadForm *form)
{
	return target->driver->read_begin(target, table, form);
}

void
dbsync_target_read_ask(DbsyncTarget *target, DbsyncTargetTable *table, const DbsyncReadRequest *request)
{
	if (!target->driver->read_ask(target, table, request))
		dbsync_target_raise(target, DOING);
}

bool
dbsync_target_read_next(DbsyncTarget *target, DbsyncReadRow *row)
{
	bool		more = false;

	if (!target->driver->read_next(target, row, &more))
		dbsync_target_raise(target, DOING);
	return more;
}

void
dbsync_target_read_end(DbsyncTarget *target)
{
	if (!target->driver->read_end(target))
		dbsync_target_raise(target, DOING);
}

List *
dbsync_target_read_parked(DbsyncTarget *target, const pg_uuid_t *attachment)
{
	List	   *rows = NIL;

	if ((target->driver->features & DBSYNC_FEATURE_QUARANTINE) != 0 &&
		!target->driver->read_parked(target, attachment, &rows))
		dbsync_target_raise(target, "reading which keys are parked");
	return rows;
}

bool
dbsync_target_try_read_is_in_way(DbsyncTarget *target, DbsyncTargetTable *table, bool *in_way)
{
	return target->driver->read_is_in_way(target, table, in_way);
}

void
dbsync_target_read_sequence(DbsyncTarget *target, DbsyncTargetTable *table, int column, bool descending,
							DbsyncReadSequence *sequence)
{
	if (!target->driver->read_sequence(target, table, column, descending, sequence))
		dbsync_target_raise(target, "reading a sequence of the target's table");
}
