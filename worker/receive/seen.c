/*-------------------------------------------------------------------------
 *
 * worker/receive/seen.c
 *	  Files of the inbox as they were looked at last, so that none is proved again without a reason.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/receive/cache.h"
#include "worker/receive/look.h"
#include "worker/receive/seen.h"

static HTAB *seen = NULL;
static MemoryContext seen_context = NULL;

void
dbsync_seen_forget(void)
{
	if (seen_context != NULL)
		MemoryContextReset(seen_context);
	seen = NULL;
}

void
dbsync_seen_begin(void)
{
	HASHCTL		control = {.keysize = DBSYNC_SEEN_NAME + 1,.entrysize = sizeof(DbsyncSeen)};

	if (seen != NULL)
		return;
	if (seen_context == NULL)
		seen_context = AllocSetContextCreate(TopMemoryContext, "dbsync inbox", ALLOCSET_DEFAULT_SIZES);
	control.hcxt = seen_context;
	seen = hash_create("dbsync inbox", 256, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

/* What is known of it; new, if it has become another file. */
DbsyncSeen *
dbsync_seen_find(const char *name, const struct stat *st)
{
	bool		found;
	DbsyncSeen	   *entry = hash_search(seen, name, HASH_ENTER, &found);

	if (!found || entry->device != st->st_dev || entry->inode != st->st_ino || entry->size != st->st_size ||
		entry->written != dbsync_look_written(st))
	{
		entry->device = st->st_dev;
		entry->inode = st->st_ino;
		entry->size = st->st_size;
		entry->written = dbsync_look_written(st);
		entry->since = GetCurrentTimestamp();
		entry->found = DBSYNC_FOUND_NEW;
		entry->told = false;
		entry->chain = entry->number = 0;
		entry->reason[0] = '\0';
	}
	/* the clock was put back */
	if (entry->since > GetCurrentTimestamp())
		entry->since = GetCurrentTimestamp();
	entry->here = true;
	return entry;
}

bool
dbsync_seen_stands_still(const DbsyncSeen *entry, int64 time)
{
	return entry->since + time <= GetCurrentTimestamp();
}

/* Does it come behind where the target is, as far as that is known? */
static bool
is_ahead(const DbsyncReceiving *receiving, const DbsyncSeen *entry)
{
	const DbsyncPlace *place = &receiving->place;

	return entry->chain > place->chain || (entry->chain == place->chain && entry->number > place->number);
}

/* It was taken, or was no news, and is wanted again: the target was put back, or the cache has lost it. */
static bool
is_wanted_again(const DbsyncReceiving *receiving, const DbsyncSeen *entry)
{
	return receiving->place_known && entry->chain != 0 && is_ahead(receiving, entry) &&
		dbsync_bundles_find(entry->chain, entry->number) == NULL;
}

/* Is there a reason to look at it again?  Chains become known, and what is bad is refused when it has stood still. */
bool
dbsync_seen_is_due(const DbsyncReceiving *receiving, const DbsyncSeen *entry)
{
	switch (entry->found)
	{
		case DBSYNC_FOUND_NEW:
		case DBSYNC_FOUND_LEAVING:
			return true;
		case DBSYNC_FOUND_BAD:
			return dbsync_seen_stands_still(entry, receiving->receiver->settle_after);
		case DBSYNC_FOUND_UNJUDGED:
			/* also where the target cannot be asked again: what lies behind its place is news */
			return receiving->place_known || (receiving->place.chain != 0 && is_ahead(receiving, entry));
		case DBSYNC_FOUND_DONE:
			return is_wanted_again(receiving, entry);
		case DBSYNC_FOUND_OLDER:
			/* the target may have been put back to its chain, or behind it */
			return entry->chain != 0 && receiving->place.chain != 0 && entry->chain >= receiving->place.chain;
		case DBSYNC_FOUND_FORK:
			/* the target may have gone on to its chain, or beyond */
			return entry->chain != 0 && receiving->place.chain != 0 && entry->chain != receiving->place.chain;
		default:
			return false;
	}
}

void
dbsync_seen_remove(DbsyncSeen *entry)
{
	(void) hash_search(seen, entry->name, HASH_REMOVE, NULL);
}

/* What has gone is forgotten, and what is there adds up. */
void
dbsync_seen_sum_up(DbsyncReceiving *receiving)
{
	const DbsyncReceiver *receiver = receiving->receiver;
	HASH_SEQ_STATUS status;
	DbsyncSeen	   *entry;

	receiving->fork_number = 0;
	receiving->too_new = NULL;
	receiving->partial = receiving->older = receiving->unjudged = 0;
	hash_seq_init(&status, seen);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (!entry->here)
		{
			dbsync_seen_remove(entry);
			continue;
		}
		entry->here = false;
		if (entry->found == DBSYNC_FOUND_FORK && entry->chain == receiving->place.chain)
			receiving->fork_number = entry->number;
		receiving->older += entry->found == DBSYNC_FOUND_OLDER;
		receiving->unjudged += entry->found == DBSYNC_FOUND_UNJUDGED;
		/* what came before our chain is not waited for */
		if (entry->found == DBSYNC_FOUND_TOO_NEW && (entry->chain == 0 || entry->chain >= receiving->place.chain))
			receiving->too_new = entry->reason;
		if (entry->found != DBSYNC_FOUND_PARTIAL || !dbsync_seen_stands_still(entry, receiver->partial_after))
			continue;
		receiving->partial++;
		if (!entry->told)
			ereport(LOG,
					(errmsg("file \"%s/%s\" has been incomplete for a long time", receiver->in, entry->name),
					 errhint("It is left where it is, and taken when it is whole.")));
		entry->told = true;
	}
}
