/*-------------------------------------------------------------------------
 *
 * worker/receive/tape.h
 *	  A batch as it is played: its files, its steps over all of them, and the target's tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RECEIVE_TAPE_H
#define DBSYNC_WORKER_RECEIVE_TAPE_H

#include "worker/bundle/reader.h"
#include "worker/receive/cache.h"
#include "worker/receive/next.h"
#include "worker/receive/receive.h"

/* one bundle of it */
typedef struct DbsyncTapeFile
{
	DbsyncBundleReader *reader;
	const DbsyncBundleHead *head;
	DbsyncBundleContents *contents;
} DbsyncTapeFile;

/* a step of one file */
typedef struct DbsyncTapePiece
{
	const DbsyncTapeFile *file;
	const DbsyncBundleStep *step;
} DbsyncTapePiece;

/* a step, with what goes on of it in the next files */
typedef struct DbsyncTapeStep
{
	DbsyncBundleDo what;
	const DbsyncBundleTable *table; /* or NULL */
	DbsyncTargetTable *handle;	/* of it, when it is looked up */
	List	   *pieces;			/* of DbsyncTapePiece */
	int64		rows;
	bool		empties;		/* a first copy, before which the table is emptied */
} DbsyncTapeStep;

typedef struct DbsyncTape
{
	DbsyncReceiving *receiving;
	MemoryContext context;		/* of all of it */
	DbsyncUnsealer *unsealer;	/* or NULL */
	int			nfiles;
	DbsyncTapeFile *files;
	const DbsyncTapeFile *last; /* it has the position */
	List	   *steps;			/* of DbsyncTapeStep */
	int64		rows;
	bool		changes;		/* tables take another shape */
	bool		copies;			/* it has a piece of a first copy */
	bool		careful;
	bool		replaces;		/* without a stage of whole rows, where that can be */
	bool		together;		/* foreign keys are checked: rows go together */
	bool		begun;			/* its transaction at the target: no table is looked up any more */
} DbsyncTape;

/* Open the files of a batch and read their steps; in the current transaction, with which they are closed. */
extern DbsyncTape *dbsync_tape_open(DbsyncReceiving *receiving, const DbsyncNext *next);
extern void dbsync_tape_close(DbsyncTape *tape);

/* A table of one of its files by its number, from 0; NULL: there is none. */
extern const DbsyncBundleTable *dbsync_tape_table_at(const DbsyncTapeFile *file, int i);

/* Look up the target's tables that the batch does not change before it writes to them, and see what they take. */
extern void dbsync_tape_open_tables(DbsyncTape *tape);

/* The target's table for one of a bundle's, looked up once a connection. */
extern DbsyncTargetTable *dbsync_tape_table(DbsyncTape *tape, const DbsyncBundleTable *table);

/* The target's tables that a TRUNCATE empties (List of DbsyncTargetTable). */
extern List *dbsync_tape_emptied(DbsyncTape *tape, const DbsyncTapeStep *step);

/* It has taken another shape. */
extern DbsyncTargetTable *dbsync_tape_change(DbsyncTape *tape, const DbsyncTapeStep *step);

/* What the driver is told of a table, in CurrentMemoryContext. */
extern DbsyncTableSpec dbsync_tape_spec(const DbsyncBundleTable *table);

/* Behind a batch: give up handles, if there are too many. */
extern void dbsync_tape_close_surplus(DbsyncReceiving *receiving);
extern void dbsync_tape_forget_tables(void);

/* The rows of a step, in a mode; "doing" is for messages. */
extern void dbsync_tape_rows(DbsyncTape *tape, const DbsyncTapeStep *step, DbsyncRowsMode mode);

/* The same between a rows_begin() and a rows_end() of the caller's, for tables whose rows wait for others. */
extern void dbsync_tape_put(DbsyncTape *tape, const DbsyncTapeStep *step, DbsyncRowsMode mode, const char *doing);
extern char *dbsync_tape_doing(const DbsyncTapeStep *step);

#endif							/* DBSYNC_WORKER_RECEIVE_TAPE_H */
