/*-------------------------------------------------------------------------
 *
 * worker/types/json_form.h
 *	  JSON as it travels, and arrays as JSON.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TYPES_JSON_FORM_H
#define DBSYNC_WORKER_TYPES_JSON_FORM_H

/* How many objects and arrays are within each other at most; 0: it is neither.  The text must be JSON. */
extern int	dbsync_json_depth(const char *text, int length);

/* An array as JSON, in CurrentMemoryContext; NULL: one of its dimensions does not count from 1. */
extern char *dbsync_json_of_array(Datum array);

#endif							/* DBSYNC_WORKER_TYPES_JSON_FORM_H */
