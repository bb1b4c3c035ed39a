/*-------------------------------------------------------------------------
 *
 * extension/catalog.h
 *	  Reading dbsync's own tables from C, without SPI.
 *
 * Used by capture, which runs in users' sessions under any role, isolation
 * level and search_path.  Column numbers follow extension/install/10_config.sql,
 * 52_sequences.sql and 56_rules.sql.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CATALOG_H
#define DBSYNC_EXTENSION_CATALOG_H

#include "access/attnum.h"
#include "access/htup.h"
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

typedef enum DbsyncCaptureState
{
	DBSYNC_CAPTURE_INSTALLING,
	DBSYNC_CAPTURE_ACTIVE,
	DBSYNC_CAPTURE_SUSPENDED,
	DBSYNC_CAPTURE_REMOVING
} DbsyncCaptureState;

/* who finds out what changed in a table */
typedef enum DbsyncCapturedBy
{
	DBSYNC_BY_TRIGGERS,			/* whole rows */
	DBSYNC_BY_KEYS,				/* triggers, too, that write the key alone */
	DBSYNC_BY_API,				/* the application, key by key */
	DBSYNC_BY_WAL,				/* a worker, from the WAL, key by key */
	DBSYNC_BY_NOBODY,			/* it is only read */
	DBSYNC_BY_SHADOW,			/* workers, who compare it with a copy */
	DBSYNC_BY_OTHERS			/* nobody in a session of users */
} DbsyncCapturedBy;

/* a row of dbsync.captured_table, as far as capture needs it */
typedef struct DbsyncCaptured
{
	int			id;
	Oid			relid;
	Oid			key_index;		/* InvalidOid: its rows have no key */
	DbsyncCaptureState state;
	bool		named_key;		/* somebody has said which columns are the key */
	DbsyncCapturedBy by;
	int			nkeys;			/* 0: capture has not begun, or there is no key */
	AttrNumber	keys[INDEX_MAX_KEYS];	/* by which it goes, in the key's order */
} DbsyncCaptured;

/*
 * Taken on dbsync.segment by workers that close or empty segments, or take a position before
 * which none is emptied: they exclude each other, and not DDL that makes a segment.
 */
#define DBSYNC_SEGMENTS_LOCK	ShareUpdateExclusiveLock

/* Schema oids; InvalidOid while the extension is not there. */
extern Oid	dbsync_catalog_schema(void);
extern Oid	dbsync_catalog_internal_schema(void);

/* A function of ours in SQL, by its name and the types of its arguments; InvalidOid: there is none. */
extern Oid	dbsync_catalog_function(const char *name, oidvector *types);

/* Oid of one of dbsync's own tables or indexes; error if it is missing, and InvalidOid. */
extern Oid	dbsync_catalog_relation(const char *name);
extern Oid	dbsync_catalog_find_relation(const char *name);

/* The captured table with this relid; false if there is none. */
extern bool dbsync_catalog_captured(Oid relid, DbsyncCaptured *captured);

/*
 * The active segment of a captured table (0: of the headers), and the shape that it was
 * made for (NULL: not asked for; headers have none).  Error if there is no segment.
 */
extern void dbsync_catalog_active_segment(int captured_id, int *segment_id, Oid *segment_relid,
										  int *shape_id);

/* Does a shape have these columns of its table, by their numbers, and no others? */
extern bool dbsync_catalog_shape_is_of(int shape_id, const AttrNumber *columns, int ncolumns);

/* The id of the segment with this relid; false if it is none. */
extern bool dbsync_catalog_segment_id(Oid relid, int *segment_id);

/* Is it a captured table, whatever its state, a partition of one, or a segment?  Is it the key of a captured table? */
extern bool dbsync_catalog_has_table(Oid relid);
extern bool dbsync_catalog_has_key(Oid index);

/*
 * The bound of a partition as a condition that means the same at any target, palloc'd; NULL:
 * there is none.
 */
extern char *dbsync_catalog_bound(Oid relid);

/* Is any captured table captured by row, since it has inheritance children or parents? */
extern bool dbsync_catalog_has_by_row(void);

/* Has any subscription a rule about tables of this schema, or of all?  InvalidOid: any rule at all? */
extern bool dbsync_catalog_has_rule(Oid schema);

/* Was the sequence added to a subscription by name? */
extern bool dbsync_catalog_has_sequence(Oid relid);

/*
 * Oids of all header segments that the snapshot sees, a fresh list.  A header
 * that it sees lies in one of them: whoever wrote it had seen its segment.
 */
extern List *dbsync_catalog_header_segments(Snapshot snapshot);

/*
 * Forget what this process has cached of the system's catalogs, in a transaction: after
 * thousands of tables that is more than what it is worth.  The server calls whoever wants to hear of
 * changes, as if all had changed; who asks here meanwhile hears that nothing has.
 */
extern void dbsync_catalog_trim(void);
extern bool dbsync_catalog_is_trimming(void);

/* Value of a column of a row of ours that is declared NOT NULL. */
extern Datum dbsync_catalog_required(HeapTuple tuple, int attno, Relation rel);

/*
 * Counts changes of dbsync's configuration (and unknown resets) that this
 * backend has heard of.  Whoever caches something compares it.  Maintained by a
 * relcache callback that only counts, since it can run at any moment.
 */
extern uint64 dbsync_catalog_generation(void);

/*
 * Tell every backend, at commit, that rows of a table of the configuration have changed.  By an index
 * of it, as a rule: whoever uses plans of statements about the table may go on doing so.  Now and then
 * by the table, as a plan that was made for a few rows is none for ten thousand.
 */
extern void dbsync_catalog_tell(Relation rel);

/* The tables that are the configuration, in the order of their names there. */
typedef enum DbsyncWatched
{
	DBSYNC_WATCHED_NODE,
	DBSYNC_WATCHED_CAPTURED_TABLE,
	DBSYNC_WATCHED_SEGMENT,
	DBSYNC_WATCHED_SUBSCRIPTION,
	DBSYNC_WATCHED_SUBSCRIPTION_TABLE,
	DBSYNC_WATCHED_FORMER_LABEL,
	DBSYNC_WATCHED_FORMER_ATTRIBUTE,
	DBSYNC_WATCHED_SUBSCRIPTION_SEQUENCE
} DbsyncWatched;

/* The same count of one of them; what is not known which it was of counts for each. */
extern uint64 dbsync_catalog_generation_of(DbsyncWatched table);

#endif							/* DBSYNC_EXTENSION_CATALOG_H */
