/*-------------------------------------------------------------------------
 *
 * worker/row_types.h
 *	  Attributes of the source's composite types, and what they were called before
 *	  (dbsync.former_attribute).
 *
 * Rows are written out with the attributes of today, whenever they were captured.  So the target's
 * type has to have them ahead of the rows; and all rows of a batch must be written out with the
 * attributes that the target was looked at for: as many others would go astray without a word.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_ROW_TYPES_H
#define DBSYNC_WORKER_ROW_TYPES_H

#include "nodes/pg_list.h"
#include "utils/palloc.h"

#include "worker/driver/driver.h"
#include "worker/shape.h"
#include "worker/work.h"

/*
 * Types that were changed, as one text in the context, never NULL: it is another one when one of them is
 * changed, and good for nothing else.  Within SPI.
 */
extern const char *dbsync_row_types_changed(MemoryContext context);

/*
 * The composite types that values of the spec's columns are made of, those that were changed and others: a list of
 * DbsyncRowType in the current context, within a transaction.  All that the columns are made of
 * is noted for dbsync_row_types_check().  Error if one is being changed at this moment.
 *
 * The spec is of the shape.  before: the one that the target's table has still, where the batch is to make it this one;
 * NULL: it has this one, or its columns were chosen.
 */
extern List *dbsync_row_types_of(DbsyncWork *work, const DbsyncTableSpec *spec, const DbsyncTableShape *shape,
								 const DbsyncTableShape *before);

/*
 * Before a batch is committed, within SPI: error if a type that was noted has got other attributes, so that
 * rows may have been written out with these.
 */
extern void dbsync_row_types_check(const DbsyncWork *work);

/* Forget what was noted; when the connection is given up. */
extern void dbsync_row_types_forget(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_ROW_TYPES_H */
