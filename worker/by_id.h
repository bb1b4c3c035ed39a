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

/*
 * The same for who asks for one number after the other, in their order: "next" is where the last
 * search ended, 0 at first, so that of ten thousand each is looked at once.
 */
static inline void *
dbsync_by_id_next(const List *list, int *next, int id)
{
	for (; *next < list_length(list); (*next)++)
	{
		int		   *element = list_nth(list, *next);

		if (*element >= id)
			return *element == id ? element : NULL;
	}
	return NULL;
}

#endif							/* DBSYNC_WORKER_BY_ID_H */
