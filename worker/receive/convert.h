/*-------------------------------------------------------------------------
 *
 * worker/receive/convert.h
 *	  Values of a bundle in the form in which a driver takes them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RECEIVE_CONVERT_H
#define DBSYNC_WORKER_RECEIVE_CONVERT_H

#include "worker/bundle/bundle.h"

typedef struct DbsyncConverter DbsyncConverter;

/*
 * For rows of these columns of a table (indexes; NULL: all of them), in one form, that a driver wants in others: "forms" as
 * table_forms() has them for all columns of the table.  In CurrentMemoryContext; needs a transaction.
 */
extern DbsyncConverter *dbsync_converter_create(const DbsyncBundleTable *table, const int *columns, int ncolumns,
												DbsyncEncoding form, const DbsyncForm *forms);

/*
 * Values of one row, UTF-8, in place: what has to be another value is allocated in CurrentMemoryContext.  Errors name the
 * column.
 */
extern void dbsync_converter_row(DbsyncConverter *converter, const char **values, int *lengths);

#endif							/* DBSYNC_WORKER_RECEIVE_CONVERT_H */
