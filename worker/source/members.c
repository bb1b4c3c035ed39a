/*-------------------------------------------------------------------------
 *
 * worker/source/members.c
 *	  The transactions of a cut that have rows in segments, by id.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/source/members.h"

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

DbsyncMembers *
dbsync_members_create(MemoryContext context)
{
	DbsyncMembers *members = MemoryContextAllocZero(context, sizeof(DbsyncMembers));

	members->context = context;
	dbsync_members_reset(members, 0);
	return members;
}

void
dbsync_members_reset(DbsyncMembers *members, int expected)
{
	if (members->by_xid != NULL && members->by_xid->size <= SMALL_TABLE && expected <= SMALL_TABLE)
		members_reset(members->by_xid);
	else if (members->by_xid != NULL)
	{
		members_destroy(members->by_xid);
		members->by_xid = NULL;
	}
	members->expected = Max(64, expected);
	members->last_xid = 0;
	members->last_rank = -1;
}

void
dbsync_members_add(DbsyncMembers *members, uint64 xid, int rank)
{
	bool		found;

	/* where headers carry all rows nobody is asked for */
	if (members->by_xid == NULL)
		members->by_xid = members_create(members->context, members->expected, NULL);
	members_insert(members->by_xid, xid, &found)->rank = rank;
}

void
dbsync_members_look_up(DbsyncMembers *members, uint64 xid)
{
	const Member *member = members->by_xid ? members_lookup(members->by_xid, xid) : NULL;

	members->last_rank = member ? member->rank : -1;
	members->last_xid = xid;
}
