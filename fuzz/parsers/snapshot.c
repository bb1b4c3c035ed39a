/*-------------------------------------------------------------------------
 *
 * fuzz/parsers/snapshot.c
 *	  Positions as text, and what is asked of them.
 *
 * Input: two snapshots, a bar between them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/snapshot.h"
#include "fuzz/parsers/shim.h"

/* What was accepted is well formed, and is the same when it has been written. */
static DbsyncSnapshot *
parse(const char *text)
{
	DbsyncSnapshot *snapshot = dbsync_snapshot_parse(text);
	DbsyncSnapshot *again = dbsync_snapshot_parse(dbsync_snapshot_text(snapshot));

	fuzz_check(snapshot->xmin <= snapshot->xmax);
	for (int i = 0; i < snapshot->nxip; i++)
	{
		fuzz_check(snapshot->xip[i] >= snapshot->xmin && snapshot->xip[i] < snapshot->xmax);
		fuzz_check(i == 0 || snapshot->xip[i] >= snapshot->xip[i - 1]);
	}
	fuzz_check(snapshot->xmin == again->xmin && snapshot->xmax == again->xmax);
	fuzz_check(snapshot->nxip == again->nxip);
	fuzz_check(memcmp(snapshot->xip, again->xip, snapshot->nxip * sizeof(uint64)) == 0);
	return dbsync_snapshot_copy(snapshot);
}

/* Who covers another sees what that one sees: asked where either changes its mind. */
static void
check_seen(const DbsyncSnapshot *outer, const DbsyncSnapshot *inner, uint64 xid)
{
	for (int i = -1; i <= 1; i++)
		fuzz_check(!dbsync_snapshot_sees(inner, xid + i) || dbsync_snapshot_sees(outer, xid + i));
}

static void
check_covers(const DbsyncSnapshot *outer, const DbsyncSnapshot *inner)
{
	if (!dbsync_snapshot_covers(outer, inner))
		return;
	check_seen(outer, inner, outer->xmin);
	check_seen(outer, inner, outer->xmax);
	check_seen(outer, inner, inner->xmin);
	check_seen(outer, inner, inner->xmax);
	for (int i = 0; i < outer->nxip; i++)
		check_seen(outer, inner, outer->xip[i]);
	for (int i = 0; i < inner->nxip; i++)
		check_seen(outer, inner, inner->xip[i]);
}

void
fuzz_one(const char *data, Size size)
{
	char	   *first = pstrdup(data);
	char	   *second = strchr(first, '|');
	DbsyncSnapshot *a;
	DbsyncSnapshot *b;

	if (second != NULL)
		*second++ = '\0';
	/* in a place of its own: who reads on behind the end is seen */
	a = parse(pstrdup(first));
	fuzz_check(dbsync_snapshot_covers(a, a));
	b = parse(pstrdup(second != NULL ? second : ""));
	check_covers(a, b);
	check_covers(b, a);
}
