/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/sql.h
 *	  PostgreSQL driver: the text of the statements that write to a table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_SQL_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_SQL_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/* A statement for one row; parameters are the columns (delete: the keys). */
extern char *dbsync_postgres_row_sql(const DbsyncTargetTable *table,
									 PostgresTableStatement statement);

/* Quoted name of a stage, and the command that makes it. */
extern char *dbsync_postgres_stage_name(const DbsyncTargetTable *table, PostgresStageKind kind);
extern char *dbsync_postgres_stage_create_sql(const DbsyncTargetTable *table, PostgresStageKind kind);
extern char *dbsync_postgres_stage_analyze_sql(const DbsyncTargetTable *table, PostgresStageKind kind);

/* COPY into the table, or into the stage that the mode wants. */
extern char *dbsync_postgres_copy_sql(const DbsyncTargetTable *table, DbsyncRowsMode mode);

/* what the stage is called in the following */
#define DBSYNC_POSTGRES_STAGE_ALIAS	"s"

/* From stage to table; the insert leaves out rows whose keys are there already. */
extern char *dbsync_postgres_merge_delete_sql(const DbsyncTargetTable *table, PostgresStageKind kind);
extern char *dbsync_postgres_merge_update_sql(const DbsyncTargetTable *table, PostgresStageKind kind);
extern char *dbsync_postgres_merge_gone_sql(const DbsyncTargetTable *table, PostgresStageKind kind);
extern char *dbsync_postgres_merge_insert_sql(const DbsyncTargetTable *table, PostgresStageKind kind);

extern char *dbsync_postgres_gone_sql(const char *from);

/* FROM and WHERE, for the row whose key is the parameters. */
extern char *dbsync_postgres_one_row_sql(const DbsyncTargetTable *table);

/*
 * Have two rows one key?  By their aliases; numbered: the right one's key columns are called "prefix"1 and so on, as
 * in "w.k" for w.k1, and as the last one names those of an alias.
 */
extern char *dbsync_postgres_key_match(const DbsyncTargetTable *table, const char *left, const char *right);
extern char *dbsync_postgres_key_match_numbered(const DbsyncTargetTable *table, const char *left, const char *right);
extern char *dbsync_postgres_key_numbered(const DbsyncTargetTable *table, const char *alias, const char *prefix);

/*
 * All rows of the table whose keys are in its stage of rows; what the stage has that is not to be deleted, as rows
 * whose keys are not there; and null for these columns of rows that have them otherwise.
 */
extern char *dbsync_postgres_stage_delete_all_sql(const DbsyncTargetTable *table);
extern char *dbsync_postgres_stage_insert_all_sql(const DbsyncTargetTable *table);
extern char *dbsync_postgres_stage_free_sql(const DbsyncTargetTable *table, List *columns);

/* Rows that the first of them should have deleted, as a FROM list and a condition. */
extern char *dbsync_postgres_stage_left_sql(const DbsyncTargetTable *table);

/* Deletes rows that have these columns as one in the stage of rows has them, by so many operators, and another key. */
extern char *dbsync_postgres_stage_clear_sql(const DbsyncTargetTable *table, int n, const int *columns,
											 const char **operators);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_SQL_H */
