/*-------------------------------------------------------------------------
 *
 * worker/driver/file/upkeep.c
 *	  File driver: between batches: receipts, what is published again, what is not kept any more, silence.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "extension/settings.h"
#include "worker/bundle/folder.h"
#include "worker/driver/file/receipts.h"

/* ms between two looks at receipts */
#define RECEIPTS_PAUSE	1000

/* Of a time that has come. */
static bool
has_passed(TimestampTz since, int64 ms)
{
	return GetCurrentTimestamp() - since >= ms * 1000;
}

/* --- what is kept --- */

/* a bundle's names in out: more than one, where the subscription or the suffix was called otherwise before */
typedef struct OutNames
{
	FileName	name;			/* first: the key */
	List	   *paths;			/* of char * */
} OutNames;

/* Of which bundle of the subscription a file in out is, by its name; false: of none. */
static bool
is_named_for(const FileTarget *target, const char *file, FileName *name)
{
	char	   *tag = psprintf("-%.8s-", dbsync_file_uuid(&target->subscription));
	long long	chain;
	long long	number;

	for (const char *at = strstr(file, tag); at != NULL; at = strstr(at + 1, tag))
	{
		if (sscanf(at + strlen(tag), "%lld-%lld", &chain, &number) != 2)
			continue;
		memset(name, 0, sizeof(FileName));
		name->chain = chain;
		name->number = number;
		return true;
	}
	return false;
}

/* All that are in out: looked at once, and not for each that is removed. */
static HTAB *
names_in_out(const FileTarget *target)
{
	char	   *folder = psprintf("%s/out", target->options.root);
	HASHCTL		control = {0};
	HTAB	   *names;
	ListCell   *lc;

	control.keysize = sizeof(FileName);
	control.entrysize = sizeof(OutNames);
	control.hcxt = CurrentMemoryContext;
	names = hash_create("dbsync names in out", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	foreach(lc, dbsync_folder_list(folder))
	{
		const char *file = lfirst(lc);
		FileName	name;
		OutNames   *entry;
		bool		found;

		if (!is_named_for(target, file, &name))
			continue;
		entry = hash_search(names, &name, HASH_ENTER, &found);
		if (!found)
			entry->paths = NIL;
		entry->paths = lappend(entry->paths, psprintf("%s/%s", folder, file));
	}
	return names;
}

/* All names of it, or it frees nothing. */
static void
remove_bundle(FileTarget *target, const FileName *name, HTAB *in_out)
{
	char	   *path = dbsync_file_keep_path(target, name, ".tar");
	OutNames   *out = hash_search(in_out, name, HASH_FIND, NULL);
	struct stat of_path;
	struct stat of_out;
	ListCell   *lc;

	foreach(lc, out ? out->paths : NIL)
	{
		const char *other = lfirst(lc);

		/* one on another disk is a copy */
		if (lstat(path, &of_path) == 0 && lstat(other, &of_out) == 0 && S_ISREG(of_out.st_mode) &&
			(of_path.st_dev != of_out.st_dev || of_path.st_ino == of_out.st_ino) && unlink(other) != 0 && errno != ENOENT)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not remove file \"%s\": %m", other)));
	}
	(void) dbsync_folder_unlink(path);
}

void
dbsync_file_remove_bundles(FileTarget *target, List *names)
{
	HTAB	   *in_out = names != NIL ? names_in_out(target) : NULL;
	ListCell   *lc;

	foreach(lc, names)
	{
		CHECK_FOR_INTERRUPTS();
		remove_bundle(target, lfirst(lc), in_out);
	}
}

static int64
total_size(FileTarget *target, List *names)
{
	int64		total = 0;
	struct stat status;
	ListCell   *lc;

	foreach(lc, names)
	{
		if (stat(dbsync_file_keep_path(target, lfirst(lc), ".tar"), &status) == 0)
			total += status.st_size;
	}
	return total;
}

/* Has everybody got it, as far as can be known? */
static bool
is_done_with(const FileTarget *target, const FileReceipts *receipts, const FileName *name, const struct stat *status)
{
	if (target->options.receivers != NIL)
		return name->chain < target->newest.chain || name->number <= dbsync_file_receipts_applied(target, receipts);
	return has_passed(dbsync_file_kept_since(target, name, status), target->options.keep_for);
}

/* The newest batch stays, as it is the ledger. */
static bool
is_of_newest(const FileTarget *target, const FileName *name)
{
	return name->chain == target->newest.chain && name->number > target->newest.number - target->newest_part;
}

static void
prune_bundles(FileTarget *target, const FileReceipts *receipts)
{
	List	   *names = dbsync_file_list(target, ".tar");
	int64		limit = target->options.keep_size;
	int64		size = limit > 0 ? total_size(target, names) : 0;
	HTAB	   *in_out = NULL;
	ListCell   *lc;

	foreach(lc, names)
	{
		const FileName *name = lfirst(lc);
		struct stat status;
		bool		done;

		CHECK_FOR_INTERRUPTS();
		if (is_of_newest(target, name) || stat(dbsync_file_keep_path(target, name, ".tar"), &status) != 0)
			break;
		done = is_done_with(target, receipts, name, &status);
		if (!done && size <= limit)
			break;
		if (!done)
			ereport(WARNING,
					(errmsg("bundle " INT64_FORMAT " of subscription \"%s\" is removed before all have it",
							name->number, target->ledger.subscription_name),
					 errdetail("Kept bundles have more than keep_size.")));
		if (in_out == NULL)
			in_out = names_in_out(target);
		remove_bundle(target, name, in_out);
		size -= status.st_size;
	}
	/* once for all: a receiver that was away may acknowledge a day's */
	if (in_out != NULL)
		dbsync_folder_sync(target->keep);
}

