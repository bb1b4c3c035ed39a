/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/composite.c
 *	  PostgreSQL driver: composite types get the attributes that they have at the source.
 *
 * Text of a value has its attributes in their order, and not their names.  Rows come with the attributes
 * of today, whenever they were captured; so the target's type has to have them before, and they must be
 * the same ones: what is one more for the other would be read without a word.  Which is which is told by
 * names, those of before included.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/change_sql.h"
#include "worker/driver/postgres/composite.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/step.h"

/* a type at both ends */
typedef struct Following
{
	PostgresTarget *target;
	const DbsyncRowType *row_type;
	char	   *type;			/* its name, quoted */
	bool		is_there;		/* as a composite type */
	bool		has_tables;		/* there are tables of it, which have its attributes as their columns */
	int			n;				/* attributes that the target has, in their order: */
	char	  **names;
	int		   *places;			/* which of the source's each is; < 0: none */
} Following;

static bool
has_name(const DbsyncAttribute *attribute, const char *name)
{
	ListCell   *lc;

	if (attribute->name != NULL && strcmp(attribute->name, name) == 0)
		return true;
	foreach(lc, attribute->former)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	}
	return false;
}

static bool
read_attributes(Following *following)
{
	const char *values[1] = {following->type};
	const PostgresAnswer *answer =
		dbsync_postgres_query(following->target, "SELECT a.attname, EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.reloftype = t.oid) FROM pg_catalog.pg_type t"
							  " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped"
							  " WHERE t.oid = pg_catalog.to_regtype($1) AND t.typtype = 'c' ORDER BY a.attnum",
							  1, values, "*Tb");

	if (answer == NULL)
		return false;
	following->is_there = dbsync_postgres_answer_rows(answer) > 0;
	following->has_tables = following->is_there && dbsync_postgres_answer_bool(answer, 0, 1);
	/* it may have no attributes */
	following->n = following->is_there && dbsync_postgres_answer_text(answer, 0, 0) == NULL ? 0 : dbsync_postgres_answer_rows(answer);
	following->names = palloc(sizeof(char *) * Max(following->n, 1));
	following->places = palloc(sizeof(int) * Max(following->n, 1));
	for (int i = 0; i < following->n; i++)
	{
		following->names[i] = pstrdup(dbsync_postgres_answer_text(answer, i, 0));
		following->places[i] = -1;
		for (int k = 0; k < following->row_type->nattributes; k++)
		{
			if (has_name(&following->row_type->attributes[k], following->names[i]))
				following->places[i] = k;
		}
	}
	return true;
}

static bool
target_has(const Following *following, int place)
{
	for (int i = 0; i < following->n; i++)
	{
		if (following->places[i] == place)
			return true;
	}
	return false;
}

/* Each of the target's is one of the source's, in their order, and what is to be added comes behind all that stays. */
static bool
can_follow(const Following *following)
{
	const DbsyncAttribute *attributes = following->row_type->attributes;
	int			last = -1;
	int			last_to_stay = -1;

	for (int i = 0; i < following->n; i++)
	{
		if (following->places[i] <= last)
			return false;
		last = following->places[i];
		if (attributes[last].name != NULL)
			last_to_stay = last;
	}
	for (int k = 0; k < last_to_stay; k++)
	{
		if (attributes[k].name != NULL && !target_has(following, k))
			return false;
	}
	return true;
}

static bool
refuse(const Following *following)
{
	StringInfoData there;
	StringInfoData here;

	initStringInfo(&there);
	initStringInfo(&here);
	for (int i = 0; i < following->n; i++)
		appendStringInfo(&there, "%s%s", i > 0 ? ", " : "", quote_identifier(following->names[i]));
	for (int k = 0; k < following->row_type->nattributes; k++)
	{
		if (following->row_type->attributes[k].name != NULL)
			appendStringInfo(&here, "%s%s", here.len > 0 ? ", " : "", quote_identifier(following->row_type->attributes[k].name));
	}
	return dbsync_postgres_refuse(following->target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
								  psprintf("type %s at the target has other attributes than at the source", following->type),
								  psprintf("There it has (%s), and at the source (%s).", there.data, here.data),
								  psprintf("Give it the same ones there, in the same order: ALTER TYPE %s ...", following->type));
}

static bool
make_statement(const Following *following, const char *sql)
{
	if (dbsync_postgres_execute(following->target, NULL, sql, NULL))
		return true;
	dbsync_postgres_tell_statement(following->target, psprintf("%s;", sql));
	return false;
}

/* Values do not have names: others that are known for the same are good enough for rows. */
static bool
rename_attributes(const Following *following)
{
	for (int i = 0; i < following->n; i++)
	{
		const char *name = following->row_type->attributes[following->places[i]].name;

		if (name != NULL && strcmp(name, following->names[i]) != 0 &&
			!make_statement(following, psprintf("ALTER TYPE %s RENAME ATTRIBUTE %s TO %s", following->type,
												quote_identifier(following->names[i]), quote_identifier(name))))
			return false;
	}
	return true;
}

static char *
attribute_sql(const DbsyncAttribute *attribute)
{
	DbsyncChange column = {0};

	column.column = attribute->name;
	column.type = attribute->type;
	column.type_name = attribute->type_name;
	column.typmod = attribute->typmod;
	column.collation = attribute->collation;
	return dbsync_postgres_column_sql(&column);
}

