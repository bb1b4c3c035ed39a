/*-------------------------------------------------------------------------
 *
 * worker/receive/cache.c
 *	  The folder of bundles that were proved: which are there, and which comes next.
 *
 * Files are called <chain>-<number>.tar, so the folder says what is there; what else is to be known of a file is read from it
 * when it is next.  The folder is read once and kept in step, as nobody else writes to it.
 *
 * Forward only: behind (chain, number) of the ledger comes the next number of the chain, whose "previous" must be the hash that the
 * ledger's note has; or number 1 of a higher chain, with which the lower one is given up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/bundle/folder.h"
#include "worker/receive/cache.h"

#define RESTART_HINT "At the source: SELECT dbsync.restart_chain('%s'). It copies all tables anew, in a chain of its own."

static MemoryContext cache_context = NULL;
static char *loaded = NULL;		/* the folder that was read */
static DbsyncCached *files = NULL;	/* in order of chain and number */
static int	nfiles = 0;
static int	maxfiles = 0;

static int
compare(const void *a, const void *b)
{
	const DbsyncCached *left = a;
	const DbsyncCached *right = b;

	if (left->chain != right->chain)
		return left->chain < right->chain ? -1 : 1;
	return left->number < right->number ? -1 : left->number > right->number;
}

/* Where it is, or would be. */
static int
place_of(int64 chain, int64 number)
{
	DbsyncCached key = {.chain = chain,.number = number};
	int			low = 0;
	int			high = nfiles;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (compare(&files[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

DbsyncCached *
dbsync_bundles_find(int64 chain, int64 number)
{
	int			at = place_of(chain, number);

	return at < nfiles && files[at].chain == chain && files[at].number == number ? &files[at] : NULL;
}

char *
dbsync_bundles_path(const DbsyncReceiver *receiver, int64 chain, int64 number)
{
	return psprintf("%s/" INT64_FORMAT "-%012lld.tar", receiver->cache, chain, (long long) number);
}

static void
make_room(void)
{
	if (nfiles < maxfiles)
		return;
	maxfiles = Max(64, maxfiles * 2);
	files = files ? repalloc_huge(files, sizeof(DbsyncCached) * maxfiles)
		: MemoryContextAllocHuge(cache_context, sizeof(DbsyncCached) * maxfiles);
}

void
dbsync_bundles_add(const DbsyncCached *cached)
{
	int			at = place_of(cached->chain, cached->number);

	if (at < nfiles && compare(&files[at], cached) == 0)
	{
		files[at] = *cached;
		return;
	}
	make_room();
	memmove(&files[at + 1], &files[at], sizeof(DbsyncCached) * (nfiles - at));
	files[at] = *cached;
	nfiles++;
}

static void
take_away(const DbsyncReceiver *receiver, const DbsyncCached *cached)
{
	int			at = place_of(cached->chain, cached->number);

	dbsync_folder_remove(dbsync_bundles_path(receiver, cached->chain, cached->number));
	memmove(&files[at], &files[at + 1], sizeof(DbsyncCached) * (nfiles - at - 1));
	nfiles--;
}

/* "<chain>-<number>.tar" */
static bool
read_name(const char *name, int64 *chain, int64 *number)
{
	long long	c;
	long long	n;
	int			end = 0;

	if (sscanf(name, "%lld-%lld.tar%n", &c, &n, &end) != 2 || end == 0 || name[end] != '\0' || c <= 0 || n <= 0)
		return false;
	*chain = c;
	*number = n;
	return true;
}

void
dbsync_bundles_forget(void)
{
	if (cache_context != NULL)
		MemoryContextReset(cache_context);
	loaded = NULL;
	files = NULL;
	nfiles = maxfiles = 0;
}

void
dbsync_bundles_load(const DbsyncReceiver *receiver)
{
	List	   *names;
	ListCell   *lc;

	if (loaded != NULL && strcmp(loaded, receiver->cache) == 0)
		return;
	if (cache_context == NULL)
		cache_context = AllocSetContextCreate(TopMemoryContext, "dbsync cache", ALLOCSET_DEFAULT_SIZES);
	dbsync_bundles_forget();
	dbsync_folder_make(receiver->cache, S_IRWXU);
	names = dbsync_folder_list(receiver->cache);
	foreach(lc, names)
	{
		DbsyncCached cached = {0};
		struct stat st;

		if (!read_name(lfirst(lc), &cached.chain, &cached.number) ||
			lstat(dbsync_bundles_path(receiver, cached.chain, cached.number), &st) != 0 || !S_ISREG(st.st_mode))
			continue;
		cached.size = st.st_size;
		dbsync_bundles_add(&cached);
	}
	list_free_deep(names);
	loaded = MemoryContextStrdup(cache_context, receiver->cache);
}

DbsyncCached
dbsync_bundles_describe(const DbsyncBundleReader *reader, int64 size)
{
	const DbsyncBundleHead *head = dbsync_bundle_head(reader);
	const uint8 *sums = dbsync_bundle_sums(reader);
	DbsyncCached cached = {0};

	cached.chain = head->chain;
	cached.number = head->number;
	cached.size = size;
	cached.known = true;
	cached.batch = head->batch;
	cached.part = head->part;
	cached.last = head->last;
	cached.rows = head->rows;
	cached.time = head->time;
	strlcpy(cached.previous, head->previous, sizeof(cached.previous));
	for (int i = 0; i < DBSYNC_BUNDLE_HASH; i++)
		snprintf(cached.sums + 2 * i, 3, "%02x", sums[i]);
	return cached;
}

bool
dbsync_bundles_learn(const DbsyncReceiver *receiver, DbsyncCached *cached)
{
	char	   *path;
	DbsyncBundleReader *reader;
	DbsyncBundleVerdict verdict;
	const char *reason = NULL;
	DbsyncCached found;

	if (cached->known)
		return true;
	path = dbsync_bundles_path(receiver, cached->chain, cached->number);
	reader = dbsync_bundle_open(path, receiver->keys, &verdict, &reason);
	if (reader != NULL)
	{
		found = dbsync_bundles_describe(reader, cached->size);
		dbsync_bundle_close(reader);
		if (compare(&found, cached) == 0)
		{
			*cached = found;
			return true;
		}
		reason = "it is another bundle";
	}
	/* the disk has changed it, or a key was taken away; the source may still have it */
	ereport(LOG,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("receiver \"%s\" takes file \"%s\" away", receiver->name, path),
			 errdetail("It was proved when it came, and cannot be now: %s.", reason ? reason : "nobody says why")));
	take_away(receiver, cached);
	return false;
}

int64
dbsync_bundles_highest(int64 chain)
{
	int			at = place_of(chain + 1, 0);

	return at > 0 && files[at - 1].chain == chain ? files[at - 1].number : 0;
}

int64
dbsync_bundles_first_gap(int64 chain, int64 number)
{
	int			at = place_of(chain, number + 1);

	for (number++; at < nfiles && files[at].chain == chain && files[at].number == number; at++)
		number++;
	return number;
}

int
dbsync_bundles_waiting(const DbsyncPlace *place, int64 *bytes)
{
	int			n = 0;

	*bytes = 0;
	for (int at = place_of(place->chain, place->number + 1); at < nfiles; at++)
	{
		*bytes += files[at].size;
		n++;
	}
	return n;
}

/* Does this one go on from the one before?  It must, if it is what its number says. */
static void
check_follows(DbsyncReceiving *receiving, const DbsyncCached *cached, const char *previous, int64 batch)
{
	const char *subscription = receiving->work->subscription->name;

	if (strcmp(cached->previous, previous) != 0)
	{
		receiving->stop = DBSYNC_STOP_BROKEN;
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("bundle " INT64_FORMAT " of chain " INT64_FORMAT " does not go on from the one before it",
						cached->number, cached->chain),
				 errdetail("It names %.16s as the hash of that, which has %.16s.",
						   cached->previous[0] ? cached->previous : "none", previous[0] ? previous : "none"),
				 errhint(RESTART_HINT, subscription)));
	}
	if (cached->batch != batch)
	{
		receiving->stop = DBSYNC_STOP_BROKEN;
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("bundle " INT64_FORMAT " of chain " INT64_FORMAT " is of batch " INT64_FORMAT ", and not of batch " INT64_FORMAT,
						cached->number, cached->chain, cached->batch, batch),
				 errhint(RESTART_HINT, subscription)));
	}
}

