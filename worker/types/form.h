/*-------------------------------------------------------------------------
 *
 * worker/types/form.h
 *	  Writing a value in one of the standard's forms.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TYPES_FORM_H
#define DBSYNC_WORKER_TYPES_FORM_H

#include "worker/types/types.h"

typedef struct DbsyncFormWriter DbsyncFormWriter;

/* why a value is not written */
typedef struct DbsyncFormProblem
{
	int			sqlstate;		/* of class 22 */
	const char *what;			/* "it is NaN": behind it comes which row it is in */
	const char *instead;		/* expression that says something else, with %s for the column; NULL: none comes to mind */
} DbsyncFormProblem;

/*
 * For values of a type, which may be a domain, in one of the standard's forms.  The type must have a counterpart
 * (dbsync_type_line()).  In CurrentMemoryContext, which it must not outlive.
 */
extern DbsyncFormWriter *dbsync_form_writer_create(Oid type, const DbsyncForm *form);

/*
 * A value, not null.  Its bytes, behind which there need not be a zero, are good until the writer's next value at most: they
 * are the writer's, the value's, or in CurrentMemoryContext.  NULL: the column has no room for it, and *problem, in
 * CurrentMemoryContext, says why.  Errors: a value that is too large for memory, or a character that there is not in UTF-8.
 *
 * Under the settings of dbsync_pin_settings(): elements of arrays are written by their output functions.
 */
extern const char *dbsync_form_write(DbsyncFormWriter *writer, Datum value, int *length, DbsyncFormProblem *problem);

#endif							/* DBSYNC_WORKER_TYPES_FORM_H */
