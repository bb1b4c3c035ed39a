/*-------------------------------------------------------------------------
 *
 * fuzz/parsers/receipt.c
 *	  Receipts: lines that come from the other side, or from whoever can write to their folder.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/driver/file/receipt.c"

#include "fuzz/parsers/shim.h"

/* What is taken is a number, and ranges go up; what is kept of it is read again as the same. */
void
fuzz_one(const char *data, Size size)
{
	FileReceipt *receipt = dbsync_file_receipt_parse(data);
	FileReceipt *again;
	int64		last = 0;
	ListCell   *lc;

	if (receipt == NULL)
		return;
	fuzz_check(receipt->count >= 0 && receipt->chain >= 0 && receipt->applied >= 0);
	/* one more is a number, too: people are told of it */
	fuzz_check(receipt->chain < PG_INT64_MAX && receipt->applied < PG_INT64_MAX);
	fuzz_check(is_uuid(receipt->receiver) && receipt->name != NULL && receipt->sha256 != NULL && receipt->refused != NULL);
	fuzz_check(strcmp(receipt->line, data) == 0 && is_printable(data));
	foreach(lc, receipt->missing)
	{
		const FileRange *range = lfirst(lc);

		fuzz_check(range->from > last && range->to >= range->from);
		last = range->to;
	}
	again = dbsync_file_receipt_parse(receipt->line);
	fuzz_check(again != NULL && again->applied == receipt->applied && again->count == receipt->count &&
			   list_length(again->missing) == list_length(receipt->missing));
}
