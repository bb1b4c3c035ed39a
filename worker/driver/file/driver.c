/*-------------------------------------------------------------------------
 *
 * worker/driver/file/driver.c
 *	  File driver: opening and closing, and what it can do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "utils/memutils.h"

#include "worker/driver/file/driver.h"
#include "worker/driver/file/internal.h"
#include "worker/driver/file/options.h"

/* of the form of bundles that it writes */
#define FILE_VERSION	1

static bool
open_root(FileTarget *target, const DbsyncTargetConfig *config)
{
	MemoryContext old = MemoryContextSwitchTo(target->base.context);
	DbsyncTargetIdentity *identity = &target->base.identity;
	bool		opened;

	/* the config's options are not ours to keep */
	dbsync_file_options_read(copyObject(config->options), &target->options);
	opened = dbsync_file_root_open(target);
	if (opened)
	{
		identity->version = FILE_VERSION;
		identity->version_text = psprintf("bundles of format %d in \"%s\"", DBSYNC_BUNDLE_FORMAT, target->options.root);
		identity->properties =
			list_make2(makeDefElem("root", (Node *) makeString(pstrdup(target->options.root)), -1),
					   makeDefElem(DBSYNC_FILE_PUBLIC_KEY, (Node *) makeString(dbsync_sign_public_pem(target->signer)), -1));
	}
	MemoryContextSwitchTo(old);
	return opened;
}

static bool
open_guarded(FileTarget *target, const DbsyncTargetConfig *config)
{
	DBSYNC_FILE_GUARDED(target, open_root(target, config));
}

static DbsyncTarget *
file_open(const DbsyncTargetConfig *config, bool *ok)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dbsync file target", ALLOCSET_DEFAULT_SIZES);
	FileTarget *target = MemoryContextAllocZero(context, sizeof(FileTarget));

	target->base.context = context;
	target->name = MemoryContextStrdup(context, config->name);
	*ok = open_guarded(target, config);
	return &target->base;
}

/* Files, keys and the lock go with the context. */
static void
file_close(DbsyncTarget *base)
{
	MemoryContextDelete(base->context);
}

/* Nothing is sent before the end. */
static bool
hurry(DbsyncTarget *base)
{
	return true;
}

/* What is committed is on disk. */
static bool
confirm(DbsyncTarget *base, const pg_uuid_t *subscription)
{
	return true;
}

static bool
takes_unchanged(const DbsyncTargetTable *table)
{
	return !table->whole_rows;
}

/* Rows of tables without a key: nobody knows here. */
static int64
missing(DbsyncTargetTable *table)
{
	return 0;
}

static const char *const schemes[] = {"file", NULL};

static const DbsyncAddress address = {
	.schemes = schemes,
	.example = "file:///path?option=value&option=value",
	.path = "root",
	.path_is_whole = true,
};

const DbsyncDriver dbsync_file_driver = {
	.version = DBSYNC_DRIVER_VERSION,
	.name = "dbsync_file",
	.features = DBSYNC_FEATURE_LEDGER | DBSYNC_FEATURE_READ_BACK | DBSYNC_FEATURE_PATCH | DBSYNC_FEATURE_CHANGE |
	DBSYNC_FEATURE_COUNT | DBSYNC_FEATURE_SEQUENCES | DBSYNC_FEATURE_CLEAR | DBSYNC_FEATURE_FILES,
	.dialect = DBSYNC_DIALECT_POSTGRES,
	.open = file_open,
	.close = file_close,
	.table_open = dbsync_file_table_open,
	.begin = dbsync_file_begin,
	.truncate = dbsync_file_truncate,
	.rows_begin = dbsync_file_rows_begin,
	.rows_put = dbsync_file_rows_put,
	.rows_end = dbsync_file_rows_end,
	.hurry = hurry,
	.commit = dbsync_file_commit,
	.ledger_read = dbsync_file_ledger_read,
	.ledger_read_parts = dbsync_file_ledger_read_parts,
	.ledger_create = dbsync_file_ledger_create,
	.ledger_forget = dbsync_file_ledger_forget,
	.ledger_move = dbsync_file_ledger_move,
	.ledger_write_parts = dbsync_file_ledger_write_parts,
	.ledger_forget_parts = dbsync_file_ledger_forget_parts,
	.confirm = confirm,
	.table_has_rows = dbsync_file_table_has_rows,
	.table_takes_unchanged = takes_unchanged,
	.table_change = dbsync_file_table_change,
	.types_follow = dbsync_file_types_follow,
	.table_lacks = dbsync_file_table_lacks,
	.table_missing = missing,
	.sequences_advance = dbsync_file_sequences_advance,
	.rows_clear = dbsync_file_rows_clear,
	.upkeep = dbsync_file_upkeep,
	.options = dbsync_file_options,
	.parse_uri = dbsync_file_parse_uri,
	.address = &address,
	.tables_close = dbsync_file_tables_close,
	.table_forms = dbsync_file_table_forms,
	.delete_where = dbsync_file_delete_where,
};
