/*-------------------------------------------------------------------------
 *
 * worker/bundle/flow.h
 *	  Bytes of a member on their way to the file (zipped, sealed, hashed), and back.
 *
 * All of it in a stream: memory is a few buffers, whatever goes through.  What a flow has open (the file, contexts of
 * libzstd) goes with the memory context that it was made in.  Errors are raised.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BUNDLE_FLOW_H
#define DBSYNC_WORKER_BUNDLE_FLOW_H

#include "worker/bundle/bundle.h"
#include "worker/bundle/seal.h"

/* --- the file that is written --- */

typedef struct DbsyncFlowFile DbsyncFlowFile;

/* It must not be there, also not as a link; mode 0640. */
extern DbsyncFlowFile *dbsync_flow_create(const char *path);
extern void dbsync_flow_write(DbsyncFlowFile *file, const void *data, size_t length);
/* Bytes written so far. */
extern int64 dbsync_flow_length(const DbsyncFlowFile *file);
/* Write over what is there. */
extern void dbsync_flow_patch(DbsyncFlowFile *file, int64 at, const void *data, size_t length);
/* All of it to the disk, and close it. */
extern void dbsync_flow_finish(DbsyncFlowFile *file);

/* --- a member that is written --- */

typedef struct DbsyncFlowOut DbsyncFlowOut;

/* For one member after the other.  level: of zstd; sealer: NULL for none. */
extern DbsyncFlowOut *dbsync_flow_out(DbsyncFlowFile *file, int level, DbsyncSealer *sealer);
extern void dbsync_flow_begin(DbsyncFlowOut *flow, bool zipped, bool sealed);
extern void dbsync_flow_put(DbsyncFlowOut *flow, const void *data, size_t length);
/* SHA-256 of what is in the file now, in "hash"; bytes that were put. */
extern int64 dbsync_flow_end(DbsyncFlowOut *flow, uint8 *hash);

/* --- a member that is read, of a bundle that has been proved --- */

typedef struct DbsyncFlowIn DbsyncFlowIn;

/*
 * "what" is the member's name in messages.  unsealer: NULL, it is not sealed.  limit: more bytes than that must not
 * come out of it.
 */
extern DbsyncFlowIn *dbsync_flow_in(int fd, const char *what, int64 at, int64 length, bool zipped,
									DbsyncUnsealer *unsealer, int64 limit);

/*
 * Have so many bytes at hand, or all there are: returns how many are, at *data, which may be written to, and has room for
 * one more behind them.  They stay until the next call.
 */
extern size_t dbsync_flow_get(DbsyncFlowIn *flow, size_t wanted, char **data);
/* So many of them have been used. */
extern void dbsync_flow_skip(DbsyncFlowIn *flow, size_t used);
/* How many bytes have come out of it. */
extern int64 dbsync_flow_total(const DbsyncFlowIn *flow);
/* Error: what the signer of the bundle has made is wrong. */
pg_noreturn extern void dbsync_flow_wrong(const DbsyncFlowIn *flow, const char *why);

#endif							/* DBSYNC_WORKER_BUNDLE_FLOW_H */
