/*-------------------------------------------------------------------------
 *
 * worker/row_size.h
 *	  Rows that are too large for somebody: which table had one, and whether an error says so.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_ROW_SIZE_H
#define DBSYNC_WORKER_ROW_SIZE_H

/* Is it an error of a size that no try will ever fit into? */
extern bool dbsync_row_size_is_too_large(int sqlstate, const char *message);

/*
 * Captured id of the table that had a row in this batch of a size at which a target
 * might have no room for it; 0: none.  Forget it as a batch begins.
 */
extern int	dbsync_row_size_heavy(void);
extern void dbsync_row_size_forget_heavy(void);
extern void dbsync_row_size_note_heavy(int captured_id);

#endif							/* DBSYNC_WORKER_ROW_SIZE_H */
