/*-------------------------------------------------------------------------
 *
 * extension/wake.c
 *	  What commits tell workers: each one, or that enough has come together.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "extension/clock.h"
#include "extension/wake.h"

/* Atomics have no readers that take a const. */
static uint64
read_u64(const pg_atomic_uint64 *value)
{
	return pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, value));
}

static bool
passes(uint64 before, uint64 added, uint64 threshold)
{
	return threshold > 0 && before < threshold && before + added >= threshold;
}

/* True: the worker is to be called. */
static bool
add(DbsyncWake *wake, int64 rows, int64 bytes)
{
	uint64		none = 0;
	uint64		rows_before = pg_atomic_fetch_add_u64(&wake->rows, rows);
	uint64		bytes_before = pg_atomic_fetch_add_u64(&wake->bytes, bytes);
	bool		first = pg_atomic_read_u64(&wake->since) == 0 &&
		pg_atomic_compare_exchange_u64(&wake->since, &none, dbsync_clock_now());

	return (first && pg_atomic_read_u32(&wake->at_first) != 0) ||
		passes(rows_before, rows, pg_atomic_read_u64(&wake->at_rows)) ||
		passes(bytes_before, bytes, pg_atomic_read_u64(&wake->at_bytes));
}

void
dbsync_wake_workers(int64 rows, int64 bytes)
{
	int			used = dbsync_shmem_used();

	for (int i = 0; i < used; i++)
	{
		DbsyncSlot *slot = dbsync_shmem_slot_at(i);

		if (slot->latch == NULL || slot->database != MyDatabaseId)
			continue;
		if (pg_atomic_read_u32(&slot->wake.counts) == 0 || add(&slot->wake, rows, bytes))
			dbsync_shmem_wake(slot);
	}
}

void
dbsync_wake_always(DbsyncWake *wake)
{
	if (pg_atomic_read_u32(&wake->counts) == 0)
		return;
	pg_atomic_write_u32(&wake->counts, 0);
	dbsync_wake_forget(wake);
}

void
dbsync_wake_at(DbsyncWake *wake, int64 rows, int64 bytes, bool first)
{
	pg_atomic_write_u64(&wake->at_rows, rows);
	pg_atomic_write_u64(&wake->at_bytes, bytes);
	pg_atomic_write_u32(&wake->at_first, first ? 1 : 0);
	pg_atomic_write_u32(&wake->counts, 1);
	/* who has counted before this is seen by whom looks now */
	pg_memory_barrier();
}

void
dbsync_wake_forget(DbsyncWake *wake)
{
	pg_atomic_write_u64(&wake->rows, 0);
	pg_atomic_write_u64(&wake->bytes, 0);
	pg_atomic_write_u64(&wake->since, 0);
	pg_memory_barrier();
}

DbsyncPending
dbsync_wake_pending(const DbsyncWake *wake)
{
	DbsyncPending pending;

	pending.rows = dbsync_wake_rows(wake);
	pending.bytes = dbsync_wake_bytes(wake);
	pending.since = dbsync_wake_since(wake);
	pg_memory_barrier();
	return pending;
}

/*
 * Whoever counts looks at "since" behind his rows, and leaves it if it is set: so where it is
 * taken away, rows are looked at behind that.
 */
void
dbsync_wake_correct(DbsyncWake *wake, const DbsyncPending *before, const DbsyncPending *found)
{
	uint64		was = before->since;
	uint64		none = 0;

	pg_atomic_fetch_add_u64(&wake->rows, found->rows - before->rows);
	pg_atomic_fetch_add_u64(&wake->bytes, found->bytes - before->bytes);
	(void) pg_atomic_compare_exchange_u64(&wake->since, &was, found->since);
	if (pg_atomic_read_u64(&wake->rows) > 0)
		(void) pg_atomic_compare_exchange_u64(&wake->since, &none, dbsync_clock_now());
}

int64
dbsync_wake_rows(const DbsyncWake *wake)
{
	return (int64) read_u64(&wake->rows);
}

int64
dbsync_wake_bytes(const DbsyncWake *wake)
{
	return (int64) read_u64(&wake->bytes);
}

TimestampTz
dbsync_wake_since(const DbsyncWake *wake)
{
	return (TimestampTz) read_u64(&wake->since);
}
