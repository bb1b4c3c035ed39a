/*-------------------------------------------------------------------------
 *
 * worker/receive/attach.c
 *	  The two ends of a receiver: its folder, which nobody else may work on, and its target.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "worker/batch/ledger.h"
#include "worker/batch/ledger_check.h"
#include "worker/bundle/folder.h"
#include "worker/connection.h"
#include "worker/identity.h"
#include "worker/query.h"
#include "worker/receive/attach.h"
#include "worker/receive/cache.h"
#include "worker/receive/next.h"
#include "worker/receive/replay.h"
#include "worker/receive/seen.h"
#include "worker/target.h"

/* --- the folder --- */

/* What somebody has left who died. */
static void
clear_tmp(const DbsyncReceiver *receiver)
{
	List	   *names = dbsync_folder_list(receiver->tmp);
	ListCell   *lc;

	foreach(lc, names)
		(void) unlink(psprintf("%s/%s", receiver->tmp, (char *) lfirst(lc)));
	list_free_deep(names);
}

static void
lock_folder(DbsyncReceiving *receiving)
{
	DbsyncReceiver *receiver = receiving->receiver;
	MemoryContext old;
	bool		locked;

	receiving->lock_context = AllocSetContextCreate(TopMemoryContext, "dbsync lock of a receiver", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(receiving->lock_context);
	locked = dbsync_folder_lock(psprintf("%s/cache/lock", receiver->root));
	receiving->locked = pstrdup(receiver->root);
	MemoryContextSwitchTo(old);
	if (locked)
		return;
	MemoryContextDelete(receiving->lock_context);
	receiving->lock_context = NULL;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("another receiver works on folder \"%s\"", receiver->root),
			 errhint("Give each receiver a root of its own; they may share an inbox, by the options \"in\" and remove 'false'.")));
}

void
dbsync_receiver_close_folder(DbsyncReceiving *receiving)
{
	if (receiving->lock_context != NULL)
		MemoryContextDelete(receiving->lock_context);
	receiving->lock_context = NULL;
}

const char *
dbsync_receiver_root_problem(const char *path)
{
	const char *problem = dbsync_folder_problem(path);
	struct stat st;

	if (problem != NULL || lstat(psprintf("%s/dbsync.json", path), &st) != 0)
		return problem;
	return "It is the outbox of a file target. Give the receiver a folder of its own; its option \"in\" may name the outbox's folder \"out\".";
}

/* Where it leads to, if it is there. */
static char *
real_path(const char *path)
{
	char		real[PATH_MAX];
	char	   *clean = pstrdup(path);

	canonicalize_path(clean);
	return realpath(clean, real) != NULL ? pstrdup(real) : clean;
}

const char *
dbsync_receiver_inbox_problem(const char *root, const char *inbox)
{
	static const char *const folders[] = {"cache", "rejected", "receipts"};
	char	   *base = real_path(root);
	char	   *in = real_path(inbox);

	for (int i = 0; i < (int) lengthof(folders); i++)
	{
		if (path_is_prefix_of_path(psprintf("%s/%s", base, folders[i]), in))
			return psprintf("The receiver puts files of its own into folder \"%s\" of its root.", folders[i]);
	}
	return NULL;
}

/* One that was there before, and has gone, may be where somebody else still puts files; or he may not write into the new one. */
static void
make_inbox(DbsyncReceiving *receiving)
{
	const DbsyncReceiver *receiver = receiving->receiver;
	struct stat st;

	if (receiver->chain > 0 && lstat(receiver->in, &st) != 0 && errno == ENOENT)
	{
		receiving->inbox_made = true;
		ereport(WARNING,
				(errmsg("the inbox of receiver \"%s\" was not there, and is made anew", receiver->name),
				 errdetail("It is folder \"%s\".", receiver->in),
				 errhint("See that whoever fills it may write there. Has it been moved, or is a disk not mounted?")));
	}
	dbsync_folder_make(receiver->in, S_IRWXU | S_IRWXG);
}

void
dbsync_receiver_open_folder(DbsyncReceiving *receiving)
{
	DbsyncReceiver *receiver = receiving->receiver;
	const char *problem;

	if (receiving->lock_context != NULL && strcmp(receiving->locked, receiver->root) == 0)
		return;
	dbsync_receiver_close_folder(receiving);
	problem = dbsync_receiver_root_problem(receiver->root);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("folder \"%s\" cannot be the root of a receiver", receiver->root),
				 errdetail("%s", problem),
				 errhint(DBSYNC_FOLDER_HINT)));
	dbsync_folder_make(receiver->root, S_IRWXU | S_IXGRP | S_IXOTH);
	dbsync_folder_make(psprintf("%s/cache", receiver->root), S_IRWXU);
	dbsync_folder_make(receiver->tmp, S_IRWXU);
	dbsync_folder_make(receiver->rejected, S_IRWXU);
	dbsync_folder_make(receiver->receipts, S_IRWXU | S_IRWXG);
	/* where links on the way to them lead shows when they are there */
	problem = dbsync_receiver_inbox_problem(receiver->root, receiver->in);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("folder \"%s\" cannot be the inbox of receiver \"%s\"", receiver->in, receiver->name),
				 errdetail("%s", problem)));
	if (strcmp(receiver->in, psprintf("%s/in", receiver->root)) == 0)
		make_inbox(receiving);
	lock_folder(receiving);
	clear_tmp(receiver);
	dbsync_bundles_forget();
	dbsync_seen_forget();
}

