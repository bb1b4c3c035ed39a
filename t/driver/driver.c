/*-------------------------------------------------------------------------
 *
 * t/driver/driver.c
 *	  The test's driver: opening and closing, batches, the list of functions; and some
 *	  drivers that dbsync must refuse.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "commands/defrem.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/fd.h"
#include "utils/memutils.h"

#include "internal.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(dbsync_file_test_validator);

extern PGDLLEXPORT const DbsyncDriver *dbsync_driver(const DbsyncHost *host);

/* What a fault says lives as long as the target. */
bool
file_refuse(FileTarget *target, DbsyncFaultKind kind, int sqlstate,
			const char *message, const char *detail, const char *hint)
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

/*
 * Hung on the target's context: so the lock goes also where an error passes over
 * whoever holds the target, and close() may come at any moment.
 */
static void
cleanup(void *arg)
{
	FileTarget *target = arg;

	file_heard(target);
	if (target->lock >= 0)
	{
		close(target->lock);
		ReleaseExternalFD();
	}
	target->lock = -1;
}

static FileTarget *
new_target(const DbsyncTargetConfig *config)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dbsync file target",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	FileTarget *target = palloc0(sizeof(FileTarget));
	ListCell   *lc;

	target->base.context = context;
	target->name = pstrdup(config->name);
	target->waits = config->waits;
	target->timeout = config->timeout;
	target->lock = -1;
	foreach(lc, config->options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, "folder") == 0)
			target->folder = pstrdup(defGetString(def));
	}
	target->cleanup.func = cleanup;
	target->cleanup.arg = target;
	MemoryContextRegisterResetCallback(context, &target->cleanup);
	MemoryContextSwitchTo(old);
	return target;
}

static bool
open_lock(FileTarget *target)
{
	char	   *path = psprintf("%s/lock", target->folder);

	if (!AcquireExternalFD())
		return file_refuse(target, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_INSUFFICIENT_RESOURCES,
						   "out of file descriptors", NULL, NULL);
	target->lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (target->lock >= 0)
		return true;
	ReleaseExternalFD();
	return file_refuse(target, DBSYNC_FAULT_LOST, ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION,
					   psprintf("could not open target \"%s\"", target->name),
					   psprintf("%s: %s", path, strerror(errno)), NULL);
}

static DbsyncTarget *
file_open(const DbsyncTargetConfig *config, bool *ok)
{
	FileTarget *target = new_target(config);
	DbsyncTargetIdentity *identity = &target->base.identity;
	MemoryContext old;

	*ok = false;
	if (target->folder == NULL)
	{
		(void) file_refuse(target, DBSYNC_FAULT_REFUSED, ERRCODE_FDW_OPTION_NAME_NOT_FOUND,
						   psprintf("target \"%s\" has no option \"folder\"", target->name), NULL,
						   psprintf("ALTER SERVER %s OPTIONS (ADD folder ...).", target->name));
		return &target->base;
	}
	old = MemoryContextSwitchTo(target->base.context);
	target->path = psprintf("%s/target", target->folder);
	identity->version = 1;
	identity->version_text = psprintf("a file in %s", target->folder);
	identity->properties = list_make1(makeDefElem("folder", (Node *) makeString(target->folder), -1));
	*ok = open_lock(target);
	MemoryContextSwitchTo(old);
	return &target->base;
}

static void
file_close(DbsyncTarget *base)
{
	/* see cleanup() */
	MemoryContextDelete(base->context);
}

static bool
begin(DbsyncTarget *base, const DbsyncLedger *ledger, const char *origin, int64 expected_rows, int flags)
{
	FileTarget *target = (FileTarget *) base;

	return file_begin(target) && file_ledger_fence(target, ledger);
}

/* Nothing is sent before the end. */
static bool
hurry(DbsyncTarget *base)
{
	return true;
}

static bool
commit(DbsyncTarget *base)
{
	FileTarget *target = (FileTarget *) base;

	return file_hold(target, "commit") && file_commit(target);
}

/* What is committed is on disk. */
static bool
confirm(DbsyncTarget *base, const pg_uuid_t *subscription)
{
	return true;
}

