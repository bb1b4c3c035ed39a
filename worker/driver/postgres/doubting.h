/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/doubting.h
 *	  PostgreSQL driver: doubted rows, as the files that write them share them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_DOUBTING_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_DOUBTING_H

#include "worker/driver/driver.h"
#include "worker/driver/row_file.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/recover.h"

/* rows of a slice, at most */
#define POSTGRES_DOUBTED_ROWS	1000

typedef struct PostgresDoubted
{
	DbsyncTargetTable *table;
	DbsyncRow	row;			/* as text, with all columns; of one to delete the key's */
	Size		bytes;
	DbsyncRowFile *file;		/* where its values are, but for those of its key; NULL: they are here */
	DbsyncFilePlace place;
} PostgresDoubted;

typedef struct PostgresDoubt
{
	DbsyncTargetTable *table;	/* whose rows are coming; NULL: none */
	bool		clears;			/* in mode CLEAR_DOUBTED; then ... */
	List	   *cleared;		/* ... keys of what was in their way, of char **; in kept_context */
	int			n;
	Size		bytes;
	PostgresDoubted *slice[POSTGRES_DOUBTED_ROWS];
	List	   *later;			/* of PostgresDoubted: those that clashed, ... */
	DbsyncRowFile *later_rows;	/* ... and their values; NULL: none has */
	List	   *at_once;		/* of char *: constraints of this batch that are checked with each slice; in told_context */
	MemoryContext slice_context;
	MemoryContext kept_context;
	MemoryContext scratch;
} PostgresDoubt;

extern PostgresDoubted *dbsync_postgres_doubted_copy(MemoryContext context, DbsyncTargetTable *table, const DbsyncRow *row);

/* Its row with all values, which are in CurrentMemoryContext if they were in the file. */
extern DbsyncRow dbsync_postgres_doubted_row(const PostgresDoubted *doubted);

/* It has been refused with this: its key is parked. */
extern bool dbsync_postgres_doubted_park(PostgresTarget *target, const PostgresDoubted *doubted, const DbsyncFault *said);

/* It has been written: its key is parked no more. */
extern bool dbsync_postgres_doubted_fits(PostgresTarget *target, const PostgresDoubted *doubted);

/*
 * Write rows of a table behind a savepoint; with "replace" they take the place of what is there.  *fits: they are there.  Else they were refused for what a row of them is,
 * nothing of it is left, and *said has the words, in CurrentMemoryContext.  False: another fault.
 */
extern bool dbsync_postgres_doubted_try(PostgresTarget *target, DbsyncTargetTable *table, PostgresDoubted **rows, int n,
										bool replace, bool *fits, DbsyncFault *said);

/*
 * What is in the way of rows that the table can hold is deleted, in mode CLEAR_DOUBTED, and its keys are kept in doubt->cleared.  A row that it
 * cannot hold makes no room.
 */
extern bool dbsync_postgres_doubted_clear(PostgresTarget *target, DbsyncTargetTable *table, PostgresDoubted **rows, int n);

/* After a refusal: go back to the mark, if it was for what a row is; *said as above.  False: another fault. */
extern bool dbsync_postgres_doubted_back(PostgresTarget *target, const PostgresMark *mark, DbsyncFault *said);

/* In modes DELETE, APPEND, MERGE, TOGETHER and CLEAR, which may have to be finished; whatever becomes of it. */
extern bool dbsync_postgres_doubted_write(PostgresTarget *target, DbsyncTargetTable *table, PostgresDoubted **rows, int n,
										  DbsyncRowsMode mode);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_DOUBTING_H */
