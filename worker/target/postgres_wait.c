/*-------------------------------------------------------------------------
 *
 * worker/target/postgres_wait.c
 *	  PostgreSQL driver: all waiting on the connection.
 *
 * No call of libpq is made that could block; we wait for the socket and for
 * MyLatch, so that a worker can be stopped while the target is slow or gone.
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
#include <sys/socket.h>

#include "miscadmin.h"
#include "pgstat.h"

#include "worker/target/postgres_driver.h"

#include "extension/compat.h"

/* bytes, of which the kernel gives us what it may */
#define SEND_BUFFER		(1024 * 1024)

/* position of the socket in the set; latch and postmaster come before it */
#define SOCKET_EVENT	0

/*
 * A socket within one machine takes 200 kB, which a backend has used up before the
 * scheduler comes back to us, where processors are few.  TCP sees to it by itself.
 */
static void
enlarge_buffer(int socket)
{
	struct sockaddr_storage address;
	socklen_t	length = sizeof(address);
	int			size = SEND_BUFFER;

	if (getsockname(socket, (struct sockaddr *) &address, &length) == 0 &&
		address.ss_family == AF_UNIX)
		(void) setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

void
dbsync_postgres_watch(PostgresTarget *target)
{
	enlarge_buffer(PQsocket(target->conn));
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

void
dbsync_postgres_wait(PostgresTarget *target, uint32 events)
{
	WaitEvent	event;

	watch_for(target, events);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (WaitEventSetWait(target->wait_set, -1, &event, 1, PG_WAIT_EXTENSION) == 0)
			continue;
		if (event.events & WL_LATCH_SET)
		{
			ResetLatch(MyLatch);
			continue;
		}
		return;
	}
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
	for (;;)
	{
		int			rc = PQflush(target->conn);

		if (rc == 0)
			return true;
		if (rc < 0)
			return dbsync_postgres_lost(target);

		/*
		 * The remote may be unable to read on before we have taken its
		 * answers, so do both.
		 */
		dbsync_postgres_wait(target, WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE);
		if (PQconsumeInput(target->conn) == 0)
			return dbsync_postgres_lost(target);
	}
}

PGresult *
dbsync_postgres_next_result(PostgresTarget *target)
{
	PQclear(target->result);
	target->result = NULL;
	while (PQisBusy(target->conn))
	{
		dbsync_postgres_wait(target, WL_SOCKET_READABLE);
		/* a lost connection shows as an error result */
		if (PQconsumeInput(target->conn) == 0)
			break;
	}
	target->result = PQgetResult(target->conn);
	return target->result;
}
