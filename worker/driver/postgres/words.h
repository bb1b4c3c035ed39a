/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/words.h
 *	  PostgreSQL driver: what the remote says in words: valid text of the source's encoding, and short.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_WORDS_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_WORDS_H

#include "worker/driver/postgres/internal.h"

/* A copy that is valid in our encoding, and not long; NULL of NULL. */
extern char *dbsync_postgres_clean(PostgresTarget *target, const char *text);

/* Of an error: a field, "" if it is missing; its SQLSTATE, 0 if it has none; libpq's words. */
extern const char *dbsync_postgres_error_field(PostgresTarget *target, const PGresult *result,
											   int code);

extern int	dbsync_postgres_error_code(const PGresult *result);

extern const char *dbsync_postgres_result_words(PostgresTarget *target, const PGresult *result);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_WORDS_H */
