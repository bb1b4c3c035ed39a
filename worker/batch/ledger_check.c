/*-------------------------------------------------------------------------
 *
 * worker/batch/ledger_check.c
 *	  May what a ledger says be believed?
 *
 * A ledger lies in a database of somebody else's, who may edit it, restore half of
 * it, or answer with what he likes.  Its rows are looked at here as a whole, where
 * they are read and before anything of them is used: what cannot be, and what
 * contradicts itself, is refused with the name of the column.
 *
 * An edit can make sense all the same: a boundary a thousand rows further on, or a
 * position that passes over a transaction, would lose rows without a word.  So each
 * row has a checksum over what it says.  It is no secret and no protection against
 * someone who means harm, whom the target's rows obey anyway; it tells a row that we
 * have written from one that somebody has mended.  The name does not count, as it
 * follows the subscription's, nor does the batch number, which only has to differ
 * from that of a worker that was cut off.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "port/pg_crc32c.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

#include "worker/batch/ledger_check.h"
#include "worker/driver/driver.h"
#include "worker/position.h"
#include "worker/snapshot.h"
#include "worker/subscription.h"
#include "worker/table.h"

/* far from where counting on would overflow */
#define MAX_COUNT	(PG_INT64_MAX / 2)

static void
add_text(pg_crc32c *crc, const char *text)
{
	/* with its end, so that the border between two texts counts; NULL is no text */
	COMP_CRC32C(*crc, text ? "t" : "n", 1);
	if (text != NULL)
		COMP_CRC32C(*crc, text, strlen(text) + 1);
}

/* as text: the same on every machine */
static void
add_number(pg_crc32c *crc, uint64 number)
{
	char		text[32];

	snprintf(text, sizeof(text), UINT64_FORMAT, number);
	add_text(crc, text);
}

int64
dbsync_ledger_checksum(const DbsyncLedger *ledger)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, &ledger->subscription, sizeof(pg_uuid_t));
	add_number(&crc, ledger->system_identifier);
	add_number(&crc, ledger->database_oid);
	add_number(&crc, ledger->timeline);
	add_number(&crc, ledger->lsn);
	add_number(&crc, (uint64) ledger->server_start);
	add_text(&crc, ledger->after);
	add_text(&crc, ledger->upto);
	add_number(&crc, ledger->closing);
	add_number(&crc, ledger->closing ? ledger->closing_xid : 0);
	add_text(&crc, ledger->identities);
	FIN_CRC32C(crc);
	return (int64) crc;
}

int64
dbsync_ledger_part_checksum(const DbsyncLedgerPart *part)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, &part->attachment, sizeof(pg_uuid_t));
	add_number(&crc, part->live ? 1 : 0);
	add_number(&crc, part->nkeys);
	for (int k = 0; k < part->nkeys; k++)
		add_text(&crc, part->boundary[k]);
	add_number(&crc, (uint64) part->rows);
	/* rows of tables that are not held say nothing of it */
	if (part->after != NULL)
	{
		add_text(&crc, part->after);
		add_text(&crc, part->upto);
		add_number(&crc, part->closing);
		add_number(&crc, part->closing ? part->closing_xid : 0);
	}
	FIN_CRC32C(crc);
	return (int64) crc;
}

static char *
uuid_text(const pg_uuid_t *uuid)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid)));
}

/* problem: "column \"after\" is null" and the like */
static void
refuse_row(DbsyncWork *work, const char *problem)
{
	const DbsyncSubscription *subscription = work->subscription;

	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the ledger of subscription \"%s\" on target \"%s\" is damaged: %s",
					subscription->name, subscription->target, problem),
			 errdetail("It is the row of dbsync_ledger.position there with id %s.",
					   uuid_text(&subscription->uid)),
			 errhint("Put the row back as it was. If that cannot be done, what the target has is not known any more:"
					 " drop the subscription with force => true, create it again, and have its tables copied anew.")));
}

static void
refuse_part(DbsyncWork *work, const DbsyncTable *table, const char *problem)
{
	const DbsyncSubscription *subscription = work->subscription;

	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the ledger of table %s in subscription \"%s\" on target \"%s\" is damaged: %s",
					table->qualified, subscription->name, subscription->target, problem),
			 errdetail("It is the row of dbsync_ledger.position there with id %s.",
					   uuid_text(&table->uid)),
			 errhint("Put the row back as it was, or copy the table anew: SELECT dbsync.copy_table(%s, %s).",
					 quote_literal_cstr(subscription->name), quote_literal_cstr(table->qualified))));
}

static DbsyncSnapshot *
checked_snapshot(DbsyncWork *work, const char *column, const char *text)
{
	const char *problem;
	DbsyncSnapshot *snapshot = dbsync_snapshot_try_parse(text, &problem);

	if (snapshot == NULL)
		refuse_row(work, psprintf("column \"%s\" is not the snapshot of a source, %s", column, problem));
	return snapshot;
}

