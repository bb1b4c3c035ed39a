/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/between.c
 *	  PostgreSQL driver: rows that go in front of others, in a COPY.
 *
 * A b-tree page that is full is split in the middle, but for the last one, which
 * leaves nine tenths behind.  So where rows come in the order of their key, but
 * others with greater keys are there already, all pages stay half empty.  To fill
 * them, nine rows of twenty are held back for a while: eleven make pages that are
 * half full, and those nine, coming in between, fill them to nine tenths.  This
 * costs nothing but that the order of rows in the table is not quite the key's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/between.h"
#include "worker/driver/postgres/frame.h"
#include "worker/driver/postgres/internal.h"

/* of so many rows ... */
#define CYCLE		20

/* ... so many go at once */
#define AT_ONCE		11

/* what is held back goes when it is so much: keys of several pages, in a narrow table */
#define MAX_HELD	(256 * 1024)

void
dbsync_postgres_rows_go_between(DbsyncTarget *base)
{
	((PostgresTarget *) base)->rows.between = true;
}

bool
dbsync_postgres_between_row(PostgresTarget *target, int from)
{
	PostgresRows *rows = &target->rows;

	if (rows->turn++ % CYCLE < AT_ONCE)
		return true;
	appendBinaryStringInfo(&rows->held, rows->frame.data + from, rows->frame.len - from);
	rows->frame.len = from;
	return rows->held.len < MAX_HELD || dbsync_postgres_between_end(target);
}

bool
dbsync_postgres_between_end(PostgresTarget *target)
{
	PostgresRows *rows = &target->rows;

	for (int at = 0; at < rows->held.len; at += POSTGRES_FRAME_SIZE)
	{
		appendBinaryStringInfo(&rows->frame, rows->held.data + at,
							   Min(rows->held.len - at, POSTGRES_FRAME_SIZE));
		if (!dbsync_postgres_frame_send(target))
			return false;
	}
	resetStringInfo(&rows->held);
	return true;
}
