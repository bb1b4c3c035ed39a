/*-------------------------------------------------------------------------
 *
 * worker/driver/file/receipt.c
 *	  File driver: a receipt's line, and the file that keeps them.
 *
 * Who writes a receipt is somebody on the other side, or between us: nothing in it is believed further than
 * that a number is one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/bundle/folder.h"
#include "worker/bundle/names.h"
#include "worker/driver/file/receipts.h"

#define RECEIPT_HEAD	"dbsync-receipt 1 "
#define RECEIPTS_NAME	"receipts"
#define RECEIPTS_LIMIT	(64 * 1024 * 1024)
#define RECEIPTS_MODE	0600
#define MAX_RANGES		1000
#define UUID_TEXT		36

/* The value of a word key=value; NULL: there is none. */
static char *
value_of(List *words, const char *key)
{
	size_t		length = strlen(key);
	ListCell   *lc;

	foreach(lc, words)
	{
		char	   *word = lfirst(lc);

		if (strncmp(word, key, length) == 0 && word[length] == '=')
			return word + length + 1;
	}
	return NULL;
}

/* -1: it is no number */
static int64
number_of(const char *text)
{
	char	   *end;
	long long	number;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	number = strtoll(text, &end, 10);
	return errno != 0 || *end != '\0' ? -1 : number;
}

/* 3-5,9: they go up, so that none is gone through twice; false: it is something else */
static bool
read_ranges(char *text, List **ranges)
{
	char	   *next = NULL;
	int64		last = 0;

	if (text == NULL)
		return false;
	if (strcmp(text, "-") == 0)
		return true;
	for (char *part = strtok_r(text, ",", &next); part != NULL; part = strtok_r(NULL, ",", &next))
	{
		FileRange  *range = palloc(sizeof(FileRange));
		char	   *dash = strchr(part, '-');

		if (dash != NULL)
			*dash = '\0';
		range->from = number_of(part);
		range->to = dash ? number_of(dash + 1) : range->from;
		if (range->from <= last || range->to < range->from || list_length(*ranges) >= MAX_RANGES)
			return false;
		last = range->to;
		*ranges = lappend(*ranges, range);
	}
	return *ranges != NIL;
}

static List *
split(char *text)
{
	List	   *words = NIL;
	char	   *next = NULL;

	for (char *word = strtok_r(text, " ", &next); word != NULL; word = strtok_r(NULL, " ", &next))
		words = lappend(words, word);
	return words;
}

/* It goes into messages, and becomes part of a file's name. */
static bool
is_printable(const char *line)
{
	for (; *line != '\0'; line++)
	{
		if (*line < ' ' || *line > '~')
			return false;
	}
	return true;
}

static bool
is_uuid(const char *text)
{
	return strlen(text) == UUID_TEXT && strspn(text, "0123456789abcdef-") == UUID_TEXT;
}

FileReceipt *
dbsync_file_receipt_parse(const char *line)
{
	FileReceipt *receipt = palloc0(sizeof(FileReceipt));
	List	   *words;

	if (strncmp(line, RECEIPT_HEAD, strlen(RECEIPT_HEAD)) != 0 || !is_printable(line))
		return NULL;
	receipt->line = pstrdup(line);
	words = split(pstrdup(line));
	/* dbsync-receipt 1 subscription receiver name count time, then pairs */
	if (list_length(words) < 8 || !is_uuid(list_nth(words, 3)))
		return NULL;
	receipt->receiver = list_nth(words, 3);
	receipt->name = list_nth(words, 4);
	receipt->count = number_of(list_nth(words, 5));
	receipt->chain = number_of(value_of(words, "chain"));
	receipt->applied = number_of(value_of(words, "applied"));
	receipt->sha256 = value_of(words, "sha256");
	receipt->refused = value_of(words, "refused");
	if (receipt->count < 0 || receipt->chain < 0 || receipt->chain > DBSYNC_BUNDLE_CHAIN_LIMIT ||
		receipt->applied < 0 || receipt->applied > DBSYNC_BUNDLE_NUMBER_LIMIT || receipt->sha256 == NULL ||
		receipt->refused == NULL || !read_ranges(value_of(words, "missing"), &receipt->missing))
		return NULL;
	return receipt;
}

