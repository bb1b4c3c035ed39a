/*-------------------------------------------------------------------------
 *
 * worker/driver/file/listing.c
 *	  File driver: what SQL functions ask of kept bundles, and do with them.
 *
 * They are called by functions of ours that have asked for the caller's rights, with the options of the target, beside
 * the worker: nothing is written but by a rename or a link.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "access/reloptions.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "worker/bundle/folder.h"
#include "worker/bundle/reader.h"
#include "worker/driver/file/listing.h"
#include "worker/driver/file/receipts.h"

PG_FUNCTION_INFO_V1(dbsync_file_bundles);
PG_FUNCTION_INFO_V1(dbsync_file_publish_again);
PG_FUNCTION_INFO_V1(dbsync_file_acknowledge);

#define LISTING_COLUMNS		12
#define RECEIPT_MODE		0600

/* A target as far as looking at it goes: options, subscription, name, and the chain that is its present one. */
static FileTarget *
make_target(FunctionCallInfo fcinfo)
{
	FileTarget *target = palloc0(sizeof(FileTarget));

	target->base.context = CurrentMemoryContext;
	dbsync_file_options_read(untransformRelOptions(PG_GETARG_DATUM(0)), &target->options);
	target->subscription = *PG_GETARG_UUID_P(1);
	target->ledger.subscription_name = text_to_cstring(PG_GETARG_TEXT_PP(2));
	target->newest.chain = PG_GETARG_INT64(3);
	target->keep = psprintf("%s/keep/%s", target->options.root, dbsync_file_uuid(&target->subscription));
	return target;
}

static bool
has_folder(const FileTarget *target)
{
	return access(target->keep, F_OK) == 0;
}

static void
load_key(FileTarget *target)
{
	target->signer = dbsync_sign_load(psprintf("%s/signing.key", target->options.root), "the signing key of a file target");
}

/* --- bundles() --- */

static const char *
state_of(const FileTarget *target, const FileReceipts *receipts, const FileName *name)
{
	struct stat status;

	if (name->chain < target->newest.chain)
		return "given up";
	if (target->options.receivers != NIL && name->number <= dbsync_file_receipts_applied(target, receipts))
		return "acknowledged";
	if (stat(dbsync_file_keep_path(target, name, ".tar"), &status) == 0 && dbsync_file_is_out(target, name, &status))
		return "published";
	return "taken away";
}

/* Who has it, by what receipts say. */
static Datum
acknowledged_by(const FileReceipts *receipts, const FileName *name)
{
	Datum	   *names = palloc(sizeof(Datum) * (list_length(receipts->receipts) + 1));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, receipts->receipts)
	{
		const FileReceipt *receipt = lfirst(lc);

		if (receipt->chain == name->chain && receipt->applied >= name->number)
			names[n++] = CStringGetTextDatum(receipt->name);
	}
	return PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* What somebody said of it that is not as it should be; NULL: nothing. */
static char *
note_of(const FileReceipts *receipts, const FileName *name)
{
	const FileResent *resent = dbsync_file_resent_find(receipts, name);
	ListCell   *lc;

	foreach(lc, receipts->receipts)
	{
		const FileReceipt *receipt = lfirst(lc);
		char	   *refused = psprintf(INT64_FORMAT ":", name->number);

		if (receipt->chain == name->chain && strncmp(receipt->refused, refused, strlen(refused)) == 0)
			return psprintf("refused at receiver \"%s\": %s", receipt->name, receipt->refused + strlen(refused));
	}
	if (resent == NULL)
		return NULL;
	if (resent->times < 0)
		return pstrdup("asked for, but damaged in \"keep\"");
	return psprintf(resent->times == 1 ? "asked for, and sent again" : "asked for, and sent again %d times", resent->times);
}

static void
put_bundle(FileTarget *target, const FileReceipts *receipts, const FileName *name, ReturnSetInfo *rsinfo)
{
	Datum		values[LISTING_COLUMNS];
	bool		nulls[LISTING_COLUMNS] = {false};
	const FileResent *resent = dbsync_file_resent_find(receipts, name);
	DbsyncBundleVerdict verdict;
	const char *reason = NULL;
	DbsyncBundleReader *reader = dbsync_bundle_open(dbsync_file_keep_path(target, name, ".tar"),
													dbsync_file_own_keys(target), &verdict, &reason);
	const DbsyncBundleHead *head = reader ? dbsync_bundle_head(reader) : NULL;
	const char *note = reader ? note_of(receipts, name) : psprintf("does not prove itself: %s", reason);
	int			n = 0;

	values[n++] = Int64GetDatum(name->chain);
	values[n++] = Int64GetDatum(name->number);
	for (int i = n; i < n + 6; i++)
		nulls[i] = head == NULL;
	values[n++] = Int64GetDatum(head ? head->batch : 0);
	values[n++] = Int32GetDatum(head ? head->part : 0);
	values[n++] = BoolGetDatum(head && head->last);
	values[n++] = TimestampTzGetDatum(head ? head->time : 0);
	values[n++] = Int64GetDatum(head ? head->rows : 0);
	values[n++] = Int64GetDatum(head ? head->bytes : 0);
	values[n++] = CStringGetTextDatum(state_of(target, receipts, name));
	values[n++] = Int32GetDatum(1 + (resent ? Max(resent->times, 0) : 0));
	values[n++] = acknowledged_by(receipts, name);
	nulls[n] = note == NULL;
	values[n] = note ? CStringGetTextDatum(note) : (Datum) 0;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	if (reader != NULL)
		dbsync_bundle_close(reader);
}

