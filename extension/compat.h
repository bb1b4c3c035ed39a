/*-------------------------------------------------------------------------
 *
 * extension/compat.h
 *	  Every difference between PostgreSQL majors, and nothing else.
 *
 * .c files that need it include it last, headers for pg_noreturn only.  Functions
 * have the newest major's signature and the suffix _compat; dropping a major is
 * deleting lines here.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_COMPAT_H
#define DBSYNC_EXTENSION_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "dbsync needs PostgreSQL 15 or newer"
#endif

#include "access/transam.h"
#include "access/xlog.h"
#include "catalog/pg_namespace.h"
#include "utils/acl.h"

/* postgres.h has it itself up to PostgreSQL 15. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* It stands before a declaration; up to PostgreSQL 17 there was one that stood behind. */
#ifndef pg_noreturn
#define pg_noreturn pg_attribute_noreturn()
#endif

/* May the role use the foreign server? */
#if PG_VERSION_NUM >= 160000
#define dbsync_may_use_server_compat(server, role) \
	(object_aclcheck(ForeignServerRelationId, server, role, ACL_USAGE) == ACLCHECK_OK)
#else
#define dbsync_may_use_server_compat(server, role) \
	(pg_foreign_server_aclcheck(server, role, ACL_USAGE) == ACLCHECK_OK)
#endif

/*
 * The running server's timeline.  PostgreSQL 15 asserts that recovery has
 * ended, which holds wherever a worker runs.
 */
#define dbsync_timeline_compat() GetWALInsertionTimeLine()

/* Rights on a schema are asked for like those on any object from PostgreSQL 16 on. */
#if PG_VERSION_NUM >= 160000
#define dbsync_schema_aclcheck_compat(schema, role, mode) \
	object_aclcheck(NamespaceRelationId, schema, role, mode)
#else
#define dbsync_schema_aclcheck_compat(schema, role, mode) pg_namespace_aclcheck(schema, role, mode)
#endif

/*
 * A set of wait events that outlives the transaction.  PostgreSQL 17 asks for a
 * resource owner, and none means: until it is freed.
 */
#if PG_VERSION_NUM >= 170000
#define dbsync_create_wait_set_compat(context, n) CreateWaitEventSet(NULL, n)
#else
#define dbsync_create_wait_set_compat(context, n) CreateWaitEventSet(context, n)
#endif

/* Does the role own the relation, schema, type or foreign server? */
#if PG_VERSION_NUM >= 160000
#define dbsync_owns_compat(classid, object, role) object_ownercheck(classid, object, role)
#else
#define dbsync_owns_compat(classid, object, role) \
	((classid) == RelationRelationId ? pg_class_ownercheck(object, role) : \
	 (classid) == NamespaceRelationId ? pg_namespace_ownercheck(object, role) : \
	 (classid) == TypeRelationId ? pg_type_ownercheck(object, role) : \
	 pg_foreign_server_ownercheck(object, role))
#endif

/*
 * Counts transactions with an id that have ended in this cluster, prepared ones as
 * they are committed.  Read without the lock: a glance that may be a moment old.
 */
#if PG_VERSION_NUM >= 170000
#define dbsync_completions_compat() (TransamVariables->xactCompletionCount)
#else
#define dbsync_completions_compat() (ShmemVariableCache->xactCompletionCount)
#endif

/* The oldest transaction whose end can be looked up; read under XactTruncationLock. */
#if PG_VERSION_NUM >= 170000
#define dbsync_oldest_clog_xid_compat() (TransamVariables->oldestClogXid)
#else
#define dbsync_oldest_clog_xid_compat() (ShmemVariableCache->oldestClogXid)
#endif

/*
 * Builds with assertions want an active snapshot at every insert into a table that has a
 * TOAST table (from 18 on, and in later minor releases of older majors).  Only reading and
 * deleting what is stored out of line needs one: where nobody asserts, commits go without.
 */
#ifdef USE_ASSERT_CHECKING
#define dbsync_insert_wants_snapshot_compat true
#else
#define dbsync_insert_wants_snapshot_compat false
#endif

/*
 * RETURNING old and new, from PostgreSQL 18 on: whether there is such a row is said
 * in the state that the executor found.
 */
#if PG_VERSION_NUM >= 180000
#define dbsync_hand_on_returning_flags_compat(to, from) \
	((to)->flags = ((to)->flags & ~(EEO_FLAG_OLD_IS_NULL | EEO_FLAG_NEW_IS_NULL)) | \
	 ((from)->flags & (EEO_FLAG_OLD_IS_NULL | EEO_FLAG_NEW_IS_NULL)))
#else
#define dbsync_hand_on_returning_flags_compat(to, from) ((void) 0)
#endif

/*
 * Arguments of ExecutorRun and its hook, as they are declared and as they are passed on.
 * Up to PostgreSQL 17 there is one that says that the plan is run once only.
 */
#if PG_VERSION_NUM >= 180000
#define DBSYNC_RUN_PARAMETERS_COMPAT QueryDesc *query, ScanDirection direction, uint64 count
#define DBSYNC_RUN_ARGUMENTS_COMPAT query, direction, count
#define dbsync_executor_run_compat(query, count) ExecutorRun(query, ForwardScanDirection, count)
#else
#define DBSYNC_RUN_PARAMETERS_COMPAT \
	QueryDesc *query, ScanDirection direction, uint64 count, bool once