/* The files of the batch that begins behind a place; WAIT or NOTHING if they are not all there. */
static DbsyncNext
gather(DbsyncReceiving *receiving, int64 chain, int64 number, const char *previous, int64 batch)
{
	DbsyncNext	next = {.kind = DBSYNC_NEXT_BATCH,.chain = chain,.number = number + 1};
	char		sums[DBSYNC_BUNDLE_HEX];

	strlcpy(sums, previous, sizeof(sums));
	for (;;)
	{
		DbsyncCached *cached;

		CHECK_FOR_INTERRUPTS();
		number++;
		cached = dbsync_bundles_find(chain, number);
		if (cached == NULL || !dbsync_bundles_learn(receiving->receiver, cached))
		{
			next.kind = next.nfiles > 0 || dbsync_bundles_highest(chain) > number ? DBSYNC_NEXT_WAIT : DBSYNC_NEXT_NOTHING;
			next.number = number;
			return next;
		}
		/* the first of a chain may begin with any batch */
		check_follows(receiving, cached, sums, number == 1 ? cached->batch : batch < 0 ? cached->batch : batch);
		if (cached->part != next.nfiles + 1)
		{
			receiving->stop = DBSYNC_STOP_BROKEN;
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("bundle " INT64_FORMAT " of chain " INT64_FORMAT " is part %d of its batch, and not part %d",
							number, chain, cached->part, next.nfiles + 1),
					 errhint(RESTART_HINT, receiving->work->subscription->name)));
		}
		batch = cached->batch;
		next.nfiles++;
		next.rows += cached->rows;
		strlcpy(sums, cached->sums, sizeof(sums));
		if (cached->last)
			return next;
	}
}

