/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/sequence_answer.c
 *	  PostgreSQL driver: what a target answers of a sequence that is to be ahead.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/sequence_answer.h"

/* In our encoding a name may be longer than names are. */
static void
take_name(const PostgresAnswer *answer, int column, NameData *name)
{
	const char *text = dbsync_postgres_answer_is_null(answer, 0, column) ? ""
		: dbsync_postgres_answer_text(answer, 0, column);
	int			length = pg_mbcliplen(text, strlen(text), NAMEDATALEN - 1);

	memset(name, 0, sizeof(NameData));
	memcpy(NameStr(*name), text, length);
}

/* Whoever says what cannot be, or that it is ahead and not where, has found none. */
static DbsyncSequenceFound
found_of(const PostgresAnswer *answer)
{
	int64		found = dbsync_postgres_answer_int(answer, 0, 0);
	bool		is_known = !dbsync_postgres_answer_is_null(answer, 0, 3) &&
		!dbsync_postgres_answer_is_null(answer, 0, 4);

	switch (found)
	{
		case DBSYNC_SEQUENCE_AHEAD:
		case DBSYNC_SEQUENCE_EXHAUSTED:
			return is_known ? (DbsyncSequenceFound) found : DBSYNC_SEQUENCE_MISSING;
		case DBSYNC_SEQUENCE_FORBIDDEN:
		case DBSYNC_SEQUENCE_OTHER_WAY:
			return (DbsyncSequenceFound) found;
		default:
			return DBSYNC_SEQUENCE_MISSING;
	}
}

void
dbsync_postgres_sequence_answered(PostgresTarget *target, const PostgresAnswer *answer)
{
	DbsyncSequenceGoal *goal = list_nth(target->sequences, target->nsequences++);

	goal->found = found_of(answer);
	take_name(answer, 1, &goal->found_schema);
	take_name(answer, 2, &goal->found_name);
	if (goal->found == DBSYNC_SEQUENCE_AHEAD || goal->found == DBSYNC_SEQUENCE_EXHAUSTED)
	{
		goal->there = dbsync_postgres_answer_int(answer, 0, 3);
		goal->covered = dbsync_postgres_answer_int(answer, 0, 4);
	}
}
