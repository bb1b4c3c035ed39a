/*-------------------------------------------------------------------------
 *
 * worker/source/keys.h
 *	  Keys of captured tables: their order, and their text.
 *
 * The order is that of the key's index, by its own operator families and collations,
 * upwards: chunks follow the index, and windows are cut where they end.
 *
 * All of it can call users' code, so it runs as the table's owner (dbsync_owner_begin()).
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_KEYS_H
#define DBSYNC_WORKER_SOURCE_KEYS_H

#include "utils/sortsupport.h"
#include "worker/shape.h"


/*
 * How the columns of the key are compared, one by one; ssup_attno is the caller's.
 * In the current context, which must outlive the comparisons.
 */
extern SortSupport dbsync_keys_order(const DbsyncTableShape *shape);

/* Below 0, 0 or above 0: a comes before b, is the same, comes behind it. */
extern int	dbsync_keys_compare(const DbsyncTableShape *shape, SortSupport order,
								const Datum *a, const Datum *b);

/* A key from its text form, as the ledger has it; no part of it is null. */
extern Datum *dbsync_keys_read(const DbsyncTableShape *shape, char *const *text);

#endif							/* DBSYNC_WORKER_SOURCE_KEYS_H */