/* The highest chain above this one that has its first batch here as a whole. */
static DbsyncNext
find_new_chain(DbsyncReceiving *receiving, int64 above)
{
	DbsyncNext	none = {.kind = DBSYNC_NEXT_NOTHING};
	int			at = nfiles;

	while (at > 0 && files[at - 1].chain > above)
	{
		int64		chain = files[at - 1].chain;
		DbsyncNext	next;

		if (dbsync_bundles_find(chain, 1) != NULL)
		{
			next = gather(receiving, chain, 0, "", -1);
			if (next.kind == DBSYNC_NEXT_BATCH)
			{
				next.kind = DBSYNC_NEXT_CHAIN;
				return next;
			}
			if (none.kind == DBSYNC_NEXT_NOTHING && next.kind == DBSYNC_NEXT_WAIT)
				none = next;
		}
		else if (none.kind == DBSYNC_NEXT_NOTHING)
		{
			none.kind = DBSYNC_NEXT_WAIT;
			none.chain = chain;
			none.number = 1;
		}
		at = place_of(chain, 0);
	}
	return none;
}

static void
refuse_lost_ledger(DbsyncReceiving *receiving)
{
	const DbsyncReceiver *receiver = receiving->receiver;

	receiving->stop = DBSYNC_STOP_LEDGER;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("target \"%s\" has lost its ledger", receiver->target),
			 errdetail("It had bundle " INT64_FORMAT " of chain " INT64_FORMAT "; what it has now is not known.",
					   receiver->number, receiver->chain),
			 errhint("Is the target's address right? If it was replaced, or put back to a state from before the ledger, only a new chain will do. "
					 RESTART_HINT, receiving->work->subscription->name)));
}