/* "closing" is the last transaction passed, of the window under way if there is one. */
static void
check_closing(DbsyncWork *work, const DbsyncPosition *position)
{
	uint64		xid = position->closing_xid;

	if (position->closing == InvalidXLogRecPtr)
	{
		if (position->upto != NULL)
			refuse_row(work, "column \"closing\" is null, although a window is under way");
		return;
	}
	if (xid < FirstNormalTransactionId)
		refuse_row(work, "column \"closing_xid\" is no transaction, although \"closing\" is set");
	if (position->upto == NULL && !dbsync_snapshot_sees(position->after, xid))
		refuse_row(work, "column \"closing_xid\" is a transaction that \"after\" does not see");
	if (position->upto != NULL && !dbsync_snapshot_sees(position->upto, xid))
		refuse_row(work, "column \"closing_xid\" is a transaction that \"upto\" does not see");
}

void
dbsync_ledger_check_row(DbsyncWork *work, DbsyncPosition *position)
{
	const DbsyncLedger *ledger = &work->ledger;

	memset(position, 0, sizeof(DbsyncPosition));
	if (ledger->null_column != NULL)
		refuse_row(work, psprintf("column \"%s\" is null", ledger->null_column));
	if (ledger->lsn == InvalidXLogRecPtr)
		refuse_row(work, "column \"lsn\" is no place in the WAL");
	if (ledger->batch < 0 || ledger->batch > MAX_COUNT)
		refuse_row(work, "column \"batch\" is no number of a batch");
	position->after = checked_snapshot(work, "after", ledger->after);
	if (ledger->upto != NULL)
		position->upto = checked_snapshot(work, "upto", ledger->upto);
	if (position->upto != NULL && !dbsync_snapshot_covers(position->upto, position->after))
		refuse_row(work, "column \"upto\" lacks transactions that \"after\" sees");
	position->closing = ledger->closing;
	position->closing_xid = ledger->closing_xid;
	check_closing(work, position);
}

static void
check_id(DbsyncWork *work, const char *column, uint64 id, uint64 next)
{
	if (id <= next)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the target is ahead of this server"),
			 errdetail("By column \"%s\" of its ledger it has transactions below " UINT64_FORMAT ", but the next one here gets the id " UINT64_FORMAT ".",
					   column, id, next),
			 errhint("This server was put back to an older state, or the ledger was edited."
					 " In the latter case put the row back; else drop the subscription, create it again, and have its tables copied anew.")));
}

void
dbsync_ledger_check_ids(DbsyncWork *work, const DbsyncPosition *position)
{
	/* read behind the ledger, so it cannot be behind an honest one */
	uint64		next = U64FromFullTransactionId(ReadNextFullTransactionId());

	/* ids in their lists are below their xmax */
	check_id(work, "after", position->after->xmax, next);
	if (position->upto != NULL)
		check_id(work, "upto", position->upto->xmax, next);
}

void
dbsync_ledger_check_untouched(DbsyncWork *work)
{
	if (work->ledger.checksum != dbsync_ledger_checksum(&work->ledger))
		refuse_row(work, "it was not dbsync that wrote it last");
}

/*
 * A copy goes by the key that the table had then: by now it may be another one, of which the
 * worker is still to learn in its place.
 */
static bool
had_key_of(const DbsyncWork *work, const DbsyncTable *table, int nkeys)
{
	ListCell   *lc;

	foreach(lc, work->subscription->shapes)
	{
		const DbsyncTableShape *shape = lfirst(lc);

		if (shape->captured_id == table->captured_id && shape->nkeys == nkeys)
			return true;
	}
	return false;
}

static void
check_boundary(DbsyncWork *work, const DbsyncTable *table, const DbsyncLedgerPart *part)
{
	if (table->scan != NULL)
	{
		const char *problem = dbsync_table_scan_problem(part);

		if (problem != NULL)
			refuse_part(work, table, problem);
	}
	else if (part->nkeys != 0 && !part->live && !had_key_of(work, table, part->nkeys))
		refuse_part(work, table, psprintf("column \"boundary\" has %d values, the key has %d columns",
										  part->nkeys, table->shape->nkeys));
	for (int k = 0; k < part->nkeys; k++)
	{
		if (part->boundary == NULL || part->boundary[k] == NULL)
			refuse_part(work, table, "column \"boundary\" has a null in it");
	}
}

static DbsyncSnapshot *
checked_part_snapshot(DbsyncWork *work, const DbsyncTable *table, const char *column, const char *text)
{
	const char *problem;
	DbsyncSnapshot *snapshot = dbsync_snapshot_try_parse(text, &problem);

	if (snapshot == NULL)
		refuse_part(work, table, psprintf("column \"%s\" is not the snapshot of a source, %s", column, problem));
	return snapshot;
}

