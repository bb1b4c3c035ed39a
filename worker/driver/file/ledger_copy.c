/*-------------------------------------------------------------------------
 *
 * worker/driver/file/ledger_copy.c
 *	  File driver: ledgers and their parts, each copied by itself, as they are replaced one by one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/file/internal.h"

static char *
copy(const char *text)
{
	return text ? pstrdup(text) : NULL;
}

void
dbsync_file_copy_ledger(DbsyncLedger *to, const DbsyncLedger *from)
{
	*to = *from;
	to->subscription_name = copy(from->subscription_name);
	to->after = copy(from->after);
	to->upto = copy(from->upto);
	to->identities = copy(from->identities);
	to->null_column = copy(from->null_column);
	to->note = NULL;
}

static void
free_text(const char *text)
{
	if (text != NULL)
		pfree(unconstify(char *, text));
}

void
dbsync_file_free_ledger(DbsyncLedger *ledger)
{
	free_text(ledger->subscription_name);
	free_text(ledger->after);
	free_text(ledger->upto);
	free_text(ledger->identities);
	free_text(ledger->null_column);
	memset(ledger, 0, sizeof(DbsyncLedger));
}

DbsyncLedgerPart *
dbsync_file_copy_part(const DbsyncLedgerPart *from)
{
	DbsyncLedgerPart *part = palloc(sizeof(DbsyncLedgerPart));

	*part = *from;
	part->after = copy(from->after);
	part->upto = copy(from->upto);
	part->relation = copy(from->relation);
	part->null_column = copy(from->null_column);
	part->boundary = palloc(sizeof(char *) * Max(from->nkeys, 1));
	for (int k = 0; k < from->nkeys; k++)
		part->boundary[k] = copy(from->boundary[k]);
	return part;
}

void
dbsync_file_free_part(DbsyncLedgerPart *part)
{
	free_text(part->after);
	free_text(part->upto);
	free_text(part->relation);
	free_text(part->null_column);
	for (int k = 0; k < part->nkeys; k++)
		free_text(part->boundary[k]);
	pfree(part->boundary);
	pfree(part);
}
