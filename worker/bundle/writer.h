/*-------------------------------------------------------------------------
 *
 * worker/bundle/writer.h
 *	  Writing a bundle, member by member, in a stream.
 *
 * Errors are raised (ERROR, with the path): of the disk, of libzstd and libcrypto.  Whatever a writer has open
 * (file, contexts of the libraries) goes with the memory context that it was made in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BUNDLE_WRITER_H
#define DBSYNC_WORKER_BUNDLE_WRITER_H

#include "worker/bundle/bundle.h"
#include "worker/bundle/seal.h"
#include "worker/bundle/sign.h"

typedef struct DbsyncBundleWriter DbsyncBundleWriter;

typedef struct DbsyncBundleWriting
{
	const char *path;			/* the file to make: must not be there */
	const char *folder;			/* that members are in: dbsync_bundle_folder() */
	int			level;			/* of zstd; 0: not zipped */
	DbsyncSigner *signer;
	DbsyncSealer *sealer;		/* NULL: not encrypted */
} DbsyncBundleWriting;

/* "<name>-<8 of uuid>-<chain>-<12 digits>": the folder of members, and what the file is called in "out". */
extern char *dbsync_bundle_folder(const char *subscription_name, const pg_uuid_t *subscription,
								  int64 chain, int64 number);

/* Begin a file, in CurrentMemoryContext; what "writing" points to must last as long. */
extern DbsyncBundleWriter *dbsync_bundle_create(const DbsyncBundleWriting *writing);

/*
 * The rows of one step: begin, row by row, end.  "nfields" are in each; names are for the script only.  Values are
 * as a driver is given them: text in the server's encoding, or binary; they are UTF-8 in the file.
 */
extern void dbsync_bundle_rows_begin(DbsyncBundleWriter *writer, DbsyncEncoding form, int nfields);
extern void dbsync_bundle_rows_put(DbsyncBundleWriter *writer, const char **values, const int *lengths);
/* Fills form, member, rows and bytes of the step. */
extern void dbsync_bundle_rows_end(DbsyncBundleWriter *writer, DbsyncBundleStep *step);

/* Bytes that the file has by now, about. */
extern int64 dbsync_bundle_written(const DbsyncBundleWriter *writer);

/*
 * The last members, signature and end, and all of it to the disk.  Rows and bytes of the head are filled in.
 * "load_sql" may be NULL: there is no such member.  *sums: SHA-256 of SHA256SUMS.
 */
extern void dbsync_bundle_finish(DbsyncBundleWriter *writer, DbsyncBundleHead *head,
								 const DbsyncBundleContents *contents, const char *load_sql,
								 uint8 *sums);

#endif							/* DBSYNC_WORKER_BUNDLE_WRITER_H */
