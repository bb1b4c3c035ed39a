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
 * For n columns of "desc", whose numbers (counted from 0) are in "at".  Allocates in
 * CurrentMemoryContext.
 */
extern DbsyncEncoder *dbsync_encoder_create(TupleDesc desc, const int *at, int n, bool binary);

/*
 * Encode a value, not null, of the i-th of those columns.  Returns its
 * bytes, which text follows with a zero; they belong to CurrentMemoryContext, to
 * the value itself or to the encoder, and are good until the column's next value
 * at most.
 */
extern const char *dbsync_encoder_value(DbsyncEncoder *encoder, int i, Datum value, int *length);

/* The same; NULL, and an error's message, if the value is too large for the form in which it travels. */
extern const char *dbsync_encoder_try_value(DbsyncEncoder *encoder, int i, Datum value, int *length,
											const char **problem);

#endif							/* DBSYNC_WORKER_ENCODE_H */
