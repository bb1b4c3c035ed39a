/*-------------------------------------------------------------------------
 *
 * worker/run/process.c
 *	  A worker as a process: how it comes to its database, and how it ends.
 *
 * SIGTERM interrupts whatever is going on.  The process then ends for good if it
 * was asked to stop through its slot, else the postmaster starts it again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/transam.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/guc.h"

#include "worker/batch/ledger.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/run/pins.h"
#include "worker/run/process.h"

static volatile sig_atomic_t got_sigterm = false;
static bool connecting = false;

/* Break off the query or wait that is going on; the loop sees the flag. */
static void
on_sigterm(SIGNAL_ARGS)
{
	int			save_errno = errno;

	got_sigterm = true;
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
	errno = save_errno;
}

/*
 * A database that has been dropped is found out by a FATAL error, after which
 * the postmaster would start us again and again.
 */
static void
give_up_connecting(int code, Datum arg)
{
	if (connecting)
		_exit(0);
}

static void
connect_to_database(Oid database)
{
	connecting = true;
	on_proc_exit(give_up_connecting, (Datum) 0);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	connecting = false;
}

static void
wait_for_starter(TransactionId starter)
{
	if (!TransactionIdIsValid(starter))
		return;
	dbsync_query_begin(false, "waiting for the starting transaction");
	XactLockTableWait(starter, NULL, NULL, XLTW_None);
	dbsync_query_commit();
}

void
dbsync_process_begin(Oid database, TransactionId starter)
{
	pqsignal(SIGTERM, on_sigterm);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	connect_to_database(database);
	dbsync_pin_settings();
	wait_for_starter(starter);
}

bool
dbsync_process_is_ending(void)
{
	return got_sigterm;
}

void
dbsync_process_exit_if_asked(DbsyncWork *work)
{
	bool		stop;

	if (!got_sigterm)
		return;
	stop = work->run != 0 || dbsync_report_stop_asked();
	dbsync_ledger_detach(work);
	dbsync_report_release();
	proc_exit(stop ? 0 : 1);
}

void
dbsync_process_finish(DbsyncWork *work)
{
	/* the others went on, but its caller must hear of it */
	if (work->run != 0 && work->suspended_for != NULL)
		dbsync_report_trouble(work->suspended_for, 0, 0);
	else if (work->run != 0)
		dbsync_report_run_done(work->rows);
	dbsync_ledger_detach(work);
	dbsync_report_release();
	proc_exit(0);
}

void
dbsync_process_reload(void)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
}
