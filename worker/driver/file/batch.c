/*-------------------------------------------------------------------------
 *
 * worker/driver/file/batch.c
 *	  File driver: a batch, from its beginning to the link that commits it.
 *
 * What a crash leaves behind:
 *
 *	while a file is written, or put on disk		files in tmp, which go when the ledger is read
 *	between the links of a batch's files		files in keep behind the last that completes a batch: they go
 *												then, too, and nobody has seen them
 *	between the state and the last link			a state ahead of the newest file: it goes then, or a later
 *												batch of that number would make it true
 *	after the last link							the batch; its files get their names in out then
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "utils/timestamp.h"

#include "worker/bundle/folder.h"
#include "worker/driver/file/internal.h"

static bool
refuse_moved(FileTarget *target, const char *detail)
{
	return dbsync_file_refuse(target, DBSYNC_FAULT_LEDGER_MOVED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
							  "another worker has moved the ledger of this subscription", detail, NULL);
}

static bool
begin(FileTarget *target, const DbsyncLedger *ledger, const char *origin)
{
	MemoryContext context;
	MemoryContext old;
	FileBatch  *batch;

	if (target->keep == NULL || !target->found || memcmp(&ledger->subscription, &target->subscription, UUID_LEN) != 0 ||
		ledger->batch != target->ledger.batch + 1)
		return refuse_moved(target, NULL);
	context = AllocSetContextCreate(target->base.context, "dbsync file batch", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	batch = palloc0(sizeof(FileBatch));
	batch->context = context;
	dbsync_file_copy_ledger(&batch->ledger, ledger);
	batch->route = origin ? pstrdup(origin) : NULL;
	batch->time = GetCurrentTimestamp();
	MemoryContextSwitchTo(old);
	target->batch = batch;
	dbsync_file_types_tell(target);
	return true;
}

bool
dbsync_file_begin(DbsyncTarget *base, const DbsyncLedger *ledger, const char *origin, int64 expected_rows, int flags)
{
	FileTarget *target = (FileTarget *) base;

	DBSYNC_FILE_GUARDED(target, begin(target, ledger, origin));
}

/* Where the batch comes to, as the ledger knows from now on. */
static void
pass(FileTarget *target, const FileName *newest)
{
	FileBatch  *batch = target->batch;
	MemoryContext old = MemoryContextSwitchTo(target->base.context);

	dbsync_file_free_ledger(&target->ledger);
	dbsync_file_copy_ledger(&target->ledger, &batch->ledger);
	MemoryContextSwitchTo(old);
	target->newest = *newest;
	target->newest_part = batch->part;
	target->written = batch->time;
	strlcpy(target->sums, batch->sums, DBSYNC_BUNDLE_HEX);
	target->batch = NULL;
	MemoryContextDelete(batch->context);
}

/*
 * Is what we go on from the newest still?  That stays, so one that has gone was removed behind others, by somebody
 * who has come further: his files may be none that a link would meet.
 */
static bool
is_behind_newest(FileTarget *target)
{
	const char *path = dbsync_file_keep_path(target, &target->newest, target->newest.number > 0 ? ".tar" : ".state");

	if (access(path, F_OK) == 0 || errno != ENOENT)
		return true;
	return refuse_moved(target, psprintf("There is no file \"%s\" any more.", path));
}

static bool
write_state(FileTarget *target, const FileName *name)
{
	return dbsync_file_state_write(target, name, target->batch->sums, NULL, target->parts) ||
		refuse_moved(target, psprintf("There is a file \"%s\", which is not of this one.",
									  dbsync_file_keep_path(target, name, ".state")));
}

/* Each under its name, in their order; never over another one. */
static bool
link_all(FileTarget *target, FileName *name)
{
	ListCell   *lc;

	foreach(lc, target->batch->finished)
	{
		const char *path;

		name->number++;
		path = dbsync_file_keep_path(target, name, ".tar");
		if (!dbsync_folder_link(lfirst(lc), path))
			return refuse_moved(target, psprintf("There is a file \"%s\", which is not of this one.", path));
	}
	return true;
}

static bool
commit(FileTarget *target)
{
	FileBatch  *batch = target->batch;
	FileName	name = target->newest;
	FileName	last = target->newest;
	ListCell   *lc;

	dbsync_file_writing_finish(target, true);
	last.number += list_length(batch->finished);
	if (!is_behind_newest(target) || (batch->parts_changed && !write_state(target, &last)))
		return false;
	if (!link_all(target, &name))
	{
		/* or it would be taken for that of the file that was there; another one's stays, who may need it */
		if (batch->parts_changed && dbsync_file_state_is_of(target, &last, batch->sums))
			dbsync_folder_remove(dbsync_file_keep_path(target, &last, ".state"));
		return false;
	}
	/* it was ahead for a moment: somebody without the lock may have cleared it away */
	if (batch->parts_changed && !dbsync_file_state_is_of(target, &last, batch->sums))
	{
		dbsync_folder_remove(dbsync_file_keep_path(target, &last, ".state"));
		if (!write_state(target, &last))
			return false;
	}
	/* if they come back after a crash, they go when the ledger is read */
	foreach(lc, batch->finished)
		(void) unlink(lfirst(lc));
	pass(target, &last);
	dbsync_file_publish_newest(target);
	return true;
}

bool
dbsync_file_commit(DbsyncTarget *base)
{
	FileTarget *target = (FileTarget *) base;

	DBSYNC_FILE_GUARDED(target, commit(target));
}
