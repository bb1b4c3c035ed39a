/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/look.c
 *	  PostgreSQL driver: what the target's catalogs say about a table.
 *
 * Everything that would make a batch fail for sure is found here, and said
 * with what to do about it, before a row is sent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/binary.h"
#include "worker/driver/postgres/columns.h"
#include "worker/driver/postgres/count.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/guard.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/key.h"
#include "worker/driver/postgres/led_to.h"
#include "worker/driver/postgres/look.h"
#include "worker/driver/postgres/narrow.h"
#include "worker/driver/postgres/options.h"
#include "worker/driver/postgres/step.h"

/*
 * A table c and all that is below it, as s: each is looked up by its oid.  Without OFFSET the planner,
 * who takes it for a thousand rows, would read all of pg_class, however many tables there are.
 */
#define BELOW \
	"(SELECT c.oid UNION SELECT t.relid FROM pg_partition_tree(c.oid) t) b (oid)" \
	" CROSS JOIN LATERAL (SELECT x.* FROM pg_class x WHERE x.oid = b.oid OFFSET 0) s"

#define TABLE_SHAPE	"?otbtbbbTTbdbTbTbtb"
static const char *const table_sql =
"SELECT c.oid, c.relkind, has_schema_privilege(n.oid, 'USAGE'),"
" concat_ws(', ',"
"  CASE WHEN NOT has_table_privilege(c.oid, 'SELECT') THEN 'SELECT' END,"
"  CASE WHEN NOT has_table_privilege(c.oid, 'INSERT') THEN 'INSERT' END,"
"  CASE WHEN NOT has_table_privilege(c.oid, 'UPDATE') THEN 'UPDATE' END,"
"  CASE WHEN NOT has_table_privilege(c.oid, 'DELETE') THEN 'DELETE' END),"
" row_security_active(c.oid),"
" " POSTGRES_IS_REFERENCED ","
" has_database_privilege(current_database(), 'TEMP'),"
/* what is stored where: the table itself, or all below a partitioned one */
" (SELECT min(format('%I.%I', z.nspname, s.relname)) FROM " BELOW " JOIN pg_namespace z ON z.oid = s.relnamespace"
"  WHERE s.relkind = 'f' AND (s.oid <> c.oid OR c.relispartition)),"
" (SELECT min(format('%I.%I', z.nspname, s.relname)) FROM " BELOW " JOIN pg_namespace z ON z.oid = s.relnamespace"
"  WHERE s.relkind = 'r' AND s.relpersistence <> 'p'),"
/* not where updates have mostly been heap-only: those are cheaper still */
" coalesce(pg_stat_get_tuples_hot_updated(c.oid) * 2 <= pg_stat_get_tuples_updated(c.oid), true),"
/* rows; where nobody has counted, as many as there can be at most, or nearly */
" CASE WHEN c.relkind <> 'r' THEN 0"
"  WHEN c.reltuples > 0 AND c.relpages > 0 THEN c.reltuples / c.relpages ELSE 128 END"
" * coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::int,"
/* can what one session inserts wait for another's other keys?  Only by a second unique index, or a trigger */
" c.relkind = 'r' AND NOT EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid)"
" AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgenabled <> 'D'"
"  AND (g.tgenabled <> 'O' OR current_setting('session_replication_role') <> 'replica'))"
" AND (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion)) = 1,"
/* code that would change what we write; of rules: an INSERT may not be an upsert where there is one for UPDATE, even if it does not fire */
" (SELECT string_agg(quote_ident(r.rulename), ', ' ORDER BY r.rulename) FROM pg_rewrite r"
"  WHERE r.ev_class = c.oid AND " POSTGRES_IS_RULE "),"
" EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type = '2'),"
" (SELECT string_agg(DISTINCT quote_ident(g.tgname), ', ') FROM " BELOW
"  CROSS JOIN LATERAL (SELECT y.* FROM pg_trigger y WHERE y.tgrelid = s.oid OFFSET 0) g"
"  WHERE " POSTGRES_IS_TRIGGER "),"
" c.relkind = 'r' AND NOT c.relhasrules AND NOT c.relhastriggers,"
/* which words are reserved, and so have to be quoted, the target knows best: majors differ */
" format('%I.%I', n.nspname, c.relname), c.relispartition OR c.relkind = 'p'"
" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
" WHERE n.nspname = $1 AND c.relname = $2";

