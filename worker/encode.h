/*-------------------------------------------------------------------------
 *
 * worker/encode.h
 *	  Values of a row as they travel, in the forms that the driver has asked for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_ENCODE_H
#define DBSYNC_WORKER_ENCODE_H

#include "access/tupdesc.h"

#include "worker/types/form.h"

typedef struct DbsyncEncoder DbsyncEncoder;

/*
 * For n columns of "desc", whose numbers (counted from 0) are in "at", each in a form; NULL: all as text.  Allocates in
 * CurrentMemoryContext.
 */
extern DbsyncEncoder *dbsync_encoder_create(TupleDesc desc, const int *at, int n, const DbsyncForm *forms);

/*
 * Encode a value, not null, of the i-th of those columns.  Returns its
 * bytes, which PostgreSQL's text follows with a zero; they belong to CurrentMemoryContext, to
 * the value itself or to the encoder, and are good until the column's next value
 * at most.  NULL: the target's column has no room for it; never as text or binary.
 */
extern const char *dbsync_encoder_value(DbsyncEncoder *encoder, int i, Datum value, int *length);

/* Why it has none; of the value that was encoded last. */
extern const DbsyncFormProblem *dbsync_encoder_problem(const DbsyncEncoder *encoder);

/* The same as dbsync_encoder_value(); NULL with an error's message also if the value is too large for the form in which it travels. */
extern const char *dbsync_encoder_try_value(DbsyncEncoder *encoder, int i, Datum value, int *length,
											const char **problem);

#endif							/* DBSYNC_WORKER_ENCODE_H */
