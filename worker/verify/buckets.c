/*-------------------------------------------------------------------------
 *
 * worker/verify/buckets.c
 *	  Comparing one table by buckets: which rows are in one is a matter of the hash of their keys.
 *
 * Never by ranges of keys, which are in another order where collations are others.  Hashes of rows are summed up, and
 * not combined by XOR, in which two equal rows are none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/uuid.h"

#include "worker/query.h"
#include "worker/target_compare.h"
#include "worker/verify/compare.h"
#include "worker/verify/here.h"
#include "worker/verify/own_key.h"

/* rows that a bucket is to have, about, and how many buckets there are at most */
#define BUCKET_ROWS		1000
#define MAX_BUCKETS		65536

/* of a table of which nobody has counted rows: on a page */
#define ROWS_ON_PAGE	60

typedef struct Bucket
{
	int64		count;
	uint64		sum;
} Bucket;

/* As its statistics say; tables that were never analyzed count by their pages. */
static double
rows_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class form;
	double		rows;

	if (!HeapTupleIsValid(tuple))
		return 0;
	form = (Form_pg_class) GETSTRUCT(tuple);
	rows = form->reltuples >= 0 ? form->reltuples : (double) form->relpages * ROWS_ON_PAGE;
	ReleaseSysCache(tuple);
	return rows;
}

static double
count_rows(const DbsyncTable *table)
{
	double		rows = 0;
	ListCell   *lc;

	if (get_rel_relkind(table->relid) != RELKIND_PARTITIONED_TABLE)
		return rows_of(table->relid);
	foreach(lc, table->leaves)
		rows += rows_of(lfirst_oid(lc));
	return rows;
}

/* What has no statistics, a view for example: as many as the last comparison on its schedule has found. */
static double
rows_found(const DbsyncTable *table)
{
	const char *uid = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&table->uid)));
	double		rows = 0;

	SPI_connect();
	if (dbsync_query("SELECT c.rows_here FROM dbsync_internal.scan c WHERE c.attachment = $1::pg_catalog.uuid", 1, &uid) > 0)
		rows = (double) dbsync_query_int(0, 1);
	SPI_finish();
	return rows;
}

void
dbsync_compare_prepare(DbsyncVerify *v)
{
	double		rows = count_rows(v->table);
	double		found = v->table->snapshot != NULL ? rows_found(v->table) : 0;
	double		wanted;

	rows = Max(rows, found);
	wanted = Min(Max(ceil(rows / BUCKET_ROWS), 1), MAX_BUCKETS);
	v->progress.rows_expected = (int64) rows;
	v->buckets = (int) pg_nextpower2_32((uint32) wanted);
	v->below = (int) Min(Max(ceil(v->buckets * v->order.sample), 1), v->buckets);
	v->progress.buckets = v->below;
	/* what differs by chance differs otherwise the next time */
	if (!pg_strong_random(&v->seed, sizeof(v->seed)))
		elog(ERROR, "could not generate random values");
	v->seed &= PG_INT64_MAX;
	v->own_key = dbsync_own_key_create(v);
	v->imager = dbsync_imager_create(&v->form, v->spec.ncolumns, v->spec.nkeys, v->spec.keys, v->seed, v->buckets);
}

static bool
is_compared(const DbsyncVerify *v, int bucket, void *arg)
{
	return bucket < v->below;
}

static void
count_row(DbsyncVerify *v, void *arg)
{
	Bucket	   *here = arg;
	int			number = dbsync_imager_bucket(v->imager);

	here[number].count++;
	here[number].sum += dbsync_imager_hash(v->imager);
}

static void
read_there(DbsyncVerify *v, Bucket *there)
{
	DbsyncReadRow row;

	while (dbsync_target_read_next(v->work->target, &row))
	{
		if (row.number < 0 || row.number >= v->below)
			ereport(ERROR,
					(errcode(ERRCODE_PROTOCOL_VIOLATION),
					 errmsg("target \"%s\" has answered with a bucket that there is not", v->work->subscription->target)));
		there[row.number].count += row.count;
		there[row.number].sum += row.hash;
	}
}

bool
dbsync_compare_buckets(DbsyncVerify *v)
{
	Bucket	   *here = palloc0(sizeof(Bucket) * v->below);
	Bucket	   *there = palloc0(sizeof(Bucket) * v->below);
	DbsyncReadRequest request = {.what = DBSYNC_READ_BUCKETS, .seed = v->seed, .buckets = v->buckets, .below = v->below};
	DbsyncFindings *found = &v->found;

	strlcpy(v->progress.phase, "comparing", sizeof(v->progress.phase));
	v->wanted = palloc0(v->buckets / 8 + 1);
	dbsync_target_read_ask(v->work->target, v->handle, &request);
	dbsync_here_read(v, is_compared, count_row, here);
	read_there(v, there);
	for (int i = 0; i < v->below; i++)
	{
		found->rows_here += here[i].count;
		found->rows_there += there[i].count;
		if (here[i].count == there[i].count && here[i].sum == there[i].sum)
			continue;
		v->wanted[i / 8] |= 1 << (i % 8);
		found->differing++;
	}
	found->buckets = v->buckets;
	found->compared = v->below;
	v->progress.differing = found->differing;
	pfree(here);
	pfree(there);
	return found->differing > 0;
}
