/*-------------------------------------------------------------------------
 *
 * worker/row_size.c
 *	  Rows that are too large for somebody: which table had one, and whether an error says so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/row_size.h"

static int	heavy = 0;

bool
dbsync_row_size_is_too_large(int sqlstate, const char *message)
{
	/* the memory manager's own words are not translated */
	return ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_PROGRAM_LIMIT_EXCEEDED ||
		(sqlstate == ERRCODE_INTERNAL_ERROR && message != NULL &&
		 strncmp(message, "invalid memory alloc request size", 33) == 0);
}

int
dbsync_row_size_heavy(void)
{
	return heavy;
}

void
dbsync_row_size_forget_heavy(void)
{
	heavy = 0;
}

void
dbsync_row_size_note_heavy(int captured_id)
{
	heavy = captured_id;
}
