/*-------------------------------------------------------------------------
 *
 * worker/driver/file/resend.c
 *	  File driver: what is published again.
 *
 * What a receiver lacks goes out at once.  If it still lacks that in a receipt made later, the way is broken, and not
 * only one file lost: then it is reported, and tried once each resend_after.  So is all that a receiver has not
 * spoken of for so long.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "worker/bundle/names.h"
#include "worker/bundle/reader.h"
#include "worker/driver/file/receipts.h"

/* ms between two looks at all that is kept */
#define LOOK_PAUSE		INT64CONST(10000)

/* by number, of the present chain */
typedef struct SentAgain
{
	int64		number;			/* first: the key */
	FileResent *resent;
} SentAgain;

typedef struct Resending
{
	FileTarget *target;
	FileReceipts *receipts;
	List	   *kept;			/* of FileName: of the present chain, in their order */
	HTAB	   *resent;			/* of SentAgain: receipts->resent */
	List	   *keys;			/* public keys of the root; NIL: not read yet */
} Resending;

static FileResent *
find_resent(const Resending *resending, int64 number)
{
	SentAgain  *found = hash_search(resending->resent, &number, HASH_FIND, NULL);

	return found ? found->resent : NULL;
}

static void
note_resent(Resending *resending, FileResent *resent)
{
	SentAgain  *entry = hash_search(resending->resent, &resent->name.number, HASH_ENTER, NULL);

	entry->resent = resent;
	resending->receipts->resent = lappend(resending->receipts->resent, resent);
}