Datum
dbsync_file_bundles(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	FileTarget *target = make_target(fcinfo);
	MemoryContext scratch;
	MemoryContext old;
	FileReceipts *receipts;
	List	   *names;
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	if (!has_folder(target))
		PG_RETURN_VOID();
	load_key(target);
	receipts = dbsync_file_receipts_read(target);
	names = dbsync_file_list(target, ".tar");
	if (names != NIL)
		target->newest.number = ((FileName *) llast(names))->number;
	scratch = AllocSetContextCreate(CurrentMemoryContext, "dbsync bundle that is listed", ALLOCSET_DEFAULT_SIZES);
	foreach(lc, names)
	{
		CHECK_FOR_INTERRUPTS();
		old = MemoryContextSwitchTo(scratch);
		/* it may have been removed meanwhile */
		if (access(dbsync_file_keep_path(target, lfirst(lc), ".tar"), F_OK) == 0)
			put_bundle(target, receipts, lfirst(lc), rsinfo);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
	}
	PG_RETURN_VOID();
}

/* --- publish() --- */

/*
 * The last that completes a batch: parts behind it are of one that is being committed, or never was, and whose numbers
 * are used again.
 */
static int64
last_committed(const FileTarget *target, List *names)
{
	List	   *keys = dbsync_file_own_keys(target);

	for (int i = list_length(names) - 1; i >= 0; i--)
	{
		const FileName *name = list_nth(names, i);
		DbsyncBundleVerdict verdict;
		const char *reason;
		DbsyncBundleReader *reader;
		bool		last;

		if (name->chain != target->newest.chain)
			continue;
		reader = dbsync_bundle_open(dbsync_file_keep_path(target, name, ".tar"), keys, &verdict, &reason);
		if (reader == NULL)
			continue;
		last = dbsync_bundle_head(reader)->last;
		dbsync_bundle_close(reader);
		if (last)
			return name->number;
	}
	return 0;
}

Datum
dbsync_file_publish_again(PG_FUNCTION_ARGS)
{
	FileTarget *target = make_target(fcinfo);
	int64		from = PG_GETARG_INT64(4);
	int64		to = PG_GETARG_INT64(5);
	int			n = 0;
	List	   *keys = NIL;
	List	   *names;
	ListCell   *lc;

	if (!has_folder(target))
		PG_RETURN_INT32(0);
	load_key(target);
	names = dbsync_file_list(target, ".tar");
	to = Min(to, last_committed(target, names));
	foreach(lc, names)
	{
		const FileName *name = lfirst(lc);

		if (name->chain != target->newest.chain || name->number < from || name->number > to)
			continue;
		CHECK_FOR_INTERRUPTS();
		if (!dbsync_file_proves_itself(target, name, &keys))
			continue;
		dbsync_file_publish(target, name);
		n++;
	}
	dbsync_folder_sync(psprintf("%s/out", target->options.root));
	PG_RETURN_INT32(n);
}

/* --- acknowledge() --- */

/* A receipt that came on paper goes where nobody else writes: who brings it may say so, signed or not. */
Datum
dbsync_file_acknowledge(PG_FUNCTION_ARGS)
{
	FileTarget *target = make_target(fcinfo);
	char	   *said = text_to_cstring(PG_GETARG_TEXT_PP(4));
	char	   *line = pnstrdup(said, strcspn(said, "\r\n"));
	FileReceipt *receipt = dbsync_file_receipt_parse(line);
	const char *named = psprintf(" %s ", dbsync_file_uuid(&target->subscription));
	char	   *folder = dbsync_file_by_hand_folder(target);

	if (receipt == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("that is no receipt"),
				 errhint("It is what dbsync.receipt() says at the receiver: dbsync-receipt 1 ...")));
	if (strstr(line, named) != line + strlen("dbsync-receipt 1"))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the receipt is of another subscription than \"%s\"", target->ledger.subscription_name)));
	if (!has_folder(target))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there are no bundles of subscription \"%s\" yet", target->ledger.subscription_name)));
	dbsync_folder_make(folder, 0700);
	dbsync_folder_write(psprintf("%s/tmp", target->options.root),
						psprintf("%s/%s-" INT64_FORMAT, folder, receipt->receiver, receipt->count),
						said, strlen(said), RECEIPT_MODE);
	PG_RETURN_VOID();
}
