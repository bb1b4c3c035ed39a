/*-------------------------------------------------------------------------
 *
 * worker/driver/file/lack.c
 *	  File driver: what people are to see to, as receipts say.
 *
 * One sentence at a time: what comes later here is worse, and takes the place of what came before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "worker/bundle/names.h"
#include "worker/driver/file/receipts.h"

List *
dbsync_file_asking(const FileTarget *target, const FileReceipts *receipts)
{
	List	   *found = NIL;
	ListCell   *lc;

	foreach(lc, receipts->receipts)
	{
		FileReceipt *receipt = lfirst(lc);

		if (receipt->chain == target->newest.chain && receipt->missing != NIL &&
			dbsync_file_receipts_find(target, receipts, receipt->name) == receipt)
			found = lappend(found, receipt);
	}
	return found;
}

/* Of what it lacks the first is the oldest, which goes first.  True: nothing can be worse. */
static bool
tell_missing(FileTarget *target, const FileReceipts *receipts, const FileReceipt *receipt)
{
	DbsyncTargetLack *lack = &target->base.lack;
	const FileRange *range = linitial(receipt->missing);
	FileName	name = {receipt->chain, Max(range->from, receipt->applied + 1)};
	const FileResent *resent = dbsync_file_resent_find(receipts, &name);
	const char *gone = NULL;

	if (name.number > Min(range->to, target->newest.number))
		return false;
	if (access(dbsync_file_keep_path(target, &name, ".tar"), F_OK) != 0)
		gone = "is not kept any more";
	else if (resent != NULL && resent->times == DBSYNC_FILE_DAMAGED)
		gone = "is damaged in \"keep\"";
	if (gone != NULL)
	{
		snprintf(lack->words, sizeof(lack->words), "Receiver \"%.32s\" lacks bundle " INT64_FORMAT ", which %s.",
				 receipt->name, name.number, gone);
		lack->gone = name.number;
		return true;
	}
	if (resent != NULL && resent->times > 1)
		snprintf(lack->words, sizeof(lack->words), "Receiver \"%.32s\" lacks bundle " INT64_FORMAT ", though it was sent again %d times.",
				 receipt->name, name.number, resent->times);
	return false;
}

/* What a target refuses stands still there, and is kept here. */
static void
tell_refused(FileTarget *target, const FileReceipts *receipts)
{
	DbsyncTargetLack *lack = &target->base.lack;
	ListCell   *lc;

	foreach(lc, target->options.receivers)
	{
		const FileReceipt *receipt = dbsync_file_receipts_find(target, receipts, lfirst(lc));

		if (receipt != NULL && strcmp(receipt->refused, "-") != 0)
			snprintf(lack->words, sizeof(lack->words), "Receiver \"%.32s\" says that its target refuses a bundle: %.32s.",
					 receipt->name, receipt->refused);
	}
}

/*
 * Of whom nothing is heard.  Where somebody else speaks, he may be called otherwise than the options have it; what is ignored may be
 * what he has said.
 */
static void
tell_silent(FileTarget *target, const FileReceipts *receipts)
{
	DbsyncTargetLack *lack = &target->base.lack;
	const char *ignored = target->nignored > 0 ? psprintf("Files ignored in \"receipts\", see the log: %d.", target->nignored) : "";
	const FileReceipt *other = receipts->receipts != NIL ? llast(receipts->receipts) : NULL;
	ListCell   *lc;

	strlcpy(lack->words, ignored, sizeof(lack->words));
	if (target->silent == NULL)
		return;
	foreach(lc, target->options.receivers)
	{
		if (other != NULL && dbsync_file_receipt_is_of(other, lfirst(lc)))
			other = NULL;
	}
	if (other == NULL)
		snprintf(lack->words, sizeof(lack->words), "Receiver \"%.32s\" has not said for long what it has. %s",
				 dbsync_names_word(target->silent), ignored);
	else
		snprintf(lack->words, sizeof(lack->words),
				 "Receiver \"%.32s\" has not said for long what it has; \"%.32s\" has, whom option receivers does not name.",
				 dbsync_names_word(target->silent), other->name);
}

/* Whoever has played more than was written here has it from another one of us, or from what we were before we were put back. */
static bool
tell_ahead(FileTarget *target)
{
	DbsyncTargetLack *lack = &target->base.lack;
	const FileName *ahead = &target->ahead;

	if (ahead->number == 0)
		return false;
	snprintf(lack->words, sizeof(lack->words),
			 "Receiver \"%s\" says that it has played bundle " INT64_FORMAT " of chain " INT64_FORMAT
			 ", which was never written here: was this server put back?",
			 target->ahead_of, ahead->number, ahead->chain);
	lack->gone = ahead->number;
	lack->above = ahead->chain > target->newest.chain ? ahead->chain : 0;
	return true;
}

void
dbsync_file_tell_lack(FileTarget *target, const FileReceipts *receipts)
{
	DbsyncTargetLack *lack = &target->base.lack;
	ListCell   *lc;

	memset(lack, 0, sizeof(DbsyncTargetLack));
	tell_silent(target, receipts);
	if (target->unreadable != 0)
		snprintf(lack->words, sizeof(lack->words),
				 "A file in \"receipts\" cannot be read (%.60s): the server log names it. Let the server's account read it.",
				 strerror(target->unreadable));
	tell_refused(target, receipts);
	if (tell_ahead(target))
		return;
	foreach(lc, dbsync_file_asking(target, receipts))
	{
		if (tell_missing(target, receipts, lfirst(lc)))
			return;
	}
}