#define DBSYNC_RUN_ARGUMENTS_COMPAT query, direction, count, once
#define dbsync_executor_run_compat(query, count) ExecutorRun(query, ForwardScanDirection, count, false)
#endif

/*
 * PostgreSQL 18 counts the searches of a scan where somebody wants to know, and 19 takes
 * flags of whoever begins one; we have none to give.
 */
#if PG_VERSION_NUM >= 190000
#define dbsync_index_beginscan_compat(rel, index, snapshot, count, nkeys, norderbys) \
	index_beginscan(rel, index, snapshot, count, nkeys, norderbys, SO_NONE)
#define dbsync_table_beginscan_compat(rel, snapshot, nkeys, keys) \
	table_beginscan(rel, snapshot, nkeys, keys, SO_NONE)
#define dbsync_tidrange_beginscan_compat(rel, snapshot, first, last) \
	table_beginscan_tidrange(rel, snapshot, first, last, SO_NONE)
#elif PG_VERSION_NUM >= 180000
#define dbsync_index_beginscan_compat(rel, index, snapshot, count, nkeys, norderbys) \
	index_beginscan(rel, index, snapshot, count, nkeys, norderbys)
#else
#define dbsync_index_beginscan_compat(rel, index, snapshot, count, nkeys, norderbys) \
	index_beginscan(rel, index, snapshot, nkeys, norderbys)
#endif
#if PG_VERSION_NUM < 190000
#define dbsync_table_beginscan_compat(rel, snapshot, nkeys, keys) \
	table_beginscan(rel, snapshot, nkeys, keys)
#define dbsync_tidrange_beginscan_compat(rel, snapshot, first, last) \
	table_beginscan_tidrange(rel, snapshot, first, last)
#endif

/* What an INSERT does on conflict: PostgreSQL 19 has one more thing to do. */
#if PG_VERSION_NUM >= 190000
#define DbsyncConflictCompat OnConflictActionState
#else
#define DbsyncConflictCompat OnConflictSetState
#endif

/* From PostgreSQL 19 on whoever describes rows by hand says when the description is complete. */
#if PG_VERSION_NUM >= 190000
#define dbsync_finish_desc_compat(desc) TupleDescFinalize(desc)
#else
#define dbsync_finish_desc_compat(desc) ((void) 0)
#endif

/* Who pins time limits pins this one, too, which there is from PostgreSQL 17 on: it ends the process. */
#if PG_VERSION_NUM >= 170000
#define DBSYNC_TRANSACTION_TIMEOUT_PIN_COMPAT {"transaction_timeout", "0"},
#else
#define DBSYNC_TRANSACTION_TIMEOUT_PIN_COMPAT
#endif

/* Slots have flags of their own from PostgreSQL 19 on. */
#if PG_VERSION_NUM >= 190000
#define dbsync_make_slot_compat(desc, ops) MakeTupleTableSlot(desc, ops, 0)
#else
#define dbsync_make_slot_compat(desc, ops) MakeTupleTableSlot(desc, ops)
#endif

/* A lock's name: each process says it up to PostgreSQL 18, and from 19 on who makes the lock. */
#if PG_VERSION_NUM >= 190000
#define dbsync_new_tranche_compat(name) LWLockNewTrancheId(name)
#define dbsync_register_tranche_compat(tranche, name) ((void) 0)
#else
#define dbsync_new_tranche_compat(name) LWLockNewTrancheId()
#define dbsync_register_tranche_compat(tranche, name) LWLockRegisterTranche(tranche, name)
#endif

/* Does a part of ALTER TABLE give a generated column another expression?  From PostgreSQL 17 on. */
#if PG_VERSION_NUM >= 170000
#define dbsync_sets_expression_compat(subtype) ((subtype) == AT_SetExpression)
#else
#define dbsync_sets_expression_compat(subtype) ((void) (subtype), false)
#endif

/*
 * For each relation that an UPDATE writes to, the columns that it assigns: PostgreSQL 18 leaves
 * relations out as it starts the plan, and has its own list.
 */
#if PG_VERSION_NUM >= 180000
#define dbsync_update_columns_compat(state) ((state)->mt_updateColnosLists)
#else
#define dbsync_update_columns_compat(state) (((ModifyTable *) (state)->ps.plan)->updateColnosLists)
#endif

/* May an UPDATE of a partitioned table move rows?  PostgreSQL 19 does not say so beforehand. */
#if PG_VERSION_NUM >= 190000
#define dbsync_may_move_rows_compat(plan) true
#else
#define dbsync_may_move_rows_compat(plan) ((plan)->partColsUpdated)
#endif

/* Intervals without end are new in PostgreSQL 17. */
#if PG_VERSION_NUM >= 170000
#define dbsync_interval_is_infinite_compat(interval) INTERVAL_NOT_FINITE(interval)
#else
#define dbsync_interval_is_infinite_compat(interval) ((void) (interval), false)
#endif

#endif							/* DBSYNC_EXTENSION_COMPAT_H */
