/*-------------------------------------------------------------------------
 *
 * worker/target.h
 *	  Targets: the only way from the worker to a driver.
 *
 * Each function calls the driver's of the same name (DbsyncDriver says what it
 * does) and raises the target's fault as an error where the remote refuses.  The ones
 * called try_... return false instead, and the fault stays with the target.  What a driver
 * need not have is answered here for those that lack it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TARGET_H
#define DBSYNC_WORKER_TARGET_H

#include "worker/driver/driver.h"

/*
 * Raise the target's fault with the remote's SQLSTATE, message, detail, hint and context;
 * "doing" is what was attempted, as a line of context, or NULL.
 */
pg_noreturn extern void dbsync_target_raise(DbsyncTarget *target, const char *doing);

/* The driver has done it, or its fault is raised. */
extern void dbsync_target_require(bool done, DbsyncTarget *target, const char *doing);

/* Has the remote refused something over this connection?  target may be NULL. */
extern bool dbsync_target_has_fault(const DbsyncTarget *target);

/* The kind of its fault, if it has this one. */
extern bool dbsync_target_fault_is(const DbsyncTarget *target, DbsyncFaultKind kind);

/* Always a target, allocated below CurrentMemoryContext; not *ok: only close() may follow. */
extern DbsyncTarget *dbsync_target_try_open(const DbsyncTargetConfig *config, bool *ok);
extern void dbsync_target_close(DbsyncTarget *target);

/* Is it the same server and database, by all that both tell of themselves? */
extern bool dbsync_target_is_same(const DbsyncTarget *a, const DbsyncTarget *b);

/* --- ledger --- */

extern void dbsync_target_ledger_read(DbsyncTarget *target, const pg_uuid_t *subscription,
									  DbsyncLedger *ledger, bool *found);
extern List *dbsync_target_ledger_read_parts(DbsyncTarget *target, const pg_uuid_t *subscription);
extern void dbsync_target_ledger_create(DbsyncTarget *target, const DbsyncLedger *ledger);
extern void dbsync_target_ledger_forget(DbsyncTarget *target, const pg_uuid_t *subscription,
										const char *doing);
extern bool dbsync_target_try_ledger_read(DbsyncTarget *target, const pg_uuid_t *subscription,
										  DbsyncLedger *ledger, bool *found);
extern bool dbsync_target_try_ledger_forget(DbsyncTarget *target, const pg_uuid_t *subscription);
extern void dbsync_target_ledger_move(DbsyncTarget *target, const DbsyncLedger *ledger);
extern void dbsync_target_ledger_write_parts(DbsyncTarget *target, const pg_uuid_t *subscription,
											 List *parts);
extern void dbsync_target_ledger_forget_parts(DbsyncTarget *target, List *attachments);
extern void dbsync_target_confirm(DbsyncTarget *target, const pg_uuid_t *subscription);

/* --- tables --- */

extern DbsyncTargetTable *dbsync_target_try_table_open(DbsyncTarget *target,
													   const DbsyncTableSpec *spec);

/* Are its targets folders of this server, and what goes there in chains? */
extern bool dbsync_target_is_folder(const DbsyncTarget *target);

/* As in the contract; nothing where the driver has nothing to see to. */
extern void dbsync_target_upkeep(DbsyncTarget *target, long *pause, int *wants);

/* As in the contract; does nothing where the driver keeps them.  False: it has not. */
extern bool dbsync_target_tables_close(DbsyncTarget *target, List *tables);
/* Does it take tables without a key? */
extern bool dbsync_target_counts_rows(const DbsyncTarget *target);

/* As in the contract; of a table without a key. */
extern int64 dbsync_target_table_missing(const DbsyncTarget *target, DbsyncTargetTable *table);
extern bool dbsync_target_follows_changes(const DbsyncTarget *target);
extern DbsyncTargetTable *dbsync_target_try_table_change(DbsyncTarget *target,
														 DbsyncTargetTable *before,
														 const DbsyncTableSpec *spec,
														 List *changes, int how);
extern bool dbsync_target_try_types_follow(DbsyncTarget *target, List *enums, List *row_types, bool make);
extern bool dbsync_target_try_table_lacks(DbsyncTarget *target, const DbsyncTableSpec *spec,
										  bool *lacks);
