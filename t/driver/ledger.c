/*-------------------------------------------------------------------------
 *
 * t/driver/ledger.c
 *	  The ledger: lines "position" and "part" of the target's file, beside the rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "internal.h"

/* fields of a line, its name not counted */
#define POSITION_FIELDS	14
#define PART_FIELDS		9		/* and those of the boundary */

static void
put_uuid(StringInfo buf, const pg_uuid_t *uuid)
{
	char		text[UUID_LEN * 2 + 1];

	for (int i = 0; i < UUID_LEN; i++)
		sprintf(text + 2 * i, "%02x", uuid->data[i]);
	file_put_field(buf, text);
}

static void
put_number(StringInfo buf, int64 number)
{
	char		text[32];

	snprintf(text, sizeof(text), INT64_FORMAT, number);
	file_put_field(buf, text);
}

static bool
get_uuid(const char *text, pg_uuid_t *uuid)
{
	if (text == NULL || strlen(text) != UUID_LEN * 2)
		return false;
	for (int i = 0; i < UUID_LEN; i++)
	{
		unsigned int byte;

		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return false;
		uuid->data[i] = (unsigned char) byte;
	}
	return true;
}

static int64
get_number(const char *text)
{
	return text == NULL ? 0 : (int64) strtoll(text, NULL, 10);
}

static bool
same_uuid(const pg_uuid_t *a, const pg_uuid_t *b)
{
	return memcmp(a->data, b->data, UUID_LEN) == 0;
}

static char *
copy(const char *text)
{
	return text ? pstrdup(text) : NULL;
}

void
file_write_ledger(StringInfo buf, const FileContents *contents)
{
	ListCell   *lc;

	foreach(lc, contents->positions)
	{
		const DbsyncLedger *ledger = lfirst(lc);

		appendStringInfoString(buf, "position");
		put_uuid(buf, &ledger->subscription);
		file_put_field(buf, ledger->subscription_name);
		put_number(buf, (int64) ledger->system_identifier);
		put_number(buf, ledger->database_oid);
		put_number(buf, ledger->timeline);
		put_number(buf, (int64) ledger->lsn);
		put_number(buf, ledger->server_start);
		put_number(buf, ledger->batch);
		file_put_field(buf, ledger->after);
		file_put_field(buf, ledger->upto);
		put_number(buf, (int64) ledger->closing);
		put_number(buf, (int64) ledger->closing_xid);
		put_number(buf, ledger->checksum);
		file_put_field(buf, ledger->identities);
		appendStringInfoChar(buf, '\n');
	}
	foreach(lc, contents->parts)
	{
		const FilePart *own = lfirst(lc);

		appendStringInfoString(buf, "part");
		put_uuid(buf, &own->part.attachment);
		put_uuid(buf, &own->subscription);
		put_number(buf, own->part.live);
		put_number(buf, own->part.rows);
		put_number(buf, own->part.checksum);
		file_put_field(buf, own->part.after);
		file_put_field(buf, own->part.upto);
		put_number(buf, (int64) own->part.closing);
		put_number(buf, (int64) own->part.closing_xid);
		for (int k = 0; k < own->part.nkeys; k++)
			file_put_field(buf, own->part.boundary[k]);
		appendStringInfoChar(buf, '\n');
	}
}

/* In the contents' context, as all that follows.  False: that is no such line. */
bool
file_read_position(FileContents *contents, char **fields, int n)
{
	DbsyncLedger *ledger = palloc0(sizeof(DbsyncLedger));
	int			f = 0;

	if (n != POSITION_FIELDS || !get_uuid(fields[f++], &ledger->subscription))
		return false;
	ledger->subscription_name = fields[f++];
	ledger->system_identifier = (uint64) get_number(fields[f++]);
	ledger->database_oid = (Oid) get_number(fields[f++]);
	ledger->timeline = (TimeLineID) get_number(fields[f++]);
	ledger->lsn = (XLogRecPtr) get_number(fields[f++]);
	ledger->server_start = get_number(fields[f++]);
	ledger->batch = get_number(fields[f++]);
	ledger->after = fields[f++];
	ledger->upto = fields[f++];
	ledger->closing = (XLogRecPtr) get_number(fields[f++]);
	ledger->closing_xid = (uint64) get_number(fields[f++]);
	ledger->checksum = get_number(fields[f++]);
	ledger->identities = fields[f++];
	if (ledger->after == NULL)
		ledger->null_column = "after";
	contents->positions = lappend(contents->positions, ledger);
	return true;
}

bool
file_read_part(FileContents *contents, char **fields, int n)
{
	FilePart   *own = palloc0(sizeof(FilePart));
	DbsyncLedgerPart *part = &own->part;

	if (n < PART_FIELDS || !get_uuid(fields[0], &part->attachment) ||
		!get_uuid(fields[1], &own->subscription))
		return false;
	part->live = get_number(fields[2]) != 0;
	part->rows = get_number(fields[3]);
	part->checksum = get_number(fields[4]);
	part->after = fields[5];
	part->upto = fields[6];
	part->closing = (XLogRecPtr) get_number(fields[7]);
	part->closing_xid = (uint64) get_number(fields[8]);
	part->nkeys = n - PART_FIELDS;
	part->boundary = palloc(sizeof(char *) * Max(part->nkeys, 1));
	for (int k = 0; k < part->nkeys; k++)
		part->boundary[k] = fields[PART_FIELDS + k];
	contents->parts = lappend(contents->parts, own);
	return true;
}

