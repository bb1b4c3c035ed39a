/*-------------------------------------------------------------------------
 *
 * worker/driver/file/ledger_read.c
 *	  File driver: the newest kept bundle is the ledger: reading it.
 *
 * It is believed when it has been proved and is on disk: an fsync that failed behind the link may
 * have left a file that goes with the next crash, and segments are emptied on its word.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "worker/bundle/folder.h"
#include "worker/bundle/reader.h"
#include "worker/driver/file/internal.h"

/* before somebody else's lock is taken for one that stays */
#define LOCK_TRIES		50
#define LOCK_PAUSE		100		/* ms */

/* Who has had it may be about to end. */
static bool
try_lock(const char *path)
{
	for (int i = 0; i < LOCK_TRIES; i++)
	{
		if (dbsync_folder_lock(path))
			return true;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOCK_PAUSE, PG_WAIT_EXTENSION);
		/* whoever sets it looks again when we are through */
		CHECK_FOR_INTERRUPTS();
		if (MyLatch->is_set)
			pg_usleep(LOCK_PAUSE * 1000L);
	}
	return false;
}

/* The subscription's folder is ours alone, until the target is closed. */
bool
dbsync_file_take_folder(FileTarget *target, const pg_uuid_t *subscription)
{
	MemoryContext old = MemoryContextSwitchTo(target->base.context);
	bool		locked;

	if (target->keep != NULL)
	{
		bool		same = memcmp(&target->subscription, subscription, UUID_LEN) == 0;

		MemoryContextSwitchTo(old);
		if (!same)
			elog(ERROR, "a file target is asked for the ledgers of two subscriptions");
		return true;
	}
	target->subscription = *subscription;
	target->keep = psprintf("%s/keep/%s", target->options.root, dbsync_file_uuid(subscription));
	dbsync_folder_make(target->keep, 0700);
	dbsync_folder_make(dbsync_file_tmp_folder(target), 0700);
	locked = try_lock(psprintf("%s/lock", target->keep));
	MemoryContextSwitchTo(old);
	if (!locked)
		return dbsync_file_refuse(target, DBSYNC_FAULT_LOCKED, ERRCODE_LOCK_NOT_AVAILABLE,
								  psprintf("another process writes to \"%s\"", target->keep), NULL,
								  "One server at a time may write there. If this one was copied, give the copy a root of its own.");
	return true;
}

/* Of batches that were never committed. */
void
dbsync_file_clear_tmp(const FileTarget *target)
{
	char	   *tmp = dbsync_file_tmp_folder(target);
	ListCell   *lc;

	foreach(lc, dbsync_folder_list(tmp))
		dbsync_folder_remove(psprintf("%s/%s", tmp, (char *) lfirst(lc)));
}

/* The last of the list that does not lie behind this one; NULL: none does. */
static FileName *
last_up_to(const List *names, const FileName *limit)
{
	FileName   *found = NULL;
	ListCell   *lc;

	foreach(lc, names)
	{
		FileName   *name = lfirst(lc);

		if (dbsync_file_compare(name, limit) <= 0 && name->chain == limit->chain)
			found = name;
	}
	return found;
}

static void
sync_file(const char *path)
{
	int			fd = OpenTransientFile(path, O_RDWR | PG_BINARY);

	if (fd < 0 || pg_fsync(fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not fsync file \"%s\": %m", path)));
	(void) CloseTransientFile(fd);
}

static DbsyncBundleReader *
open_kept(FileTarget *target, const char *path)
{
	DbsyncBundleVerdict verdict;
	const char *reason = NULL;
	DbsyncBundleReader *reader = dbsync_bundle_open(path, dbsync_file_own_keys(target), &verdict, &reason);

	if (reader == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("kept bundle \"%s\" does not prove itself", path),
				 errdetail("%s", reason ? reason : "It is damaged."),
				 errhint("It says how far the subscription has come. Put it back as it was, or begin anew: dbsync.restart_chain().")));
	return reader;
}

/* What the newest says, if it completes its batch; false: it was left by one that was never committed, and goes. */
static bool
read_newest(FileTarget *target, const FileName *name)
{
	char	   *path = dbsync_file_keep_path(target, name, ".tar");
	DbsyncBundleReader *reader;
	const DbsyncBundleHead *head;
	bool		last;

	sync_file(path);
	reader = open_kept(target, path);
	head = dbsync_bundle_head(reader);
	last = head->last;
	if (head->chain != name->chain || head->number != name->number ||
		memcmp(&head->subscription, &target->subscription, UUID_LEN) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("kept bundle \"%s\" is another one than its name says", path),
				 errdetail("It is number " INT64_FORMAT " of chain " INT64_FORMAT " of subscription %s.",
						   head->number, head->chain, dbsync_file_uuid(&head->subscription)),
				 errhint("Does somebody else write to this folder?")));
	if (last && head->position == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("kept bundle \"%s\" has no position", path)));
	if (last)
	{
		MemoryContext old = MemoryContextSwitchTo(target->base.context);

		dbsync_file_copy_ledger(&target->ledger, head->position);
		target->ledger.subscription = head->subscription;
		target->ledger.subscription_name = pstrdup(head->subscription_name);
		target->ledger.system_identifier = head->system_identifier;
		target->ledger.database_oid = head->database_oid;
		target->ledger.batch = head->batch;
		target->newest_part = head->part;
		target->written = head->time;
		strlcpy(target->sums, dbsync_file_hex(dbsync_bundle_sums(reader)), DBSYNC_BUNDLE_HEX);
		MemoryContextSwitchTo(old);
	}
	dbsync_bundle_close(reader);
	if (!last)
		dbsync_folder_remove(path);
	return last;
}

