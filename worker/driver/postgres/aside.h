/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/aside.h
 *	  PostgreSQL driver: rows that are taken off what they reference, for as long as a value moves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_ASIDE_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_ASIDE_H

#include "nodes/pg_list.h"

#include "worker/driver/postgres/internal.h"

/*
 * Before what is staged (PostgresTogether) is written, of which this one has values that move: set rows aside that foreign
 * keys would act on, in stages and in the target's tables.  Behind dbsync_postgres_carry() of all.  *asides gets what
 * dbsync_postgres_put_back() is to be given once all is written.  Refused where a row cannot be set aside.
 */
extern bool dbsync_postgres_set_aside(PostgresTarget *target, const List *staged, const PostgresTogether *one,
									  List **asides);
extern bool dbsync_postgres_put_back(PostgresTarget *target, const List *asides);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_ASIDE_H */
