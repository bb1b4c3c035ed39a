/*-------------------------------------------------------------------------
 *
 * extension/shmem.c
 *	  What sessions, workers and the launcher share: one slot per subscription.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "extension/shmem.h"

#include "extension/compat.h"

typedef struct DbsyncShared
{
	LWLock		lock;
	int			tranche;
	pg_atomic_uint64 next_run;
	bool		unstarted;		/* under the lock */
	int			used;			/* slots behind these were never taken */
	DbsyncSlot	slots[DBSYNC_SLOTS];
	bool		has_meetings;	/* one was made since the server started */
	uint64		meetings[DBSYNC_MEETINGS_SIZE / sizeof(uint64)];
} DbsyncShared;

static DbsyncShared *shared = NULL;
static bool preloaded = false;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static void
init_wake(DbsyncWake *wake)
{
	pg_atomic_init_u32(&wake->counts, 0);
	pg_atomic_init_u32(&wake->at_first, 0);
	pg_atomic_init_u64(&wake->at_rows, 0);
	pg_atomic_init_u64(&wake->at_bytes, 0);
	pg_atomic_init_u64(&wake->rows, 0);
	pg_atomic_init_u64(&wake->bytes, 0);
	pg_atomic_init_u64(&wake->since, 0);
}

void
dbsync_shmem_attach(void)
{
	bool		found;

	if (shared != NULL)
		return;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("dbsync", sizeof(DbsyncShared), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(DbsyncShared));
		shared->tranche = dbsync_new_tranche_compat("dbsync");
		LWLockInitialize(&shared->lock, shared->tranche);
		pg_atomic_init_u64(&shared->next_run, 1);
		for (int i = 0; i < DBSYNC_SLOTS; i++)
		{
			ConditionVariableInit(&shared->slots[i].changed);
			pg_atomic_init_u32(&shared->slots[i].calls, 0);
			init_wake(&shared->slots[i].wake);
		}
	}
	LWLockRelease(AddinShmemInitLock);
	dbsync_register_tranche_compat(shared->tranche, "dbsync");
}

static void
request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(DbsyncShared)));
}

static void
startup(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	/* after a crash of a backend everything is made anew */
	shared = NULL;
	dbsync_shmem_attach();
}

void
dbsync_shmem_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	preloaded = true;
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup;
}

void
dbsync_shmem_set_unstarted(bool unstarted)
{
	dbsync_shmem_lock(true);
	shared->unstarted = unstarted;
	dbsync_shmem_unlock();
}

bool
dbsync_shmem_unstarted(void)
{
	bool		unstarted;

	dbsync_shmem_lock(false);
	unstarted = shared->unstarted;
	dbsync_shmem_unlock();
	return unstarted;
}

bool
dbsync_shmem_preloaded(void)
{
	return preloaded;
}

void
dbsync_shmem_lock(bool exclusive)
{
	dbsync_shmem_attach();
	LWLockAcquire(&shared->lock, exclusive ? LW_EXCLUSIVE : LW_SHARED);
}

void
dbsync_shmem_unlock(void)
{
	LWLockRelease(&shared->lock);
}

/* a slot for somebody new: a free one, else the longest without a worker */
static DbsyncSlot *
take_slot(void)
{
	DbsyncSlot *best = NULL;

	for (int i = 0; i < DBSYNC_SLOTS; i++)
	{
		DbsyncSlot *slot = &shared->slots[i];

		if (slot->pid != 0)
			continue;
		if (!OidIsValid(slot->database))
			return slot;
		if (best == NULL || slot->trouble.at < best->trouble.at)
			best = slot;
	}
	return best;
}

DbsyncSlot *
dbsync_shmem_slot(int subscription, bool create)
{
	DbsyncSlot *slot;

	for (int i = 0; i < DBSYNC_SLOTS; i++)
	{
		slot = &shared->slots[i];
		if (slot->database == MyDatabaseId && slot->subscription == subscription)
			return slot;
	}
	if (!create || (slot = take_slot()) == NULL)
		return NULL;

	/* the condition variable stays: somebody may still be leaving it */
	slot->latch = NULL;
	slot->stop = slot->once = slot->run_done = false;
	slot->run = 0;
	slot->run_rows = 0;
	slot->asked = slot->answered = 0;
	slot->state = DBSYNC_WORKER_STOPPED;
	memset(&slot->trouble, 0, sizeof(slot->trouble));
	memset(&slot->progress, 0, sizeof(slot->progress));
	memset(&slot->round, 0, sizeof(slot->round));
	memset(&slot->receiving, 0, sizeof(slot->receiving));
	slot->subscription = subscription;
	shared->used = Max(shared->used, (int) (slot - shared->slots) + 1);
	slot->database = MyDatabaseId;
	return slot;
}

DbsyncSlot *
dbsync_shmem_slot_at(int i)
{
	return &shared->slots[i];
}

void *
dbsync_shmem_meetings(void)
{
	return shared->meetings;
}

bool
dbsync_shmem_has_meetings(void)
{
	return shared != NULL && shared->has_meetings;
}

void
dbsync_shmem_note_meeting(void)
{
	shared->has_meetings = true;
}

void
dbsync_shmem_read_slot(int i, DbsyncSlot *copy)
{
	dbsync_shmem_lock(false);
	*copy = shared->slots[i];
	dbsync_shmem_unlock();
}

int
dbsync_shmem_workers_of(Oid owner, bool elsewhere)
{
	int			n = 0;

	for (int i = 0; i < DBSYNC_SLOTS; i++)
	{
		const DbsyncSlot *slot = &shared->slots[i];

		if (slot->pid != 0 && slot->owner == owner &&
			!(elsewhere && slot->database == MyDatabaseId))
			n++;
	}
	return n;
}

uint64
dbsync_shmem_next_run(void)
{
	dbsync_shmem_attach();
	return pg_atomic_fetch_add_u64(&shared->next_run, 1);
}

void
dbsync_shmem_put_text(char *field, const char *text)
{
	int			len = text ? strlen(text) : 0;

	if (len >= DBSYNC_MESSAGE_SIZE)
		len = pg_mbcliplen(text, len, DBSYNC_MESSAGE_SIZE - 1);
	if (len > 0)
		memcpy(field, text, len);
	field[len] = '\0';
}

void
dbsync_shmem_wake(DbsyncSlot *slot)
{
	Latch	   *latch = slot->latch;

	pg_atomic_fetch_add_u32(&slot->calls, 1);
	if (latch != NULL)
		SetLatch(latch);
}

int
dbsync_shmem_used(void)
{
	/*
	 * Attaching may take a lock and fail, which a commit cannot afford; capture
	 * attaches long before, in the trigger.
	 */
	return shared ? shared->used : 0;
}
