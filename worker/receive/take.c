/*-------------------------------------------------------------------------
 *
 * worker/receive/take.c
 *	  From the inbox to the cache: files are copied, proved, and taken, refused, or left alone.
 *
 * Who can write to the inbox could change a file between the moment when it is proved and the one when it is read.  So it is copied
 * first, and only the copy is proved and read again.
 *
 * A file that is not right may be one that is still being written, in whatever order: some set the size first.  So nothing is
 * bad before it has stood still for a while.  And a name may be used again: a file is taken away from the inbox only if
 * it is the one that was copied.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/bundle/folder.h"
#include "worker/bundle/reader.h"
#include "worker/receive/cache.h"
#include "worker/receive/look.h"
#include "worker/receive/next.h"
#include "worker/receive/receiver_config.h"
#include "worker/receive/rejected.h"
#include "worker/receive/seen.h"
#include "worker/receive/take.h"
#include "worker/run/process.h"

/* whose bundles are there, while nobody has said whose are to come */
typedef struct Candidates
{
	int			n;				/* 2: several */
	pg_uuid_t	uuid;
} Candidates;

static int	copies = 0;			/* makes names of copies */

/* Take a file out of the inbox, if it is still the one that was copied. */
static void
remove_from_inbox(const DbsyncReceiver *receiver, DbsyncSeen *entry, const char *path, const struct stat *st)
{
	entry->found = DBSYNC_FOUND_DONE;
	if (!receiver->remove || !dbsync_look_is_same(path, st))
		return;
	if (unlink(path) != 0 && errno != ENOENT)
	{
		entry->found = DBSYNC_FOUND_LEAVING;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not remove file \"%s\": %m", path),
				 errhint("The server's account must be able to remove files of the inbox; or give the receiver the option remove 'false'.")));
	}
	dbsync_seen_remove(entry);
}

/* What it is, of those that can be taken: is it wanted? */
static DbsyncFoundAs
judge(const DbsyncReceiving *receiving, const DbsyncCached *bundle)
{
	const DbsyncPlace *place = &receiving->place;
	const DbsyncCached *there = dbsync_bundles_find(bundle->chain, bundle->number);
	bool		applied = bundle->chain == place->chain && bundle->number <= place->number;

	/* the catalog may know of more than the target has, if that was put back: nothing goes by its word */
	if (!receiving->place_known && (applied || bundle->chain < place->chain))
		return DBSYNC_FOUND_UNJUDGED;
	if (bundle->chain < place->chain)
		return dbsync_receiver_is_among(receiving->receiver->chains, receiving->receiver->nchains, bundle->chain) ? DBSYNC_FOUND_DONE : DBSYNC_FOUND_OLDER;
	if (applied && bundle->number == place->number && place->sums[0] != '\0' && strcmp(bundle->sums, place->sums) != 0)
		return DBSYNC_FOUND_FORK;
	if (there != NULL && dbsync_bundles_learn(receiving->receiver, (DbsyncCached *) there))
		return strcmp(there->sums, bundle->sums) == 0 ? DBSYNC_FOUND_DONE : DBSYNC_FOUND_FORK;
	return applied ? DBSYNC_FOUND_DONE : DBSYNC_FOUND_NEW;
}

