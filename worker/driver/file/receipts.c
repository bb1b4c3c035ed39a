/*-------------------------------------------------------------------------
 *
 * worker/driver/file/receipts.c
 *	  File driver: receipts are taken out of the folder that they come into.
 *
 * Others write there: a file is opened as what it is, read up to a limit, and taken away if it is a receipt of
 * our subscription that says something new, or something old.  All else is left alone, and named once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base64.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/bundle/folder.h"
#include "worker/bundle/reader.h"
#include "worker/driver/file/receipts.h"

#define RECEIPT_LIMIT	(64 * 1024)
#define MAX_IGNORED		1000
/* digits of a bundle's hash that a receipt says at least */
#define MIN_HASH		16
/* of how many that are not named in the options the last words are kept: those go that were heard of longest ago */
#define MAX_STRANGERS	100

/* The text of a file that others have made; NULL: it is none that we read, or can read ("unreadable": errno), for this reason. */
static char *
read_foreign(const char *path, struct stat *status, const char **why, int *unreadable)
{
	int			fd = OpenTransientFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | PG_BINARY);
	char	   *data;
	ssize_t		length;

	*why = "it is no ordinary file of 64 kB at most";
	if (fd < 0)
	{
		if (errno == EACCES || errno == EIO)
		{
			*unreadable = errno;
			*why = psprintf("it cannot be read: %s", strerror(errno));
		}
		return NULL;
	}
	if (fstat(fd, status) != 0 || !S_ISREG(status->st_mode) || status->st_size > RECEIPT_LIMIT)
	{
		(void) CloseTransientFile(fd);
		return NULL;
	}
	data = palloc(RECEIPT_LIMIT + 1);
	length = read(fd, data, RECEIPT_LIMIT);
	(void) CloseTransientFile(fd);
	if (length < 0)
		return NULL;
	data[length] = '\0';
	return data;
}

/* The keys of receivers. */
static List *
read_keys(const char *path)
{
	List	   *keys = dbsync_file_read_keys(path);

	if (keys == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no public key in file \"%s\"", path)));
	return keys;
}

/* Is the line signed by one of the receivers' keys?  Where none are given, none need be. */
static bool
is_signed(const FileTarget *target, const char *line, const char *signature)
{
	uint8		bytes[DBSYNC_BUNDLE_SIGNATURE + 8];
	ListCell   *lc;

	if (target->options.receipt_keys == NULL)
		return true;
	if (signature == NULL ||
		pg_b64_decode(signature, strlen(signature), (void *) bytes, sizeof(bytes)) != DBSYNC_BUNDLE_SIGNATURE)
		return false;
	foreach(lc, read_keys(target->options.receipt_keys))
	{
		if (dbsync_sign_holds(lfirst(lc), line, strlen(line), bytes))
			return true;
	}
	return false;
}

/* It may be another file by now. */
static void
take_away(const char *path, const struct stat *status)
{
	struct stat now;

	if (lstat(path, &now) == 0 && now.st_ino == status->st_ino && now.st_dev == status->st_dev)
		(void) unlink(path);
}

static void
ignore(FileTarget *target, const char *path, const struct stat *status, const char *why)
{
	char	   *seen = psprintf("%s %lld", path, (long long) status->st_mtime);
	MemoryContext old;
	ListCell   *lc;

	target->nignored++;
	/* whoever makes a million of them fills neither memory nor the log */
	if (list_length(target->ignored) > MAX_IGNORED)
		return;
	foreach(lc, target->ignored)
	{
		if (strcmp(lfirst(lc), seen) == 0)
			return;
	}
	old = MemoryContextSwitchTo(target->base.context);
	target->ignored = lappend(target->ignored, pstrdup(seen));
	MemoryContextSwitchTo(old);
	if (list_length(target->ignored) > MAX_IGNORED)
		ereport(LOG,
				(errmsg("file \"%s\" is ignored, and further ones are not named", path)));
	else
		ereport(LOG,
				(errmsg("file \"%s\" is ignored: %s", path, why)));
}

/* Has the receiver played the bundle that we have under this number? */
static void
check_hash(FileTarget *target, const FileReceipt *receipt)
{
	FileName	name = {receipt->chain, receipt->applied};
	DbsyncBundleVerdict verdict;
	const char *reason;
	const char *path = dbsync_file_keep_path(target, &name, ".tar");
	char		sums[DBSYNC_BUNDLE_HEX];
	struct stat status;

	strlcpy(sums, target->sums, sizeof(sums));
	if (name.number != target->newest.number)
	{
		DbsyncBundleReader *reader;

		if (stat(path, &status) != 0)
			return;
		reader = dbsync_bundle_open(path, dbsync_file_own_keys(target), &verdict, &reason);
		if (reader == NULL)
			return;
		strlcpy(sums, dbsync_file_hex(dbsync_bundle_sums(reader)), sizeof(sums));
		dbsync_bundle_close(reader);
	}
	if (strlen(receipt->sha256) < MIN_HASH || strncmp(sums, receipt->sha256, strlen(receipt->sha256)) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("receiver \"%s\" has played another bundle " INT64_FORMAT " of chain " INT64_FORMAT " than is kept here",
					receipt->name, receipt->applied, receipt->chain),
			 errdetail("Its hash there begins with %s, here with %.16s: this database or its root was copied, or put back.",
					   receipt->sha256, sums),
			 errhint("Begin another chain: SELECT dbsync.restart_chain(%s).",
					 quote_literal_cstr(target->ledger.subscription_name))));
}

