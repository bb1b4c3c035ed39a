/*-------------------------------------------------------------------------
 *
 * extension/snapshot.c
 *	  Snapshots as values: which top-level transactions are visible.
 *
 * The server's own pg_snapshot keeps its layout to itself, hence this one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "lib/stringinfo.h"

#include "extension/snapshot.h"

static int
compare_xids(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return x < y ? -1 : (x > y ? 1 : 0);
}

static DbsyncSnapshot *
snapshot_alloc(int nxip)
{
	DbsyncSnapshot *result = palloc(offsetof(DbsyncSnapshot, xip) +
									sizeof(uint64) * Max(nxip, 1));

	result->nxip = nxip;
	return result;
}

/* a 32-bit id that is running or just ended, with its epoch */
static uint64
widen(TransactionId xid, FullTransactionId next)
{
	uint32		epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return ((uint64) epoch << 32) | xid;
}

DbsyncSnapshot *
dbsync_snapshot_from(Snapshot snapshot)
{
	FullTransactionId next = ReadNextFullTransactionId();
	DbsyncSnapshot *result = snapshot_alloc(snapshot->xcnt);

	if (snapshot->takenDuringRecovery)
		elog(ERROR, "a snapshot taken during recovery is not a position");
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		elog(ERROR, "a transaction with an id of its own cannot give a position");

	result->xmin = widen(snapshot->xmin, next);
	result->xmax = widen(snapshot->xmax, next);
	for (uint32 i = 0; i < snapshot->xcnt; i++)
		result->xip[i] = widen(snapshot->xip[i], next);
	qsort(result->xip, result->nxip, sizeof(uint64), compare_xids);
	return result;
}

/*
 * Read digits, and pass the character behind them, which must be this one.  Digits only:
 * strtou64 takes blanks and signs, too, and what is beyond 64 bits for the largest number.
 */
static bool
read_number(const char **at, char until, uint64 *number)
{
	char	   *end;

	if (!isdigit((unsigned char) **at))
		return false;
	errno = 0;
	*number = strtou64(*at, &end, 10);
	if (errno != 0 || *end != until)
		return false;
	*at = until == '\0' ? end : end + 1;
	return true;
}

/* How many ids are listed behind the second colon. */
static int
count_listed(const char *text)
{
	const char *list = strrchr(text, ':');
	int			n = 1;

	if (list == NULL || list[1] == '\0')
		return 0;
	for (const char *c = list; *c; c++)
		n += (*c == ',');
	return n;
}

/* Sorted they come, and in between; one that is being prepared can be there twice. */
static bool
is_in_order(const DbsyncSnapshot *snapshot)
{
	uint64		previous = snapshot->xmin;

	for (int i = 0; i < snapshot->nxip; i++)
	{
		if (snapshot->xip[i] < previous || snapshot->xip[i] >= snapshot->xmax)
			return false;
		previous = snapshot->xip[i];
	}
	return snapshot->xmin <= snapshot->xmax;
}

DbsyncSnapshot *
dbsync_snapshot_parse(const char *text)
{
	DbsyncSnapshot *result = snapshot_alloc(count_listed(text));
	const char *at = text;
	bool		good = read_number(&at, ':', &result->xmin) && read_number(&at, ':', &result->xmax);

	for (int i = 0; good && i < result->nxip; i++)
		good = read_number(&at, i + 1 < result->nxip ? ',' : '\0', &result->xip[i]);
	if (!good || *at != '\0' || !is_in_order(result))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("malformed snapshot \"%s\" in a dbsync position", text)));
	return result;
}

char *
dbsync_snapshot_text(const DbsyncSnapshot *snapshot)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, UINT64_FORMAT ":" UINT64_FORMAT ":",
					 snapshot->xmin, snapshot->xmax);
	for (int i = 0; i < snapshot->nxip; i++)
		appendStringInfo(&buf, i ? "," UINT64_FORMAT : UINT64_FORMAT,
						 snapshot->xip[i]);
	return buf.data;
}

DbsyncSnapshot *
dbsync_snapshot_copy(const DbsyncSnapshot *snapshot)
{
	DbsyncSnapshot *result = snapshot_alloc(snapshot->nxip);

	memcpy(result, snapshot,
		   offsetof(DbsyncSnapshot, xip) + sizeof(uint64) * snapshot->nxip);
	return result;
}

bool
dbsync_snapshot_sees(const DbsyncSnapshot *snapshot, uint64 xid)
{
	if (xid < snapshot->xmin)
		return true;
	if (xid >= snapshot->xmax)
		return false;
	return bsearch(&xid, snapshot->xip, snapshot->nxip, sizeof(uint64),
				   compare_xids) == NULL;
}

bool
dbsync_snapshot_covers(const DbsyncSnapshot *outer, const DbsyncSnapshot *inner)
{
	/*
	 * What inner sees lies below its xmax; outer misses what is at or above its
	 * own xmax, and what it lists.  Between the two xmax, inner may see nothing
	 * only if all of it is on inner's list.
	 */
	for (uint64 xid = outer->xmax; xid < inner->xmax; xid++)
		if (dbsync_snapshot_sees(inner, xid))
			return false;
	for (int i = 0; i < outer->nxip; i++)
		if (dbsync_snapshot_sees(inner, outer->xip[i]))
			return false;
	return true;
}