/* It proves itself. */
static int
take_good(DbsyncReceiving *receiving, DbsyncSeen *entry, const char *path, const struct stat *st, const char *copy,
		  DbsyncBundleReader *reader, Candidates *candidates)
{
	const DbsyncReceiver *receiver = receiving->receiver;
	const DbsyncBundleHead *head = dbsync_bundle_head(reader);
	DbsyncCached bundle = dbsync_bundles_describe(reader, st->st_size);
	pg_uuid_t	subscription = head->subscription;

	if (receiver->knows_subscription && memcmp(&receiver->subscription, &subscription, sizeof(pg_uuid_t)) == 0)
		dbsync_bundles_are_called(receiving, head->subscription_name);
	dbsync_bundle_close(reader);
	if (!receiver->knows_subscription)
	{
		if (candidates->n == 0)
			candidates->uuid = subscription;
		if (candidates->n == 0 || memcmp(&candidates->uuid, &subscription, sizeof(pg_uuid_t)) != 0)
			candidates->n++;
		entry->found = DBSYNC_FOUND_NEW;
		unlink(copy);
		return 0;
	}
	if (memcmp(&receiver->subscription, &subscription, sizeof(pg_uuid_t)) != 0)
	{
		entry->found = DBSYNC_FOUND_FOREIGN;
		unlink(copy);
		return 0;
	}
	entry->found = judge(receiving, &bundle);
	entry->chain = bundle.chain;
	entry->number = bundle.number;
	if (entry->found != DBSYNC_FOUND_NEW)
	{
		unlink(copy);
		if (entry->found == DBSYNC_FOUND_DONE)
		{
			receiving->duplicates++;
			remove_from_inbox(receiver, entry, path, st);
		}
		return 0;
	}
	durable_rename(copy, dbsync_bundles_path(receiver, bundle.chain, bundle.number), ERROR);
	dbsync_bundles_add(&bundle);
	receiving->rejected_last = 0;
	receiving->inbox_made = false;
	remove_from_inbox(receiver, entry, path, st);
	return 1;
}

/* Of one that cannot be read all that is known is what its folder says; a lie is as good as a file that has not come. */
static bool
says_foreign(const DbsyncReceiver *receiver, const DbsyncLook *look)
{
	char	   *ours = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&receiver->subscription)));

	return receiver->knows_subscription && look->id[0] != '\0' && strncmp(look->id, ours, strlen(look->id)) != 0;
}

/* It never becomes a bundle.  "copy": of it; NULL: there is none, as it is larger than what is kept of all that are refused. */
static void
reject(DbsyncReceiving *receiving, DbsyncSeen *entry, const char *path, const struct stat *st, const char *copy)
{
	const DbsyncReceiver *receiver = receiving->receiver;

	ereport(LOG,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("receiver \"%s\" rejects file \"%s\"", receiver->name, path),
			 errdetail("%s", entry->reason)));
	if (copy != NULL && st->st_size > DBSYNC_REJECTED_BYTES)
	{
		(void) unlink(copy);
		copy = NULL;
	}
	dbsync_rejected_put(receiver, copy, entry->name,
						copy ? entry->reason : psprintf("%s; of its " INT64_FORMAT " bytes none are kept", entry->reason, (int64) st->st_size));
	receiving->rejected++;
	receiving->rejected_last++;
	remove_from_inbox(receiver, entry, path, st);
}

/* It does not: it may yet, or never will. */
static void
take_other(DbsyncReceiving *receiving, DbsyncSeen *entry, const char *path, const DbsyncLook *look, const char *copy,
		   DbsyncBundleVerdict verdict, const char *reason)
{
	const DbsyncReceiver *receiver = receiving->receiver;
	const struct stat *st = &look->st;

	strlcpy(entry->reason, reason ? reason : "", sizeof(entry->reason));
	entry->found = verdict == DBSYNC_BUNDLE_PARTIAL ? DBSYNC_FOUND_PARTIAL : verdict != DBSYNC_BUNDLE_TOO_NEW ? DBSYNC_FOUND_BAD
		: says_foreign(receiver, look) ? DBSYNC_FOUND_FOREIGN : DBSYNC_FOUND_TOO_NEW;
	entry->chain = entry->found == DBSYNC_FOUND_TOO_NEW ? look->chain : 0;
	if (entry->found != DBSYNC_FOUND_BAD || !dbsync_seen_stands_still(entry, receiver->settle_after))
	{
		unlink(copy);
		return;
	}
	reject(receiving, entry, path, st, copy);
}