void
dbsync_bundles_refuse_ledger(DbsyncReceiving *receiving, const char *problem)
{
	receiving->stop = DBSYNC_STOP_LEDGER;
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the ledger on target \"%s\" cannot be believed: %s", receiving->receiver->target, problem),
			 errdetail("It is the row of dbsync_ledger.position there with id %s.",
					   DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&receiving->receiver->subscription)))),
			 errhint("Put the row back as it was; or at the source: SELECT dbsync.restart_chain(...), which copies all anew.")));
}

static void
refuse_fork(DbsyncReceiving *receiving)
{
	receiving->stop = DBSYNC_STOP_FORK;
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("there are two bundles " INT64_FORMAT " of chain " INT64_FORMAT ", both signed",
					receiving->fork_number, receiving->place.chain),
			 errdetail("The source was put back to an older state, or there are two of it."),
			 errhint(RESTART_HINT, receiving->work->subscription->name)));
}

void
dbsync_bundles_refuse_too_new(DbsyncReceiving *receiving)
{
	receiving->stop = DBSYNC_STOP_TOO_NEW;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("receiver \"%s\" cannot read a bundle that has come", receiving->receiver->name),
			 errdetail("%s", receiving->too_new),
			 errhint("Update dbsync on this side. The file stays where it is, and nothing is left out.")));
}

DbsyncNext
dbsync_bundles_next(DbsyncReceiving *receiving)
{
	const DbsyncPlace *place = &receiving->place;
	const DbsyncReceiver *receiver = receiving->receiver;
	DbsyncNext	fresh = find_new_chain(receiving, place->chain > 0 ? place->chain : receiver->chain);
	DbsyncNext	next;

	if (fresh.kind == DBSYNC_NEXT_CHAIN)
		return fresh;
	if (place->chain == 0 && receiver->chain > 0)
		refuse_lost_ledger(receiving);
	if (receiving->damage != NULL)
		dbsync_bundles_refuse_ledger(receiving, receiving->damage);
	if (place->chain == 0)
		next = fresh;
	else if (receiving->fork_number > 0)
		refuse_fork(receiving);
	else
		next = gather(receiving, place->chain, place->number, place->sums, place->batch + 1);
	if (next.kind != DBSYNC_NEXT_BATCH && receiving->too_new != NULL)
		dbsync_bundles_refuse_too_new(receiving);
	/* something of a new chain has come: what is missed is its beginning */
	if (next.kind == DBSYNC_NEXT_NOTHING && fresh.kind == DBSYNC_NEXT_WAIT)
		return fresh;
	return next;
}

/* Was it there before the last so many microseconds?  By the time at which it was put into the cache. */
static bool
is_old(const DbsyncReceiver *receiver, const DbsyncCached *cached)
{
	struct stat st;

	if (stat(dbsync_bundles_path(receiver, cached->chain, cached->number), &st) != 0)
		return true;
	return time_t_to_timestamptz(st.st_mtime) + receiver->keep_applied <= GetCurrentTimestamp();
}

void
dbsync_bundles_tidy(DbsyncReceiving *receiving, bool lacks_room)
{
	const DbsyncPlace *place = &receiving->place;
	const DbsyncReceiver *receiver = receiving->receiver;
	int64		kept = 0;

	if (place->chain == 0)
		return;
	for (int i = 0; i < nfiles; i++)
		kept += files[i].size;
	/* all of an older chain, and what was played of this one */
	while (nfiles > 0 && (files[0].chain < place->chain ||
						  (files[0].chain == place->chain && files[0].number <= place->number)))
	{
		CHECK_FOR_INTERRUPTS();
		if (!lacks_room && kept <= receiver->cache_size && !is_old(receiver, &files[0]))
			break;
		kept -= files[0].size;
		take_away(receiver, &files[0]);
	}
}
