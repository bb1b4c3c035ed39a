/*-------------------------------------------------------------------------
 *
 * worker/bundle/check.c
 *	  dbsync.check_bundle(): what a file is found to be.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "worker/bundle/crypto.h"
#include "worker/bundle/reader.h"
#include "worker/bundle/sign.h"

PG_FUNCTION_INFO_V1(dbsync_bundle_verdict);

static const char *const verdicts[] = {
	[DBSYNC_BUNDLE_GOOD] = "good",
	[DBSYNC_BUNDLE_PARTIAL] = "partial",
	[DBSYNC_BUNDLE_BAD] = "bad",
	[DBSYNC_BUNDLE_UNSIGNED] = "unsigned",
	[DBSYNC_BUNDLE_TOO_NEW] = "too new"
};

static char *
checked_path(Oid caller, text *argument)
{
	char	   *path = text_to_cstring(argument);

	if (!has_privs_of_role(caller, ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to read a file of the server"),
				 errdetail("Only roles with privileges of the \"%s\" role may do that.", "pg_read_server_files")));
	canonicalize_path(path);
	if (!is_absolute_path(path))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("path of a bundle must be absolute: \"%s\"", path)));
	return path;
}

static List *
read_keys(ArrayType *array)
{
	Datum	   *values;
	bool	   *nulls;
	int			n;
	List	   *keys = NIL;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		uint8	   *key = nulls[i] ? NULL : dbsync_sign_read_public(TextDatumGetCString(values[i]));

		if (key == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("public key %d is none", i + 1),
					 errhint("It must be an Ed25519 public key in PEM, as dbsync.public_key() shows it.")));
		keys = lappend(keys, key);
	}
	return keys;
}

/* What a good bundle says of itself, behind verdict and reason. */
static void
tell(const DbsyncBundleReader *reader, Datum *values, bool *nulls)
{
	const DbsyncBundleHead *head = dbsync_bundle_head(reader);
	char		hex[DBSYNC_BUNDLE_HEX];

	dbsync_hash_hex(dbsync_bundle_sums(reader), hex);
	values[2] = CStringGetTextDatum(head->subscription_name);
	values[3] = Int64GetDatum(head->chain);
	values[4] = Int64GetDatum(head->number);
	values[5] = Int64GetDatum(head->batch);
	values[6] = Int32GetDatum(head->part);
	values[7] = BoolGetDatum(head->last);
	values[8] = Int64GetDatum(head->rows);
	values[9] = Int64GetDatum(head->bytes);
	values[10] = CStringGetTextDatum(hex);
	memset(nulls + 2, 0, 9 * sizeof(bool));
}

/* dbsync_internal.bundle_verdict(caller, path, public_keys) */
Datum
dbsync_bundle_verdict(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *path = checked_path(PG_GETARG_OID(0), PG_GETARG_TEXT_PP(1));
	List	   *keys = read_keys(PG_GETARG_ARRAYTYPE_P(2));
	Datum		values[11];
	bool		nulls[11];
	DbsyncBundleReader *reader;
	DbsyncBundleVerdict verdict;
	const char *reason;

	InitMaterializedSRF(fcinfo, 0);
	memset(nulls, true, sizeof(nulls));
	reader = dbsync_bundle_open(path, keys, &verdict, &reason);
	values[0] = CStringGetTextDatum(verdicts[verdict]);
	nulls[0] = false;
	if (reason != NULL)
	{
		values[1] = CStringGetTextDatum(reason);
		nulls[1] = false;
	}
	if (reader != NULL)
	{
		tell(reader, values, nulls);
		dbsync_bundle_close(reader);
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}
