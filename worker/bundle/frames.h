/*-------------------------------------------------------------------------
 *
 * worker/bundle/frames.h
 *	  Rows as COPY writes them, binary or text, out and in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BUNDLE_FRAMES_H
#define DBSYNC_WORKER_BUNDLE_FRAMES_H

#include "worker/bundle/flow.h"

typedef struct DbsyncFramesOut DbsyncFramesOut;
typedef struct DbsyncFramesIn DbsyncFramesIn;

/* fields of a row, at most: of a table, and those of ours */
#define DBSYNC_FRAMES_FIELDS	2000

/* Rows into a flow; text in the server's encoding, which becomes UTF-8. */
extern DbsyncFramesOut *dbsync_frames_out(DbsyncFlowOut *flow, DbsyncEncoding form, int nfields);
extern void dbsync_frames_put(DbsyncFramesOut *frames, const char **values, const int *lengths);
/* How many there were. */
extern int64 dbsync_frames_end(DbsyncFramesOut *frames);

/*
 * Rows out of a flow.  Values are UTF-8, and lie where they were read; good until the next call.  False: that was all,
 * and the flow has come to its end as it has to.
 */
extern DbsyncFramesIn *dbsync_frames_in(DbsyncFlowIn *flow, DbsyncEncoding form, int nfields);
extern bool dbsync_frames_next(DbsyncFramesIn *frames, const char **values, int *lengths);

#endif							/* DBSYNC_WORKER_BUNDLE_FRAMES_H */
