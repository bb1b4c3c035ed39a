/*-------------------------------------------------------------------------
 *
 * t/driver/wait.c
 *	  Waits: for who else writes to the file, and where a test stops us.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "internal.h"

#define LOOK_AFTER_MS	1000
#define STEP_MS			10

/* A while of a wait that has begun then.  False: it is given up. */
static bool
wait_on(FileTarget *target, TimestampTz since)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, STEP_MS,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (target->waits != NULL &&
		TimestampDifferenceExceeds(since, GetCurrentTimestamp(), LOOK_AFTER_MS))
	{
		target->waits(since);
		target->waits_told = true;
	}
	return target->timeout == NULL || *target->timeout == 0 ||
		!TimestampDifferenceExceeds(since, GetCurrentTimestamp(), *target->timeout);
}

/* Nothing is waited for any more. */
void
file_heard(FileTarget *target)
{
	if (target->waits_told)
		target->waits(0);
	target->waits_told = false;
}

/*
 * A lock of the kernel's: it goes with the process, however that ends, and no sooner
 * than the last write of the process.
 */
bool
file_lock(FileTarget *target)
{
	TimestampTz since = GetCurrentTimestamp();

	while (flock(target->lock, LOCK_EX | LOCK_NB) != 0)
	{
		if (errno != EWOULDBLOCK && errno != EINTR)
			return file_refuse(target, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_IO_ERROR,
							   psprintf("could not lock target \"%s\": %s", target->name, strerror(errno)),
							   NULL, NULL);
		if (!wait_on(target, since))
			return file_refuse(target, DBSYNC_FAULT_LOCKED, ERRCODE_LOCK_NOT_AVAILABLE,
							   psprintf("target \"%s\" is locked by somebody else", target->name),
							   NULL, NULL);
	}
	file_heard(target);
	target->locked = true;
	return true;
}

void
file_unlock(FileTarget *target)
{
	if (target->locked)
		(void) flock(target->lock, LOCK_UN);
	target->locked = false;
}

/*
 * A test that wants a worker to stop here makes the file hold_<where>, and sees by
 * held_<where> that it does.
 */
bool
file_hold(FileTarget *target, const char *where)
{
	char	   *hold = psprintf("%s/hold_%s", target->folder, where);
	char	   *held = psprintf("%s/held_%s", target->folder, where);
	TimestampTz since = GetCurrentTimestamp();
	bool		told = false;

	while (access(hold, F_OK) == 0)
	{
		if (!told)
		{
			int			fd = OpenTransientFile(held, O_CREAT | O_WRONLY);

			if (fd >= 0)
				CloseTransientFile(fd);
		}
		told = true;
		if (!wait_on(target, since))
			return file_refuse(target, DBSYNC_FAULT_LOST, ERRCODE_CONNECTION_FAILURE,
							   psprintf("target \"%s\" has not answered", target->name), NULL, NULL);
	}
	file_heard(target);
	pfree(hold);
	pfree(held);
	return true;
}