/* Is it of the bundle that is there?  One that has been pruned is taken on trust. */
static void
check_state(FileTarget *target, const FileName *name, const char *sums)
{
	char	   *path = dbsync_file_keep_path(target, name, ".tar");
	struct stat st;
	DbsyncBundleReader *reader;
	bool		same;

	if (name->number == 0)
		return;
	if (name->number == target->newest.number)
		same = strcmp(sums, target->sums) == 0;
	else if (stat(path, &st) != 0)
		return;
	else
	{
		reader = open_kept(target, path);
		same = strcmp(sums, dbsync_file_hex(dbsync_bundle_sums(reader))) == 0;
		dbsync_bundle_close(reader);
	}
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" does not belong to the bundle of its number",
						dbsync_file_keep_path(target, name, ".state")),
				 errhint("Put both back as they were, or begin anew: dbsync.restart_chain().")));
}

/* The newest state that is not ahead; those that are go first. */
static void
read_state(FileTarget *target)
{
	List	   *states = dbsync_file_list(target, ".state");
	FileName   *name;
	DbsyncLedger position;
	List	   *parts;
	char		sums[DBSYNC_BUNDLE_HEX];
	MemoryContext old;
	ListCell   *lc;

	foreach(lc, states)
	{
		if (dbsync_file_compare(lfirst(lc), &target->newest) > 0)
			dbsync_folder_remove(dbsync_file_keep_path(target, lfirst(lc), ".state"));
	}
	name = last_up_to(states, &target->newest);
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("folder \"%s\" has bundles, and no file that says how far first copies are", target->keep),
				 errhint("Put it back as it was, or begin anew: dbsync.restart_chain().")));
	(void) dbsync_file_state_read(target, name, sums, &position, &parts);
	old = MemoryContextSwitchTo(target->base.context);
	/* each by itself, as they go one by one */
	target->parts = NIL;
	foreach(lc, parts)
		target->parts = lappend(target->parts, dbsync_file_copy_part(lfirst(lc)));
	if (target->newest.number == 0)
	{
		position.subscription = target->subscription;
		dbsync_file_copy_ledger(&target->ledger, &position);
		target->sums[0] = '\0';
	}
	MemoryContextSwitchTo(old);
	check_state(target, name, sums);
}

/* The highest chain that anything is of; 0: there is none. */
int64
dbsync_file_highest_chain(const FileTarget *target)
{
	List	   *bundles = dbsync_file_list(target, ".tar");
	List	   *states = dbsync_file_list(target, ".state");
	int64		bundle = bundles ? ((FileName *) llast(bundles))->chain : 0;
	int64		state = states ? ((FileName *) llast(states))->chain : 0;

	return Max(bundle, state);
}

/* How far it has come, in this chain at least; target->found. */
static void
find_newest(FileTarget *target, int64 least)
{
	List	   *bundles = dbsync_file_list(target, ".tar");
	int64		chain = dbsync_file_highest_chain(target);

	target->found = chain > 0 && chain >= least;
	if (!target->found)
		return;
	target->newest.chain = chain;
	target->newest.number = 0;
	target->newest_part = 0;
	while (bundles != NIL)
	{
		FileName   *name = llast(bundles);

		if (name->chain < chain)
			break;
		if (read_newest(target, name))
		{
			target->newest = *name;
			break;
		}
		bundles = list_delete_last(bundles);
	}
	dbsync_folder_sync(target->keep);
	read_state(target);
	target->ledger.chain = chain;
}

static bool
read_ledger(FileTarget *target, const pg_uuid_t *subscription, int64 least)
{
	if (!dbsync_file_take_folder(target, subscription))
		return false;
	dbsync_file_clear_tmp(target);
	find_newest(target, least);
	if (target->found)
		dbsync_file_publish_newest(target);
	return true;
}

static bool
read_ledger_guarded(FileTarget *target, const pg_uuid_t *subscription, int64 least)
{
	DBSYNC_FILE_GUARDED(target, read_ledger(target, subscription, least));
}

bool
dbsync_file_ledger_read(DbsyncTarget *base, const pg_uuid_t *subscription, DbsyncLedger *ledger, bool *found)
{
	FileTarget *target = (FileTarget *) base;
	int64		least = ledger->chain;
	MemoryContext old;

	memset(ledger, 0, sizeof(DbsyncLedger));
	ledger->subscription = *subscription;
	if (!read_ledger_guarded(target, subscription, least))
		return false;
	*found = target->found;
	if (*found)
	{
		old = MemoryContextSwitchTo(base->context);
		dbsync_file_copy_ledger(ledger, &target->ledger);
		MemoryContextSwitchTo(old);
	}
	return true;
}

bool
dbsync_file_ledger_read_parts(DbsyncTarget *base, const pg_uuid_t *subscription, List **parts)
{
	FileTarget *target = (FileTarget *) base;
	MemoryContext old = MemoryContextSwitchTo(base->context);
	ListCell   *lc;

	*parts = NIL;
	foreach(lc, target->parts)
		*parts = lappend(*parts, dbsync_file_copy_part(lfirst(lc)));
	MemoryContextSwitchTo(old);
	return true;
}
