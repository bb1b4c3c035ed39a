/*-------------------------------------------------------------------------
 *
 * worker/receive/cache.c
 *	  The folder of bundles that were proved: which are there.
 *
 * Files are called <chain>-<number>.tar, so the folder says what is there; what else is to be known of a file is read from it
 * when it is next (see next.c).  The folder is read once and kept in step, as nobody else writes to it.
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

static MemoryContext cache_context = NULL;
static char *loaded = NULL;		/* the folder that was read */
static DbsyncCached *files = NULL;	/* in order of chain and number */
static int	nfiles = 0;
static int	maxfiles = 0;

/* bytes of all of them, and of those up to a place, as they are asked for behind each file that comes */
static int64 all_bytes = 0;
static int64 behind_bytes = 0;
static DbsyncCached behind = {0};	/* the place: chain and number */

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

/* One comes, or goes. */
static void
count_bytes(const DbsyncCached *cached, int64 bytes)
{
	all_bytes += bytes;
	if (compare(cached, &behind) <= 0)
		behind_bytes += bytes;
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
		count_bytes(cached, cached->size - files[at].size);
		files[at] = *cached;
		return;
	}
	make_room();
	memmove(&files[at + 1], &files[at], sizeof(DbsyncCached) * (nfiles - at));
	files[at] = *cached;
	nfiles++;
	count_bytes(cached, cached->size);
}

static void
take_away(const DbsyncReceiver *receiver, const DbsyncCached *cached)
{
	int			at = place_of(cached->chain, cached->number);

	dbsync_folder_remove(dbsync_bundles_path(receiver, cached->chain, cached->number));
	count_bytes(cached, -cached->size);
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
	all_bytes = behind_bytes = 0;
	memset(&behind, 0, sizeof(behind));
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
dbsync_bundles_chain_below(int64 chain)
{
	int			at = place_of(chain, 0);

	return at > 0 ? files[at - 1].chain : 0;
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
	int			from = place_of(behind.chain, behind.number + 1);
	int			to = place_of(place->chain, place->number + 1);

	/* what the place has moved over since it was asked for last */
	for (; from < to; from++)
		behind_bytes += files[from].size;
	for (; from > to; from--)
		behind_bytes -= files[from - 1].size;
	behind.chain = place->chain;
	behind.number = place->number;
	*bytes = all_bytes - behind_bytes;
	return nfiles - to;
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

	if (place->chain == 0)
		return;
	/* all of an older chain, and what was played of this one */
	while (nfiles > 0 && (files[0].chain < place->chain ||
						  (files[0].chain == place->chain && files[0].number <= place->number)))
	{
		CHECK_FOR_INTERRUPTS();
		if (!lacks_room && all_bytes <= receiver->cache_size && !is_old(receiver, &files[0]))
			break;
		take_away(receiver, &files[0]);
	}
}