const char *
dbsync_postgres_look_at_table_sql(void)
{
	return table_sql;
}

static bool
check_kind(PostgresTarget *target, DbsyncTargetTable *table, char relkind)
{
	char	   *message;

	/* ordinary and partitioned tables */
	if (relkind == 'r' || relkind == 'p')
		return true;
	message = psprintf("target relation %s is not a table", table->label);
	return dbsync_postgres_refuse(target, ERRCODE_WRONG_OBJECT_TYPE, message,
								  "Rows can be written to ordinary and partitioned tables only.",
								  NULL);
}

/*
 * Rows must live and die with the ledger's: a foreign server commits by itself,
 * and an unlogged table is emptied by a crash that leaves the ledger as it was.
 */
static bool
check_storage(PostgresTarget *target, DbsyncTargetTable *table, const char *foreign, const char *unlogged)
{
	bool		itself = unlogged != NULL && strcmp(unlogged, table->quoted) == 0;

	if (foreign != NULL)
		return dbsync_postgres_refuse(target, ERRCODE_WRONG_OBJECT_TYPE,
									  psprintf("target table %s has foreign partitions, as %s is one",
											   table->label, foreign),
									  "They are not committed together with the ledger.", NULL);
	if (unlogged != NULL)
		return dbsync_postgres_refuse(target, ERRCODE_WRONG_OBJECT_TYPE,
									  itself ? psprintf("target table %s is not a permanent table", table->label)
									  : psprintf("partition %s of target table %s is not a permanent table",
												 unlogged, table->label),
									  "It could be empty after a crash while the ledger says that it is not.",
									  psprintf("On the target: ALTER TABLE %s SET LOGGED;", unlogged));
	return true;
}

/* what: "table x"; grant: what the administrator is to grant on what */
static bool
refuse_rights(PostgresTarget *target, const char *what, const char *detail, const char *grant)
{
	char	   *message = psprintf("permission denied %s", what);
	char	   *hint = psprintf("On the target: GRANT %s TO %s;", grant,
											  quote_identifier(target->base.identity.user));

	return dbsync_postgres_refuse(target, ERRCODE_INSUFFICIENT_PRIVILEGE, message, detail, hint);
}

static bool
check_rights(PostgresTarget *target, DbsyncTargetTable *table, const PostgresAnswer *answer)
{
	const char *schema = table->spec.schema;
	const char *missing = dbsync_postgres_answer_text(answer, 0, 3);

	if (!dbsync_postgres_answer_bool(answer, 0, 2))
		return refuse_rights(target, psprintf("for target schema \"%s\"", schema), NULL,
							 psprintf("USAGE ON SCHEMA %s", quote_identifier(schema)));
	if (missing[0] != '\0')
		return refuse_rights(target, psprintf("for target table %s", table->label), NULL,
							 psprintf("%s ON %s", missing, table->quoted));
	if (!dbsync_postgres_answer_bool(answer, 0, 6))
		return refuse_rights(target, "to create temporary tables on the target",
							 "Large batches are staged in temporary tables.",
							 psprintf("TEMPORARY ON DATABASE %s",
									  quote_identifier(target->base.identity.database)));
	return true;
}

/* row security would hide rows from us, and deletes would pass them by */
static bool
check_row_security(PostgresTarget *target, DbsyncTargetTable *table, bool active)
{
	char	   *message;

	if (!active)
		return true;
	message = psprintf("row security of target table %s applies to user \"%s\"",
									 table->label, target->base.identity.user);
	return dbsync_postgres_refuse(target, ERRCODE_INSUFFICIENT_PRIVILEGE, message, NULL,
								  "On the target, let the table's owner (without FORCE ROW LEVEL SECURITY)"
								  " or a user with BYPASSRLS write it.");
}

/*
 * Rows that others reference stay where they are: to delete one and insert it anew would be refused,
 * or take those along that are in no batch.
 */
static bool
check_in_place(PostgresTarget *target, DbsyncTargetTable *table)
{
	const char *hint = "On the target, let identity columns beside the key be GENERATED BY DEFAULT, and drop rules for UPDATE.";

	if (!table->referenced || table->nkeys == 0 || table->upsertable)
		return true;
	return dbsync_postgres_refuse(target, ERRCODE_FEATURE_NOT_SUPPORTED,
								  psprintf("rows of target table %s cannot be updated in place, and foreign keys lead to it",
										   table->label),
								  "To delete and insert them would break those keys: they are checked, as the user may not set"
								  " session_replication_role.",
								  hint);
}

