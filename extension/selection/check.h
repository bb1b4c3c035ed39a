/*-------------------------------------------------------------------------
 *
 * extension/selection/check.h
 *	  What a selection may not do.
 *
 * Rows are looked at once, when they are sent.  So what an expression says of a row must follow from the
 * row (and from what is looked up then), and not from the time, the session or chance.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_SELECTION_CHECK_H
#define DBSYNC_EXTENSION_SELECTION_CHECK_H

#include "nodes/bitmapset.h"
#include "nodes/parsenodes.h"
#include "utils/relcache.h"

/*
 * Error if an analyzed expression, or condition, does what a selection cannot.  immutable: it is of a table
 * without a key, whose old rows are looked at again when they go.
 */
extern void dbsync_selection_check(Query *query, bool immutable);

/* Numbers of the columns of the only table at the query's top that an expression reads; error if they do not travel. */
extern Bitmapset *dbsync_selection_reads(Expr *expression, Relation rel);

#endif							/* DBSYNC_EXTENSION_SELECTION_CHECK_H */
