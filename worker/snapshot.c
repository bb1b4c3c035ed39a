/*-------------------------------------------------------------------------
 *
 * worker/snapshot.c
 *	  Snapshots as values: which top-level transactions are visible.
 *
 * The server's own pg_snapshot keeps its layout to itself, hence this one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "lib/qunique.h"
#include "lib/stringinfo.h"

#include "worker/snapshot.h"

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
	/* a transaction that is being prepared is listed twice for a moment */
	result->nxip = qunique(result->xip, result->nxip, sizeof(uint64), compare_xids);
	return result;
}

/*
 * A decimal number followed by "end"; moves *p behind the number.  No sign,
 * blank or leading zero, and no more than 64 bits.
 */
static bool
read_id(const char **p, char end, uint64 *value)
{
	const char *start = *p;

	*value = 0;
	for (; **p >= '0' && **p <= '9'; (*p)++)
	{
		uint64		digit = **p - '0';

		if (*value > (PG_UINT64_MAX - digit) / 10)
			return false;
		*value = *value * 10 + digit;
	}
	return *p > start && *start != '0' && **p == end;
}

/* Ids in a list, -1 if there are more than there can be. */
static int
count_ids(const char *list)
{
	int			n = (*list != '\0') ? 1 : 0;

	for (; *list != '\0'; list++)
	{
		if (*list == ',' && ++n > DBSYNC_SNAPSHOT_MAX)
			return -1;
	}
	return n;
}

/* The ids of a list behind the second colon; false unless they ascend as they must. */
static bool
read_ids(const char *list, DbsyncSnapshot *snapshot)
{
	for (int i = 0; i < snapshot->nxip; i++)
	{
		uint64		least = i > 0 ? snapshot->xip[i - 1] + 1 : snapshot->xmin;

		if (!read_id(&list, i + 1 < snapshot->nxip ? ',' : '\0', &snapshot->xip[i]) ||
			snapshot->xip[i] < least || snapshot->xip[i] >= snapshot->xmax)
			return false;
		list++;
	}
	return true;
}

DbsyncSnapshot *
dbsync_snapshot_try_parse(const char *text, const char **problem)
{
	DbsyncSnapshot *result;
	const char *p = text;
	uint64		xmin;
	uint64		xmax;
	int			n;

	*problem = "it is not of the form xmin:xmax:xip,xip,...";
	if (text == NULL || !read_id(&p, ':', &xmin))
		return NULL;
	p++;
	if (!read_id(&p, ':', &xmax))
		return NULL;
	p++;
	*problem = "its xmin is none, or behind its xmax";
	if (xmin < FirstNormalTransactionId || xmin > xmax)
		return NULL;
	*problem = "it lists more transactions than can run at a time";
	n = count_ids(p);
	if (n < 0)
		return NULL;
	result = snapshot_alloc(n);
	result->xmin = xmin;
	result->xmax = xmax;
	*problem = "its list of running transactions is not one of ascending ids between xmin and xmax";
	if (read_ids(p, result))
		return result;
	pfree(result);
	return NULL;
}

DbsyncSnapshot *
dbsync_snapshot_parse(const char *text)
{
	const char *problem;
	DbsyncSnapshot *result = dbsync_snapshot_try_parse(text, &problem);

	if (result == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("malformed snapshot \"%.100s\" in a dbsync position",
						text ? text : ""),
				 errdetail("As a snapshot, %s.", problem)));
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

DbsyncSnapshot *
dbsync_snapshot_union(const DbsyncSnapshot *a, const DbsyncSnapshot *b)
{
	const DbsyncSnapshot *far = a->xmax >= b->xmax ? a : b;
	const DbsyncSnapshot *near = far == a ? b : a;
	DbsyncSnapshot *result = snapshot_alloc(far->nxip);

	/* below its xmax, the one that reaches further misses what it lists, and only that */
	result->nxip = 0;
	for (int i = 0; i < far->nxip; i++)
		if (!dbsync_snapshot_sees(near, far->xip[i]))
			result->xip[result->nxip++] = far->xip[i];
	result->xmax = far->xmax;
	result->xmin = result->nxip > 0 ? result->xip[0] : far->xmax;
	return result;
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
