/*-------------------------------------------------------------------------
 *
 * worker/source/cut.h
 *	  Putting a cut together: what its headers say of each table, added up.
 *
 * Called by window.c only; what a cut is stands in window.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_CUT_H
#define DBSYNC_WORKER_SOURCE_CUT_H

#include "worker/source/window.h"

/*
 * Add a transaction's rows in the tables that the request wants; rank: see members.h.
 * Returns whether some of them are to be looked for in segments.
 */
extern bool dbsync_cut_add(DbsyncCut *cut, const DbsyncHeader *header, int rank,
						   const DbsyncCutRequest *request);

/* No more will come: sort and join the block ranges. */
extern void dbsync_cut_finish(DbsyncCut *cut);

#endif							/* DBSYNC_WORKER_SOURCE_CUT_H */
