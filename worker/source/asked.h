/*-------------------------------------------------------------------------
 *
 * worker/source/asked.h
 *	  Reading a relation by a query, whatever it is: a table, a view, a foreign table.
 *
 * Captured tables are read by their oids and their key's index (captured_table.h).  What is compared by its schedule
 * (capture => 'snapshot') may have no index, or no rows of its own.
 *
 * All run on the active snapshot, as the relation's owner (dbsync_owner_begin()), whose rights the query has.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_ASKED_H
#define DBSYNC_WORKER_SOURCE_ASKED_H

#include "lib/stringinfo.h"
#include "utils/portal.h"

#include "worker/relay.h"
#include "worker/shape.h"
#include "worker/table.h"

typedef struct DbsyncAsked DbsyncAsked;

/*
 * Its rows, for a relay of kind CHUNK, ROWS or KEYS: the next "limit" behind the key "after" (as text; NULL: from the start), in
 * the order of the key; or all of them, in no order, where "lying".
 */
extern DbsyncAsked *dbsync_asked_open(const DbsyncTable *table, char **after, int64 limit, bool lying,
									  DbsyncRelayWhat what, DbsyncRelay *relay);

/* Send so many rows more, 0: all; false when there are no more, or the driver has refused one. */
extern bool dbsync_asked_read(DbsyncAsked *asked, int64 rows);

extern void dbsync_asked_close(DbsyncAsked *asked);

/* --- for who writes queries of his own --- */

/* Its name as it stands behind FROM, with its children left out where they are tables of their own. */
extern void dbsync_asked_append_relation(StringInfo sql, const DbsyncTable *table);

/* " COLLATE ..." of a column of the key, if it has one. */
extern void dbsync_asked_append_collation(StringInfo sql, const DbsyncTableShape *shape, int k);

/* "=" of a column of the key, as its order has it. */
extern void dbsync_asked_append_equal(StringInfo sql, const DbsyncTableShape *shape, int k);

/* Open a query of this table on the active snapshot; dbsync_asked_run() puts so many of its rows into a receiver, 0: all. */
extern Portal dbsync_asked_query(const DbsyncTable *table, const char *sql, int nargs, Oid *types, Datum *values);
extern uint64 dbsync_asked_run(Portal portal, int64 rows, DestReceiver *receiver);

#endif							/* DBSYNC_WORKER_SOURCE_ASKED_H */
