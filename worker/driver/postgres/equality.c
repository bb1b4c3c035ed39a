/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/equality.c
 *	  PostgreSQL driver: does the target tell apart what the source tells apart?
 *
 * Types may differ at the two ends, as the target reads the source's text.  In a key
 * that can make one row of two: 'a' and 'A' are one citext, 1.4 and 1.2 one
 * numeric(5,0).  The second would clash with the first, or take its place.  So what
 * a key column of the target may be is named here for each type of the source, and
 * everything else is refused: a type of its own whose equality is as fine, for
 * the values that can come.  (Finer is no harm: a change of the key's bytes is a
 * delete and an insert anyway.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/equality.h"
#include "worker/driver/postgres/internal.h"

/* one of both types, the target's as its catalogs tell */
typedef struct KeyType
{
	Oid			type;
	const char *name;
	char		kind;			/* typtype */
	int32		typmod;
} KeyType;

static KeyType
type_of_ours(Oid oid, int32 typmod)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(oid));
	KeyType		type = {.type = oid,.name = "",.kind = '\0',.typmod = typmod};

	if (!HeapTupleIsValid(tuple))
		return type;
	type.name = pstrdup(NameStr(((Form_pg_type) GETSTRUCT(tuple))->typname));
	type.kind = ((Form_pg_type) GETSTRUCT(tuple))->typtype;
	ReleaseSysCache(tuple);
	return type;
}

static bool
is_among(Oid type, int n, const Oid *types)
{
	for (int i = 0; i < n; i++)
	{
		if (types[i] == type)
			return true;
	}
	return false;
}

#define IS_AMONG(type, ...) \
	is_among(type, lengthof(((const Oid[]) {__VA_ARGS__})), (const Oid[]) {__VA_ARGS__})

static bool
is_whole_number(Oid type)
{
	return IS_AMONG(type, INT2OID, INT4OID, INT8OID, OIDOID);
}

