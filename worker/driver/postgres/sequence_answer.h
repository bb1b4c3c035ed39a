/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/sequence_answer.h
 *	  PostgreSQL driver: what a target answers of a sequence that is to be ahead.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_SEQUENCE_ANSWER_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_SEQUENCE_ANSWER_H

#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/internal.h"

/*
 * One row: what was found, its schema and name, its last value, and which values it gives no more.
 * See dbsync_postgres_read_answer().
 */
#define POSTGRES_SEQUENCE_SHAPE "1iTTLL"

/* The answer to the next of the sequences that were queued; called as it is read. */
extern void dbsync_postgres_sequence_answered(PostgresTarget *target, const PostgresAnswer *answer);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_SEQUENCE_ANSWER_H */
