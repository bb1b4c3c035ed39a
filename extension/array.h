/*-------------------------------------------------------------------------
 *
 * extension/array.h
 *	  Arrays that our SQL functions hand over.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_ARRAY_H
#define DBSYNC_EXTENSION_ARRAY_H

/* The array's values, palloc'd, and how many; error if one is null.  "type" is theirs. */
extern Datum *dbsync_array_values(Datum array, Oid type, int *n);

#endif							/* DBSYNC_EXTENSION_ARRAY_H */