static DbsyncDriver file_driver = {
	.version = DBSYNC_DRIVER_VERSION,
	.name = "dbsync_file_test",
	.features = DBSYNC_FEATURE_LEDGER | DBSYNC_FEATURE_READ_BACK,
	.dialect = DBSYNC_DIALECT_POSTGRES,
	.open = file_open,
	.close = file_close,
	.table_open = file_table_open,
	.begin = begin,
	.truncate = file_truncate,
	.rows_begin = file_rows_begin,
	.rows_put = file_rows_put,
	.rows_end = file_rows_end,
	.hurry = hurry,
	.commit = commit,
	.ledger_read = file_ledger_read,
	.ledger_read_parts = file_ledger_read_parts,
	.ledger_create = file_ledger_create,
	.ledger_forget = file_ledger_forget,
	.ledger_move = file_ledger_move,
	.ledger_write_parts = file_ledger_write_parts,
	.ledger_forget_parts = file_ledger_forget_parts,
	.confirm = confirm,
	.table_has_rows = file_table_has_rows,
	.table_forms = file_table_forms,
};

static DbsyncTarget *
open_none(const DbsyncTargetConfig *config, bool *ok)
{
	*ok = true;
	return NULL;
}

/* One that is called in no way in which a route could name it. */
static DbsyncTarget *
open_odd(const DbsyncTargetConfig *config, bool *ok)
{
	DbsyncTarget *target = file_open(config, ok);

	target->identity.origin = "here, of course";
	return target;
}

/* One that takes its process along. */
static DbsyncTarget *
open_fatal(const DbsyncTargetConfig *config, bool *ok)
{
	ereport(FATAL,
			(errcode(ERRCODE_SYSTEM_ERROR),
			 errmsg("target \"%s\" has taken the process along", config->name),
			 errhint("Take another driver.")));
}

/* Others in its place, of which nearly each is wrong in one way. */
static const DbsyncDriver *
other_driver(const char *name)
{
	DbsyncDriver *driver = MemoryContextAlloc(TopMemoryContext, sizeof(DbsyncDriver));

	*driver = file_driver;
	driver->name = MemoryContextStrdup(TopMemoryContext, name);
	if (strcmp(name, "dbsync_no_begin") == 0)
		driver->begin = NULL;
	else if (strcmp(name, "dbsync_no_ledger_move") == 0)
		driver->ledger_move = NULL;
	else if (strcmp(name, "dbsync_no_has_rows") == 0)
		driver->table_has_rows = NULL;
	else if (strcmp(name, "dbsync_no_takes_unchanged") == 0)
		driver->features |= DBSYNC_FEATURE_PATCH;
	else if (strcmp(name, "dbsync_no_fence") == 0)
		driver->features |= DBSYNC_FEATURE_SEVERAL;
	else if (strcmp(name, "dbsync_no_create") == 0)
		driver->features |= DBSYNC_FEATURE_CREATE;
	else if (strcmp(name, "dbsync_without_ledger") == 0)
		driver->features &= ~DBSYNC_FEATURE_LEDGER;
	else if (strcmp(name, "dbsync_without_read_back") == 0)
		driver->features &= ~DBSYNC_FEATURE_READ_BACK;
	else if (strcmp(name, "dbsync_no_target") == 0)
		driver->open = open_none;
	else if (strcmp(name, "dbsync_odd_origin") == 0)
		driver->open = open_odd;
	else if (strcmp(name, "dbsync_fatal") == 0)
		driver->open = open_fatal;
	/* these two are good, and of targets that speak other SQL */
	else if (strcmp(name, "dbsync_mysql_test") == 0)
		driver->dialect = DBSYNC_DIALECT_MYSQL;
	else if (strcmp(name, "dbsync_sqlite_test") == 0)
		driver->dialect = DBSYNC_DIALECT_SQLITE;
	else if (strcmp(name, "dbsync_other_name") == 0)
		driver->name = "dbsync_file_test";
	else if (strcmp(name, "dbsync_nameless") == 0)
		driver->name = NULL;
	else if (strcmp(name, "dbsync_other_version") == 0)
	{
		/* nothing but the version is where it should be */
		memset(driver, 0x7f, sizeof(DbsyncDriver));
		driver->version = DBSYNC_DRIVER_VERSION + 1;
	}
	else
		return NULL;
	return driver;
}

const DbsyncDriver *
dbsync_driver(const DbsyncHost *host)
{
	return strcmp(host->wrapper, file_driver.name) == 0 ? &file_driver : other_driver(host->wrapper);
}

/* It leads to this library, and takes any option: tests have chosen them. */
Datum
dbsync_file_test_validator(PG_FUNCTION_ARGS)
{
	PG_RETURN_VOID();
}
