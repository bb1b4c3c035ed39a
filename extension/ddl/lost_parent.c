/*-------------------------------------------------------------------------
 *
 * extension/ddl/lost_parent.c
 *	  Can a statement still write to a table through a parent that the table has lost?
 *
 * Who writes to a parent reads who its children are, and then waits for a lock on each of them.  ALTER
 * TABLE … NO INHERIT has that lock, and when it commits, the writer goes on, to a table that is no
 * child any more.  From reading the children until it has the locks the writer has a snapshot, and
 * that is older than the end of the transaction that took the child away; behind that it has a lock
 * on the table.  So: as long as another session has a snapshot from before, there may be such a writer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "fmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/xid8.h"

PG_FUNCTION_INFO_V1(dbsync_next_xid);
PG_FUNCTION_INFO_V1(dbsync_is_long_ago);

/*
 * dbsync_internal.next_xid(): an id that no transaction has yet: not that of the caller, nor of any
 * that has ended, whatever its snapshot says.
 */
Datum
dbsync_next_xid(PG_FUNCTION_ARGS)
{
	PG_RETURN_FULLTRANSACTIONID(ReadNextFullTransactionId());
}

/*
 * dbsync_internal.is_long_ago(xid8): is no other session's snapshot in this database from before that
 * id was the next one, or from before its transaction, whose id is smaller, has ended?  False if that
 * can be the caller's own.  An id that is none here, as a dump brings along, is long ago.
 */
Datum
dbsync_is_long_ago(PG_FUNCTION_ARGS)
{
	FullTransactionId limit = PG_GETARG_FULLTRANSACTIONID(0);
	FullTransactionId next = ReadNextFullTransactionId();
	FullTransactionId own = GetTopFullTransactionIdIfAny();
	VirtualTransactionId *others;
	int			n;

	if (FullTransactionIdFollows(limit, next) ||
		U64FromFullTransactionId(next) - U64FromFullTransactionId(limit) > PG_INT32_MAX)
		PG_RETURN_BOOL(true);
	if (FullTransactionIdIsValid(own) && FullTransactionIdPrecedes(own, limit))
		PG_RETURN_BOOL(false);
	others = GetCurrentVirtualXIDs(XidFromFullTransactionId(limit), true, false,
								   PROC_IS_AUTOVACUUM | PROC_IN_VACUUM, &n);
	pfree(others);
	PG_RETURN_BOOL(n == 0);
}