/* --- the target --- */

void
dbsync_receiver_detach(DbsyncReceiving *receiving)
{
	dbsync_replay_forget_tables();
	dbsync_ledger_detach(receiving->work);
	receiving->place_known = false;
	receiving->damage = NULL;
}

static void
connect_target(DbsyncReceiving *receiving)
{
	DbsyncWork *work = receiving->work;
	bool		ok;

	work->target_context = AllocSetContextCreate(work->context, "dbsync target", ALLOCSET_DEFAULT_SIZES);
	dbsync_connection_watch();
	work->target = dbsync_connection_open(work->subscription, "", work->target_context, &ok);
	if (!ok)
		dbsync_target_raise(work->target, psprintf("connecting to target \"%s\"", work->subscription->target));
}

/* "chain c number n sha256 h"; false: it is none. */
static bool
read_note(DbsyncReceiving *receiving)
{
	const DbsyncLedger *ledger = &receiving->work->ledger;
	DbsyncPlace *place = &receiving->place;
	long long	chain;
	long long	number;
	char		sums[DBSYNC_BUNDLE_HEX] = "";

	if (ledger->note == NULL ||
		sscanf(ledger->note, "chain %lld number %lld sha256 %64s", &chain, &number, sums) != 3 ||
		chain != ledger->chain || number < 0)
		return false;
	place->chain = chain;
	place->number = number;
	place->batch = ledger->batch;
	strlcpy(place->sums, strcmp(sums, "-") == 0 ? "" : sums, sizeof(place->sums));
	return true;
}

/*
 * Where is the target?  A row that cannot be believed is none to go on from; but another chain may take its place, which
 * must be a higher one than it and the catalog know of.
 */
static void
read_place(DbsyncReceiving *receiving)
{
	const DbsyncLedger *ledger = &receiving->work->ledger;
	const DbsyncReceiver *receiver = receiving->receiver;
	DbsyncPlace *place = &receiving->place;
	MemoryContext old = MemoryContextSwitchTo(receiving->work->target_context);

	if (ledger->subscription_name != NULL)
		dbsync_bundles_are_called(receiving, ledger->subscription_name);
	if (ledger->chain == 0)
		dbsync_bundles_refuse_ledger(receiving, "a live subscription feeds it");
	if (ledger->null_column != NULL)
		receiving->damage = psprintf("column \"%s\" is null", ledger->null_column);
	else if (ledger->checksum != dbsync_ledger_checksum(ledger))
		receiving->damage = "somebody has edited it";
	else if (!read_note(receiving))
		receiving->damage = "column \"note\" names no bundle";
	MemoryContextSwitchTo(old);
	if (receiving->damage == NULL)
		return;
	memset(place, 0, sizeof(DbsyncPlace));
	place->chain = Max(ledger->chain, receiver->chain);
	place->number = place->chain == receiver->chain ? receiver->number : 0;
}

/* The catalog remembers more: it is said, and played again from there. */
static void
tell_of_return(const DbsyncReceiving *receiving)
{
	const DbsyncReceiver *receiver = receiving->receiver;
	const DbsyncPlace *place = &receiving->place;

	if (place->chain > receiver->chain || (place->chain == receiver->chain && place->number >= receiver->number))
		return;
	ereport(LOG,
			(errmsg("target \"%s\" was put back: it has bundle " INT64_FORMAT " of chain " INT64_FORMAT " last",
					receiver->target, place->number, place->chain),
			 errdetail("It had bundle " INT64_FORMAT " of chain " INT64_FORMAT ". What followed is played again, and asked for where it is not kept.",
					   receiver->number, receiver->chain)));
}

void
dbsync_receiver_attach(DbsyncReceiving *receiving)
{
	DbsyncWork *work = receiving->work;
	bool		found;

	if (work->target != NULL && (dbsync_connection_is_outdated() || !receiving->place_known))
		dbsync_receiver_detach(receiving);
	if (work->target != NULL)
		return;
	connect_target(receiving);
	dbsync_identity_check(work);
	dbsync_target_ledger_read(work->target, &receiving->receiver->subscription, &work->ledger, &found);
	memset(&receiving->place, 0, sizeof(DbsyncPlace));
	receiving->damage = NULL;
	if (found)
	{
		read_place(receiving);
		tell_of_return(receiving);
	}
	dbsync_identity_note(work);
	receiving->place_known = true;
	receiving->progress_due = found && receiving->damage == NULL &&
		(receiving->place.chain != receiving->receiver->chain || receiving->place.number != receiving->receiver->number);
}
