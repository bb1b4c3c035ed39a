/*-------------------------------------------------------------------------
 *
 * t/types/types.c
 *	  SQL functions over worker/types, for tests.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "worker/types/fit.h"
#include "worker/types/form.h"
#include "worker/types/resolve.h"

#include "extension/compat.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(types_written);
PG_FUNCTION_INFO_V1(types_resolved);
PG_FUNCTION_INFO_V1(types_fit);

static DbsyncDialect
dialect_of(const char *name)
{
	return strcmp(name, "mysql") == 0 ? DBSYNC_DIALECT_MYSQL
		: strcmp(name, "sqlite") == 0 ? DBSYNC_DIALECT_SQLITE : DBSYNC_DIALECT_POSTGRES;
}

/* How many arguments say what the column has room for, each unless it is null. */
static void
take_limits(FunctionCallInfo fcinfo, int first, DbsyncForm *form)
{
	int		   *limits[] = {&form->precision, &form->scale, &form->length, &form->depth};

	for (int i = 0; i < lengthof(limits); i++)
	{
		if (!PG_ARGISNULL(first + i))
			*limits[i] = PG_GETARG_INT32(first + i);
	}
}

/* written(value "any", dialect text, typmod int, precision int, scale int, length int, depth int) returns bytea */
Datum
types_written(PG_FUNCTION_ARGS)
{
	DbsyncColumn column = {.name = "value"};
	DbsyncFormProblem problem;
	const char *bytes;
	bytea	   *result;
	int			length;

	column.type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	column.typmod = PG_GETARG_INT32(2);
	dbsync_types_resolve(dialect_of(text_to_cstring(PG_GETARG_TEXT_PP(1))), "test", &column, 1);
	take_limits(fcinfo, 3, &column.form);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	bytes = dbsync_form_write(dbsync_form_writer_create(get_fn_expr_argtype(fcinfo->flinfo, 0), &column.form),
							  PG_GETARG_DATUM(0), &length, &problem);
	if (bytes == NULL)
		ereport(ERROR,
				(errcode(problem.sqlstate),
				 errmsg("%s", problem.what),
				 problem.instead ? errhint(problem.instead, "value") : 0));
	result = palloc(VARHDRSZ + length);
	SET_VARSIZE(result, VARHDRSZ + length);
	memcpy(VARDATA(result), bytes, length);
	PG_RETURN_BYTEA_P(result);
}

static int
place_in_key(ArrayType *key, const char *name)
{
	Datum	   *names;
	int			n;

	deconstruct_array(key, TEXTOID, -1, false, TYPALIGN_INT, &names, NULL, &n);
	for (int i = 0; i < n; i++)
	{
		if (strcmp(TextDatumGetCString(names[i]), name) == 0)
			return i + 1;
	}
	return 0;
}

/* resolved(table regclass, dialect text, key text[]): the columns of a table, as they are declared and travel */
Datum
types_resolved(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	rel = relation_open(PG_GETARG_OID(0), AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	DbsyncColumn *columns = palloc0(sizeof(DbsyncColumn) * Max(desc->natts, 1));
	int			n = 0;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped)
			continue;
		columns[n].name = NameStr(att->attname);
		columns[n].type = att->atttypid;
		columns[n].typmod = att->atttypmod;
		columns[n].collation = att->attcollation;
		columns[n].key = place_in_key(PG_GETARG_ARRAYTYPE_P(2), columns[n].name);
		n++;
	}
	dbsync_types_resolve(dialect_of(text_to_cstring(PG_GETARG_TEXT_PP(1))), RelationGetRelationName(rel), columns, n);
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < n; i++)
	{
		const DbsyncForm *form = &columns[i].form;
		Datum		values[] = {
			CStringGetTextDatum(columns[i].name), CStringGetTextDatum(columns[i].declaration),
			Int32GetDatum(form->precision), Int32GetDatum(form->scale), Int32GetDatum(form->length)
		};
		bool		nulls[lengthof(values)] = {false};

		tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	}
	relation_close(rel, AccessShareLock);
	return (Datum) 0;
}

/*
 * fit(type oid, typmod int, dialect text, there text, precision int, scale int, length int): what a column that is there has room for,
 * or why it does not do
 */
Datum
types_fit(PG_FUNCTION_ARGS)
{
	DbsyncColumn column = {.name = "value"};
	DbsyncDialect dialect = dialect_of(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	DbsyncColumnThere there;
	DbsyncForm	form;
	const char *why;

	column.type = PG_GETARG_OID(0);
	column.typmod = PG_GETARG_INT32(1);
	dbsync_types_resolve(dialect, "test", &column, 1);
	there.type = text_to_cstring(PG_GETARG_TEXT_PP(3));
	there.precision = PG_GETARG_INT32(4);
	there.scale = PG_GETARG_INT32(5);
	there.length = PG_GETARG_INT32(6);
	if (!dbsync_type_fits(dialect, &column, &there, &form, &why))
		PG_RETURN_TEXT_P(cstring_to_text(why));
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%d %d %d", form.precision, form.scale, form.length)));
}
