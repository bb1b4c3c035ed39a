/*-------------------------------------------------------------------------
 *
 * worker/batch/chosen.c
 *	  Changes of a table of which columns were chosen.
 *
 * What was chosen goes by the numbers of columns.  So a column that is renamed at the source keeps its name
 * at the target, and one that is added stays away until somebody chooses it, as with a view.  That one
 * is dropped which was chosen is found where the columns are taken from the shape.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/batch/chosen.h"
#include "worker/selection.h"

/* A change of a column's type or properties is one of each target column that gets its values. */
static List *
change_columns(const DbsyncSelection *selection, const DbsyncTableShape *shape, const DbsyncChange *change, List *changes)
{
	AttrNumber	number = dbsync_shape_find_number(shape, change->column);

	for (int i = 0; i < selection->ncolumns; i++)
	{
		DbsyncChange *copy;

		if (number == InvalidAttrNumber || selection->columns[i].number != number)
			continue;
		copy = palloc(sizeof(DbsyncChange));
		*copy = *change;
		copy->column = selection->columns[i].name;
		changes = lappend(changes, copy);
	}
	return changes;
}

/* The columns that were the key, as the target calls them; one that is gone was not chosen any more either. */
static void
rename_keys(const DbsyncSelection *selection, const DbsyncTableShape *shape, DbsyncChange *change)
{
	const char **keys = palloc(sizeof(char *) * Max(change->nkeys, 1));

	for (int k = 0; k < change->nkeys; k++)
	{
		AttrNumber	number = dbsync_shape_find_number(shape, change->keys[k]);

		keys[k] = change->keys[k];
		for (int i = 0; i < selection->ncolumns; i++)
		{
			if (number != InvalidAttrNumber && selection->columns[i].number == number)
			{
				keys[k] = selection->columns[i].name;
				break;
			}
		}
	}
	change->keys = keys;
}

void
dbsync_chosen_changes(const DbsyncTable *table, const DbsyncTableShape *shape, DbsyncDifference *difference)
{
	const DbsyncSelection *selection = table->selection;
	List	   *changes = NIL;
	ListCell   *lc;

	if (!dbsync_table_has_chosen_columns(table))
		return;
	foreach(lc, difference->changes)
	{
		DbsyncChange *change = lfirst(lc);

		switch (change->kind)
		{
			case DBSYNC_CHANGE_DROP:
			case DBSYNC_CHANGE_RENAME:
			case DBSYNC_CHANGE_ADD:
				break;
			case DBSYNC_CHANGE_TYPE:
			case DBSYNC_CHANGE_DEFAULT:
			case DBSYNC_CHANGE_NOT_NULL:
				changes = change_columns(selection, shape, change, changes);
				break;
			case DBSYNC_CHANGE_KEY:
				rename_keys(selection, shape, change);
				changes = lappend(changes, change);
				break;
		}
	}
	difference->changes = changes;
	difference->taken = false;
}
