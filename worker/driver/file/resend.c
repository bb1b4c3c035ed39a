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

#include "utils/timestamp.h"

#include "worker/driver/file/receipts.h"

/* ms between two looks at all that is kept */
#define LOOK_PAUSE		INT64CONST(10000)

static bool
is_kept(const FileTarget *target, const FileName *name)
{
	return access(dbsync_file_keep_path(target, name, ".tar"), F_OK) == 0;
}

static void
send_again(FileTarget *target, FileReceipts *receipts, const FileName *name)
{
	FileResent *resent = dbsync_file_resent_find(receipts, name);

	if (resent == NULL)
	{
		resent = palloc0(sizeof(FileResent));
		resent->name = *name;
		receipts->resent = lappend(receipts->resent, resent);
	}
	dbsync_file_publish(target, name);
	resent->times++;
	resent->last = GetCurrentTimestamp();
	if (resent->times == 2)
		ereport(WARNING,
				(errmsg("bundle " INT64_FORMAT " of subscription \"%s\" was sent again, and is asked for once more",
						name->number, target->ledger.subscription_name),
				 errhint("Look at what is between this server and the receiver.")));
}

/* Has it been answered since it was sent last, and is it time? */
static bool
is_due(const FileTarget *target, const FileReceipts *receipts, const FileName *name, TimestampTz said)
{
	const FileResent *resent = dbsync_file_resent_find(receipts, name);

	if (resent == NULL)
		return true;
	if (said <= resent->last)
		return false;
	return TimestampDifferenceExceeds(resent->last, GetCurrentTimestamp(), (int) Min(target->options.resend_after, PG_INT32_MAX));
}

static void
tell_gone(FileTarget *target, const FileReceipt *receipt, int64 number)
{
	if (number <= target->gone_told)
		return;
	target->gone_told = number;
	ereport(WARNING,
			(errmsg("receiver \"%s\" lacks bundle " INT64_FORMAT " of subscription \"%s\", which is not kept any more",
					receipt->name, number, target->ledger.subscription_name),
			 errhint("Begin another chain: SELECT dbsync.restart_chain('%s').", target->ledger.subscription_name)));
}

static bool
send_missing(FileTarget *target, FileReceipts *receipts, const FileReceipt *receipt)
{
	bool		any = false;
	ListCell   *lc;

	foreach(lc, receipt->missing)
	{
		const FileRange *range = lfirst(lc);
		FileName	name = {target->newest.chain, Max(range->from, receipt->applied + 1)};

		for (; name.number <= Min(range->to, target->newest.number); name.number++)
		{
			if (!is_kept(target, &name))
			{
				tell_gone(target, receipt, name.number);
				continue;
			}
			if (!is_due(target, receipts, &name, receipt->taken))
				continue;
			send_again(target, receipts, &name);
			any = true;
		}
	}
	return any;
}

/* One that has said nothing for so long may have got nothing. */
static bool
send_unanswered(FileTarget *target, FileReceipts *receipts, const char *receiver)
{
	const FileReceipt *receipt = dbsync_file_receipts_find(target, receipts, receiver);
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz before = now - target->options.resend_after * 1000;
	FileName	name = {target->newest.chain, receipt ? receipt->applied + 1 : 1};
	bool		any = false;
	ListCell   *lc;

	if (receipt != NULL && receipt->taken > before)
		return false;
	foreach(lc, dbsync_file_list(target, ".tar"))
	{
		const FileName *kept = lfirst(lc);
		const FileResent *resent = dbsync_file_resent_find(receipts, kept);
		struct stat status;

		if (dbsync_file_compare(kept, &name) < 0 || (resent != NULL && resent->last > before))
			continue;
		/* what is still in out, nobody has taken away */
		if (stat(dbsync_file_keep_path(target, kept, ".tar"), &status) != 0 || status.st_nlink > 1 ||
			time_t_to_timestamptz(status.st_mtime) > before)
			continue;
		send_again(target, receipts, kept);
		any = true;
	}
	return any;
}

/* Of what all have, nothing is sent any more. */
static void
forget_done(FileTarget *target, FileReceipts *receipts)
{
	int64		applied = dbsync_file_receipts_applied(target, receipts);
	ListCell   *lc;

	foreach(lc, receipts->resent)
	{
		const FileResent *resent = lfirst(lc);

		if (resent->name.chain < target->newest.chain || resent->name.number <= applied)
			receipts->resent = foreach_delete_current(receipts->resent, lc);
	}
}

bool
dbsync_file_resend(FileTarget *target, FileReceipts *receipts)
{
	bool		any = false;
	ListCell   *lc;

	forget_done(target, receipts);
	foreach(lc, receipts->receipts)
	{
		FileReceipt *receipt = lfirst(lc);

		if (receipt->chain == target->newest.chain)
			any |= send_missing(target, receipts, receipt);
	}
	if (GetCurrentTimestamp() - target->unanswered < Min(target->options.resend_after, LOOK_PAUSE) * 1000)
		return any;
	foreach(lc, target->options.receivers)
		any |= send_unanswered(target, receipts, lfirst(lc));
	target->unanswered = GetCurrentTimestamp();
	return any;
}
