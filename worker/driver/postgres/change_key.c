/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/change_key.c
 *	  PostgreSQL driver: the key of a table becomes what it is at the source.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/change_sql.h"
#include "worker/driver/postgres/changing.h"
#include "worker/driver/postgres/ledger_values.h"
#include "worker/driver/postgres/partitioned.h"
#include "worker/driver/postgres/step.h"

/* The unique index on exactly these columns, if there is one: its name, its constraint's. */
#define INDEX_SHAPE	"*tTb"
static const char *const index_sql =
"SELECT format('%I.%I', n.nspname, x.relname), (SELECT quote_ident(k.conname) FROM pg_constraint k"
"  WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u')), i.indisprimary"
" FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid"
" JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
" WHERE n.nspname = $1 AND c.relname = $2 AND i.indisunique AND i.indimmediate AND i.indisvalid"
" AND i.indpred IS NULL AND i.indexprs IS NULL"
" AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text) FROM pg_attribute a"
"  WHERE a.attrelid = c.oid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))"
"  = (SELECT array_agg(k ORDER BY k) FROM unnest(CAST($3 AS text[])) k)"
" ORDER BY i.indisprimary DESC, i.indexrelid";

static bool
find_index(Changing *changing, const char *const *columns, int n, const PostgresAnswer **answer)
{
	const char *values[3] = {changing->spec->schema, changing->spec->table, NULL};
	const char **names = palloc(sizeof(char *) * Max(n, 1));

	for (int i = 0; i < n; i++)
		names[i] = dbsync_postgres_present_name(changing, columns[i]);
	values[2] = dbsync_postgres_array_text(n, names);
	*answer = dbsync_postgres_query(changing->target, index_sql, 3, values, INDEX_SHAPE);
	return *answer != NULL;
}

/* Is one of the old key's columns to be null?  No column of a primary key can be. */
static bool
frees_old_key(const Changing *changing, const DbsyncChange *key)
{
	ListCell   *lc;

	foreach(lc, changing->changes)
	{
		const DbsyncChange *change = lfirst(lc);

		for (int k = 0; k < key->nkeys && change->kind == DBSYNC_CHANGE_NOT_NULL; k++)
		{
			if (!change->not_null && strcmp(change->column, key->keys[k]) == 0)
				return true;
		}
	}
	return false;
}

/* The statement that drops the old key's index there, and its constraint's name; NULL: there is none. */
static bool
find_old_key(Changing *changing, const DbsyncChange *change, const char **drop, const char **primary)
{
	const PostgresAnswer *answer;
	const char *constraint;

	bool		none = changing->spec->nkeys == 0;

	*drop = *primary = NULL;
	if (change->nkeys == 0 ||
		(!none && (changing->how & DBSYNC_CHANGE_MAKE) == 0 && !frees_old_key(changing, change)))
		return true;
	if (!find_index(changing, change->keys, change->nkeys, &answer))
		return false;
	if (dbsync_postgres_answer_rows(answer) == 0)
		return true;
	constraint = dbsync_postgres_answer_text(answer, 0, 1);
	*drop = constraint
		? psprintf("ALTER TABLE %s DROP CONSTRAINT %s", changing->quoted, constraint)
		: psprintf("DROP INDEX %s", dbsync_postgres_answer_text(answer, 0, 0));
	if (dbsync_postgres_answer_bool(answer, 0, 2))
		*primary = pstrdup(constraint);
	else if ((changing->how & DBSYNC_CHANGE_MAKE) == 0 && !none)
		*drop = NULL;
	return true;
}

/*
 * The key of the source changes when its index is dropped: so the one that the target has on
 * the same columns goes, too, or rows that are all right at the source would clash there.  At
 * no time is there none: the table may be captured there, too.  Only where the source has no
 * key any more, there is none: any two rows may be the same from then on.
 */
bool
dbsync_postgres_change_key(Changing *changing, const DbsyncChange *change)
{
	const DbsyncTableSpec *spec = changing->spec;
	const char **names = palloc(sizeof(char *) * Max(spec->nkeys, 1));
	const char *drop;
	const char *primary;
	const PostgresAnswer *answer;
	char	   *columns;

	for (int k = 0; k < spec->nkeys; k++)
		names[k] = spec->columns[spec->keys[k]].name;
	columns = dbsync_postgres_columns_sql(names, spec->nkeys);
	if (!find_old_key(changing, change, &drop, &primary))
		return false;
	if (spec->nkeys == 0)
		return drop == NULL || dbsync_postgres_make(changing, drop);
	if (!find_index(changing, names, spec->nkeys, &answer))
		return false;
	if (dbsync_postgres_answer_rows(answer) == 0)
	{
		bool		unique;
		bool		plain;

		if (!dbsync_postgres_ask_indexes(changing->target, spec, spec->nkeys, names, &unique, &plain))
			return false;
		if (primary != NULL && unique)
			return dbsync_postgres_make(changing, psprintf("ALTER TABLE %s DROP CONSTRAINT %s, ADD PRIMARY KEY (%s)",
										   changing->quoted, primary, columns));
		if ((unique || !plain) &&
			!dbsync_postgres_make(changing, psprintf("CREATE %sINDEX ON %s (%s)", unique ? "UNIQUE " : "",
													 changing->quoted, columns)))
			return false;
	}
	return drop == NULL || dbsync_postgres_make(changing, drop);
}