/* The cache is full: only what the batch lacks that is being gathered may come. */
static bool
may_come(const DbsyncReceiving *receiving, const DbsyncLook *look)
{
	const DbsyncPlace *place = &receiving->place;
	int64		bytes;

	if (!receiving->receiver->knows_subscription)
		return true;
	(void) dbsync_bundles_waiting(place, &bytes);
	if (bytes < receiving->receiver->cache_size || look->number == 0)
		return true;
	if (look->chain > place->chain)
		return look->number == dbsync_bundles_first_gap(look->chain, 0);
	return look->chain == place->chain && look->number == dbsync_bundles_first_gap(place->chain, place->number);
}

/*
 * A file that is left there in any case, and whose folder says that it was played before the last one: it need not be proved again by each
 * process.  If that is a lie, it is as good as a file that has not come.
 */
static bool
is_passed_over(const DbsyncReceiving *receiving, const DbsyncLook *look)
{
	const DbsyncReceiver *receiver = receiving->receiver;
	const DbsyncPlace *place = &receiving->place;

	if (receiver->remove || !receiver->knows_subscription || look->chain <= 0 || look->number <= 0)
		return false;
	return look->chain == place->chain && look->number < place->number;
}

/* False: its headers do not lead to its end, and it waits for more, or is refused without a copy. */
static bool
is_to_be_copied(DbsyncReceiving *receiving, DbsyncSeen *entry, const char *path, const struct stat *st)
{
	DbsyncLookWay way = dbsync_look_way(path, st);

	if (way == DBSYNC_LOOK_TO_END)
		return true;
	entry->found = way == DBSYNC_LOOK_BEYOND ? DBSYNC_FOUND_PARTIAL : DBSYNC_FOUND_BAD;
	if (way == DBSYNC_LOOK_BEYOND)
		return false;
	strlcpy(entry->reason, "its headers do not lead to its end", sizeof(entry->reason));
	if (!dbsync_seen_stands_still(entry, receiving->receiver->settle_after))
		return false;
	if (st->st_size <= DBSYNC_REJECTED_BYTES)
		return true;
	reject(receiving, entry, path, st, NULL);
	return false;
}

/* Where the copy is of the file that is being looked at. */
static char *
copy_path(const DbsyncReceiver *receiver)
{
	return psprintf("%s/in-%d-%d", receiver->tmp, MyProcPid, copies);
}

static int
take_file(DbsyncReceiving *receiving, const char *name, Candidates *candidates)
{
	const DbsyncReceiver *receiver = receiving->receiver;
	char	   *path = psprintf("%s/%s", receiver->in, name);
	char	   *copy;
	DbsyncLook	look;
	DbsyncSeen	   *entry;
	DbsyncBundleReader *reader;
	DbsyncBundleVerdict verdict;
	const char *reason = NULL;

	if (strlen(name) > DBSYNC_SEEN_NAME || !dbsync_look(path, &look))
		return 0;
	entry = dbsync_seen_find(name, &look.st);
	if (!dbsync_seen_is_due(receiving, entry))
		return 0;
	if (entry->found == DBSYNC_FOUND_LEAVING)
	{
		remove_from_inbox(receiver, entry, path, &look.st);
		return 0;
	}
	if (!look.ours || !look.has_end)
	{
		entry->found = look.ours ? DBSYNC_FOUND_PARTIAL : DBSYNC_FOUND_NOT_OURS;
		return 0;
	}
	if (is_passed_over(receiving, &look))
	{
		entry->found = receiving->place_known ? DBSYNC_FOUND_DONE : DBSYNC_FOUND_UNJUDGED;
		entry->chain = look.chain;
		entry->number = look.number;
		return 0;
	}
	if (!may_come(receiving, &look))
		return 0;
	if (!is_to_be_copied(receiving, entry, path, &look.st))
		return 0;
	copies++;
	copy = copy_path(receiver);
	if (!dbsync_look_copy(path, &look.st, copy))
		return 0;
	reader = dbsync_bundle_open(copy, receiver->keys, &verdict, &reason);
	if (reader != NULL)
		return take_good(receiving, entry, path, &look.st, copy, reader, candidates);
	take_other(receiving, entry, path, &look, copy, verdict, reason);
	return 0;
}

