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

/* a column as the target's catalogs have it; numbers are -1 where it has none */
typedef struct DbsyncColumnThere
{
	const char *type;			/* its name in small letters, as "bigint unsigned"; of SQLite its affinity */
	int			precision;		/* digits of a number */
	int			scale;			/* those of them behind the point; digits of a second */
	int			length;			/* characters; of binary strings bytes */
} DbsyncColumnThere;

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
