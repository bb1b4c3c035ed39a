/*-------------------------------------------------------------------------
 *
 * worker/driver/file/fault.c
 *	  File driver: what the disk said, kept for the worker.
 *
 * The rooms below raise errors, with the path.  For the worker they are what a target has
 * refused: no table's fault, and tried again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/file/internal.h"

bool
dbsync_file_refuse(FileTarget *target, DbsyncFaultKind kind, int sqlstate, const char *message,
				   const char *detail, const char *hint)
{
	MemoryContext old = MemoryContextSwitchTo(target->base.context);
	DbsyncFault *fault = &target->base.fault;

	memset(fault, 0, sizeof(DbsyncFault));
	fault->kind = kind;
	fault->sqlstate = sqlstate;
	fault->message = pstrdup(message);
	fault->detail = detail ? pstrdup(detail) : NULL;
	fault->hint = hint ? pstrdup(hint) : NULL;
	MemoryContextSwitchTo(old);
	return false;
}

/* A value that cannot be written as it is to be is its row's matter; all else is the folder's, or the machine's. */
static DbsyncFaultKind
kind_of(int sqlstate)
{
	return ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_DATA_EXCEPTION ? DBSYNC_FAULT_REFUSED : DBSYNC_FAULT_UNAVAILABLE;
}

/* Which table's row it is, if nothing else is said of it. */
static const char *
detail_of(const FileTarget *target, const ErrorData *edata)
{
	const DbsyncTargetTable *table = target->batch ? target->batch->sending.table : NULL;

	if (edata->detail != NULL || table == NULL || kind_of(edata->sqlerrcode) != DBSYNC_FAULT_REFUSED)
		return edata->detail;
	return psprintf("It is a value of table %s.", table->table.source);
}

bool
dbsync_file_caught(FileTarget *target, MemoryContext context)
{
	ErrorData  *edata;

	MemoryContextSwitchTo(target->base.context);
	edata = CopyErrorData();
	if (ERRCODE_TO_CATEGORY(edata->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		PG_RE_THROW();
	FlushErrorState();
	MemoryContextSwitchTo(context);
	return dbsync_file_refuse(target, kind_of(edata->sqlerrcode), edata->sqlerrcode, edata->message,
							  detail_of(target, edata), edata->hint);
}