/* --- kept --- */

static char *
path_of(const FileTarget *target)
{
	return psprintf("%s/" RECEIPTS_NAME, target->keep);
}

static void
read_line(FileReceipts *receipts, char *line)
{
	long long	taken;
	long long	chain;
	long long	number;
	int			times;
	int			length = 0;

	if (sscanf(line, "receipt %lld %n", &taken, &length) == 1 && length > 0)
	{
		FileReceipt *receipt = dbsync_file_receipt_parse(line + length);

		if (receipt == NULL)
			return;
		receipt->taken = taken;
		receipts->receipts = lappend(receipts->receipts, receipt);
	}
	else if (sscanf(line, "resent %lld %lld %d %lld", &chain, &number, &times, &taken) == 4)
	{
		FileResent *resent = palloc(sizeof(FileResent));

		resent->name.chain = chain;
		resent->name.number = number;
		resent->times = times;
		resent->last = taken;
		receipts->resent = lappend(receipts->resent, resent);
	}
}

/* What is not there, or not to be read, comes again with the next receipt. */
FileReceipts *
dbsync_file_receipts_read(const FileTarget *target)
{
	FileReceipts *receipts = palloc0(sizeof(FileReceipts));
	size_t		length;
	char	   *next = NULL;
	char	   *data = dbsync_folder_read(path_of(target), RECEIPTS_LIMIT, &length);

	if (data == NULL)
		return receipts;
	for (char *line = strtok_r(data, "\n", &next); line != NULL; line = strtok_r(NULL, "\n", &next))
		read_line(receipts, line);
	return receipts;
}

void
dbsync_file_receipts_write(FileTarget *target, const FileReceipts *receipts)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, receipts->receipts)
	{
		const FileReceipt *receipt = lfirst(lc);

		appendStringInfo(&buf, "receipt " INT64_FORMAT " %s\n", receipt->taken, receipt->line);
	}
	foreach(lc, receipts->resent)
	{
		const FileResent *resent = lfirst(lc);

		appendStringInfo(&buf, "resent " INT64_FORMAT " " INT64_FORMAT " %d " INT64_FORMAT "\n",
						 resent->name.chain, resent->name.number, resent->times, resent->last);
	}
	dbsync_folder_write(dbsync_file_tmp_folder(target), path_of(target), buf.data, buf.len, RECEIPTS_MODE);
	pfree(buf.data);
}

bool
dbsync_file_receipt_is_of(const FileReceipt *receipt, const char *name)
{
	char	   *word = dbsync_names_word(name);
	bool		is_of = strcmp(receipt->name, word) == 0 || strcmp(receipt->name, name) == 0;

	pfree(word);
	return is_of;
}

/* Of several that have the name the one heard of last: a receiver that was dropped, and made again, is another one. */
FileReceipt *
dbsync_file_receipts_find(const FileTarget *target, const FileReceipts *receipts, const char *name)
{
	FileReceipt *found = NULL;
	ListCell   *lc;

	foreach(lc, receipts->receipts)
	{
		FileReceipt *receipt = lfirst(lc);

		if (receipt->chain == target->newest.chain && dbsync_file_receipt_is_of(receipt, name))
			found = receipt;
	}
	return found;
}

int64
dbsync_file_receipts_applied(const FileTarget *target, const FileReceipts *receipts)
{
	int64		applied = target->newest.number;
	ListCell   *lc;

	foreach(lc, target->options.receivers)
	{
		const FileReceipt *receipt = dbsync_file_receipts_find(target, receipts, lfirst(lc));

		applied = Min(applied, receipt ? receipt->applied : 0);
	}
	return applied;
}

FileResent *
dbsync_file_resent_find(const FileReceipts *receipts, const FileName *name)
{
	ListCell   *lc;

	foreach(lc, receipts->resent)
	{
		FileResent *resent = lfirst(lc);

		if (dbsync_file_compare(&resent->name, name) == 0)
			return resent;
	}
	return NULL;
}
