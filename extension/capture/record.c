/*-------------------------------------------------------------------------
 *
 * extension/capture/record.c
 *	  What an application says that it has changed: dbsync.record_change().
 *
 * The key is written into the log as K, in the caller's transaction: so it commits and
 * rolls back with what it tells of.  The caller has the lock that writers have, to the
 * end of his transaction, so that capture begins and ends between two of them.
 *
 * He says which table, which key, and nothing else; and he must be able to read the table.  What
 * the row is, the worker reads.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "extension/capture/cache.h"
#include "extension/capture/feed.h"
#include "extension/log/segment.h"
#include "extension/node.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"

#include "extension/compat.h"

PG_FUNCTION_INFO_V1(dbsync_record_change);
PG_FUNCTION_INFO_V1(dbsync_record_changes);

/*
 * SELECT on all of it, and no row that is hidden from the caller.  Asked before the lock, for which
 * he could wait, and others for him.
 */
static void
check_readable(Oid relid)
{
	AclResult	result = pg_class_aclcheck(relid, GetUserId(), ACL_SELECT);
	const char *name = get_rel_name(relid);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (result != ACLCHECK_OK)
		aclcheck_error(result, get_relkind_objtype(get_rel_relkind(relid)), name);
	if (check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("row security hides rows of table \"%s\" from role \"%s\"",
						name, GetUserNameFromId(GetUserId(), false)),
				 errdetail("Who records changes of a table must see all of its rows."),
				 errhint("A superuser, a role with BYPASSRLS, or the table's owner (without FORCE ROW LEVEL SECURITY) sees all rows.")));
}

pg_noreturn static void
refuse_table(Relation rel, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("changes of table \"%s\" cannot be recorded", RelationGetRelationName(rel)),
			 errdetail("%s", detail),
			 errhint("Only changes of tables that were added with dbsync.add_table(..., capture => 'api') are recorded by applications.")));
}

/* What is a partition's is to be recorded of the table that it is part of. */
static void
check_table(Relation rel)
{
	DbsyncCaptured captured;

	if (!dbsync_catalog_captured(RelationGetRelid(rel), &captured))
		refuse_table(rel, rel->rd_rel->relispartition ? "It is a partition: record them of the table that it is part of."
					 : "It is in no subscription.");
	if (captured.by != DBSYNC_BY_API)
		refuse_table(rel, "It is captured in another way.");
}

pg_noreturn static void
refuse_key(Relation rel, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid key of table \"%s\"", RelationGetRelationName(rel)),
			 errdetail("%s", detail),
			 errhint("Give an object with the columns of the table's key and no others, as in '{\"id\": 1}'.")));
}

static const char *
key_name(const DbsyncShape *shape, int k)
{
	return NameStr(TupleDescAttr(shape->desc, shape->columns[shape->keys[k]] - 1)->attname);
}

/* The text of a value as JSON has it; NULL: it is null, or no single value. */
static char *
text_of(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		default:
			return NULL;
	}
}

/* As the column's type reads it; what that says is in the detail of our error. */
static Datum
read_value(Relation rel, Form_pg_attribute att, char *text)
{
	MemoryContext context = CurrentMemoryContext;
	int32		typmod = att->atttypmod;
	Oid			type = getBaseTypeAndTypmod(att->atttypid, &typmod);
	Oid			input;
	Oid			ioparam;
	Datum		value = (Datum) 0;

	getTypeInputInfo(type, &input, &ioparam);
	PG_TRY();
	{
		value = OidInputFunctionCall(input, text, ioparam, typmod);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(context);
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		edata = CopyErrorData();
		FlushErrorState();
		refuse_key(rel, psprintf("Column \"%s\": %s.", NameStr(att->attname), edata->message));
	}
	PG_END_TRY();
	return value;
}

static void
read_column(Relation rel, const DbsyncShape *shape, int k, Jsonb *key, TupleTableSlot *row)
{
	const char *name = key_name(shape, k);
	Form_pg_attribute att = TupleDescAttr(shape->desc, shape->columns[shape->keys[k]] - 1);
	JsonbValue	room;
	JsonbValue *found = getKeyJsonValueFromContainer(&key->root, name, strlen(name), &room);
	char	   *text;

	if (found == NULL)
		refuse_key(rel, psprintf("Column \"%s\" is missing.", name));
	text = text_of(found);
	if (text == NULL)
		refuse_key(rel, psprintf(found->type == jbvNull ? "Column \"%s\" is null."
								 : "Column \"%s\" is an array or an object: give its text.", name));
	row->tts_values[att->attnum - 1] = read_value(rel, att, text);
	row->tts_isnull[att->attnum - 1] = false;
}