static bool
is_named(const FileTarget *target, const FileReceipt *receipt)
{
	ListCell   *lc;

	foreach(lc, target->options.receivers)
	{
		if (dbsync_file_receipt_is_of(receipt, lfirst(lc)))
			return true;
	}
	return false;
}

/* Of too many strangers the one goes that was heard of longest ago. */
static void
drop_stranger(const FileTarget *target, FileReceipts *receipts)
{
	int			strangers = 0;
	ListCell   *lc;

	foreach(lc, receipts->receipts)
		strangers += !is_named(target, lfirst(lc));
	if (strangers <= MAX_STRANGERS)
		return;
	foreach(lc, receipts->receipts)
	{
		if (is_named(target, lfirst(lc)))
			continue;
		receipts->receipts = foreach_delete_current(receipts->receipts, lc);
		return;
	}
}

/*
 * In place of what the receiver has said before, as the last of all; false: it is older.  What is kept lives with
 * the others.
 */
static bool
replace(const FileTarget *target, FileReceipts *receipts, const FileReceipt *receipt)
{
	MemoryContext old_context;
	FileReceipt *kept;
	ListCell   *lc;

	foreach(lc, receipts->receipts)
	{
		FileReceipt *old = lfirst(lc);

		if (strcmp(old->receiver, receipt->receiver) != 0)
			continue;
		if (old->count >= receipt->count)
			return false;
		receipts->receipts = foreach_delete_current(receipts->receipts, lc);
	}
	old_context = MemoryContextSwitchTo(GetMemoryChunkContext(receipts));
	kept = dbsync_file_receipt_parse(receipt->line);
	kept->taken = receipt->taken;
	receipts->receipts = lappend(receipts->receipts, kept);
	drop_stranger(target, receipts);
	MemoryContextSwitchTo(old_context);
	return true;
}

/*
 * It names a bundle that was never written: nothing is done by its word, which may be a lie; but it may be that we have been put
 * back, root and all, and people are to know.  Not of whom nobody has heard, unless he has signed, and not what he has said before.
 */
static void
note_ahead(FileTarget *target, const FileReceipts *receipts, const FileReceipt *receipt)
{
	ListCell   *lc;

	if (!is_named(target, receipt) && target->options.receipt_keys == NULL)
		return;
	foreach(lc, receipts->receipts)
	{
		const FileReceipt *last = lfirst(lc);

		if (strcmp(last->receiver, receipt->receiver) == 0 && last->count > receipt->count)
			return;
	}
	target->ahead.chain = receipt->chain;
	target->ahead.number = receipt->applied;
	strlcpy(target->ahead_of, receipt->name, sizeof(target->ahead_of));
}

/* "trusted": it is one that somebody has handed over who may. */
static void
take_file(FileTarget *target, FileReceipts *receipts, const char *path, bool trusted)
{
	struct stat status = {0};
	const char *why;
	char	   *data = read_foreign(path, &status, &why, &target->unreadable);
	char	   *next = NULL;
	char	   *line;
	char	   *uuid = dbsync_file_uuid(&target->subscription);
	FileReceipt *receipt;
	bool		is_new;

	if (data == NULL)
	{
		ignore(target, path, &status, why);
		return;
	}
	line = strtok_r(data, "\r\n", &next);
	receipt = line ? dbsync_file_receipt_parse(line) : NULL;
	if (receipt == NULL)
	{
		ignore(target, path, &status, "it is no receipt");
		return;
	}
	/* of another subscription, whose worker comes for it */
	if (strstr(line, psprintf(" %s ", uuid)) != line + strlen("dbsync-receipt 1"))
		return;
	if (!trusted && !is_signed(target, line, strtok_r(NULL, "\r\n", &next)))
	{
		ignore(target, path, &status, "it is not signed by a key in the file that option \"receipt_keys\" names");
		return;
	}
	if (receipt->chain > target->newest.chain ||
		(receipt->chain == target->newest.chain && receipt->applied > target->newest.number))
	{
		note_ahead(target, receipts, receipt);
		ignore(target, path, &status, "it names a bundle that was never written");
		return;
	}
	/* one who has played it can say which it is; who guesses numbers cannot */
	if (!trusted && receipt->applied > 0 && strspn(receipt->sha256, "0123456789abcdef") < MIN_HASH)
	{
		ignore(target, path, &status, "it does not say by its hash which bundle was played");
		return;
	}
	receipt->taken = GetCurrentTimestamp();
	is_new = replace(target, receipts, receipt);
	if (is_new && receipt->chain == target->newest.chain && receipt->applied > 0)
		check_hash(target, receipt);
	if (is_new)
		dbsync_file_receipts_write(target, receipts);
	take_away(path, &status);
}

static void
take_folder(FileTarget *target, FileReceipts *receipts, const char *folder, bool trusted)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "dbsync receipt", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	ListCell   *lc;

	foreach(lc, dbsync_folder_list(folder))
	{
		CHECK_FOR_INTERRUPTS();
		old = MemoryContextSwitchTo(scratch);
		take_file(target, receipts, psprintf("%s/%s", folder, (char *) lfirst(lc)), trusted);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
	}
	MemoryContextDelete(scratch);
}

void
dbsync_file_receipts_take(FileTarget *target, FileReceipts *receipts)
{
	target->nignored = 0;
	target->ahead.number = 0;
	target->unreadable = 0;
	take_folder(target, receipts, psprintf("%s/receipts", target->options.root), false);
	take_folder(target, receipts, dbsync_file_by_hand_folder(target), true);
}