/* All but the newest. */
static void
prune_states(FileTarget *target)
{
	List	   *names = dbsync_file_list(target, ".state");

	for (int i = 0; i < list_length(names) - 1; i++)
		(void) dbsync_folder_unlink(dbsync_file_keep_path(target, list_nth(names, i), ".state"));
	if (list_length(names) > 1)
		dbsync_folder_sync(target->keep);
}

/* --- no way back --- */

/* When that was looked at last, by whoever ran then; 0: never. */
static TimestampTz
last_look(const char *mark)
{
	size_t		length;
	char	   *said = dbsync_folder_read(mark, 64, &length);

	return said ? (TimestampTz) strtoll(said, NULL, 10) : 0;
}

/*
 * Each is published "repeats" times more, resend_after apart: what became due since the last look.  When that began is
 * in a file, so that none is left out while nobody runs, or while many are published.
 */
static void
repeat(FileTarget *target)
{
	char	   *mark = psprintf("%s/repeated", target->keep);
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz last;
	struct stat status;
	char	   *said;
	List	   *keys = NIL;
	ListCell   *lc;

	if (target->options.repeats == 0 || target->options.receivers != NIL)
		return;
	last = last_look(mark);
	/* the clock was put back: what was due meanwhile goes once more */
	if (last > now)
		last = 0;
	foreach(lc, dbsync_file_list(target, ".tar"))
	{
		const FileName *name = lfirst(lc);
		TimestampTz written;
		int64		times;

		if (name->chain < target->newest.chain || stat(dbsync_file_keep_path(target, name, ".tar"), &status) != 0)
			continue;
		written = dbsync_file_kept_since(target, name, &status);
		times = Min((now - written) / (target->options.resend_after * 1000), target->options.repeats);
		if (times > 0 && written + times * target->options.resend_after * 1000 > last &&
			dbsync_file_proves_itself(target, name, &keys))
			dbsync_file_publish(target, name);
	}
	said = psprintf(INT64_FORMAT, now);
	dbsync_folder_write(dbsync_file_tmp_folder(target), mark, said, strlen(said), 0600);
}

/*
 * When the chain was begun: it is called by the second.  One of a second that has not come was named by somebody, or begun by a clock that was put
 * back: then a file says since when it is there.
 */
static TimestampTz
chain_begun(FileTarget *target)
{
	char	   *mark = psprintf("%s/begun", target->keep);
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz begun = time_t_to_timestamptz((pg_time_t) target->newest.chain);
	size_t		length;
	char	   *said;
	long long	chain;
	long long	since;

	if (begun <= now)
		return begun;
	said = dbsync_folder_read(mark, 64, &length);
	if (said != NULL && sscanf(said, "%lld %lld", &chain, &since) == 2 && chain == target->newest.chain && since <= now)
		return since;
	said = psprintf(INT64_FORMAT " " INT64_FORMAT, target->newest.chain, now);
	dbsync_folder_write(dbsync_file_tmp_folder(target), mark, said, strlen(said), 0600);
	return now;
}

/* --- all of it --- */

static void
see_to_receipts(FileTarget *target, FileReceipts *receipts)
{
	dbsync_file_receipts_take(target, receipts);
	if (dbsync_file_resend(target, receipts))
		dbsync_file_receipts_write(target, receipts);
}

static bool
see_to(FileTarget *target, long *pause, int *wants)
{
	const FileOptions *options = &target->options;
	FileReceipts *receipts;

	if (!target->found)
		return true;
	receipts = dbsync_file_receipts_read(target);
	see_to_receipts(target, receipts);
	dbsync_file_tell_lack(target, receipts);
	if (dbsync_file_is_due(target->pruned, Min(dbsync_retention_interval, options->resend_after)))
	{
		repeat(target);
		prune_bundles(target, receipts);
		prune_states(target);
		target->pruned = GetCurrentTimestamp();
	}
	*pause = Min(RECEIPTS_PAUSE, options->resend_after);
	if (options->heartbeat > 0)
		*pause = Min(*pause, options->heartbeat);
	if (options->full_every > 0 && has_passed(chain_begun(target), options->full_every))
		*wants |= DBSYNC_UPKEEP_RESTART;
	/* another chain may be put off */
	if (options->heartbeat > 0 && target->newest.number > 0 && dbsync_file_is_due(target->written, options->heartbeat))
		*wants |= DBSYNC_UPKEEP_POSITION;
	return true;
}

static bool
see_to_in_scratch(FileTarget *target, long *pause, int *wants)
{
	MemoryContext scratch = AllocSetContextCreate(target->base.context, "dbsync file upkeep", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);

	(void) see_to(target, pause, wants);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	return true;
}

bool
dbsync_file_upkeep(DbsyncTarget *base, long *pause, int *wants)
{
	FileTarget *target = (FileTarget *) base;

	DBSYNC_FILE_GUARDED(target, see_to_in_scratch(target, pause, wants));
}
