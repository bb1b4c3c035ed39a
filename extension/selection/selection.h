/*-------------------------------------------------------------------------
 *
 * extension/selection/selection.h
 *	  Running what a subscription sends of a table's rows, row by row.
 *
 * It is a query over DBSYNC_SELECTION_ROW, which has one row at a time: its columns are those that the
 * expressions and the filter read.  It is kept as the parser has understood it (dbsync_selector_bind()): by its text, what
 * somebody makes later could be found under a name that was another's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_SELECTION_SELECTION_H
#define DBSYNC_EXTENSION_SELECTION_SELECTION_H

#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "fmgr.h"

/* what the query's only table is called */
#define DBSYNC_SELECTION_ROW	"dbsync_row"

typedef struct DbsyncSelector DbsyncSelector;

/* body of dbsync_internal.define_selection() */
extern PGDLLEXPORT Datum dbsync_define_selection(PG_FUNCTION_ARGS);

/* body of dbsync_internal.bind_selection() */
extern PGDLLEXPORT Datum dbsync_bind_selection(PG_FUNCTION_ARGS);

/*
 * The query of a text as it is understood now, in the form of pg_node_tree: good in this database, for rows of
 * just this description, and for servers of this major version.  As whoever it is to run as.
 */
extern char *dbsync_selector_bind(const char *sql, TupleDesc row);

/*
 * Prepare the query for rows of this description, as the role: its rights are asked for here, and it is
 * whose code constants and immutable functions run as.  Within a transaction with an active snapshot, on
 * which tables are looked into; what is allocated lives in CurrentMemoryContext, until
 * dbsync_selector_end() or the transaction's end.  Other tables may be looked into by subqueries, but not
 * joined: what a join keeps of the row, it would take for the next one's.
 */
extern DbsyncSelector *dbsync_selector_begin(const char *bound, TupleDesc row, Oid role);

/*
 * What becomes of a row: the query's columns, good until the next call; NULL if the filter is not true of
 * it.  As the role, in a security-restricted operation; what its code SETs is undone.
 */
extern TupleTableSlot *dbsync_selector_row(DbsyncSelector *selector, TupleTableSlot *row);

/* Of the query's columns. */
extern TupleDesc dbsync_selector_desc(const DbsyncSelector *selector);

extern void dbsync_selector_end(DbsyncSelector *selector);

/* Types of the columns that the query has. */
extern TupleDesc dbsync_selector_describe(const char *bound);

#endif							/* DBSYNC_EXTENSION_SELECTION_SELECTION_H */
