/*-------------------------------------------------------------------------
 *
 * worker/source/fold.h
 *	  Changes of a key become one, where some say that a column stays as it was.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_FOLD_H
#define DBSYNC_WORKER_SOURCE_FOLD_H

#include "worker/relay.h"
#include "worker/shape.h"
#include "worker/source/completion.h"

typedef struct DbsyncFold DbsyncFold;

/*
 * A receiver for rows of dbsync_op, dbsync_same, the table's columns and perhaps more,
 * for the relay of the table's changes.  folds: the rows come in the order of key
 * and capture, and each key's are made one; else each row goes through as it is.
 * completion: where to look up what is still open then; NULL: the driver takes rows
 * with untouched columns.  Allocates in CurrentMemoryContext.
 */
extern DbsyncFold *dbsync_fold_create(const DbsyncTableShape *shape, bool folds,
									  DbsyncCompletion *completion, DbsyncRelay *relay);

extern DestReceiver *dbsync_fold_receiver(DbsyncFold *fold);

#endif							/* DBSYNC_WORKER_SOURCE_FOLD_H */