/* All columns of the key are there; is there anything else? */
static void
check_others(Relation rel, const DbsyncShape *shape, Jsonb *key)
{
	JsonbIterator *it = JsonbIteratorInit(&key->root);
	JsonbValue	value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		bool		known = false;

		if (token != WJB_KEY)
			continue;
		for (int k = 0; !known && k < shape->nkeys; k++)
			known = strlen(key_name(shape, k)) == value.val.string.len &&
				strncmp(key_name(shape, k), value.val.string.val, value.val.string.len) == 0;
		if (!known)
			refuse_key(rel, psprintf("\"%s\" is no column of it.",
									 pnstrdup(value.val.string.val, value.val.string.len)));
	}
}

static void
read_key(Relation rel, const DbsyncShape *shape, Jsonb *key, TupleTableSlot *row)
{
	if (!JB_ROOT_IS_OBJECT(key))
		refuse_key(rel, "It is not an object.");
	ExecClearTuple(row);
	memset(row->tts_isnull, true, row->tts_tupleDescriptor->natts * sizeof(bool));
	for (int k = 0; k < shape->nkeys; k++)
		read_column(rel, shape, k, key, row);
	check_others(rel, shape, key);
	ExecStoreVirtualTuple(row);
}

/* A table that is on its way in or out takes nothing: its next copy brings all of it. */
static bool
takes_keys(Relation rel)
{
	DbsyncEntry *entry = dbsync_cache_find(rel);

	if (entry->mode == DBSYNC_MODE_CAPTURE && entry->shape.nkeys == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" has no key by which its rows could be read again",
						RelationGetRelationName(rel)),
				 errhint("Add a primary key; or take the table out of its subscriptions and use capture => 'trigger'.")));
	if (entry->mode == DBSYNC_MODE_DORMANT)
		dbsync_node_note_skipped(entry->captured.id);
	return entry->mode == DBSYNC_MODE_CAPTURE;
}

static void
record(Relation rel, Datum *keys, int n)
{
	/* a type's input function may run commands, at which the entry is filled anew */
	const DbsyncShape shape = dbsync_cache_find(rel)->shape;
	MemoryContext per_key = AllocSetContextCreate(CurrentMemoryContext, "dbsync record",
												  ALLOCSET_SMALL_SIZES);
	TupleTableSlot *row = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsVirtual);
	DbsyncFeed	feed;

	dbsync_feed_begin(&feed, rel);
	for (int i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(per_key);

		CHECK_FOR_INTERRUPTS();
		read_key(rel, &shape, DatumGetJsonbP(keys[i]), row);
		MemoryContextSwitchTo(old);
		if (!dbsync_feed_put(&feed, DBSYNC_OP_KEY, row))
			break;
		ExecClearTuple(row);
		MemoryContextReset(per_key);
	}
	dbsync_feed_end(&feed);
	ExecDropSingleTupleTableSlot(row);
	MemoryContextDelete(per_key);
}

static void
record_keys(Oid relid, Datum *keys, int n, const char *function)
{
	Relation	rel;

	PreventCommandIfReadOnly(function);
	PreventCommandDuringRecovery(function);
	PreventCommandIfParallelMode(function);
	check_readable(relid);
	rel = table_open(relid, RowExclusiveLock);
	check_table(rel);
	if (takes_keys(rel))
		record(rel, keys, n);
	table_close(rel, NoLock);
}

static Oid
table_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "table")));
	return PG_GETARG_OID(0);
}

pg_noreturn static void
refuse_null_key(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a key must not be null"),
			 errhint("Give an object with the columns of the table's key and no others, as in '{\"id\": 1}'.")));
}

/* dbsync.record_change(table regclass, key jsonb) */
Datum
dbsync_record_change(PG_FUNCTION_ARGS)
{
	Oid			relid = table_argument(fcinfo);
	Datum		key;

	if (PG_ARGISNULL(1))
		refuse_null_key();
	key = PG_GETARG_DATUM(1);
	record_keys(relid, &key, 1, "dbsync.record_change()");
	PG_RETURN_VOID();
}

/* dbsync.record_changes(table regclass, keys jsonb[]) */
Datum
dbsync_record_changes(PG_FUNCTION_ARGS)
{
	Oid			relid = table_argument(fcinfo);
	Datum	   *keys;
	bool	   *nulls;
	int			n;

	if (PG_ARGISNULL(1))
		refuse_null_key();
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), JSONBOID, -1, false, TYPALIGN_INT, &keys, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			refuse_null_key();
	}
	record_keys(relid, keys, n, "dbsync.record_changes()");
	PG_RETURN_VOID();
}
