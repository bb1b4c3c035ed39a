/*-------------------------------------------------------------------------
 *
 * worker/query.h
 *	  The worker's own small SQL on the source, through SPI.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_QUERY_H
#define DBSYNC_WORKER_QUERY_H

#include "executor/spi.h"

/*
 * Run one statement with text parameters (NULL: SQL NULL) on a fresh snapshot,
 * inside SPI_connect/SPI_finish of the caller.  Raises an error if it fails;
 * returns the number of rows, which are in SPI_tuptable.
 */
extern uint64 dbsync_query(const char *sql, int nargs, const char *const *args);

/*
 * The same for a SELECT that sees what is committed at this moment, also where the
 * isolation level would show what was when the transaction began: for users' sessions.
 */
extern uint64 dbsync_query_latest(const char *sql, int nargs, const char *const *args);

/* As dbsync_query(), with nothing expected back; connects to SPI itself. */
extern void dbsync_query_run(const char *sql, int nargs, const char *const *args);

/* A field of the result as text, NULL for SQL NULL; in the SPI context. */
extern char *dbsync_query_text(uint64 row, int column);

extern int64 dbsync_query_int(uint64 row, int column);	/* NULL is 0 */
extern int	dbsync_query_int4(uint64 row, int column);	/* of type int4; NULL is 0 */
extern Oid	dbsync_query_oid(uint64 row, int column);	/* or of type xid */
extern bool dbsync_query_bool(uint64 row, int column);

/*
 * The worker's transactions.  begin() pins the text form of values for the
 * transaction's time; with "repeatable" all of it sees one snapshot, taken with
 * the first query after the caller's locks.
 */
extern void dbsync_query_begin(bool repeatable, const char *activity);

/*
 * Leaves in a context that lives until dbsync_query_reset(), which a worker
 * calls once a round: not in one that lives for ever.
 */
extern void dbsync_query_commit(void);
extern void dbsync_query_reset(void);

/*
 * Call "function", which runs transactions of its own.  False if a lock was not
 * to be had in time (lock_timeout): the transaction is rolled back and the
 * caller tries again another time.  Other errors pass.
 */
extern bool dbsync_query_attempt(void (*function) (void *arg), void *arg);

/*
 * How long to wait before trying again after so many failures in a row, in ms: "first",
 * twice as long each time, dbsync.retry_max at most.
 */
extern int64 dbsync_query_pause(int64 first, int failures);

/* The same, half of it by chance, so that many workers do not come at once. */
extern long dbsync_query_random_pause(int64 first, int failures);

/*
 * From now on this process speaks UTF-8, as bundles do.  Names are converted between batches, too: the server does that
 * outside of a transaction only for the encoding that is set.
 */
extern void dbsync_query_speak_utf8(void);

#endif							/* DBSYNC_WORKER_QUERY_H */
