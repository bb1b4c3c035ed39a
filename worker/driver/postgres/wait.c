/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/wait.c
 *	  PostgreSQL driver: all waiting on the connection.
 *
 * No call of libpq is made that could block; we wait for the socket and for
 * MyLatch, so that a worker can be stopped while the target is slow or gone.
 * Of a wait that lasts longer than a second the worker is told, and one for a remote
 * that does not get on has an end: it is counted for a whole answer, however many pieces it
 * comes in.  (The server's side of it has not: one that
 * does not read does not see either that we are gone.  The fence takes care of it.)
 * The latch is reset here: callers look at what it may have meant when they
 * come round, as everywhere in the server.
 *
 * One set of events is kept per connection: a batch of one row waits once, and
 * building the set anew would cost as much as the rest of the waiting.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "utils/timestamp.h"

#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/wait.h"

#include "extension/compat.h"

/* bytes, of which the kernel gives us what it may */
#define SEND_BUFFER		(1024 * 1024)
#define RECEIVE_BUFFER	(64 * 1024)

/* a wait that has lasted so many ms is looked at, again and again */
#define LOOK_AFTER		1000

/* so many ms for each row, beside dbsync.target_timeout: a merge of many takes hours */
#define PATIENCE_PER_ROW	1

/* the most that may arrive for one result: a row, or an error that quotes a value */
#define MAX_MESSAGE		(64 * 1024 * 1024)

/* position of the socket in the set; latch and postmaster come before it */
#define SOCKET_EVENT	0

/*
 * We are sent but a few bytes for each statement.  libpq reads on while there is
 * something to read, and does not come back to us to be asked whether it is enough;
 * from a small buffer it does.
 */
