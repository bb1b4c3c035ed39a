/*-------------------------------------------------------------------------
 *
 * extension/capture/transaction.c
 *	  What the current transaction has captured, and its savepoints.
 *
 * Subtransactions: a stack of copies, each taken before the first change that a
 * subtransaction makes to an object.  Abort puts the copies of its level back.
 * Commit hands them to the level above, unless that has one of its own (older,
 * hence right) or is the top level, which needs none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "extension/capture/transaction.h"
#include "extension/catalog.h"
#include "extension/log/carried.h"
#include "extension/log/packed.h"
#include "extension/log/segment.h"
#include "extension/settings.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* as many bytes in all, where rows are too wide for a page of the segment: they have nowhere else to go */
#define WIDE_MAX	(16 * 1024 * 1024)

/* an object as it was before a subtransaction changed it */
typedef struct Kept
{
	int		   *object;			/* points to its first field, the level */
	Size		size;
	int			level;			/* nesting level whose abort restores it */
	void	   *copy;
} Kept;

DbsyncTransaction dbsync_transaction;

/* rows that wait for the header: dbsync_transaction.carried.used bytes of them, packed */
static char *carried_rows = NULL;
static Size carried_room = 0;

static Kept *kept;
static int	nkept;
static int	maxkept;

/* Captured without its origin, a change would go back to where it came from. */
static void
refuse_without_origin(void)
{
	char	   *role = GetUserNameFromId(GetUserId(), false);

	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("role \"%s\" may not set dbsync.origin", role),
			 errdetail("It applies changes to a table that dbsync captures here: without their origin they would be sent back."),
			 errhint("GRANT SET ON PARAMETER dbsync.origin TO %s;", quote_identifier(role))));
}

/* None yet; what a transaction with wide rows took is given back. */
static void
begin_carried(void)
{
	dbsync_transaction.carried.level = 1;
	dbsync_transaction.carried.used = 0;
	if (carried_room > DBSYNC_CARRIED_MAX)
	{
		carried_rows = repalloc(carried_rows, DBSYNC_CARRIED_MAX);
		carried_room = DBSYNC_CARRIED_MAX;
	}
}

void
dbsync_transaction_begin(void)
{
	if (dbsync_transaction.begun)
		return;
	if (dbsync_applying && dbsync_origin[0] == '\0')
		refuse_without_origin();
	dbsync_transaction.begun = true;
	dbsync_transaction.serial++;
	dbsync_transaction.next_no = 1;
	dbsync_transaction.wake = false;
	dbsync_transaction.header_written = false;
	dbsync_transaction.header_lock.level = 1;
	dbsync_transaction.header_lock.held = false;
	begin_carried();
	dbsync_transaction.generation = dbsync_catalog_generation();
}

void
dbsync_transaction_forget(void)
{
	dbsync_transaction.begun = false;
	dbsync_transaction.closed = false;
	dbsync_transaction.touched = NULL;
	kept = NULL;
	nkept = maxkept = 0;
}

DbsyncTouched *
dbsync_transaction_touch(Oid relid)
{
	DbsyncTouched *touched;

	touched = MemoryContextAllocZero(TopTransactionContext, sizeof(DbsyncTouched));
	touched->relid = relid;
	/* an empty state is what the abort of any subtransaction restores */
	touched->periods.level = 1;
	touched->next = dbsync_transaction.touched;
	dbsync_transaction.touched = touched;
	return touched;
}

DbsyncWritten *
dbsync_transaction_written(DbsyncTouched *touched, int captured_id,
						   int segment_id, Oid segment, int shape_id)
{
	DbsyncWritten *written;

	for (written = touched->written; written != NULL; written = written->next)
	{
		if (written->part.segment_id == segment_id && written->segment == segment)
			return written;
	}
	written = MemoryContextAllocZero(TopTransactionContext, sizeof(DbsyncWritten));
	written->level = 1;
	written->part.captured_id = captured_id;
	written->part.segment_id = segment_id;
	written->segment = segment;
	written->shape_id = shape_id;
	written->next = touched->written;
	touched->written = written;
	return written;
}

void
dbsync_transaction_wake_at_commit(void)
{
	dbsync_transaction_begin();
	dbsync_transaction.wake = true;
}

