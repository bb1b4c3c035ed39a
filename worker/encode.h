/*-------------------------------------------------------------------------
 *
 * worker/encode.h
 *	  Values of a row as they travel: as text, or in PostgreSQL's binary form.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_ENCODE_H
#define DBSYNC_WORKER_ENCODE_H

#include "access/tupdesc.h"

typedef struct DbsyncEncoder DbsyncEncoder;

/*
 * For n columns of "desc" from number "first" (counted from 0) on.  Allocates in
 * CurrentMemoryContext.
 */
extern DbsyncEncoder *dbsync_encoder_create(TupleDesc desc, int first, int n, bool binary);

/*
 * Encode a value, not null, of column i (counted from "first").  Returns its
 * bytes, which text follows with a zero; they belong to CurrentMemoryContext, to
 * the value itself or to the encoder, and are good until the column's next value
 * at most.
 */
extern const char *dbsync_encoder_value(DbsyncEncoder *encoder, int i, Datum value, int *length);

#endif							/* DBSYNC_WORKER_ENCODE_H */