/* The statement by which attributes come and go; NULL: all are there, and no others. */
static char *
change_sql(const Following *following)
{
	const DbsyncRowType *row_type = following->row_type;
	const char *cascade = following->has_tables ? " CASCADE" : "";
	StringInfoData parts;

	initStringInfo(&parts);
	for (int i = 0; i < following->n; i++)
	{
		if (row_type->attributes[following->places[i]].name == NULL)
			appendStringInfo(&parts, "%s DROP ATTRIBUTE %s%s", parts.len > 0 ? "," : "", quote_identifier(following->names[i]), cascade);
	}
	for (int k = 0; k < row_type->nattributes; k++)
	{
		if (row_type->attributes[k].name != NULL && !target_has(following, k))
			appendStringInfo(&parts, "%s ADD ATTRIBUTE %s%s", parts.len > 0 ? "," : "", attribute_sql(&row_type->attributes[k]), cascade);
	}
	return parts.len > 0 ? psprintf("ALTER TYPE %s%s", following->type, parts.data) : NULL;
}

/* The same attributes in another order: values would be read as each other's, whenever that was so. */
static bool
is_shuffled(const Following *following)
{
	const DbsyncRowType *row_type = following->row_type;
	int			n = 0;
	int			last = -1;
	bool		in_order = true;

	for (int k = 0; k < row_type->nattributes; k++)
		n += row_type->attributes[k].name != NULL;
	if (n != following->n)
		return false;
	for (int i = 0; i < following->n; i++)
	{
		if (following->places[i] < 0 || row_type->attributes[following->places[i]].name == NULL)
			return false;
		in_order &= following->places[i] > last;
		last = following->places[i];
	}
	return !in_order;
}

/* One type of the target. */
static bool
follow(PostgresTarget *target, const DbsyncRowType *row_type, char *type, bool make)
{
	Following	following = {0};
	char	   *sql;

	following.target = target;
	following.row_type = row_type;
	following.type = type;
	if (!read_attributes(&following))
		return false;
	/* not ours to change */
	if (!following.is_there)
		return true;
	if (row_type->unchanged)
		return is_shuffled(&following) ? refuse(&following) : true;
	if (!can_follow(&following))
		return refuse(&following);
	/* columns of tables come and go with it: for somebody to say */
	make = make && !following.has_tables;
	if (make && !rename_attributes(&following))
		return false;
	sql = change_sql(&following);
	if (sql == NULL)
		return true;
	return make ? make_statement(&following, sql) : dbsync_postgres_type_due(target, following.type, psprintf("%s;", sql));
}

/* What is in the place at the target, quoted; *type NULL: nothing composite. */
static bool
type_in_place(PostgresTarget *target, const DbsyncRowPlace *place, char **type)
{
	StringInfoData path;
	const char *values[4] = {place->schema, place->table, place->column};
	const PostgresAnswer *answer;
	ListCell   *lc;

	initStringInfo(&path);
	foreach(lc, place->path)
		appendStringInfo(&path, "%s%d", path.len > 0 ? "," : "", lfirst_int(lc));
	values[3] = psprintf("{%s}", path.data);
	/* below arrays and domains, and then into the attribute that the path names next */
	answer = dbsync_postgres_query(target, "WITH RECURSIVE walk (type, depth) AS ("
								   "SELECT a.atttypid, 0 FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
								   " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
								   " WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = $3 AND a.attnum > 0 AND NOT a.attisdropped"
								   " UNION ALL SELECT s.type, walk.depth + s.deeper FROM walk JOIN pg_catalog.pg_type t ON t.oid = walk.type"
								   " CROSS JOIN LATERAL (SELECT t.typbasetype, 0 WHERE t.typtype = 'd'"
								   " UNION ALL SELECT t.typelem, 0 WHERE t.typtype = 'b' AND t.typelem <> 0 AND t.typlen = -1"
								   " UNION ALL SELECT l.atttypid, 1 FROM (SELECT a.atttypid, pg_catalog.row_number() OVER (ORDER BY a.attnum)"
								   " FROM pg_catalog.pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) l (atttypid, place)"
								   " WHERE l.place = ($4::pg_catalog.int4[])[walk.depth + 1]) s (type, deeper))"
								   " SELECT pg_catalog.format('%I.%I', n.nspname, t.typname) FROM walk JOIN pg_catalog.pg_type t ON t.oid = walk.type"
								   " JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace"
								   " WHERE t.typtype = 'c' AND walk.depth = pg_catalog.cardinality($4::pg_catalog.int4[])",
								   4, values, "*t");
	if (answer == NULL)
		return false;
	*type = dbsync_postgres_answer_rows(answer) > 0 ? pstrdup(dbsync_postgres_answer_text(answer, 0, 0)) : NULL;
	return true;
}

bool
dbsync_postgres_row_type_follow(PostgresTarget *target, const DbsyncRowType *row_type, int depth, bool make)
{
	char	   *own = OidIsValid(row_type->type) ? dbsync_postgres_type_sql(row_type->type, -1) : pstrdup(row_type->type_name);
	ListCell   *lc;

	if (depth < 0)
		return follow(target, row_type, own, make);
	/* by another name, or in another schema, it is the same to rows */
	foreach(lc, row_type->places)
	{
		const DbsyncRowPlace *place = lfirst(lc);
		char	   *type;

		if (list_length(place->path) != depth)
			continue;
		if (!type_in_place(target, place, &type))
			return false;
		if (type != NULL && strcmp(type, own) != 0 && !follow(target, row_type, type, make))
			return false;
	}
	return true;
}