void
dbsync_transaction_keep(int *level, Size size)
{
	Kept	   *top;

	if (nkept == maxkept)
	{
		int			room = Max(16, maxkept * 2);

		if (kept == NULL)
			kept = MemoryContextAlloc(TopTransactionContext, room * sizeof(Kept));
		else
			kept = repalloc(kept, room * sizeof(Kept));
		maxkept = room;
	}
	top = &kept[nkept];
	top->object = level;
	top->size = size;
	top->level = GetCurrentTransactionNestLevel();
	top->copy = MemoryContextAlloc(TopTransactionContext, size);
	memcpy(top->copy, level, size);
	*level = top->level;
	nkept++;
}

static void
restore_kept(int level)
{
	while (nkept > 0 && kept[nkept - 1].level >= level)
	{
		Kept	   *top = &kept[--nkept];

		memcpy(top->object, top->copy, top->size);
		pfree(top->copy);
	}
}

static void
hand_up_kept(int level)
{
	int			above = level - 1;
	int			first = nkept;
	int			n;

	while (first > 0 && kept[first - 1].level >= level)
		first--;
	n = first;
	for (int i = first; i < nkept; i++)
	{
		Kept	   *it = &kept[i];
		int			older = *(int *) it->copy;

		*it->object = above;
		if (older >= above)
			pfree(it->copy);
		else
		{
			it->level = above;
			kept[n++] = *it;
		}
	}
	nkept = n;
}

int64
dbsync_transaction_part_rows(const DbsyncPart *part)
{
	return part->inserts + part->updates + part->deletes +
		part->truncates + part->resolved;
}

int64
dbsync_transaction_rows(const DbsyncTouched *touched)
{
	int64		rows = 0;

	for (const DbsyncWritten *w = touched->written; w != NULL; w = w->next)
		rows += dbsync_transaction_part_rows(&w->part);
	return rows;
}

bool
dbsync_transaction_can_carry(void)
{
	Size		used = dbsync_transaction.begun ? dbsync_transaction.carried.used : 0;

	/* a row that is shorter is rare */
	return used + sizeof(DbsyncOurs) < dbsync_carry_bytes;
}

static void
carry(int segment_id, HeapTuple tuple)
{
	DbsyncCarried *carried = &dbsync_transaction.carried;
	char	   *end;

	dbsync_transaction_save(carried);
	end = dbsync_carried_write(carried_rows + carried->used, segment_id, tuple);
	carried->used = end - carried_rows;
}

bool
dbsync_transaction_carry(int segment_id, HeapTuple tuple)
{
	if (HeapTupleHasExternal(tuple) ||
		dbsync_transaction.carried.used + dbsync_carried_size(tuple) > dbsync_carry_bytes)
		return false;
	carry(segment_id, tuple);
	return true;
}

void
dbsync_transaction_carry_wide(int segment_id, HeapTuple tuple, const char *table)
{
	Size		wanted = dbsync_transaction.carried.used + dbsync_carried_size(tuple);

	if (wanted > WIDE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many rows of table \"%s\" are too wide to be captured", table),
				 errdetail("dbsync adds up to 32 bytes to a row. Rows that then do not fit on a page are kept with the transaction, of which it may have %d MB.",
						   WIDE_MAX / (1024 * 1024)),
				 errhint("Write fewer rows in a transaction, or use dbsync.suspend_table() to go on without capturing the table.")));
	if (wanted > carried_room)
	{
		Size		larger = Min(Max(wanted, 2 * carried_room), WIDE_MAX);

		carried_rows = repalloc(carried_rows, larger);
		carried_room = larger;
	}
	carry(segment_id, tuple);
}

DbsyncPacked
dbsync_transaction_carried(void)
{
	DbsyncPacked packed;

	packed.at = carried_rows;
	packed.end = carried_rows + dbsync_transaction.carried.used;
	packed.xid = U64FromFullTransactionId(GetTopFullTransactionId());
	return packed;
}

static void
end_of_subtransaction(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent, void *arg)
{
	if (!dbsync_transaction.begun || nkept == 0)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		restore_kept(GetCurrentTransactionNestLevel());
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		hand_up_kept(GetCurrentTransactionNestLevel());
}

void
dbsync_transaction_init(void)
{
	carried_rows = MemoryContextAlloc(TopMemoryContext, DBSYNC_CARRIED_MAX);
	carried_room = DBSYNC_CARRIED_MAX;
	RegisterSubXactCallback(end_of_subtransaction, NULL);
}
