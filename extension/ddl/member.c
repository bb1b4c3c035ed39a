/*-------------------------------------------------------------------------
 *
 * extension/ddl/member.c
 *	  Segments as members of the extension.
 *
 * ALTER EXTENSION ... ADD does the same, and keeps a lock on the extension to the end of the
 * transaction: then DDL on one captured table, as long as it is open, would hold up DDL on
 * all others, and workers that make segments.  Who makes or drops one has a lock on
 * dbsync.segment, so the extension does not go meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/dependency.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "utils/acl.h"

PG_FUNCTION_INFO_V1(dbsync_add_member);
PG_FUNCTION_INFO_V1(dbsync_remove_member);

/* dbsync_internal.add_member(regclass): the table goes with the extension from now on. */
Datum
dbsync_add_member(PG_FUNCTION_ARGS)
{
	ObjectAddress table;
	ObjectAddress extension;

	ObjectAddressSet(table, RelationRelationId, PG_GETARG_OID(0));
	ObjectAddressSet(extension, ExtensionRelationId, get_extension_oid("dbsync", false));
	recordDependencyOn(&table, &extension, DEPENDENCY_EXTENSION);
	recordExtObjInitPriv(table.objectId, RelationRelationId);
	PG_RETURN_VOID();
}

/* dbsync_internal.remove_member(regclass): it can be dropped. */
Datum
dbsync_remove_member(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);

	deleteDependencyRecordsForClass(RelationRelationId, relid, ExtensionRelationId,
									DEPENDENCY_EXTENSION);
	removeExtObjInitPriv(relid, RelationRelationId);
	PG_RETURN_VOID();
}