static void
forget_trouble(DbsyncReceiving *receiving)
{
	if (receiving->trouble != NULL)
		FreeErrorData(receiving->trouble);
	receiving->trouble = NULL;
}

/*
 * What one file has raised (it cannot be read, or there is no room for it) is no reason not to take the others, nor not to
 * play what is here already: it is kept, and raised behind that.  The first of a round counts.
 */
static void
keep_trouble(DbsyncReceiving *receiving)
{
	MemoryContext old = MemoryContextSwitchTo(receiving->work->context);
	ErrorData  *trouble = CopyErrorData();

	FlushErrorState();
	/* files that were open outside of any transaction end with one */
	if (!IsTransactionState())
		StartTransactionCommand();
	AbortCurrentTransaction();
	(void) unlink(copy_path(receiving->receiver));
	if (receiving->trouble == NULL)
		receiving->trouble = trouble;
	else
		FreeErrorData(trouble);
	MemoryContextSwitchTo(old);
}

/* The same in its memory; an error is kept. */
static int
try_file(DbsyncReceiving *receiving, MemoryContext scratch, const char *name, Candidates *candidates)
{
	MemoryContext old = MemoryContextSwitchTo(scratch);
	volatile int taken = 0;

	PG_TRY();
	{
		taken = take_file(receiving, name, candidates);
	}
	PG_CATCH();
	{
		/* it was interrupted */
		if (dbsync_process_is_ending())
			PG_RE_THROW();
		MemoryContextSwitchTo(scratch);
		keep_trouble(receiving);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextReset(scratch);
	return taken;
}

static int
take_all(DbsyncReceiving *receiving, Candidates *candidates)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "dbsync file of the inbox", ALLOCSET_DEFAULT_SIZES);
	List	   *names = dbsync_folder_list(receiving->receiver->in);
	ListCell   *lc;
	int			taken = 0;

	foreach(lc, names)
	{
		CHECK_FOR_INTERRUPTS();
		taken += try_file(receiving, scratch, lfirst(lc), candidates);
	}
	list_free_deep(names);
	MemoryContextDelete(scratch);
	return taken;
}

int
dbsync_take(DbsyncReceiving *receiving)
{
	Candidates	candidates = {0};
	int			taken;

	dbsync_seen_begin();
	forget_trouble(receiving);
	taken = take_all(receiving, &candidates);
	if (candidates.n > 1)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_PARAMETER),
				 errmsg("the inbox of receiver \"%s\" has bundles of several subscriptions", receiving->receiver->name),
				 errdetail("It was not said whose are to be received, and whoever fills the inbox is not to choose."),
				 errhint("Drop the receiver, and create it again with subscription => '...'. dbsync.inbox() shows whose they are.")));
	if (candidates.n == 1)
	{
		dbsync_receiver_write_subscription(receiving, &candidates.uuid);
		dbsync_bundles_load(receiving->receiver);
		/* of what was seen some is other subscriptions', which was not known */
		dbsync_seen_forget();
		dbsync_seen_begin();
		taken = take_all(receiving, &candidates);
	}
	dbsync_seen_sum_up(receiving);
	return taken;
}

/* A folder that is not there has nothing in it, and looks like one into which nothing comes. */
static void
check_inbox(const DbsyncReceiver *receiver)
{
	struct stat st;

	if (stat(receiver->in, &st) == 0 && S_ISDIR(st.st_mode))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("the inbox of receiver \"%s\" is not there", receiver->name),
			 errdetail("It is folder \"%s\".", receiver->in)));
}

bool
dbsync_take_lacks_room(const DbsyncReceiving *receiving)
{
	return receiving->trouble != NULL && receiving->trouble->sqlerrcode == ERRCODE_DISK_FULL;
}

void
dbsync_take_raise(DbsyncReceiving *receiving)
{
	ErrorData  *trouble = receiving->trouble;

	check_inbox(receiving->receiver);
	if (trouble == NULL)
		return;
	ReThrowError(trouble);
}
