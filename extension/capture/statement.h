/*-------------------------------------------------------------------------
 *
 * extension/capture/statement.h
 *	  Which statements are open on a captured table, and whether the order in
 *	  which they were captured is to be trusted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_STATEMENT_H
#define DBSYNC_EXTENSION_CAPTURE_STATEMENT_H

#include "commands/trigger.h"
#include "extension/capture/transaction.h"

/* A statement on the table begins (BEFORE STATEMENT). */
extern void dbsync_statement_open(DbsyncTouched *touched, const TriggerData *trigdata);

/* It has ended, after so many rows were captured (AFTER STATEMENT). */
extern void dbsync_statement_close(DbsyncTouched *touched, const TriggerData *trigdata,
								   int64 rows);

/* TRUNCATE of the table begins (BEFORE TRUNCATE). */
extern void dbsync_statement_open_truncate(DbsyncTouched *touched);

/* It has ended; to be called before its T is captured. */
extern void dbsync_statement_close_truncate(DbsyncTouched *touched);

/* The same for a TRUNCATE of a partition that another one, of the same command, includes. */
extern void dbsync_statement_leave_truncate(DbsyncTouched *touched);

/* So many rows were captured because of a TRUNCATE that is open, and are in no doubt for that. */
extern void dbsync_statement_add_truncated(DbsyncTouched *touched, int64 rows);

/* The per-row trigger captured a row, outside any statement. */
extern void dbsync_statement_note_row(DbsyncTouched *touched);

/* A statement that is captured as it goes (DbsyncDirect) has its first row. */
extern void dbsync_statement_note_direct(DbsyncTouched *touched);

/* Rows of the table with these numbers may not be in the order of truth. */
extern void dbsync_statement_doubt(DbsyncTouched *touched, int64 from, int64 to);

#endif							/* DBSYNC_EXTENSION_CAPTURE_STATEMENT_H */