static const char *const captured_sql =
"SELECT EXISTS (SELECT FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid"
" JOIN pg_namespace n ON n.oid = p.pronamespace"
" WHERE g.tgrelid = $1 AND p.proname = 'capture' AND n.nspname = 'dbsync_internal')";

/*
 * Where the table is a source as well, what we write is captured, and must say where it
 * came from and be known again, or it would come back for ever.  Nobody has to
 * be asked where we can say so.  A table that is captured later fails the batch:
 * see dbsync.applying.
 */
static bool
check_capture(PostgresTarget *target, DbsyncTargetTable *table)
{
	const DbsyncTargetIdentity *identity = &target->base.identity;
	bool		is_known = target->system_identifier != 0;
	const char *user = quote_identifier(identity->user);
	const char *values[1] = {psprintf("%u", table->relid)};
	const PostgresAnswer *answer;

	if (target->sets_origin && is_known)
		return true;
	answer = dbsync_postgres_query(target, captured_sql, 1, values, "1b");
	if (answer == NULL)
		return false;
	if (!dbsync_postgres_answer_bool(answer, 0, 0))
		return true;
	return dbsync_postgres_refuse(target, ERRCODE_INSUFFICIENT_PRIVILEGE,
								  psprintf("target table %s is captured there, and user \"%s\" may not %s",
										   table->label, identity->user,
										   is_known ? "set dbsync.origin" : "call pg_control_system()"),
								  "Changes that cannot be known again would be sent back to where they came from.",
								  psprintf(is_known ? "On the target: GRANT SET ON PARAMETER dbsync.origin TO %s;"
										   : "On the target: GRANT EXECUTE ON FUNCTION pg_control_system() TO %s;", user));
}

/* A rule, unlike a trigger, changes what our statements are: never what was meant. */
static bool
check_rules(PostgresTarget *target, DbsyncTargetTable *table, const char *rules)
{
	if (rules == NULL)
		return true;
	return dbsync_postgres_refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
								  psprintf("target table %s has rules: %s", table->label, rules),
								  target->replica_role
								  ? "They fire for dbsync's sessions too, and write something else in place of its rows."
								  : "They would write something else in place of dbsync's rows, as its user may not set"
								  " session_replication_role, under which rules do not fire.",
								  psprintf("On the target: ALTER TABLE %s DISABLE RULE ...; or DROP RULE.",
										   table->quoted));
}

/* A trigger before each row can leave it out by returning NULL, which is no error. */
static bool
check_triggers(PostgresTarget *target, DbsyncTargetTable *table, const char *triggers)
{
	table->swallows = triggers != NULL;
	if (triggers == NULL || target->before_triggers)
		return true;
	return dbsync_postgres_refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
								  psprintf("target table %s has triggers that fire before each row: %s",
										   table->label, triggers),
								  "They could change rows of dbsync's, or leave them out.",
								  psprintf("On the target: ALTER TABLE %s DISABLE TRIGGER ...; or, if they shall fire,"
										   " on the source: ALTER SERVER %s OPTIONS (ADD "
										   DBSYNC_POSTGRES_BEFORE_TRIGGERS " 'true');",
										   table->quoted, quote_identifier(target->name)));
}

