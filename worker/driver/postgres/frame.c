/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/frame.c
 *	  PostgreSQL driver: the data of a COPY, handed to libpq piece by piece.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/frame.h"
#include "worker/driver/postgres/wait.h"

/* the server's last word on a COPY, which may have come before its end */
bool
dbsync_postgres_frame_outcome(PostgresTarget *target)
{
	PostgresRows *rows = &target->rows;
	PostgresStep step = {.kind = POSTGRES_STEP_PLAIN,.table = rows->table};
	const PostgresAnswer *answer;

	rows->copying = false;
	if (!dbsync_postgres_flush(target))
		return false;
	answer = dbsync_postgres_read_answer(target, &step, NULL);
	if (answer == NULL)
		return false;
	if (dbsync_postgres_answer_affected(answer) == rows->inserts + rows->updates + rows->deletes)
		return true;
	return dbsync_postgres_swallowed(target, rows->table);
}

/*
 * Hand the frame over.  libpq would take any amount, so the one before must have
 * left first; this one may leave while the next is being filled.
 */
bool
dbsync_postgres_frame_send(PostgresTarget *target)
{
	StringInfo	frame = &target->rows.frame;

	if (!dbsync_postgres_flush(target))
		return false;

	/*
	 * The server has nothing to say during COPY but that it has failed (notices
	 * are pinned off), and libpq would not tell us before the end.  Should it be
	 * something else after all, our own words end the COPY.
	 */
	if (dbsync_postgres_readable(target))
	{
		if (PQputCopyEnd(target->conn, "dbsync: unexpected message during COPY") != 1)
			return dbsync_postgres_lost(target);
		return dbsync_postgres_frame_outcome(target)
			? dbsync_postgres_violated(target, "It has ended a COPY by itself.") : false;
	}
	if (PQputCopyData(target->conn, frame->data, frame->len) != 1 || PQflush(target->conn) < 0)
		return dbsync_postgres_lost(target);
	resetStringInfo(frame);
	target->rows.frames++;
	return true;
}
