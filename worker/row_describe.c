/*-------------------------------------------------------------------------
 *
 * worker/row_describe.c
 *	  What a row is called in a message.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "worker/row_describe.h"

/* of a key in a message */
#define KEY_SHOWN		100

static int	unfit = 0;

char *
dbsync_row_describe(const DbsyncTableShape *shape, const int *place, bool keys_only, TupleTableSlot *slot)
{
	StringInfoData key;

	if (shape->nkeys == 0)
		return "a row";
	initStringInfo(&key);
	appendStringInfoString(&key, "the row with key (");
	for (int k = 0; k < shape->nkeys; k++)
	{
		int			at = place[keys_only ? k : shape->keys[k]];
		char	   *text = "null";

		if (!slot->tts_isnull[at])
		{
			Oid			function;
			bool		varlena;

			getTypeOutputInfo(TupleDescAttr(slot->tts_tupleDescriptor, at)->atttypid, &function, &varlena);
			text = OidOutputFunctionCall(function, slot->tts_values[at]);
		}
		appendStringInfo(&key, "%s%.*s%s", k > 0 ? ", " : "",
						 pg_mbcliplen(text, strlen(text), KEY_SHOWN), text,
						 strlen(text) > KEY_SHOWN ? "..." : "");
	}
	appendStringInfoChar(&key, ')');
	return key.data;
}

void
dbsync_row_refuse(const char *table, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("table %s has a row that is too large to be sent", table),
			 errdetail("%s", detail),
			 errhint("Make the row smaller or delete it, and copy the table anew with dbsync.copy_table();"
					 " or take the table out with dbsync.remove_table().")));
}

/* "nullif(price, 'NaN') AS price", as an element of an array. */
static char *
send_instead(const char *column, const char *expression, const char *instead)
{
	StringInfoData sql;
	const char *at = strstr(instead, "%s");
	const char *first = instead;

	initStringInfo(&sql);
	for (; at != NULL; at = strstr(first, "%s"))
	{
		appendBinaryStringInfo(&sql, first, at - first);
		appendStringInfoString(&sql, expression);
		first = at + 2;
	}
	appendStringInfo(&sql, "%s AS %s", first, quote_identifier(column));
	return quote_literal_cstr(sql.data);
}

void
dbsync_row_refuse_value(int captured_id, const char *table, const char *column, const char *row, const char *expression,
						const DbsyncFormProblem *problem)
{
	bool		has_other = expression != NULL && problem->instead != NULL;

	unfit = captured_id;
	ereport(ERROR,
			(errcode(problem->sqlstate),
			 errmsg("column \"%s\" of table %s has a value for which the target has no room", column, table),
			 errdetail("In %s %s.", row, problem->what),
			 has_other ? errhint("Change the value, or send another one: dbsync.alter_table(..., columns => ARRAY[..., %s]).",
								 send_instead(column, expression, problem->instead))
			 : errhint("Change the value, or alter the target's column.")));
}

int
dbsync_row_take_unfit(void)
{
	int			id = unfit;

	unfit = 0;
	return id;
}