/* Where in what is kept the first is that has this number or a higher one. */
static int
first_kept(const Resending *resending, int64 number)
{
	int			low = 0;
	int			high = list_length(resending->kept);

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (((FileName *) list_nth(resending->kept, middle))->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
is_kept(const Resending *resending, int64 number)
{
	int			at = first_kept(resending, number);

	return at < list_length(resending->kept) && ((FileName *) list_nth(resending->kept, at))->number == number;
}

/*
 * A receiver may lack a day's files, of one a second.  Of what is not kept any more, nothing is sent; what was sent
 * before is remembered as long as it is kept, also if those whom the options name have it: others may lack it.
 */
static void
look_at_kept(Resending *resending)
{
	FileTarget *target = resending->target;
	List	   *resent = resending->receipts->resent;
	HASHCTL		control = {0};
	ListCell   *lc;

	foreach(lc, dbsync_file_list(target, ".tar"))
	{
		FileName   *name = lfirst(lc);

		if (name->chain == target->newest.chain)
			resending->kept = lappend(resending->kept, name);
	}
	control.keysize = sizeof(int64);
	control.entrysize = sizeof(SentAgain);
	control.hcxt = CurrentMemoryContext;
	resending->resent = hash_create("dbsync bundles sent again", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	resending->receipts->resent = NIL;
	foreach(lc, resent)
	{
		FileResent *known = lfirst(lc);

		if (known->name.chain == target->newest.chain && is_kept(resending, known->name.number))
			note_resent(resending, known);
	}
}

bool
dbsync_file_proves_itself(const FileTarget *target, const FileName *name, List **keys)
{
	const char *path = dbsync_file_keep_path(target, name, ".tar");
	DbsyncBundleVerdict verdict;
	const char *reason = NULL;
	DbsyncBundleReader *reader;

	if (*keys == NIL)
		*keys = dbsync_file_own_keys(target);
	reader = dbsync_bundle_open(path, *keys, &verdict, &reason);
	if (reader != NULL)
	{
		dbsync_bundle_close(reader);
		return true;
	}
	ereport(WARNING,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("kept bundle \"%s\" does not prove itself, and is not sent again", path),
			 errdetail("%s", reason ? reason : "It is damaged."),
			 errhint("Put it back as it was, or begin another chain: SELECT dbsync.restart_chain(%s).",
					 quote_literal_cstr(target->ledger.subscription_name))));
	return false;
}

static void
send_again(Resending *resending, const FileName *name)
{
	FileTarget *target = resending->target;
	FileResent *resent = find_resent(resending, name->number);

	if (resent == NULL)
	{
		resent = palloc0(sizeof(FileResent));
		resent->name = *name;
		note_resent(resending, resent);
	}
	resent->last = GetCurrentTimestamp();
	if (!dbsync_file_proves_itself(target, name, &resending->keys))
	{
		resent->times = DBSYNC_FILE_DAMAGED;
		return;
	}
	dbsync_file_publish(target, name);
	resent->times = Max(resent->times, 0) + 1;
	if (resent->times == 2)
		ereport(WARNING,
				(errmsg("bundle " INT64_FORMAT " of subscription \"%s\" was sent again, and is asked for once more",
						name->number, target->ledger.subscription_name),
				 errhint("Look at what is between this server and the receiver.")));
}

/* Has it been answered since it was sent last, and is it time? */
static bool
is_due(const Resending *resending, const FileName *name, TimestampTz said)
{
	const FileResent *resent = find_resent(resending, name->number);

	if (resent == NULL)
		return true;
	/* the clock was put back since: what it said then is no time to wait for */
	if (resent->last > GetCurrentTimestamp())
		return true;
	if (said <= resent->last)
		return false;
	return TimestampDifferenceExceeds(resent->last, GetCurrentTimestamp(),
									  (int) Min(resending->target->options.resend_after, PG_INT32_MAX));
}

/* Some of these numbers are not kept; said once, of the first of them. */
static void
tell_gone(const Resending *resending, const FileReceipt *receipt, const FileRange *range)
{
	FileTarget *target = resending->target;
	int64		number = range->from;

	if (range->to <= target->gone_told)
		return;
	target->gone_told = range->to;
	while (is_kept(resending, number))
		number++;
	ereport(WARNING,
			(errmsg("receiver \"%s\" lacks bundle " INT64_FORMAT " of subscription \"%s\", which is not kept any more",
					receipt->name, number, target->ledger.subscription_name),
			 errdetail("It lacks " INT64_FORMAT " to " INT64_FORMAT ".", range->from, range->to),
			 errhint("Begin another chain: SELECT dbsync.restart_chain(%s).", quote_literal_cstr(target->ledger.subscription_name))));
}

static bool
send_range(Resending *resending, const FileReceipt *receipt, const FileRange *range)
{
	int64		there = 0;
	bool		any = false;

	for (int i = first_kept(resending, range->from); i < list_length(resending->kept); i++)
	{
		const FileName *name = list_nth(resending->kept, i);

		if (name->number > range->to)
			break;
		there++;
		CHECK_FOR_INTERRUPTS();
		if (!is_due(resending, name, receipt->taken))
			continue;
		send_again(resending, name);
		any = true;
	}
	if (there < range->to - range->from + 1)
		tell_gone(resending, receipt, range);
	return any;
}

static bool
send_missing(Resending *resending, const FileReceipt *receipt)
{
	bool		any = false;
	ListCell   *lc;

	foreach(lc, receipt->missing)
	{
		const FileRange *said = lfirst(lc);
		FileRange	range;

		range.from = Max(said->from, receipt->applied + 1);
		range.to = Min(said->to, resending->target->newest.number);
		if (range.from <= range.to)
			any |= send_range(resending, receipt, &range);
	}
	return any;
}

/* One that has said nothing for so long may have got nothing. */
static bool
send_unanswered(Resending *resending, const char *receiver)
{
	FileTarget *target = resending->target;
	const FileReceipt *receipt = dbsync_file_receipts_find(target, resending->receipts, receiver);
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz before = now - target->options.resend_after * 1000;
	TimestampTz silent;
	bool		any = false;

	/* one of a time that has not come was taken before the clock was put back */
	if (receipt != NULL && receipt->taken > before && receipt->taken <= now)
		return false;
	/* it speaks about as often */
	silent = before - target->options.resend_after * 1000;
	for (int i = first_kept(resending, receipt ? receipt->applied + 1 : 1); i < list_length(resending->kept); i++)
	{
		const FileName *kept = list_nth(resending->kept, i);
		const FileResent *resent = find_resent(resending, kept->number);
		TimestampTz since;
		struct stat status;

		CHECK_FOR_INTERRUPTS();
		if (stat(dbsync_file_keep_path(target, kept, ".tar"), &status) != 0)
			continue;
		since = dbsync_file_kept_since(target, kept, &status);
		if (since < silent && (receipt == NULL || receipt->taken < silent || receipt->taken > now))
			target->silent = receiver;
		/* what is still in out, nobody has taken away */
		if ((resent != NULL && resent->last > before && resent->last <= now) || since > before ||
			dbsync_file_is_out(target, kept, &status))
			continue;
		send_again(resending, kept);
		any = true;
	}
	return any;
}

bool
dbsync_file_resend(FileTarget *target, FileReceipts *receipts)
{
	Resending	resending = {target, receipts, NIL, NULL, NIL};
	List	   *missing = dbsync_file_asking(target, receipts);
	bool		looks = target->options.receivers != NIL &&
		dbsync_file_is_due(target->unanswered, Min(target->options.resend_after, LOOK_PAUSE));
	bool		any = false;
	ListCell   *lc;

	if (missing == NIL && !looks)
		return false;
	look_at_kept(&resending);
	foreach(lc, missing)
		any |= send_missing(&resending, lfirst(lc));
	if (!looks)
		return any;
	target->silent = NULL;
	foreach(lc, target->options.receivers)
		any |= send_unanswered(&resending, lfirst(lc));
	target->unanswered = GetCurrentTimestamp();
	return any;
}
