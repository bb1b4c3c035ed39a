/*-------------------------------------------------------------------------
 *
 * extension/config.c
 *	  Loading a configuration: the lock, and statements that run as the caller.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#include "extension/admin.h"
#include "extension/array.h"
#include "extension/catalog.h"
#include "extension/config.h"

PG_FUNCTION_INFO_V1(dbsync_config_lock_sql);
PG_FUNCTION_INFO_V1(dbsync_config_run);
PG_FUNCTION_INFO_V1(dbsync_nearest);

/* the lock is one on our schema, beside that which PostgreSQL itself takes on it */
#define CONFIG_LOCK_SUBID	1

void
dbsync_config_lock(bool exclusive)
{
	LockDatabaseObject(NamespaceRelationId, dbsync_catalog_schema(), CONFIG_LOCK_SUBID,
					   exclusive ? ExclusiveLock : RowExclusiveLock);
}

/* dbsync_internal.config_lock(exclusive): for SQL. */
Datum
dbsync_config_lock_sql(PG_FUNCTION_ARGS)
{
	dbsync_config_lock(PG_GETARG_BOOL(0));
	PG_RETURN_VOID();
}

/* Is the key a word of the message? */
static bool
names_key(const char *message, const char *key)
{
	size_t		length = strlen(key);

	for (const char *at = message; at != NULL && (at = strstr(at, key)) != NULL; at++)
	{
		bool		begins = at == message || !(isalnum((unsigned char) at[-1]) || at[-1] == '_');

		if (begins && !isalnum((unsigned char) at[length]) && at[length] != '_')
			return true;
	}
	return false;
}

/* The line of the first key that the error is about, as far as its words tell; else the statement's. */
static int
line_of_error(const ErrorData *edata, int line, ArrayType *keys, ArrayType *lines)
{
	int			nkeys;
	int			nlines;
	Datum	   *key = dbsync_array_values(PointerGetDatum(keys), TEXTOID, &nkeys);
	Datum	   *number = dbsync_array_values(PointerGetDatum(lines), INT4OID, &nlines);
	int			n = Min(nkeys, nlines);

	/* as it is written; or as people write it, "time zone" */
	for (int i = 0; i < 2 * n; i++)
	{
		char	   *name = TextDatumGetCString(key[i % n]);

		for (char *p = name; i >= n && *p != '\0'; p++)
			*p = *p == '_' ? ' ' : *p;
		if (names_key(edata->message, name) || names_key(edata->detail, name))
			return DatumGetInt32(number[i % n]);
	}
	return line;
}

/* Raise the error that is being handled once more, with the line of the file before it. */
pg_noreturn static void
raise_with_line(MemoryContext context, int line, ArrayType *keys, ArrayType *lines)
{
	ErrorData  *edata;

	MemoryContextSwitchTo(context);
	edata = CopyErrorData();
	FlushErrorState();
	line = line_of_error(edata, line, keys, lines);
	edata->message = psprintf("line %d: %s", line, edata->message ? edata->message : "");
	edata->context = NULL;
	edata->internalquery = NULL;
	edata->internalpos = 0;
	ThrowErrorData(edata);
	pg_unreachable();
}

static void
run(const char *statement, ArrayType *secrets)
{
	Datum	   *values;
	Oid		   *types;
	int			n;

	values = dbsync_array_values(PointerGetDatum(secrets), TEXTOID, &n);
	types = palloc(sizeof(Oid) * Max(n, 1));
	for (int i = 0; i < n; i++)
		types[i] = TEXTOID;
	SPI_connect();
	(void) SPI_execute_with_args(statement, n, types, values, NULL, false, 0);
	SPI_finish();
}

/*
 * dbsync_internal.config_run(caller, line, statement, secrets, keys, lines): runs a statement
 * of a plan as the role that loads the configuration, with his search_path.  Secrets are
 * parameters, so no text has them.  Errors have the line of the file, if there is one (not 0):
 * that of a key that they name, or the statement's.
 */
Datum
dbsync_config_run(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			caller = PG_GETARG_OID(0);
	int			line = PG_GETARG_INT32(1);
	const char *statement = text_to_cstring(PG_GETARG_TEXT_PP(2));
	ArrayType  *secrets = PG_GETARG_ARRAYTYPE_P(3);
	int			nest = NewGUCNestLevel();
	Oid			owner;
	int			security;

	if (dbsync_admin_caller_path() == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no configuration is being loaded")));
	GetUserIdAndSecContext(&owner, &security);
	(void) set_config_option("search_path", dbsync_admin_caller_path(), PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SetUserIdAndSecContext(caller, security | SECURITY_LOCAL_USERID_CHANGE);
	PG_TRY();
	{
		run(statement, secrets);
	}
	PG_CATCH();
	{
		if (line == 0)
			PG_RE_THROW();
		raise_with_line(context, line, PG_GETARG_ARRAYTYPE_P(4), PG_GETARG_ARRAYTYPE_P(5));
	}
	PG_END_TRY();
	SetUserIdAndSecContext(owner, security);
	AtEOXact_GUC(false, nest);
	PG_RETURN_VOID();
}

/* dbsync_internal.nearest(name, names): the one that was probably meant, or NULL. */
Datum
dbsync_nearest(PG_FUNCTION_ARGS)
{
	text	   *name = PG_GETARG_TEXT_PP(0);
	int			length = VARSIZE_ANY_EXHDR(name);
	int			best = Max(length / 2, 1) + 1;
	Datum		found = (Datum) 0;
	Datum	   *names;
	int			n;

	/* longer ones would be an error */
	if (length > NAMEDATALEN)
		PG_RETURN_NULL();
	names = dbsync_array_values(PG_GETARG_DATUM(1), TEXTOID, &n);
	for (int i = 0; i < n; i++)
	{
		text	   *other = DatumGetTextPP(names[i]);
		int			distance = varstr_levenshtein_less_equal(VARDATA_ANY(name), length,
															 VARDATA_ANY(other), VARSIZE_ANY_EXHDR(other),
															 1, 1, 1, best, true);

		if (distance < best)
		{
			best = distance;
			found = names[i];
		}
	}
	if (found == (Datum) 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(found);
}