/* As in the contract; of targets that make tables. */
extern bool dbsync_target_creates_tables(const DbsyncTarget *target);
extern bool dbsync_target_try_table_create(DbsyncTarget *target, const DbsyncTableSpec *spec, List *changes,
										   const char *maker, bool *made);
extern void dbsync_target_index_create(DbsyncTarget *target, const DbsyncTableSpec *spec, const DbsyncIndex *index,
									   DbsyncIndexOutcome *outcome, const char **words);
extern void dbsync_target_table_complete(DbsyncTarget *target, const DbsyncTableSpec *spec, const char *maker);
extern bool dbsync_target_table_has_rows(DbsyncTarget *target, DbsyncTargetTable *table);
/* As in the contract; NULL: all as text. */
extern const DbsyncForm *dbsync_target_table_forms(const DbsyncTarget *target, const DbsyncTargetTable *table);
extern bool dbsync_target_table_wants_replace(const DbsyncTarget *target,
											  const DbsyncTargetTable *table, int64 rows);
extern bool dbsync_target_table_takes_unchanged(const DbsyncTarget *target,
												const DbsyncTargetTable *table);
extern bool dbsync_target_table_takes_several(const DbsyncTarget *target,
											  const DbsyncTargetTable *table);

/* --- batches --- */

extern void dbsync_target_begin(DbsyncTarget *target, const DbsyncLedger *ledger,
								const char *origin, int64 expected_rows, int flags);
extern bool dbsync_target_try_begin(DbsyncTarget *target, const DbsyncLedger *ledger,
									const char *origin, int64 expected_rows, int flags);
extern void dbsync_target_truncate(DbsyncTarget *target, DbsyncTargetTable **tables, int ntables,
								   const char *doing);
/* Does it say which foreign keys are checked?  Only then the two others. */
extern bool dbsync_target_has_foreign_keys(const DbsyncTarget *target);
extern void dbsync_target_foreign_keys(DbsyncTarget *target, int ntables, const char **schemas,
									   const char **tables, bool *checked, List **keys);
extern void dbsync_target_rows_together(DbsyncTarget *target, bool clashed, const char *doing);
extern bool dbsync_target_table_is_followed(const DbsyncTarget *target, const DbsyncTargetTable *table);
/* Does it make room for rows?  Only then the other. */
extern bool dbsync_target_clears(const DbsyncTarget *target);
extern void dbsync_target_rows_clear(DbsyncTarget *target, DbsyncTargetTable *table, List *sets, List **keys);
/* Does it park rows?  Only then the others, and mode DOUBTED. */
extern bool dbsync_target_parks(const DbsyncTarget *target);
extern List *dbsync_target_quarantine_read(DbsyncTarget *target, const pg_uuid_t *subscription, bool make);
extern void dbsync_target_quarantine_free(DbsyncTarget *target, List *rows);
extern void dbsync_target_doubt(DbsyncTarget *target, List *late);
extern bool dbsync_target_deletes_where(const DbsyncTarget *target);
extern bool dbsync_target_try_delete_where(DbsyncTarget *target, DbsyncTargetTable *table,
										   const DbsyncTableSpec *spec, const char *condition);
extern void dbsync_target_rows_begin(DbsyncTarget *target, DbsyncTargetTable *table,
									 DbsyncRowsMode mode, int64 expected_rows, const char *doing);
extern bool dbsync_target_try_rows_begin(DbsyncTarget *target, DbsyncTargetTable *table,
										 DbsyncRowsMode mode, int64 expected_rows);
extern bool dbsync_target_try_rows_end(DbsyncTarget *target);
extern void dbsync_target_rows_go_between(DbsyncTarget *target);
extern bool dbsync_target_rows_have_room(DbsyncTarget *target);
extern bool dbsync_target_has_sequences(const DbsyncTarget *target);
extern void dbsync_target_sequences_advance(DbsyncTarget *target, List *sequences);
extern void dbsync_target_hurry(DbsyncTarget *target);
extern void dbsync_target_fence(DbsyncTarget *target, const DbsyncLedger *ledger);
extern void dbsync_target_commit(DbsyncTarget *target);

/* called once a row, so straight away */
static inline bool
dbsync_target_try_rows_put(DbsyncTarget *target, const DbsyncRow *row)
{
	return target->driver->rows_put(target, row);
}

#endif							/* DBSYNC_WORKER_TARGET_H */