static DbsyncLedger *
find_position(const FileContents *contents, const pg_uuid_t *subscription)
{
	ListCell   *lc;

	foreach(lc, contents->positions)
	{
		DbsyncLedger *ledger = lfirst(lc);

		if (same_uuid(&ledger->subscription, subscription))
			return ledger;
	}
	return NULL;
}

static void
copy_ledger(DbsyncLedger *to, const DbsyncLedger *from, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);

	*to = *from;
	to->subscription_name = copy(from->subscription_name);
	to->after = copy(from->after);
	to->upto = copy(from->upto);
	to->identities = copy(from->identities);
	MemoryContextSwitchTo(old);
}

static DbsyncLedgerPart *
copy_part(const DbsyncLedgerPart *from, DbsyncLedgerPart *to)
{
	*to = *from;
	to->relation = NULL;
	to->after = copy(from->after);
	to->upto = copy(from->upto);
	to->boundary = palloc(sizeof(char *) * Max(from->nkeys, 1));
	for (int k = 0; k < from->nkeys; k++)
		to->boundary[k] = copy(from->boundary[k]);
	return to;
}

/* The transaction has the lock: whoever comes later finds the number that we leave. */
bool
file_ledger_fence(FileTarget *target, const DbsyncLedger *ledger)
{
	DbsyncLedger *position = find_position(target->batch, &ledger->subscription);

	if (position == NULL || position->batch != ledger->batch - 1)
		return file_refuse(target, DBSYNC_FAULT_LEDGER_MOVED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
						   "another worker has moved the ledger of this subscription", NULL, NULL);
	copy_ledger(position, ledger, target->batch->context);
	return true;
}

bool
file_ledger_read(DbsyncTarget *base, const pg_uuid_t *subscription, DbsyncLedger *ledger, bool *found)
{
	FileContents *contents = file_read((FileTarget *) base);
	DbsyncLedger *position;

	if (contents == NULL)
		return false;
	memset(ledger, 0, sizeof(DbsyncLedger));
	ledger->subscription = *subscription;
	position = find_position(contents, subscription);
	*found = position != NULL;
	if (*found)
		copy_ledger(ledger, position, base->context);
	MemoryContextDelete(contents->context);
	return true;
}

bool
file_ledger_read_parts(DbsyncTarget *base, const pg_uuid_t *subscription, List **parts)
{
	FileContents *contents = file_read((FileTarget *) base);
	MemoryContext old;
	ListCell   *lc;

	if (contents == NULL)
		return false;
	*parts = NIL;
	old = MemoryContextSwitchTo(base->context);
	foreach(lc, contents->parts)
	{
		const FilePart *own = lfirst(lc);

		if (same_uuid(&own->subscription, subscription))
			*parts = lappend(*parts, copy_part(&own->part, palloc0(sizeof(DbsyncLedgerPart))));
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(contents->context);
	return true;
}

bool
file_ledger_create(DbsyncTarget *base, const DbsyncLedger *ledger)
{
	FileTarget *target = (FileTarget *) base;
	MemoryContext old;
	DbsyncLedger *position;

	if (!file_begin(target))
		return false;
	if (find_position(target->batch, &ledger->subscription) != NULL)
		return file_refuse(target, DBSYNC_FAULT_REFUSED, ERRCODE_UNIQUE_VIOLATION,
						   "the subscription has a position in the ledger already", NULL, NULL);
	old = MemoryContextSwitchTo(target->batch->context);
	position = palloc0(sizeof(DbsyncLedger));
	copy_ledger(position, ledger, target->batch->context);
	target->batch->positions = lappend(target->batch->positions, position);
	MemoryContextSwitchTo(old);
	return file_commit(target);
}

bool
file_ledger_forget(DbsyncTarget *base, const pg_uuid_t *subscription)
{
	FileTarget *target = (FileTarget *) base;
	FileContents *contents;
	ListCell   *lc;

	if (!file_begin(target))
		return false;
	contents = target->batch;
	contents->positions = list_delete_ptr(contents->positions, find_position(contents, subscription));
	foreach(lc, contents->parts)
	{
		if (same_uuid(&((FilePart *) lfirst(lc))->subscription, subscription))
			contents->parts = foreach_delete_current(contents->parts, lc);
	}
	return file_commit(target);
}

bool
file_ledger_move(DbsyncTarget *base, const DbsyncLedger *ledger)
{
	FileContents *contents = ((FileTarget *) base)->batch;

	copy_ledger(find_position(contents, &ledger->subscription), ledger, contents->context);
	return true;
}

static void
forget_part(FileContents *contents, const pg_uuid_t *attachment)
{
	ListCell   *lc;

	foreach(lc, contents->parts)
	{
		if (same_uuid(&((FilePart *) lfirst(lc))->part.attachment, attachment))
			contents->parts = foreach_delete_current(contents->parts, lc);
	}
}

bool
file_ledger_write_parts(DbsyncTarget *base, const pg_uuid_t *subscription, List *parts)
{
	FileContents *contents = ((FileTarget *) base)->batch;
	MemoryContext old = MemoryContextSwitchTo(contents->context);
	ListCell   *lc;

	foreach(lc, parts)
	{
		const DbsyncLedgerPart *part = lfirst(lc);
		FilePart   *own = palloc0(sizeof(FilePart));

		forget_part(contents, &part->attachment);
		own->subscription = *subscription;
		copy_part(part, &own->part);
		contents->parts = lappend(contents->parts, own);
	}
	MemoryContextSwitchTo(old);
	return true;
}

bool
file_ledger_forget_parts(DbsyncTarget *base, List *attachments)
{
	ListCell   *lc;

	foreach(lc, attachments)
		forget_part(((FileTarget *) base)->batch, &((DbsyncLedgerPart *) lfirst(lc))->attachment);
	return true;
}