void
dbsync_postgres_receive_little(int socket)
{
	int			size = RECEIVE_BUFFER;

	(void) setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

/*
 * A socket within one machine takes 200 kB, which a backend has used up before the
 * scheduler comes back to us, where processors are few.  TCP sees to it by itself.
 */
static void
size_buffers(int socket)
{
	struct sockaddr_storage address;
	socklen_t	length = sizeof(address);
	int			size = SEND_BUFFER;

	if (getsockname(socket, (struct sockaddr *) &address, &length) == 0 &&
		address.ss_family == AF_UNIX)
		(void) setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	dbsync_postgres_receive_little(socket);
}

void
dbsync_postgres_watch(PostgresTarget *target)
{
	size_buffers(PQsocket(target->conn));
	target->wait_set = dbsync_create_wait_set_compat(target->base.context, 3);
	target->wait_events = WL_SOCKET_READABLE;
	AddWaitEventToSet(target->wait_set, target->wait_events,
					  PQsocket(target->conn), NULL, NULL);
	AddWaitEventToSet(target->wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(target->wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
}

static void
watch_for(PostgresTarget *target, uint32 events)
{
	if (target->wait_events == events)
		return;
	ModifyWaitEvent(target->wait_set, SOCKET_EVENT, events, NULL);
	target->wait_events = events;
}

/* how long the remote may be silent, in ms; 0: for ever */
static int64
patience(const PostgresTarget *target)
{
	int			timeout = target->timeout && !target->patient ? *target->timeout : 0;

	/* what was sent may be one statement there, of many rows */
	return timeout > 0 ? timeout + target->batch_rows * PATIENCE_PER_ROW : 0;
}

static bool
refuse_silence(PostgresTarget *target, int64 milliseconds)
{
	target->broken = true;
	dbsync_postgres_refuse(target, ERRCODE_CONNECTION_FAILURE,
						   psprintf("target \"%s\" has not answered for " INT64_FORMAT " s",
									target->name, milliseconds / 1000), NULL,
						   "On the target, pg_stat_activity shows what its session of application_name"
						   " \"dbsync ...\" waits for. dbsync.target_timeout sets how long is too long, and dbsync.call_timeout"
						   " for functions that somebody calls.");
	return false;
}

bool
dbsync_postgres_look_at_clock(PostgresTarget *target, TimestampTz quiet_since)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		limit = patience(target);

	if (target->waits != NULL && now - target->waits_since >= LOOK_AFTER * INT64CONST(1000))
	{
		target->waits_told = true;
		target->waits(target->waits_since);
	}
	if (limit > 0 && now - quiet_since >= limit * 1000)
		return refuse_silence(target, (now - quiet_since) / 1000);
	return true;
}

void
dbsync_postgres_heard(PostgresTarget *target)
{
	target->waits_since = 0;
	if (target->waits_told)
	{
		target->waits_told = false;
		target->waits(0);
	}
}

/*
 * Wait for any of these socket events, of which "got" is told.  Nobody looks at the clock
 * before the latch is set or a second has passed; "quiet_since" is the caller's, 0 at first, and
 * goes on from one call to the next: a few bytes are no answer.  False: fault set.
 */
static bool
wait_for_socket(PostgresTarget *target, uint32 events, TimestampTz *quiet_since, uint32 *got)
{
	WaitEvent	event;

	watch_for(target, events);
	for (;;)
	{
		int			n;

		CHECK_FOR_INTERRUPTS();
		n = WaitEventSetWait(target->wait_set, LOOK_AFTER, &event, 1, PG_WAIT_EXTENSION);
		if (n > 0 && (event.events & WL_LATCH_SET) == 0)
		{
			*got = event.events;
			return *quiet_since == 0 || dbsync_postgres_look_at_clock(target, *quiet_since);
		}
		if (n > 0)
			ResetLatch(MyLatch);
		if (*quiet_since == 0)
		{
			*quiet_since = GetCurrentTimestamp() - (n == 0 ? LOOK_AFTER * INT64CONST(1000) : 0);
			if (target->waits_since == 0)
				target->waits_since = *quiet_since;
		}
		if (!dbsync_postgres_look_at_clock(target, *quiet_since))
			return false;
	}
}

bool
dbsync_postgres_count_arrived(PostgresTarget *target, Size *arrived, Size most)
{
	int			bytes = 0;

	if (ioctl(PQsocket(target->conn), FIONREAD, &bytes) == 0)
		*arrived += bytes;
	if (*arrived <= most)
		return true;
	return dbsync_postgres_violated(target, "There is no end of it.");
}

/* libpq's notifications would pile up; we have asked for none */
static void
drop_notifications(PostgresTarget *target)
{
	PGnotify   *notification;

	while ((notification = PQnotifies(target->conn)) != NULL)
		PQfreemem(notification);
}

/*
 * Before what has arrived is taken.  The first piece of an answer is all of it,
 * nearly always; where there are more they are counted, as libpq would gather any
 * amount.  False: fault set.
 */
static bool
may_take(PostgresTarget *target, int *pieces, Size *arrived, TimestampTz *quiet_since)
{
	if ((*pieces)++ == 0)
		return true;
	if (*quiet_since == 0)
		*quiet_since = GetCurrentTimestamp();
	if (target->waits_since == 0)
		target->waits_since = *quiet_since;
	drop_notifications(target);
	return dbsync_postgres_look_at_clock(target, *quiet_since) &&
		dbsync_postgres_count_arrived(target, arrived, MAX_MESSAGE);
}

bool
dbsync_postgres_readable(PostgresTarget *target)
{
	struct pollfd socket = {.fd = PQsocket(target->conn), .events = POLLIN};

	/* not through the set of events: a latch that is set would hide the socket */
	return poll(&socket, 1, 0) > 0;
}

bool
dbsync_postgres_flush(PostgresTarget *target)
{
	int			pieces = 0;
	Size		arrived = 0;
	TimestampTz quiet_since = 0;
	uint32		got;

	for (;;)
	{
		int			rc = PQflush(target->conn);

		if (rc == 0)
			break;
		if (rc < 0)
			return dbsync_postgres_lost(target);

		/*
		 * The remote may be unable to read on before we have taken its
		 * answers, so do both.
		 */
		if (!wait_for_socket(target, WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE, &quiet_since, &got))
			return false;
		/* a good part of what was sent has been taken: it gets on */
		if (got & WL_SOCKET_WRITEABLE)
			quiet_since = 0;
		if (!may_take(target, &pieces, &arrived, &quiet_since))
			return false;
		if (PQconsumeInput(target->conn) == 0)
			return dbsync_postgres_lost(target);
	}
	if (target->waits_since != 0)
		dbsync_postgres_heard(target);
	return true;
}

PGresult *
dbsync_postgres_next_result(PostgresTarget *target)
{
	int			pieces = 0;
	Size		arrived = 0;
	TimestampTz quiet_since = 0;
	uint32		got;

	PQclear(target->result);
	target->result = NULL;
	while (PQisBusy(target->conn))
	{
		if (!wait_for_socket(target, WL_SOCKET_READABLE, &quiet_since, &got) ||
			!may_take(target, &pieces, &arrived, &quiet_since))
			return NULL;
		/* a lost connection shows as an error result */
		if (PQconsumeInput(target->conn) == 0)
			break;
	}
	if (target->waits_since != 0)
		dbsync_postgres_heard(target);
	target->result = PQgetResult(target->conn);
	return target->result;
}
