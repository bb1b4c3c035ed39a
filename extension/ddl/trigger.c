/*-------------------------------------------------------------------------
 *
 * extension/ddl/trigger.c
 *	  Making a trigger without a command.
 *
 * A command would call event triggers of the database's own, with a partition that has some of
 * its triggers and not others, and whose rows have yet to be captured.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(dbsync_create_trigger);

/*
 * dbsync_internal.create_trigger(oid, text, "char"): make, on the table with this oid, the trigger
 * that a CREATE TRIGGER tells of, enabled like that.
 */
Datum
dbsync_create_trigger(PG_FUNCTION_ARGS)
{
	char	   *command = text_to_cstring(PG_GETARG_TEXT_PP(1));
	List	   *parsed = raw_parser(command, RAW_PARSE_DEFAULT);
	CreateTrigStmt *statement = castNode(CreateTrigStmt, linitial_node(RawStmt, parsed)->stmt);

	CreateTriggerFiringOn(statement, command, PG_GETARG_OID(0), InvalidOid, InvalidOid, InvalidOid,
						  InvalidOid, InvalidOid, NULL, false, false, PG_GETARG_CHAR(2));
	CommandCounterIncrement();
	PG_RETURN_VOID();
}
