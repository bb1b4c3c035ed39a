/*-------------------------------------------------------------------------
 *
 * worker/types/fit.h
 *	  Whether a column that the target has already holds what is sent.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TYPES_FIT_H
#define DBSYNC_WORKER_TYPES_FIT_H

#include "worker/types/types.h"

/*
 * Does it, for a column as dbsync_types_resolve() has left it?  Then *form says how values are to come, and what there is room for; what
 * the driver alone knows (JSON that is checked there) it adds.  False: some value would be bent, and *why says by what, in
 * CurrentMemoryContext: "it has 4 digits before the point, 18 are needed".
 *
 * By a list of what is known to hold every value of a type, so what nobody has thought of is refused.
 */
extern bool dbsync_type_fits(DbsyncDialect dialect, const DbsyncColumn *column, const DbsyncColumnThere *there,
							 DbsyncForm *form, const char **why);

#endif							/* DBSYNC_WORKER_TYPES_FIT_H */