/* digits behind the point that a numeric's modifier allows */
static int
scale_of(int32 typmod)
{
	return (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;
}

/* numeric(p, s) rounds what has more digits */
static bool
numeric_takes(const KeyType *ours, const KeyType *theirs)
{
	if (theirs->typmod < (int32) VARHDRSZ)
		return is_whole_number(ours->type) || IS_AMONG(ours->type, NUMERICOID, FLOAT4OID, FLOAT8OID);
	if (is_whole_number(ours->type))
		return scale_of(theirs->typmod) >= 0;
	return ours->type == NUMERICOID && ours->typmod >= (int32) VARHDRSZ &&
		scale_of(ours->typmod) <= scale_of(theirs->typmod);
}

/* so does timestamp(p) */
static bool
keeps_fractions(const KeyType *ours, const KeyType *theirs)
{
	return theirs->typmod < 0 || theirs->typmod >= 6 || ours->type == DATEOID ||
		(ours->typmod >= 0 && ours->typmod <= theirs->typmod);
}

/* varchar(n) cuts off blanks that are too many */
static bool
varchar_takes(const KeyType *ours, const KeyType *theirs)
{
	if (theirs->typmod < (int32) VARHDRSZ)
		return true;
	if (IS_AMONG(ours->type, VARCHAROID, BPCHAROID))
		return ours->typmod >= (int32) VARHDRSZ && ours->typmod <= theirs->typmod;
	/* their text does not end in a blank */
	return is_whole_number(ours->type) ||
		IS_AMONG(ours->type, NUMERICOID, FLOAT4OID, FLOAT8OID, BOOLOID, UUIDOID, DATEOID,
				 TIMEOID, TIMETZOID, TIMESTAMPOID, TIMESTAMPTZOID, INTERVALOID, BYTEAOID,
				 INETOID, CIDROID, MACADDROID, MACADDR8OID);
}

/* a type that all PostgreSQL servers have, by its oid */
static bool
built_in_takes(const KeyType *ours, const KeyType *theirs)
{
	switch (theirs->type)
	{
		case TEXTOID:
			return true;
		case VARCHAROID:
			return varchar_takes(ours, theirs);
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case OIDOID:
			/* what does not fit in is an error */
			return is_whole_number(ours->type) || ours->type == NUMERICOID;
		case NUMERICOID:
			return numeric_takes(ours, theirs);
		case FLOAT4OID:
			return IS_AMONG(ours->type, FLOAT4OID, INT2OID);
		case FLOAT8OID:
			return IS_AMONG(ours->type, FLOAT8OID, FLOAT4OID, INT2OID, INT4OID);
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return IS_AMONG(ours->type, TIMESTAMPOID, TIMESTAMPTZOID, DATEOID) &&
				keeps_fractions(ours, theirs);
		case TIMEOID:
		case TIMETZOID:
			return ours->type == theirs->type && keeps_fractions(ours, theirs);
		case INTERVALOID:
			return ours->type == INTERVALOID && (theirs->typmod < 0 || ours->typmod == theirs->typmod);
		case INETOID:
			return IS_AMONG(ours->type, INETOID, CIDROID);
		case MACADDR8OID:
			return IS_AMONG(ours->type, MACADDR8OID, MACADDROID);
		default:
			return ours->type == theirs->type;
	}
}

static bool
takes(const KeyType *ours, const KeyType *theirs)
{
	/* labels are told apart whatever they are */
	if (theirs->kind == TYPTYPE_ENUM)
		return ours->kind == TYPTYPE_ENUM || IS_AMONG(ours->type, TEXTOID, VARCHAROID, NAMEOID);
	if (theirs->type < FirstGenbkiObjectId)
		return built_in_takes(ours, theirs);
	/* oids of the two ends mean nothing to each other; citext is citext in any schema */
	return ours->type >= FirstGenbkiObjectId && strcmp(ours->name, theirs->name) == 0;
}

/* The name of a type without schema, quotes, modifier and brackets. */
static char *
bare_name(const char *name)
{
	char	   *bare = palloc(strlen(name) + 1);
	int			n = 0;
	bool		quoted = false;

	for (const char *p = name; *p && (quoted || (*p != '(' && *p != '[')); p++)
	{
		if (*p == '"')
			quoted = !quoted;
		else if (*p == '.' && !quoted)
			n = 0;
		else
			bare[n++] = *p;
	}
	while (n > 0 && bare[n - 1] == ' ')
		n--;
	bare[n] = '\0';
	return bare;
}

static bool
is_array(const char *name)
{
	return strlen(name) > 2 && strcmp(name + strlen(name) - 2, "[]") == 0;
}

/* A type of the source's that is not built in is all but its name to who has it from a file. */
static bool
named_type_takes(const DbsyncTargetTable *table, int i)
{
	const PostgresColumn *column = &table->columns[i];
	const char *ours = table->spec.columns[i].type_name;
	const char *theirs = column->cast_type;

	if (ours == NULL || is_array(ours) != is_array(theirs) || strcmp(bare_name(ours), bare_name(theirs)) != 0)
		return false;
	/* one with a modifier may cut off what makes a difference */
	return strchr(theirs, '(') == NULL ||
		(strchr(ours, '(') != NULL && strcmp(strchr(ours, '('), strchr(theirs, '(')) == 0);
}

static bool
type_takes(const DbsyncTargetTable *table, int i)
{
	const PostgresColumn *column = &table->columns[i];
	Oid			our_element = OidIsValid(table->spec.columns[i].type) ? get_element_type(table->spec.columns[i].type) : InvalidOid;
	KeyType		ours;
	KeyType		theirs = {.type = column->base_type,.name = column->type_name,
	.kind = column->type_kind,.typmod = column->typmod};

	if (!OidIsValid(table->spec.columns[i].type))
		return named_type_takes(table, i) || IS_AMONG(column->base_type, TEXTOID);
	/* text takes arrays as well */
	if (OidIsValid(column->element))
	{
		if (!OidIsValid(our_element))
			return false;
		theirs.type = column->element;
		theirs.name = column->element_name;
		theirs.kind = column->element_kind;
		ours = type_of_ours(getBaseType(our_element), table->spec.columns[i].typmod);
	}
	else
		ours = type_of_ours(table->spec.columns[i].type, table->spec.columns[i].typmod);
	return takes(&ours, &theirs);
}

/* a collation that takes different strings for equal ones must do so at the source too */
static bool
collation_takes(Oid ours, const char *theirs)
{
	char	   *name;

	if (!OidIsValid(ours) || ours == DEFAULT_COLLATION_OID || get_collation_isdeterministic(ours))
		return false;
	name = get_collation_name(ours);
	return name != NULL && theirs != NULL && strcmp(name, theirs) == 0;
}

const char *
dbsync_postgres_coarser(const DbsyncTargetTable *table, int column,
						bool deterministic, const char *collation, bool usual_operators)
{
	if (!usual_operators)
		return "operator class of an extension";
	if (!type_takes(table, column))
		return table->columns[column].stage_type;
	if (!deterministic && !collation_takes(table->spec.columns[column].collation, collation))
		return table->columns[column].stage_type;
	return NULL;
}
