/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/change_type.c
 *	  PostgreSQL driver: tables of a composite type, whose columns come and go with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/change_sql.h"
#include "worker/driver/postgres/changing.h"
#include "worker/driver/postgres/step.h"

/*
 * Of a table that is of a composite type: others may be, too, and lose their columns, so it is
 * said what is due, and not made.
 */
bool
dbsync_postgres_look_at_type(Changing *changing)
{
	const char *values[2] = {changing->spec->schema, changing->spec->table};
	const PostgresAnswer *answer =
		dbsync_postgres_query(changing->target,
							  "SELECT c.relkind = 'r', c.relkind = 'r' AND c.relhassubclass"
							  "  AND EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = c.oid),"
							  " CASE WHEN t.oid IS NOT NULL THEN format('%I.%I', s.nspname, t.typname) END FROM pg_class c"
							  " JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_type t ON t.oid = c.reloftype"
							  " LEFT JOIN pg_namespace s ON s.oid = t.typnamespace"
							  " WHERE n.nspname = $1 AND c.relname = $2", 2, values, "?bbT");
	ListCell   *lc;

	if (answer == NULL)
		return false;
	if (dbsync_postgres_answer_rows(answer) == 0)
		return true;
	changing->has_heirs = dbsync_postgres_answer_bool(answer, 0, 1);
	/* what is said to somebody is said without it, where it makes no difference */
	if (dbsync_postgres_answer_bool(answer, 0, 0) &&
		(changing->has_heirs || (changing->how & DBSYNC_CHANGE_MAKE) != 0))
		changing->only = psprintf("ONLY %s", changing->quoted);
	if (dbsync_postgres_answer_text(answer, 0, 2) == NULL)
		return true;
	changing->of_type = pstrdup(dbsync_postgres_answer_text(answer, 0, 2));
	foreach(lc, changing->changes)
	{
		if (dbsync_postgres_change_type_sql(changing->of_type, lfirst(lc)) != NIL)
			changing->how &= ~DBSYNC_CHANGE_MAKE;
	}
	return true;
}
