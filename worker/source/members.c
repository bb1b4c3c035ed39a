/*-------------------------------------------------------------------------
 *
 * worker/source/members.c
 *	  The transactions of the current cut, by id.
 *
 * Blocks hold rows of other transactions too: each row that is read is asked for
 * its transaction here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/source/members.h"

/* the transactions of the current cut */
typedef struct Member
{
	uint64		xid;
	int32		rank;			/* place in closing order */
	char		status;			/* the table's own */
} Member;

/* ids come one after the other: spread them, and take the bits that are mixed best */
#define SH_PREFIX		members
#define SH_ELEMENT_TYPE	Member
#define SH_KEY_TYPE		uint64
#define SH_KEY			xid
#define SH_HASH_KEY(tb, key)	((uint32) (((key) * UINT64CONST(0x9E3779B97F4A7C15)) >> 32))
#define SH_EQUAL(tb, a, b)	((a) == (b))
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* a table of this size is emptied faster than made anew */
#define SMALL_TABLE		1024

static members_hash *members = NULL;
static int	wanted_size = 0;
static uint64 last_xid = 0;
static Member *last_member = NULL;
static int64 hits = 0;

void
dbsync_members_reset(int expected)
{
	if (members != NULL && members->size <= SMALL_TABLE && expected <= SMALL_TABLE)
		members_reset(members);
	else if (members != NULL)
	{
		members_destroy(members);
		members = NULL;
	}
	wanted_size = Max(64, expected);
	last_xid = 0;
	last_member = NULL;
}

void
dbsync_members_add(uint64 xid, int rank)
{
	bool		found;

	/* where headers carry all rows nobody is asked for */
	if (members == NULL)
		members = members_create(TopMemoryContext, wanted_size, NULL);
	members_insert(members, xid, &found)->rank = rank;
}

static Member *
find_member(uint64 xid)
{
	/* rows of one transaction lie side by side */
	if (xid != last_xid || last_xid == 0)
	{
		last_member = members ? members_lookup(members, xid) : NULL;
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

int
dbsync_members_rank(uint64 xid)
{
	const Member *member = find_member(xid);

	if (member == NULL)
		return -1;
	hits++;
	return member->rank;
}
