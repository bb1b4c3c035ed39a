/*-------------------------------------------------------------------------
 *
 * worker/driver/row_file.h
 *	  Rows that wait, in a temporary file: however many and large they are, they take no memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_ROW_FILE_H
#define DBSYNC_WORKER_DRIVER_ROW_FILE_H

#include "worker/driver/driver.h"

typedef struct DbsyncRowFile DbsyncRowFile;

typedef struct DbsyncFilePlace
{
	int			file;
	off_t		offset;
} DbsyncFilePlace;

/* Empty, in CurrentMemoryContext.  Within a transaction, and good until it ends: it is to be closed before. */
extern DbsyncRowFile *dbsync_row_file_create(void);
extern void dbsync_row_file_close(DbsyncRowFile *file);

/* Write values of a row, which has so many columns, behind what is there; where they are. */
extern DbsyncFilePlace dbsync_row_file_put(DbsyncRowFile *file, const DbsyncRow *row, int ncolumns);

/* Read them, into row->values and row->lengths, which are made in CurrentMemoryContext. */
extern void dbsync_row_file_get(DbsyncRowFile *file, DbsyncFilePlace place, DbsyncRow *row, int ncolumns);

#endif							/* DBSYNC_WORKER_DRIVER_ROW_FILE_H */
