/*-------------------------------------------------------------------------
 *
 * worker/bundle/load_rows.h
 *	  SQL for rows, in the script that loads a bundle by hand, and its names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BUNDLE_LOAD_ROWS_H
#define DBSYNC_WORKER_BUNDLE_LOAD_ROWS_H

#include "lib/stringinfo.h"

#include "worker/bundle/bundle.h"

/* Append a text in quotes (' or "), whatever is in it; as standard_conforming_strings has it. */
extern void dbsync_load_quote(StringInfo text, char quote, const char *words);

/* Quoted names, palloc'd: of a table, with its schema; of a table's column */
extern const char *dbsync_load_table(const DbsyncBundleTable *table);
extern const char *dbsync_load_column(const DbsyncBundleTable *table, int column);

/* Append what reads the row member of a step for this table, and does the step. */
extern void dbsync_load_rows(StringInfo text, const DbsyncBundleTable *table, const DbsyncBundleStep *step);

#endif							/* DBSYNC_WORKER_BUNDLE_LOAD_ROWS_H */