/* A held table is behind its subscription, and nowhere else. */
static void
check_held(DbsyncWork *work, const DbsyncTable *table, const DbsyncLedgerPart *part)
{
	const DbsyncSnapshot *reached = dbsync_snapshot_parse(work->ledger.upto ? work->ledger.upto
														  : work->ledger.after);
	DbsyncSnapshot *after;
	DbsyncSnapshot *upto;

	if (part->after == NULL && (part->upto != NULL || part->closing != InvalidXLogRecPtr))
		refuse_part(work, table, "column \"after\" is null, although it is held");
	if (part->after == NULL)
		return;
	after = checked_part_snapshot(work, table, "after", part->after);
	upto = part->upto ? checked_part_snapshot(work, table, "upto", part->upto) : after;
	if (part->upto != NULL && part->closing == InvalidXLogRecPtr)
		refuse_part(work, table, "column \"closing\" is null, although a window is under way");
	if (!dbsync_snapshot_covers(upto, after))
		refuse_part(work, table, "column \"upto\" lacks transactions that \"after\" sees");
	if (!dbsync_snapshot_covers(reached, upto))
		refuse_part(work, table, "it is ahead of its subscription");
	if (part->closing != InvalidXLogRecPtr && !dbsync_snapshot_sees(upto, part->closing_xid))
		refuse_part(work, table, "column \"closing_xid\" is a transaction that it has not come to");
}

static void
check_part(DbsyncWork *work, const DbsyncTable *table, const DbsyncLedgerPart *part)
{
	if (part->null_column != NULL)
		refuse_part(work, table, psprintf("column \"%s\" is null", part->null_column));
	check_boundary(work, table, part);
	if (part->rows < 0 || part->rows > MAX_COUNT)
		refuse_part(work, table, "column \"rows\" is no number of rows");
	/* without a key there is no boundary, and all is copied at once */
	if (table->scan == NULL &&
		(part->nkeys > 0 ? part->rows == 0 : part->rows > 0 && !(part->live && had_key_of(work, table, 0))))
		refuse_part(work, table, "columns \"boundary\" and \"rows\" contradict each other");
	check_held(work, table, part);
	if (part->checksum != dbsync_ledger_part_checksum(part))
		refuse_part(work, table, "it was not dbsync that wrote it last");
}

static int
compare_parts(const ListCell *a, const ListCell *b)
{
	return memcmp(&((const DbsyncLedgerPart *) lfirst(a))->attachment,
				  &((const DbsyncLedgerPart *) lfirst(b))->attachment, sizeof(pg_uuid_t));
}

void
dbsync_ledger_sort_parts(List *parts)
{
	list_sort(parts, compare_parts);
}

int
dbsync_ledger_find_part(const List *parts, const pg_uuid_t *attachment)
{
	int			from = 0;
	int			behind = list_length(parts);

	/* the first one that is not before it */
	while (from < behind)
	{
		int			middle = from + (behind - from) / 2;
		const DbsyncLedgerPart *part = list_nth(parts, middle);

		if (memcmp(&part->attachment, attachment, sizeof(pg_uuid_t)) < 0)
			from = middle + 1;
		else
			behind = middle;
	}
	if (from == list_length(parts) ||
		memcmp(&((const DbsyncLedgerPart *) list_nth(parts, from))->attachment, attachment, sizeof(pg_uuid_t)) != 0)
		return -1;
	return from;
}

/*
 * A row that has gone would look like a copy that was never begun.  What flows would
 * pass the table over meanwhile, and be missing from it if the row came back.
 */
static void
check_not_lost(DbsyncWork *work, const DbsyncTable *table)
{
	if (table->state == DBSYNC_TABLE_COPYING || table->state == DBSYNC_TABLE_INDEXING || table->state == DBSYNC_TABLE_LIVE)
		refuse_part(work, table, "there is no row for it any more");
}

void
dbsync_ledger_check_parts(DbsyncWork *work, List *parts)
{
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		const DbsyncTable *table = lfirst(lc);
		int			at = dbsync_ledger_find_part(parts, &table->uid);

		/* what is suspended needs a new copy anyway, whose row is another */
		if (table->state == DBSYNC_TABLE_SUSPENDED)
			continue;
		if (at < 0)
			check_not_lost(work, table);
		else if (at + 1 < list_length(parts) &&
				 compare_parts(list_nth_cell(parts, at), list_nth_cell(parts, at + 1)) == 0)
			refuse_part(work, table, "there are two rows for it");
		else
			check_part(work, table, list_nth(parts, at));
	}
}
