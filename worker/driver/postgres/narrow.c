/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/narrow.c
 *	  PostgreSQL driver: values of which the target would keep a part, without a word.
 *
 * Where a column has another type there than here the target's input function judges what
 * it is sent, and refuses what is none of its type's values.  Two of PostgreSQL's types
 * refuse nothing: a "char" keeps the first byte, a name the first 63.  And older servers do
 * not know how newer ones write a "char" that is not ASCII.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/narrow.h"

/* Of a longer text this type keeps so many bytes; 0: it does not cut. */
static int
bytes_kept(Oid type)
{
	return type == CHAROID ? 1 : type == NAMEOID ? NAMEDATALEN - 1 : 0;
}

/* Is there a "char" in the type: an element, an attribute, what a range is over? */
static bool
holds_char(Oid type)
{
	Oid			base = getBaseType(type);
	Oid			inner = get_element_type(base);
	TupleDesc	desc;
	bool		found = false;

	check_stack_depth();
	if (!OidIsValid(inner))
		inner = get_range_subtype(OidIsValid(get_multirange_range(base)) ? get_multirange_range(base) : base);
	if (base == CHAROID || OidIsValid(inner))
		return base == CHAROID || holds_char(inner);
	if (!type_is_rowtype(base))
		return false;
	desc = lookup_rowtype_tupdesc_noerror(base, -1, true);
	for (int i = 0; desc != NULL && i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		found |= !att->attisdropped && holds_char(att->atttypid);
	}
	if (desc != NULL)
		ReleaseTupleDesc(desc);
	return found;
}

void
dbsync_postgres_learn_narrow(PostgresColumn *column, Oid source)
{
	/* of a type that is known by its name alone nobody can tell */
	column->holds_char = OidIsValid(source) && holds_char(source);
}

/*
 * From 15 on a "char" that is not ASCII is written as \377, say, which older ones read as a
 * backslash, and leave the rest out without a word.  (In binary form it is what it is.)
 */
static bool
misreads_char(const PostgresTarget *target, const PostgresColumn *column)
{
	bool		is_char = column->base_type == CHAROID || column->element == CHAROID;
	char		kind = OidIsValid(column->element) ? column->element_kind : column->type_kind;

	return PG_VERSION_NUM >= 150000 && target->base.identity.version < 150000 &&
		(is_char || (column->holds_char && kind != TYPTYPE_BASE));
}

bool
dbsync_postgres_is_narrow(const PostgresTarget *target, const PostgresColumn *column, Oid source)
{
	return misreads_char(target, column) ||
		(source != column->base_type && bytes_kept(column->base_type) > 0);
}

/* Is there such an escape?  In the text of what has it inside the backslash is written twice. */
static bool
has_escape(const char *value, int length, bool inside)
{
	int			slashes = inside ? 2 : 1;

	for (int i = 0; i + slashes < length; i++)
	{
		if (strncmp(value + i, "\\\\", slashes) == 0 && isdigit((unsigned char) value[i + slashes]))
			return true;
	}
	return false;
}

static bool
refuse_char(PostgresTarget *target, const PostgresColumn *column)
{
	const DbsyncTargetTable *table = target->rows.table;

	return dbsync_postgres_refuse(target, ERRCODE_FEATURE_NOT_SUPPORTED,
								  psprintf("column %s of target table %s cannot take a \"char\" that is not ASCII",
										   column->quoted, table->label),
								  psprintf("The target runs %s; before PostgreSQL 15 it would read another value.",
										   target->base.identity.version_text),
								  psprintf("On the target: ALTER TABLE %s ALTER %s TYPE ...; to text, say.",
										   table->quoted, column->quoted));
}

static bool
refuse_long(PostgresTarget *target, const PostgresColumn *column)
{
	const DbsyncTargetTable *table = target->rows.table;
	bool		array = column->element == CHAROID;
	int			kept = bytes_kept(array ? column->element : column->base_type);

	(void) dbsync_postgres_refuse(target, ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
								  psprintf("column %s of target table %s cannot take a value of more than %d %s",
										   column->quoted, table->label, kept, kept == 1 ? "byte" : "bytes"),
								  psprintf("It is %s there, which keeps the beginning of a longer one without a word.",
										   array ? "of an array of \"char\"" :
										   column->base_type == CHAROID ? "a \"char\"" : "a name"),
								  psprintf("On the target: ALTER TABLE %s ALTER %s TYPE ...; to text, say.",
										   table->quoted, column->quoted));
	target->base.fault.of_row = true;
	target->base.fault.rows_of = table;
	return false;
}

bool
dbsync_postgres_check_narrow(PostgresTarget *target, const DbsyncRow *row)
{
	const PostgresRows *rows = &target->rows;
	const DbsyncTargetTable *table = rows->table;

	for (int i = 0; i < rows->ncolumns; i++)
	{
		int			at = rows->mode == DBSYNC_ROWS_DELETE ? table->keys[i] : i;
		const PostgresColumn *column = &table->columns[at];
		bool		same = table->spec.columns[at].type == column->base_type;
		int			kept = bytes_kept(column->base_type);

		if (row->values[i] == NULL || !dbsync_postgres_is_narrow(target, column, table->spec.columns[at].type))
			continue;
		if (!same && kept > 0 && row->lengths[i] > kept)
			return refuse_long(target, column);
		if (misreads_char(target, column) &&
			has_escape(row->values[i], row->lengths[i], column->base_type != CHAROID))
			return same || column->holds_char ? refuse_char(target, column) : refuse_long(target, column);
	}
	return true;
}
