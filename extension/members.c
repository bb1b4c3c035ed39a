/*-------------------------------------------------------------------------
 *
 * extension/members.c
 *	  The transactions of the current cut, by id.
 *
 * Blocks hold rows of other transactions too: each row that is read is asked for
 * its transaction here.  SQL asks through window_has(xid8) and window_rank(xid8).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "fmgr.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/xid8.h"

#include "extension/members.h"

/* the transactions of the current cut, for the SQL functions */
typedef struct Member
{
	uint64		xid;
	int32		rank;			/* place in closing order */
} Member;

static HTAB *members = NULL;
static uint64 last_xid = 0;
static Member *last_member = NULL;
static int64 hits = 0;

void
dbsync_members_reset(int expected)
{
	HASHCTL		ctl;

	if (members != NULL)
		hash_destroy(members);
	ctl.keysize = sizeof(uint64);
	ctl.entrysize = sizeof(Member);
	ctl.hcxt = TopMemoryContext;
	members = hash_create("dbsync window members", Max(64, expected), &ctl,
						  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	last_xid = 0;
	last_member = NULL;
}

void
dbsync_members_add(uint64 xid, int rank)
{
	Member	   *member = hash_search(members, &xid, HASH_ENTER, NULL);

	member->rank = rank;
}

static Member *
find_member(uint64 xid)
{
	/* rows of one transaction lie side by side */
	if (xid != last_xid || last_xid == 0)
	{
		last_member = members ? hash_search(members, &xid, HASH_FIND, NULL) : NULL;
		last_xid = xid;
	}
	return last_member;
}

int64
dbsync_members_hits(void)
{
	return hits;
}

void
dbsync_members_reset_hits(void)
{
	hits = 0;
}

bool
dbsync_members_has(uint64 xid)
{
	bool		found = find_member(xid) != NULL;

	if (found)
		hits++;
	return found;
}

PG_FUNCTION_INFO_V1(dbsync_window_has);
PG_FUNCTION_INFO_V1(dbsync_window_rank);

Datum
dbsync_window_has(PG_FUNCTION_ARGS)
{
	FullTransactionId xid = PG_GETARG_FULLTRANSACTIONID(0);

	PG_RETURN_BOOL(dbsync_members_has(U64FromFullTransactionId(xid)));
}

Datum
dbsync_window_rank(PG_FUNCTION_ARGS)
{
	FullTransactionId xid = PG_GETARG_FULLTRANSACTIONID(0);
	Member	   *member = find_member(U64FromFullTransactionId(xid));

	if (member == NULL)
		PG_RETURN_NULL();
	PG_RETURN_INT32(member->rank);
}
