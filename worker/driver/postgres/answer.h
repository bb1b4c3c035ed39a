/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/answer.h
 *	  PostgreSQL driver: what the remote answers, checked before it is believed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_ANSWER_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_ANSWER_H

#include "worker/driver/postgres/internal.h"

typedef struct PostgresAnswer PostgresAnswer;

/* rows that nobody looks at */
#define POSTGRES_ANY_ROWS	"*"

/*
 * Read the answer to one statement, the NULL behind it included.  NULL: fault set,
 * and if target->broken is not, it was an error and the connection is idle.  The
 * answer lives until the next one is read.
 */
extern const PostgresAnswer *dbsync_postgres_read_answer(PostgresTarget *target,
														 const PostgresStep *step,
														 const char *shape);

/* Read the end of a pipeline, or the answer to COMMIT, which must be one. */
extern bool dbsync_postgres_read_sync(PostgresTarget *target);
extern bool dbsync_postgres_read_commit(PostgresTarget *target);

/* Read the answer to COPY ... FROM STDIN: it must want rows of so many columns. */
extern bool dbsync_postgres_read_copy_in(PostgresTarget *target, const PostgresStep *step,
										 int ncolumns, bool binary);

/*
 * Values, by row and column, as their letter in the shape says: text may be NULL,
 * whole numbers of any kind are read by _int.
 */
extern int	dbsync_postgres_answer_rows(const PostgresAnswer *answer);
extern bool dbsync_postgres_answer_is_null(const PostgresAnswer *answer, int row, int column);
extern const char *dbsync_postgres_answer_text(const PostgresAnswer *answer, int row, int column);
extern bool dbsync_postgres_answer_bool(const PostgresAnswer *answer, int row, int column);
extern int64 dbsync_postgres_answer_int(const PostgresAnswer *answer, int row, int column);
extern double dbsync_postgres_answer_double(const PostgresAnswer *answer, int row, int column);

/* Of all its values. */
extern int64 dbsync_postgres_answer_bytes(const PostgresAnswer *answer);

/* Rows that a command has changed; < 0: its tag does not say. */
extern int64 dbsync_postgres_answer_affected(const PostgresAnswer *answer);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_ANSWER_H */
