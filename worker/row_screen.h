/*-------------------------------------------------------------------------
 *
 * worker/row_screen.h
 *	  Looking at rows on their way to the driver by a few of their columns, before all of them is encoded.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_ROW_SCREEN_H
#define DBSYNC_WORKER_ROW_SCREEN_H

#include "executor/tuptable.h"

/* Each of the two functions says whether the row is wanted; either may be NULL. */
typedef struct DbsyncRowScreen
{
	int			n;				/* columns by which it is looked at, */
	const int  *columns;		/* of those that are sent */
	bool		(*number) (void *arg, bool isnull, int64 number);	/* by one column, an integer of any size, before anything
																	 * is encoded */
	bool		(*values) (void *arg, const char *const *values);	/* by what the driver would get; others are not there yet */
	void	   *arg;
} DbsyncRowScreen;

/* at: where rows have the columns that are sent.  How many columns of a row have to be taken out of it; is the row wanted; and is a column among them? */
extern int	dbsync_row_screen_needed(const DbsyncRowScreen *screen, const int *at);
extern bool dbsync_row_screen_wants_number(const DbsyncRowScreen *screen, const TupleTableSlot *row, const int *at);
extern bool dbsync_row_screen_has(const DbsyncRowScreen *screen, int column);

#endif							/* DBSYNC_WORKER_ROW_SCREEN_H */
