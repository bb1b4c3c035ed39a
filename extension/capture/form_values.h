/*-------------------------------------------------------------------------
 *
 * extension/capture/form_values.h
 *	  Forming a segment's row value by value.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_FORM_VALUES_H
#define DBSYNC_EXTENSION_CAPTURE_FORM_VALUES_H

#include "access/htup_details.h"
#include "executor/tuptable.h"
#include "extension/capture/form.h"
#include "extension/capture/shape.h"

/*
 * The slow road, where dbsync_form_source() has found nothing to copy.  Slot NULL: a row of
 * nulls.  The segment's description is needed for a stamp with marks only.  A fresh tuple,
 * the caller's; values out of line are as they were.
 */
extern HeapTuple dbsync_form_values(DbsyncShape *shape, const DbsyncStamp *stamp,
									TupleTableSlot *slot, TupleDesc segment);

/*
 * Does a segment's row fit on a page, if all of it is stored out of line that can be?
 * A row that fits into the captured table may not: our columns come on top.
 */
extern bool dbsync_form_values_fit(HeapTuple tuple, TupleDesc segment);

#endif							/* DBSYNC_EXTENSION_CAPTURE_FORM_VALUES_H */
