/*-------------------------------------------------------------------------
 *
 * worker/bundle/reader.h
 *	  Proving a bundle, and reading what is in it.
 *
 * What a file is found to be is a verdict, not an error; errors are raised of the disk and of memory, and by
 * what reads rows and contents of a bundle that has been proved, if its signer has made it wrong.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BUNDLE_READER_H
#define DBSYNC_WORKER_BUNDLE_READER_H

#include "worker/bundle/bundle.h"
#include "worker/bundle/seal.h"

typedef struct DbsyncBundleReader DbsyncBundleReader;
typedef struct DbsyncBundleRows DbsyncBundleRows;

/*
 * Open a file and prove it: headers, order and names of members, signature, sums; then read its head.  Opened are
 * regular files only (O_NOFOLLOW, O_NONBLOCK).  "keys": public keys, of DBSYNC_BUNDLE_KEY bytes each (List of uint8 *).
 * Returns a reader for a bundle that is GOOD, allocated in CurrentMemoryContext, with which its file is closed; else
 * NULL, and *reason says why.  Who can write to the file must not be somebody else: what was proved is read again.
 */
extern DbsyncBundleReader *dbsync_bundle_open(const char *path, List *keys, DbsyncBundleVerdict *verdict,
											  const char **reason);
extern void dbsync_bundle_close(DbsyncBundleReader *reader);

/*
 * Close its file until dbsync_bundle_rows_open() wants it again: who reads a batch of many files has all of
 * them, and no process may have so many open.  Not while rows of it are read.
 */
extern void dbsync_bundle_rest(DbsyncBundleReader *reader);

extern const DbsyncBundleHead *dbsync_bundle_head(const DbsyncBundleReader *reader);

/* SHA-256 of its SHA256SUMS, as the next one names it. */
extern const uint8 *dbsync_bundle_sums(const DbsyncBundleReader *reader);

/* Has it members that are encrypted?  Then contents and rows want an unsealer. */
extern bool dbsync_bundle_is_sealed(const DbsyncBundleReader *reader);

/*
 * What it contains; in CurrentMemoryContext, strings in the server's encoding.  Raises an error for what cannot be: numbers of
 * tables, columns and members are of what is there.
 */
extern DbsyncBundleContents *dbsync_bundle_contents(DbsyncBundleReader *reader, DbsyncUnsealer *unsealer);

/*
 * The rows of a step, one after the other; several times, if need be.  Values are UTF-8, good until the next call; a text is followed
 * by a zero.  A null has a NULL pointer.  False: there are no more; then as many have come as the step says, or an error
 * is raised.
 */
extern DbsyncBundleRows *dbsync_bundle_rows_open(DbsyncBundleReader *reader, const DbsyncBundleStep *step,
												 int nfields, DbsyncUnsealer *unsealer);
extern bool dbsync_bundle_rows_next(DbsyncBundleRows *rows, const char **values, int *lengths);
extern void dbsync_bundle_rows_close(DbsyncBundleRows *rows);

#endif							/* DBSYNC_WORKER_BUNDLE_READER_H */
