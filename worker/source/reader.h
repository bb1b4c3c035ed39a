/*-------------------------------------------------------------------------
 *
 * worker/source/reader.h
 *	  What a reader of a cut's tables keeps to.
 *
 * There are several ways to read a table's rows in a cut, and each is a reader.
 * dbsync_read_cut() asks them in turn whether they apply, the narrower and faster ones
 * first, and the first one that does reads.
 *
 * applies()
 *	- Looks at what the reading says and at nothing else: neither at blocks nor at rows.
 *	- Is true only if the reader finds every row that the headers announce and does all
 *	  that "how" asks for.
 *
 * read()
 *	- Runs on the active snapshot, S, and as the table's owner, who alone may have code of
 *	  users run (comparisons, output functions).  Segments are locked by then.
 *	- Takes rows of the cut's members (cut->members), and those that headers carry, and
 *	  no others.
 *	- Tells the relay where the columns are (dbsync_relay_place()), starts its receiver
 *	  once (rStartup), also where no row follows, and gives it no more rows when it says
 *	  false.
 *	- With how->fold sends one row for each key: the last in the order of places
 *	  (dbsync_members_place()), or one that all of the key's rows are made into where
 *	  there are marks.  Of a table without a key it sends each row with how many more of it
 *	  there are behind the cut than before, or how many less (dbsync_relay_set_count()), and
 *	  none of which there are as many.
 *	- Returns how many of the cut's rows it has come upon, TRUNCATEs, those that headers
 *	  carry, and those that it did not send included: the caller compares that with the
 *	  headers, unless the receiver has said false.
 *	- Keeps nothing: another table may be next, or the same once more, as rows are replaced
 *	  by deleting keys first.  Memory is of CurrentMemoryContext, and bounded by work_mem
 *	  or the cut's own carried rows, not by the number of rows.
 *	- Lets interrupts in, row by row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_READER_H
#define DBSYNC_WORKER_SOURCE_READER_H

#include "worker/relay.h"
#include "worker/shape.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"

/* a table's rows in a cut, to be read */
typedef struct DbsyncReading
{
	DbsyncSubscription *subscription;	/* it knows the segments */
	const DbsyncTable *table;
	const DbsyncTableShape *shape;	/* of its rows in the cut */
	const DbsyncCut *cut;
	const DbsyncCutTable *cut_table;	/* how many rows, and where */
	const DbsyncReadCut *how;
} DbsyncReading;

typedef struct DbsyncReader
{
	const char *name;
	bool		(*applies) (const DbsyncReading *reading);	/* NULL, of the last: always */
	int64		(*read) (const DbsyncReading *reading, DbsyncRelay *relay);
} DbsyncReader;

#endif							/* DBSYNC_WORKER_SOURCE_READER_H */
