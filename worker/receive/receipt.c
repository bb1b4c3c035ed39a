/*-------------------------------------------------------------------------
 *
 * worker/receive/receipt.c
 *	  What goes back to the source: one line that says how far the target has come, and what is missing.
 *
 *		dbsync-receipt 1 <subscription> <receiver's uuid> <its name> <count> <UTC time> chain=<c> applied=<number>
 *		batch=<b> sha256=<16 hex> missing=<3-5,9|-> refused=<number:SQLSTATE|-> target=<system/database|->
 *
 * all in one line; a second one has the signature over the first one, without its newline, in base64, if the receiver signs.
 * Of several the one with the highest count counts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <time.h>

#include "common/base64.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/bundle/folder.h"
#include "worker/bundle/names.h"
#include "worker/bundle/sign.h"
#include "worker/receive/cache.h"
#include "worker/receive/receipt.h"
#include "worker/receive/receiver_config.h"
#include "worker/target.h"

/* ranges of numbers that a receipt names at most: the next one names the others */
#define RANGES_LIMIT	200

static char *written = NULL;	/* what the last one said, but for count and time */
static TimestampTz written_at = 0;

static char *
uuid_text(const pg_uuid_t *uuid)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid)));
}

char *
dbsync_receipt_path(const DbsyncReceiver *receiver)
{
	return psprintf("%s/%s-%.8s.receipt", receiver->receipts, uuid_text(&receiver->subscription), uuid_text(&receiver->uid));
}

char *
dbsync_receipt_missing(const DbsyncReceiving *receiving)
{
	StringInfoData buf;
	int64		highest;
	int64		number = receiving->waits_for;
	int			ranges = 0;

	initStringInfo(&buf);
	if (number == 0 || receiving->waits_since == 0 ||
		receiving->waits_since + receiving->receiver->gap_after > GetCurrentTimestamp())
		return buf.data;
	highest = dbsync_bundles_highest(receiving->waits_chain);
	/* that a batch is not whole is known without one behind it */
	if (highest < number)
		highest = number;
	while (number <= highest && ranges++ < RANGES_LIMIT)
	{
		int64		from = number;

		while (number <= highest && dbsync_bundles_find(receiving->waits_chain, number) == NULL)
			number++;
		appendStringInfo(&buf, "%s" INT64_FORMAT, buf.len > 0 ? "," : "", from);
		if (number - 1 > from)
			appendStringInfo(&buf, "-" INT64_FORMAT, number - 1);
		number = dbsync_bundles_first_gap(receiving->waits_chain, number - 1);
	}
	return buf.data;
}

/* What it says, without what tells one from another. */
static char *
compose(const DbsyncReceiving *receiving)
{
	const DbsyncPlace *place = &receiving->place;
	const DbsyncTarget *target = receiving->work->target;
	char	   *missing = dbsync_receipt_missing(receiving);
	const char *origin = target && target->identity.origin ? target->identity.origin : "-";
	char	   *refused = "-";
	/* what is missing of a chain that is to begin is said of that one */
	bool		begins = receiving->waits_for != 0 && receiving->waits_chain != place->chain;

	if (receiving->refused_number != 0)
		refused = psprintf(INT64_FORMAT ":%s", receiving->refused_number, unpack_sql_state(receiving->refused_sqlstate));
	return psprintf("chain=" INT64_FORMAT " applied=" INT64_FORMAT " batch=" INT64_FORMAT " sha256=%.16s missing=%s refused=%s target=%s",
					begins ? receiving->waits_chain : place->chain, begins ? 0 : place->number, begins ? 0 : place->batch,
					place->sums[0] && !begins ? place->sums : "-", missing[0] ? missing : "-", refused, origin);
}

static char *
sign(const DbsyncReceiver *receiver, const char *line)
{
	DbsyncSigner *signer = dbsync_sign_load(receiver->receipt_key_file, "receipt_key_file");
	uint8		signature[DBSYNC_BUNDLE_SIGNATURE];
	char	   *text = palloc0(pg_b64_enc_len(sizeof(signature)) + 1);

	dbsync_sign(signer, line, strlen(line), signature);
	if (pg_b64_encode((const void *) signature, sizeof(signature), text, pg_b64_enc_len(sizeof(signature))) < 0)
		elog(ERROR, "could not write a signature as base64");
	return text;
}

static char *
utc_now(void)
{
	time_t		now = timestamptz_to_time_t(GetCurrentTimestamp());
	struct tm	utc;
	char		text[32];

	gmtime_r(&now, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	return pstrdup(text);
}

void
dbsync_receipt_write(DbsyncReceiving *receiving)
{
	const DbsyncReceiver *receiver = receiving->receiver;
	char	   *says;
	char	   *line;
	char	   *text;

	if (!receiver->knows_subscription || !receiving->place_known || (receiving->place.chain == 0 && receiving->waits_chain == 0))
		return;
	says = compose(receiving);
	if (written != NULL && strcmp(written, says) == 0 &&
		written_at <= GetCurrentTimestamp() && written_at + receiver->receipt_every > GetCurrentTimestamp())
		return;
	line = psprintf("dbsync-receipt 1 %s %s %s " INT64_FORMAT " %s %s", uuid_text(&receiver->subscription),
					uuid_text(&receiver->uid), dbsync_names_word(receiver->name), dbsync_receiver_count_receipt(receiving), utc_now(), says);
	text = receiver->receipt_key_file ? psprintf("%s\n%s\n", line, sign(receiver, line)) : psprintf("%s\n", line);
	dbsync_folder_write(receiver->tmp, dbsync_receipt_path(receiver), text, strlen(text), S_IRUSR | S_IWUSR | S_IRGRP);
	if (written != NULL)
		pfree(written);
	written = MemoryContextStrdup(TopMemoryContext, says);
	written_at = GetCurrentTimestamp();
}
