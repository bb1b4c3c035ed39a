/*-------------------------------------------------------------------------
 *
 * worker/by_id.h
 *	  Lists of things that begin with their number and are in the order of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BY_ID_H
#define DBSYNC_WORKER_BY_ID_H

#include "nodes/pg_list.h"

static inline int
dbsync_by_id_compare(const void *id, const void *cell)
{
	int			wanted = *(const int *) id;
	int			found = *(const int *) lfirst((const ListCell *) cell);

	return wanted < found ? -1 : wanted > found;
}

/* The element with this number, or NULL; each begins with its own, an int. */
static inline void *
dbsync_by_id_find(const List *list, int id)
{
	const ListCell *cell;

	if (list == NIL)
		return NULL;
	cell = bsearch(&id, list->elements, list->length, sizeof(ListCell), dbsync_by_id_compare);
	return cell != NULL ? lfirst(cell) : NULL;
}

#endif							/* DBSYNC_WORKER_BY_ID_H */
