/*-------------------------------------------------------------------------
 *
 * worker/driver/file/ledger.c
 *	  File driver: a subscription's ledger, made and forgotten, and what a batch changes of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "miscadmin.h"
#include "utils/builtins.h"

#include "worker/bundle/folder.h"
#include "worker/driver/file/internal.h"

/* --- made and forgotten --- */

/* Of the chains before. */
static List *
older(const FileTarget *target, int64 chain, const char *suffix)
{
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, dbsync_file_list(target, suffix))
	{
		if (((FileName *) lfirst(lc))->chain < chain)
			names = lappend(names, lfirst(lc));
	}
	return names;
}

static void
unlink_all(const FileTarget *target, List *names, const char *suffix)
{
	ListCell   *lc;

	foreach(lc, names)
	{
		CHECK_FOR_INTERRUPTS();
		(void) dbsync_folder_unlink(dbsync_file_keep_path(target, lfirst(lc), suffix));
	}
}

/* All of the chains before: receivers go to the new one, and what lies in out nobody plays any more. */
static void
remove_older(FileTarget *target, int64 chain)
{
	dbsync_file_remove_bundles(target, older(target, chain, ".tar"));
	unlink_all(target, older(target, chain, ".state"), ".state");
	dbsync_folder_sync(target->keep);
}

static bool
refuse_begun(FileTarget *target, const DbsyncLedger *ledger, int64 there)
{
	return dbsync_file_refuse(target, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_UNIQUE_VIOLATION,
							  "the subscription has a position in the ledger already",
							  psprintf("\"%s\" has bundles of chain " INT64_FORMAT ".", target->keep, there),
							  psprintf("Begin a higher one: SELECT dbsync.restart_chain(%s, " INT64_FORMAT ").",
									   quote_literal_cstr(ledger->subscription_name), there + 1));
}

static bool
create_ledger(FileTarget *target, const DbsyncLedger *ledger)
{
	int64		chain = ledger->chain;
	int64		there;
	MemoryContext old;

	if (!dbsync_file_take_folder(target, &ledger->subscription))
		return false;
	there = dbsync_file_highest_chain(target);
	if (there >= chain)
		return refuse_begun(target, ledger, there);
	old = MemoryContextSwitchTo(target->base.context);
	dbsync_file_copy_ledger(&target->ledger, ledger);
	target->ledger.chain = chain;
	target->parts = NIL;
	target->sums[0] = '\0';
	target->newest.chain = chain;
	target->newest.number = 0;
	target->newest_part = 0;
	MemoryContextSwitchTo(old);
	if (!dbsync_file_state_write(target, &target->newest, "-", &target->ledger, NIL))
		return refuse_begun(target, ledger, chain);
	target->found = true;
	remove_older(target, chain);
	return true;
}

bool
dbsync_file_ledger_create(DbsyncTarget *base, const DbsyncLedger *ledger)
{
	FileTarget *target = (FileTarget *) base;

	DBSYNC_FILE_GUARDED(target, create_ledger(target, ledger));
}

/* All that is in a folder, and the folder. */
static void
remove_folder(const char *folder)
{
	ListCell   *lc;

	foreach(lc, dbsync_folder_list(folder))
		(void) unlink(psprintf("%s/%s", folder, (char *) lfirst(lc)));
	if (rmdir(folder) != 0 && errno != ENOENT)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not remove folder \"%s\": %m", folder)));
}

/*
 * What is in out of its newest chain stays: it is somebody else's to take.  Nothing else of the subscription does, for anybody to
 * clear away.
 */
static bool
forget(FileTarget *target, const pg_uuid_t *subscription)
{
	if (!dbsync_file_take_folder(target, subscription))
		return false;
	dbsync_file_clear_tmp(target);
	/* whoever began the newest chain may have died before that */
	remove_older(target, dbsync_file_highest_chain(target));
	/* the ledger first: what is left by a crash behind that is nothing to go on from */
	unlink_all(target, older(target, PG_INT64_MAX, ".tar"), ".tar");
	unlink_all(target, older(target, PG_INT64_MAX, ".state"), ".state");
	dbsync_folder_sync(target->keep);
	target->found = false;
	remove_folder(dbsync_file_by_hand_folder(target));
	remove_folder(dbsync_file_tmp_folder(target));
	remove_folder(target->keep);
	/* whoever asks for its ledger again has the folder made anew */
	target->keep = NULL;
	return true;
}

bool
dbsync_file_ledger_forget(DbsyncTarget *base, const pg_uuid_t *subscription)
{
	FileTarget *target = (FileTarget *) base;

	DBSYNC_FILE_GUARDED(target, forget(target, subscription));
}

/* --- in a batch --- */

bool
dbsync_file_ledger_move(DbsyncTarget *base, const DbsyncLedger *ledger)
{
	FileBatch  *batch = ((FileTarget *) base)->batch;
	MemoryContext old = MemoryContextSwitchTo(batch->context);

	dbsync_file_copy_ledger(&batch->ledger, ledger);
	MemoryContextSwitchTo(old);
	return true;
}

static void
forget_part(FileTarget *target, const pg_uuid_t *attachment)
{
	ListCell   *lc;

	foreach(lc, target->parts)
	{
		DbsyncLedgerPart *part = lfirst(lc);

		if (memcmp(&part->attachment, attachment, UUID_LEN) == 0)
		{
			target->parts = foreach_delete_current(target->parts, lc);
			dbsync_file_free_part(part);
			return;
		}
	}
}

/* If the batch fails, all that is known here goes with the connection. */
bool
dbsync_file_ledger_write_parts(DbsyncTarget *base, const pg_uuid_t *subscription, List *parts)
{
	FileTarget *target = (FileTarget *) base;
	MemoryContext old;
	ListCell   *lc;

	foreach(lc, parts)
	{
		const DbsyncLedgerPart *part = lfirst(lc);

		forget_part(target, &part->attachment);
		old = MemoryContextSwitchTo(base->context);
		target->parts = lappend(target->parts, dbsync_file_copy_part(part));
		MemoryContextSwitchTo(target->batch->context);
		target->batch->changed = lappend(target->batch->changed, dbsync_file_copy_part(part));
		MemoryContextSwitchTo(old);
	}
	target->batch->parts_changed = true;
	return true;
}

bool
dbsync_file_ledger_forget_parts(DbsyncTarget *base, List *attachments)
{
	FileTarget *target = (FileTarget *) base;
	ListCell   *lc;

	foreach(lc, attachments)
		forget_part(target, &((DbsyncLedgerPart *) lfirst(lc))->attachment);
	target->batch->parts_changed = true;
	return true;
}
