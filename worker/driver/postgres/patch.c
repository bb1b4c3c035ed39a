/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/patch.c
 *	  PostgreSQL driver: updates that leave columns as they are.
 *
 * Such a row must be there.  On the small road, where COMMIT may be on its way
 * already, its UPDATE raises on the server unless it has found one row, like the
 * fence (dbsync_postgres_queue_fence()); each set of columns has its own statement.  On the large
 * road the stage says of each row which columns stay, and an assignment of a column
 * to itself keeps the value where it lies, out of line; rows are counted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/patch.h"
#include "worker/driver/postgres/step.h"

bool
dbsync_postgres_table_takes_unchanged(const DbsyncTargetTable *table)
{
	return table->upsertable && table->assignable;
}

/* SET list of what the row has; false if it is empty */
static bool
append_given(StringInfo buf, const DbsyncTargetTable *table, const bool *unchanged)
{
	bool		any = false;

	for (int i = 0; i < table->ncolumns; i++)
	{
		if (unchanged[i] || !table->columns[i].is_assigned)
			continue;
		appendStringInfo(buf, "%s%s = $%d", any ? ", " : " SET ",
						 table->columns[i].quoted, i + 1);
		any = true;
	}
	return any;
}

/* parameters are all columns; those that stay are not used */
static char *
patch_sql(const DbsyncTargetTable *table, const bool *unchanged)
{
	StringInfoData buf;
	StringInfoData set;
	bool		updates;

	initStringInfo(&set);
	updates = append_given(&set, table, unchanged);
	initStringInfo(&buf);
	/* count(*) keeps the planner from working the cast out beforehand */
	appendStringInfo(&buf, "WITH patched AS (%s%s%s WHERE ",
					 updates ? "UPDATE " : "SELECT 1 FROM ", table->only,
					 updates ? set.data : "");
	for (int k = 0; k < table->nkeys; k++)
	{
		const PostgresColumn *column = &table->columns[table->keys[k]];

		appendStringInfo(&buf, "%s%s %s $%d", k > 0 ? " AND " : "",
						 column->quoted, column->equals, table->keys[k] + 1);
	}
	appendStringInfo(&buf, "%s) SELECT CAST(CASE count(*) WHEN 1 THEN '1' ELSE '"
					 POSTGRES_MISSING_ROW "' END AS integer) FROM patched",
					 updates ? " RETURNING 1" : "");
	return buf.data;
}

/* number of the prepared statement for this set of columns; < 0: none */
static int
find_mask(const DbsyncTargetTable *table, const bool *unchanged)
{
	for (int i = 0; i < table->nmasks; i++)
	{
		if (memcmp(table->masks[i], unchanged, table->ncolumns * sizeof(bool)) == 0)
			return i;
	}
	return -1;
}

static int
add_mask(DbsyncTargetTable *table, const bool *unchanged)
{
	Size		size = table->ncolumns * sizeof(bool);

	if (table->nmasks == POSTGRES_MAX_MASKS)
		return -1;
	table->masks[table->nmasks] = memcpy(MemoryContextAlloc(table->context, size), unchanged, size);
	return table->nmasks++;
}

bool
dbsync_postgres_patch_row(PostgresTarget *target, const DbsyncRow *row)
{
	DbsyncTargetTable *table = target->rows.table;
	int			mask = find_mask(table, row->unchanged);
	char	   *sql;
	bool		queued;

	if (mask >= 0)
		return dbsync_postgres_queue_patch(target, table, mask, NULL, row);
	sql = patch_sql(table, row->unchanged);
	mask = add_mask(table, row->unchanged);
	queued = dbsync_postgres_queue_patch(target, table, mask, sql, row);
	pfree(sql);
	return queued;
}

int
dbsync_postgres_patch_op(const DbsyncTargetTable *table, const DbsyncRow *row, char *op)
{
	int			length = 1;

	switch (row->kind)
	{
		case DBSYNC_ROW_INSERT:
			op[0] = 'I';
			break;
		case DBSYNC_ROW_UPDATE:
			op[0] = row->unchanged ? 'P' : 'U';
			break;
		case DBSYNC_ROW_DELETE:
			op[0] = 'D';
			break;
	}
	/* one digit per column, up to the last that stays */
	for (int i = 0; row->unchanged && i < table->ncolumns; i++)
	{
		op[i + 1] = row->unchanged[i] ? '1' : '0';
		if (row->unchanged[i])
			length = i + 2;
	}
	return length;
}