static bool
look_at_table(PostgresTarget *target, DbsyncTargetTable *table)
{
	const char *values[2] = {table->spec.schema, table->spec.table};
	const PostgresAnswer *answer = dbsync_postgres_query_fixed(target, POSTGRES_LOOK_AT_TABLE,
															   2, values, TABLE_SHAPE);
	char		relkind;

	if (answer == NULL)
		return false;
	if (dbsync_postgres_answer_rows(answer) == 0)
		return dbsync_postgres_refuse(target, ERRCODE_UNDEFINED_TABLE,
									  psprintf("target table %s does not exist", table->label), NULL,
									  "Create it on the target, with the columns and the key of the source table.");
	table->relid = (Oid) dbsync_postgres_answer_int(answer, 0, 0);
	relkind = dbsync_postgres_answer_text(answer, 0, 1)[0];
	table->replaceable = dbsync_postgres_answer_bool(answer, 0, 9);
	table->tuples = dbsync_postgres_answer_double(answer, 0, 10);
	table->independent = dbsync_postgres_answer_bool(answer, 0, 11);
	table->upsertable = !dbsync_postgres_answer_bool(answer, 0, 13);
	table->bare = dbsync_postgres_answer_bool(answer, 0, 15);
	table->quoted = pstrdup(dbsync_postgres_answer_text(answer, 0, 16));
	table->partitioned = dbsync_postgres_answer_bool(answer, 0, 17);
	table->referenced = !target->replica_role && dbsync_postgres_answer_bool(answer, 0, 5);

	/* children of plain inheritance are not ours to touch */
	table->only = (relkind == 'r') ? psprintf("ONLY %s", table->quoted) : table->quoted;
	return check_kind(target, table, relkind) &&
		check_storage(target, table, dbsync_postgres_answer_text(answer, 0, 7),
					  dbsync_postgres_answer_text(answer, 0, 8)) &&
		check_rights(target, table, answer) &&
		check_row_security(target, table, dbsync_postgres_answer_bool(answer, 0, 4)) &&
		check_rules(target, table, dbsync_postgres_answer_text(answer, 0, 12)) &&
		check_triggers(target, table, dbsync_postgres_answer_text(answer, 0, 14)) &&
		check_capture(target, table) &&
		dbsync_postgres_look_at_facts(target, table);
}

/* what follows from the columns for the statements */
static void
draw_conclusions(PostgresTarget *target, DbsyncTargetTable *table)
{
	StringInfoData op;
	bool		again = true;
	int		   *formats = palloc(sizeof(int) * Max(table->ncolumns, 1));
	DbsyncForm *forms = palloc0(sizeof(DbsyncForm) * Max(table->ncolumns, 1));

	table->binary = true;
	table->binary_formats = formats;
	table->forms = forms;
	table->narrow = false;
	for (int i = 0; i < table->ncolumns; i++)
	{
		PostgresColumn *column = &table->columns[i];

		formats[i] = 1;
		forms[i].kind = DBSYNC_FORM_BINARY;
		if (column->base_type != table->spec.columns[i].type ||
			!dbsync_postgres_is_binary_type(target, column->base_type))
			table->binary = false;
		dbsync_postgres_learn_narrow(column, table->spec.columns[i].type);
		if (dbsync_postgres_is_narrow(target, column, table->spec.columns[i].type))
			table->narrow = true;
		if (column->identity_always)
			table->overriding = true;
		if (column->identity_always && !column->is_key)
			table->upsertable = false;
		column->is_assigned = !column->identity_always && !(column->is_key && column->same_if_equal);
		if (column->is_assigned)
			table->assignable = true;
		/* of a type that is known by its name alone, they may */
		column->can_be_unchanged = !column->is_key && 
			(!OidIsValid(table->spec.columns[i].type) || get_typlen(table->spec.columns[i].type) == -1);
	}

	table->narrow = table->narrow && !table->binary;

	/* the stage's own column must be called like none of the table's */
	initStringInfo(&op);
	appendStringInfoString(&op, "dbsync_op");
	while (again)
	{
		again = false;
		for (int i = 0; i < table->ncolumns && !again; i++)
			again = strcmp(table->columns[i].name, op.data) == 0;
		if (again)
			appendStringInfoChar(&op, '_');
	}
	table->op_column = op.data;
}

bool
dbsync_postgres_look(PostgresTarget *target, DbsyncTargetTable *table)
{
	MemoryContext old = MemoryContextSwitchTo(table->context);
	int		   *attnums = palloc0(sizeof(int) * Max(table->ncolumns, 1));
	bool		good;

	for (int k = 0; k < table->nkeys; k++)
		table->columns[table->keys[k]].is_key = true;
	good = look_at_table(target, table) &&
		dbsync_postgres_look_at_columns(target, table, attnums) &&
		(table->nkeys > 0 ? dbsync_postgres_look_at_key(target, table, attnums)
		 : dbsync_postgres_look_at_indexes(target, table, attnums));
	if (good)
	{
		draw_conclusions(target, table);
		good = check_in_place(target, table) &&
			(!table->referenced || dbsync_postgres_look_at_led_to(target, table));
	}
	MemoryContextSwitchTo(old);
	return good;
}
