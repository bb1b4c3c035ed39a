/*-------------------------------------------------------------------------
 *
 * worker/sequence_value.c
 *	  Where a sequence of the source stands, and where the target's is to be for that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_sequence.h"
#include "commands/sequence.h"
#include "fmgr.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "worker/driver/driver.h"
#include "worker/sequence_value.h"

PG_FUNCTION_INFO_V1(dbsync_sequence_value);

static bool
read_parameters(Oid relid, DbsyncSequenceValue *value, int64 *start)
{
	HeapTuple	tuple = SearchSysCache1(SEQRELID, ObjectIdGetDatum(relid));
	Form_pg_sequence form;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_sequence) GETSTRUCT(tuple);
	value->increment = form->seqincrement;
	value->min = form->seqmin;
	value->max = form->seqmax;
	value->cache = form->seqcache;
	value->cycles = form->seqcycle;
	*start = form->seqstart;
	ReleaseSysCache(tuple);
	return true;
}

/* A sequence is a table of one row, which is changed where it lies. */
static FormData_pg_sequence_data
read_row(Relation rel)
{
	Buffer		buffer = ReadBuffer(rel, 0);
	FormData_pg_sequence_data data;
	Page		page;
	ItemId		item;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	item = PageGetMaxOffsetNumber(page) >= FirstOffsetNumber ? PageGetItemId(page, FirstOffsetNumber) : NULL;
	if (item == NULL || !ItemIdIsNormal(item))
		elog(ERROR, "sequence \"%s\" has no row", RelationGetRelationName(rel));
	{
		HeapTupleHeader header = (HeapTupleHeader) PageGetItem(page, item);

		data = *(Form_pg_sequence_data) ((char *) header + header->t_hoff);
	}
	UnlockReleaseBuffer(buffer);
	return data;
}

/* steps from one value to another that lies as far as that or further in the direction of the first */
static uint64
steps(const DbsyncSequenceValue *value, int64 from, int64 to)
{
	uint64		distance = value->increment > 0 ? (uint64) to - (uint64) from : (uint64) from - (uint64) to;
	uint64		step = value->increment > 0 ? (uint64) value->increment : -(uint64) value->increment;

	return distance / step;
}

static int64
first_of(const DbsyncSequenceValue *value)
{
	return value->increment > 0 ? value->min : value->max;
}

static int64
last_of(const DbsyncSequenceValue *value)
{
	return value->increment > 0 ? value->max : value->min;
}

/* so many steps on; the caller knows that they do not leave the range */
static int64
after(const DbsyncSequenceValue *value, int64 from, uint64 n)
{
	return (int64) ((uint64) from + n * (uint64) value->increment);
}

/* values of its range; one less than there are if there are 2^64 */
static uint64
size_of(const DbsyncSequenceValue *value)
{
	uint64		n = steps(value, first_of(value), last_of(value));

	return n == PG_UINT64_MAX ? n : n + 1;
}

/*
 * One that is not called yet gives its last_value next.  It may have given others before it was set back
 * or ahead; at its start it is as good as new.
 */
static void
take_row(const FormData_pg_sequence_data *data, int64 start, DbsyncSequenceValue *value)
{
	value->used = data->is_called;
	value->last = data->last_value;
	if (data->is_called || data->last_value == start)
		return;
	/* the value before it, if there can be one */
	if (steps(value, first_of(value), data->last_value) > 0)
	{
		value->used = true;
		value->last = data->last_value - value->increment;
	}
}

DbsyncSequenceRead
dbsync_sequence_read(Oid relid, DbsyncSequenceValue *value)
{
	DbsyncSequenceRead result = DBSYNC_SEQUENCE_GONE;
	Relation	rel;
	int64		start;

	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return DBSYNC_SEQUENCE_LOCKED;
	rel = try_relation_open(relid, NoLock);
	if (rel != NULL)
	{
		if (rel->rd_rel->relkind == RELKIND_SEQUENCE && read_parameters(relid, value, &start))
		{
			FormData_pg_sequence_data data = read_row(rel);

			take_row(&data, start, value);
			result = DBSYNC_SEQUENCE_READ;
		}
		relation_close(rel, NoLock);
	}
	UnlockRelationOid(relid, AccessShareLock);
	return result;
}

void
dbsync_sequence_set_goal(const DbsyncSequenceValue *value, int64 headroom, DbsyncSequenceGoal *goal)
{
	uint64		room = steps(value, value->last, last_of(value));
	/* what sessions have taken and not given yet lies behind "last", which counts whole caches */
	uint64		ahead = headroom > 0 ? (uint64) headroom + (uint64) value->cache - 1 : 0;

	goal->here = value->last;
	goal->min = value->min;
	goal->max = value->max;
	goal->descending = value->increment < 0;
	goal->cycles = value->cycles;
	if (!value->cycles)
	{
		goal->goal = after(value, value->last, Min(ahead, room));
		return;
	}
	/* ahead and behind can be told apart while it is less than half of the way round */
	ahead = Min(ahead, size_of(value) / 4);
	goal->goal = ahead <= room ? after(value, value->last, ahead)
		: after(value, first_of(value), ahead - room - 1);
}

int64
dbsync_sequence_left(const DbsyncSequenceValue *value, int64 covered)
{
	bool		up = value->increment > 0;
	bool		beyond = up ? covered >= value->last : covered <= value->last;
	uint64		left;

	if (value->cycles)
	{
		covered = Min(Max(covered, value->min), value->max);
		left = beyond ? steps(value, value->last, covered)
			: steps(value, value->last, last_of(value)) + 1 + steps(value, first_of(value), covered);
		return left < size_of(value) / 2 ? (int64) left : -1;
	}
	if (!beyond)
		return -1;
	left = steps(value, value->last, covered);
	return (int64) Min(left, (uint64) PG_INT64_MAX);
}

/* For people: what it has given last; null where somebody has locked it. */
Datum
dbsync_sequence_value(PG_FUNCTION_ARGS)
{
	DbsyncSequenceValue value;

	if (dbsync_sequence_read(PG_GETARG_OID(0), &value) != DBSYNC_SEQUENCE_READ || !value.used)
		PG_RETURN_NULL();
	PG_RETURN_INT64(value.last);
}
