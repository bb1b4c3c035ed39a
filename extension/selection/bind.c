/*-------------------------------------------------------------------------
 *
 * extension/selection/bind.c
 *	  What was written down of a selection, understood: names are looked up once, and kept as what they mean.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "extension/array.h"
#include "extension/owner.h"
#include "extension/selection/pins.h"
#include "extension/selection/selection.h"

#include "extension/compat.h"

PG_FUNCTION_INFO_V1(dbsync_bind_selection);

/* The rows that the query is of, from the function's arguments. */
static TupleDesc
describe_row(FunctionCallInfo fcinfo)
{
	int			n;
	Datum	   *names = dbsync_array_values(PG_GETARG_DATUM(1), NAMEOID, &n);
	Datum	   *types = dbsync_array_values(PG_GETARG_DATUM(2), OIDOID, &n);
	Datum	   *typmods = dbsync_array_values(PG_GETARG_DATUM(3), INT4OID, &n);
	Datum	   *collations = dbsync_array_values(PG_GETARG_DATUM(4), OIDOID, &n);
	TupleDesc	row = CreateTemplateTupleDesc(n);

	for (int i = 0; i < n; i++)
	{
		TupleDescInitEntry(row, i + 1, NameStr(*DatumGetName(names[i])), DatumGetObjectId(types[i]),
						   DatumGetInt32(typmods[i]), 0);
		TupleDescInitEntryCollation(row, i + 1, DatumGetObjectId(collations[i]));
	}
	dbsync_finish_desc_compat(row);
	return row;
}

/*
 * dbsync_internal.bind_selection(sql, names, types, typmods, collations, role): the query as it is understood
 * now, of rows with these columns; see dbsync_selector_bind().
 */
Datum
dbsync_bind_selection(PG_FUNCTION_ARGS)
{
	char	   *sql = text_to_cstring(PG_GETARG_TEXT_PP(0));
	TupleDesc	row = describe_row(fcinfo);
	Oid			role = PG_GETARG_OID(5);
	DbsyncOwner saved;
	char	   *bound;

	dbsync_owner_begin(&saved, role);
	dbsync_selection_pin_text();
	bound = dbsync_selector_bind(sql, row);
	dbsync_selector_end(dbsync_selector_begin(bound, row, role));
	dbsync_owner_end(&saved);
	PG_RETURN_TEXT_P(cstring_to_text(bound));
}
