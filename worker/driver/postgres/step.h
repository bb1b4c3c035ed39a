/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/step.h
 *	  PostgreSQL driver: statements go out, results come back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_STEP_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_STEP_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/internal.h"

/* Queue one of the fixed statements. */
extern bool dbsync_postgres_queue_fixed(PostgresTarget *target, PostgresFixed fixed,
										int nparams, const char *const *values);

/* Queue a statement of a table.  sql: prepare it first; NULL: that has been done. */
extern bool dbsync_postgres_queue_table(PostgresTarget *target, DbsyncTargetTable *table,
										PostgresTableStatement statement, const char *sql,
										const DbsyncRow *row);

/*
 * Queue an update of a row that lacks columns.  sql: prepare it first as number
 * "mask"; NULL: that has been done.  mask < 0: not prepared.
 */
extern bool dbsync_postgres_queue_patch(PostgresTarget *target, DbsyncTargetTable *table,
										int mask, const char *sql, const DbsyncRow *row);

/*
 * Queue the delete of so many rows that are like this one; what is not there is added to
 * table->missing.  sql: prepare it first as number "pattern", with so many types of parameters, of which the
 * last, how many, is our own; NULL: that has been done.  pattern < 0: not prepared.
 */
extern bool dbsync_postgres_queue_count(PostgresTarget *target, DbsyncTargetTable *table,
										int pattern, const char *sql, const DbsyncRow *row);

/*
 * The statement queued last is to write so many rows.  missing: where those are added that it
 * does not find; NULL: none may be left out.
 */
extern void dbsync_postgres_expect(PostgresTarget *target, int64 rows, int64 *missing);

/*
 * Queue a statement of a table and let the server begin with it: it works while
 * the source reads on.
 */
extern bool dbsync_postgres_queue_sql(PostgresTarget *target, const DbsyncTargetTable *table,
									  PostgresStepKind kind, const char *sql);

/*
 * Send what is queued and read all results; leaves pipeline mode, and the
 * transaction open.
 */
extern bool dbsync_postgres_settle(PostgresTarget *target);

/*
 * Settle, then run one statement that gives rows of this shape (NULL: none).  NULL:
 * fault set.  The answer lives until the next one.
 */
extern const PostgresAnswer *dbsync_postgres_query(PostgresTarget *target, const char *sql,
												   int nparams, const char *const *values,
												   const char *shape);

/* The same in two steps: the server works, and we at something else; its answer must be read before anything else is sent. */
extern bool dbsync_postgres_send(PostgresTarget *target, const char *sql, int nparams, const char *const *values,
								 const char *shape);
extern const PostgresAnswer *dbsync_postgres_receive(PostgresTarget *target, const DbsyncTargetTable *table,
													 const char *shape);

/*
 * The same with one of the fixed statements: planning one of those that look at catalogs takes
 * the server several times as long as running it.
 */
extern const PostgresAnswer *dbsync_postgres_query_fixed(PostgresTarget *target,
														 PostgresFixed fixed, int nparams,
														 const char *const *values,
														 const char *shape);

/* The same for commands, of a table or none; *affected may be NULL. */
extern bool dbsync_postgres_execute(PostgresTarget *target, const DbsyncTargetTable *table,
									const char *sql, int64 *affected);

/* Keep a copy in place of the old one, which may be NULL. */
extern void dbsync_postgres_remember(PostgresTarget *target, char **place, const char *value);

/*
 * Begin a pinned transaction, queued.  synchronous_commit: "on" or "off";
 * origin may be NULL.
 */
extern bool dbsync_postgres_begin(PostgresTarget *target, const char *synchronous_commit,
								  const char *origin);

/*
 * The same for a transaction that is likely to be one pipeline: where the session
 * is pinned it does without BEGIN and COMMIT.
 */
extern bool dbsync_postgres_begin_short(PostgresTarget *target, const char *synchronous_commit,
										const char *origin);

/* Commit, settle, and check that it was one. */
extern bool dbsync_postgres_commit(PostgresTarget *target);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_STEP_H */
