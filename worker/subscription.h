/*-------------------------------------------------------------------------
 *
 * worker/subscription.h
 *	  A subscription as the worker sees it: configuration, tables, positions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SUBSCRIPTION_H
#define DBSYNC_WORKER_SUBSCRIPTION_H

#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/uuid.h"
#include "worker/shape.h"
#include "worker/table.h"

/* a segment of a captured table, or of the headers */
typedef struct DbsyncSegmentInfo
{
	int			id;
	int			captured_id;
	Oid			relid;
	bool		active;
	const DbsyncTableShape *shape;	/* of its rows; NULL: headers */
} DbsyncSegmentInfo;

/* what becomes of changes of tables at the target; see docs/ddl.md */
typedef enum DbsyncDdl
{
	DBSYNC_DDL_WAIT,			/* somebody makes them there */
	DBSYNC_DDL_APPLY,			/* the worker does */
	DBSYNC_DDL_IGNORE			/* only columns that are on both sides are sent */
} DbsyncDdl;

typedef struct DbsyncSubscription
{
	MemoryContext context;
	int			id;
	pg_uuid_t	uid;
	const char *name;
	const char *target;
	const char *policy;			/* when changes travel, as it was given */
	const char *time_zone;		/* by which that goes; NULL: UTC */
	TimestampTz last_run;		/* when the last planned round began, as far as is noted; 0: none has */
	const char *verify_policy;	/* when it is verified by itself; NULL: never */
	TimestampTz last_verify;
	uint32		anchor_hash;	/* of the function that stands for it, and says who owns it, in
								 * the cache of functions */
	Oid			owner;
	bool		enabled;
	bool		local_only;		/* what others made does not go on */
	DbsyncDdl	ddl;
	bool		create_missing; /* tables that the target lacks are made there */
	bool		deletes_left;	/* rows of partitions that are detached or dropped */
	const char *labels;			/* of enums, that had other names before: what says when they change */
	const char *row_types;		/* the same of composite types whose attributes have changed */
	char	   *position;		/* pg_snapshot text; NULL: never ran */
	int64		chain;			/* where the target is a folder: of its bundles; 0: none was begun */
	bool		begins_anew;	/* nothing is kept behind that any more, and no table needs it */
	bool		any_limit;		/* of this database's subscriptions one has a backlog_limit, or a table is
								 * captured by keys for the sake of one */
	bool		any_wal_kept;	/* of this database some table is captured from the WAL, whoever's it is */
	char	   *headers_discarded;	/* pg_snapshot text or NULL */
	char	   *left_at;		/* pg_snapshot text: where it was when the last dropped table left it,
								 * or NULL */
	bool		adopted;		/* this database is who it was */
	List	   *tables;			/* of DbsyncTable */
	MemoryContext segments_context; /* of the next two */
	List	   *segments;		/* of DbsyncSegmentInfo: headers' and tables' */
	List	   *shapes;			/* of DbsyncTableShape: those of its tables */
	uint64		generation;		/* of the configuration read; */
	uint64		segments_generation;	/* of its segments */
	bool		tables_changed;	/* some of them have been read, not taken from the one before */
	bool		any_scanned;	/* a table is read by a column of its own */
	bool		any_snapshot;	/* a table is compared with the target on a schedule */
	bool		any_compared;	/* one is compared with its shadow */
	bool		any_keys_only;	/* of a table keys alone are captured; */
	bool		any_from_wal;	/* a worker reads them from the WAL; */
	bool		quarantines;	/* keys of rows that the target refuses are parked there */
	bool		any_parked;		/* some are, as far as is noted here */
	bool		any_asked;		/* some are to be tried again, or passed over */
	bool		any_keys_kept;	/* and of one of these the target keeps others' rows */
	bool		settled;		/* found to be so; see dbsync_subscription_is_settled() */
	bool		ties_known;		/* asked of the target, over this connection */
	bool		tied;			/* foreign keys of tables are checked there */
	int			ngroups;		/* of tables that are tied to one another */
} DbsyncSubscription;

/*
 * Read a subscription in the current transaction (needs SPI, not connected).
 * NULL if there is none.  Tables of "old" whose rows are the same move over as they are, and so
 * does what the work has found out about others that it has too (same attachment); old may be
 * NULL and is freed.
 */
extern DbsyncSubscription *dbsync_subscription_read(MemoryContext parent, int id,
													DbsyncSubscription *old);

extern DbsyncTable *dbsync_subscription_table(DbsyncSubscription *subscription,
											  int captured_id);

/* The segment with this id, or NULL if the configuration read has none. */
extern DbsyncSegmentInfo *dbsync_subscription_segment(DbsyncSubscription *subscription,
													  int segment_id);

/* Have it read again although no change was heard of. */
extern void dbsync_subscription_forget(DbsyncSubscription *subscription);

/*
 * Is no table to be installed or copied, none held, and nothing to be written of it to the
 * ledger or noted?  Stays so until the configuration or the ledger is read again: of many
 * tables, none needs to be looked at for the sake of a batch.
 */
extern bool dbsync_subscription_is_settled(DbsyncSubscription *subscription);

/* Write state and progress of a table to the source (current transaction). */
extern void dbsync_subscription_write_table(DbsyncSubscription *subscription,
											DbsyncTable *table, DbsyncTableState state);

/*
 * Take one table out of this subscription until copy_table(): its rows are passed
 * over from now on.  The note says why in table_status (current transaction).
 */
extern void dbsync_subscription_suspend(DbsyncSubscription *subscription,
										DbsyncTable *table, const char *note);

/*
 * First position, or one that the target has on its disk (current transaction).  Not of a chain that somebody has
 * given up since.
 */
extern void dbsync_subscription_write_position(DbsyncSubscription *subscription,
											   const char *position);

/* The chain that was begun (current transaction), before the position that it begins with. */
extern void dbsync_subscription_write_chain(DbsyncSubscription *subscription, int64 chain);

/* A position instead of the one behind which nothing is kept any more (current transaction). */
extern void dbsync_subscription_begin_anew(DbsyncSubscription *subscription, const char *position);

/* When the last planned round began (current transaction). */
extern void dbsync_subscription_write_last_run(DbsyncSubscription *subscription, TimestampTz begun);

/* When it was verified by itself last (current transaction). */
extern void dbsync_subscription_write_last_verify(DbsyncSubscription *subscription, TimestampTz begun);

/* What has been emptied by now, of headers and tables (current transaction). */
extern void dbsync_subscription_reread_discarded(DbsyncSubscription *subscription);

#endif							/* DBSYNC_WORKER_SUBSCRIPTION_H */
