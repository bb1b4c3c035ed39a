/*-------------------------------------------------------------------------
 *
 * worker/receive/next.c
 *	  Which bundles of the cache come next for a target that is at some place, or why none can.
 *
 * Forward only: behind (chain, number) of the ledger comes the next number of the chain, whose "previous" must be the hash that the
 * ledger's note has; or number 1 of a higher chain, with which the lower one is given up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "worker/receive/cache.h"
#include "worker/receive/next.h"

#define RESTART_HINT "At the source: SELECT dbsync.restart_chain(%s). It copies all tables anew, in a chain of its own."

void
dbsync_bundles_are_called(DbsyncReceiving *receiving, const char *subscription_name)
{
	if (receiving->called != NULL && strcmp(receiving->called, subscription_name) == 0)
		return;
	if (receiving->called != NULL)
		pfree(receiving->called);
	receiving->called = MemoryContextStrdup(receiving->work->context, subscription_name);
}

/* The subscription as an argument of what is to be called at the source, where the receiver's name says nothing. */
static const char *
argument(const DbsyncReceiving *receiving)
{
	return receiving->called ? quote_literal_cstr(receiving->called) : "...";
}

/* Does this one go on from the one before?  It must, if it is what its number says. */
static void
check_follows(DbsyncReceiving *receiving, const DbsyncCached *cached, const char *previous, int64 batch)
{
	if (strcmp(cached->previous, previous) != 0)
	{
		receiving->stop = DBSYNC_STOP_BROKEN;
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("bundle " INT64_FORMAT " of chain " INT64_FORMAT " does not go on from the one before it",
						cached->number, cached->chain),
				 errdetail("It names %.16s as the hash of that, which has %.16s.",
						   cached->previous[0] ? cached->previous : "none", previous[0] ? previous : "none"),
				 errhint(RESTART_HINT, argument(receiving))));
	}
	if (cached->batch != batch)
	{
		receiving->stop = DBSYNC_STOP_BROKEN;
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("bundle " INT64_FORMAT " of chain " INT64_FORMAT " is of batch " INT64_FORMAT ", and not of batch " INT64_FORMAT,
						cached->number, cached->chain, cached->batch, batch),
				 errhint(RESTART_HINT, argument(receiving))));
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
					 errhint(RESTART_HINT, argument(receiving))));
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
	int64		chain = PG_INT64_MAX;

	while ((chain = dbsync_bundles_chain_below(chain)) > above)
	{
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
					 RESTART_HINT, argument(receiving))));
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
			 receiving->work->ledger.chain == 0 ?
			 errhint("If no live subscription plays to this target any more, delete that row. Then, at the source: SELECT dbsync.restart_chain(%s).",
					 argument(receiving)) :
			 errhint("Put the row back as it was; or at the source: SELECT dbsync.restart_chain(%s), which copies all anew.", argument(receiving))));
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
			 errhint(RESTART_HINT, argument(receiving))));
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

/* Nothing goes on from where the target is: error. */
static void
refuse_place(DbsyncReceiving *receiving)
{
	if (receiving->place.chain == 0 && receiving->receiver->chain > 0)
		refuse_lost_ledger(receiving);
	if (receiving->damage != NULL)
		dbsync_bundles_refuse_ledger(receiving, receiving->damage);
	if (receiving->place.chain != 0 && receiving->fork_number > 0)
		refuse_fork(receiving);
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
	/* when something of a new chain has come, what was wrong has been seen to */
	if (fresh.kind != DBSYNC_NEXT_WAIT)
		refuse_place(receiving);
	if (place->chain == 0 || receiving->damage != NULL || receiving->fork_number > 0)
		next = fresh;
	else
		next = gather(receiving, place->chain, place->number, place->sums, place->batch + 1);
	if (next.kind != DBSYNC_NEXT_BATCH && receiving->too_new != NULL)
		dbsync_bundles_refuse_too_new(receiving);
	/* and what is missed is its beginning, whatever the old one lacks */
	if (next.kind != DBSYNC_NEXT_BATCH && fresh.kind == DBSYNC_NEXT_WAIT)
		return fresh;
	return next;
}
