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
#include "nodes/pg_list.h"
#include "utils/uuid.h"

#include "worker/driver/driver.h"

typedef enum DbsyncTableState
{
	DBSYNC_TABLE_NEW,
	DBSYNC_TABLE_COPYING,
	DBSYNC_TABLE_LIVE,
	DBSYNC_TABLE_SUSPENDED
} DbsyncTableState;

/* of the table itself, to be read beside its changes; asked for batch by batch */
typedef enum DbsyncTableLock
{
	DBSYNC_LOCK_NOT_WANTED,
	DBSYNC_LOCK_HELD,
	DBSYNC_LOCK_NOT_HAD
} DbsyncTableLock;

/* a segment of a captured table, or of the headers */
typedef struct DbsyncSegmentInfo
{
	int			id;
	int			captured_id;
	Oid			relid;
	bool		active;
} DbsyncSegmentInfo;

typedef struct DbsyncTable
{
	/* from the catalogs */
	int			captured_id;
	Oid			relid;
	Oid			key_index;
	bool		captured;		/* triggers are there and active */
	pg_uuid_t	uid;			/* of this attachment */
	const char *target_schema;
	const char *target_table;
	bool		copy_data;
	char	   *start;			/* pg_snapshot text; without a copy, what it does not show is
								 * sent; NULL: with a copy, or not captured yet */
	const char *existing_rows;	/* NULL, "keep", "truncate" */
	DbsyncTableState state;		/* as the source remembers it */
	char	   *discarded;		/* pg_snapshot text or NULL */
	const char *qualified;		/* source name, quoted, as last heard; never read by it */
	NameData	name;			/* what qualified is made of */
	Oid			schema;
	Oid			owner;			/* as last heard: see dbsync_table_owner() */
	char	   *columns_of_ours[4]; /* xid, no, op, same as the segment calls them */

	/* columns that travel: not dropped, not generated */
	int			ncolumns;
	const char **columns;
	Oid		   *types;			/* without domains */
	int32	   *typmods;
	Oid		   *collations;
	int			nkeys;
	int			ngenerated;
	const char **generated;		/* columns that the source generates */
	int		   *keys;			/* indexes into columns */
	Oid		   *key_types;
	Oid		   *key_before;		/* the operators "<" of the key's index */
	Oid		   *key_collations;

	/* state of the work, moved over when the configuration is read again */
	DbsyncLedgerPart part;		/* what the target's ledger says */
	bool		part_found;
	bool		part_dirty;		/* to be written with the next batch */
	DbsyncTargetTable *handle;	/* NULL: not looked up yet */
	TimestampTz install_after;	/* lock was not to be had; try again then */
	int			install_failures;
	TimestampTz copy_after;		/* copying failed; try again then */
	int			copy_failures;
	int			oversized;		/* attempts in a row that a too large row has ended */
	bool		note_due;		/* progress is to be noted in the catalog */
	DbsyncTableLock lock;
} DbsyncTable;

typedef struct DbsyncSubscription
{
	MemoryContext context;
	int			id;
	pg_uuid_t	uid;
	const char *name;
	const char *target;
	uint32		anchor_hash;	/* of the function that stands for it, and says who owns it, in
								 * the cache of functions */
	Oid			owner;
	bool		enabled;
	bool		local_only;		/* what others made does not go on */
	char	   *position;		/* pg_snapshot text; NULL: never ran */
	char	   *headers_discarded;	/* pg_snapshot text or NULL */
	bool		adopted;		/* this database is who it was */
	List	   *tables;			/* of DbsyncTable */
	List	   *segments;		/* of DbsyncSegmentInfo: headers' and tables' */
	uint64		generation;		/* of the configuration read */
	bool		settled;		/* found to be so; see dbsync_subscription_is_settled() */
} DbsyncSubscription;

/*
 * Read a subscription in the current transaction (needs SPI, not connected).
 * NULL if there is none.  What the work has found out about tables that "old"
 * has too (same attachment) moves over; old may be NULL and is freed.
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
 * Is no table to be installed or copied, and nothing to be written of it to the ledger
 * or noted?  Stays so until the configuration or the ledger is read again: of many
 * tables, none needs to be looked at for the sake of a batch.
 */
extern bool dbsync_subscription_is_settled(DbsyncSubscription *subscription);

/*
 * The role that owns the table now: as whom to read its values (dbsync_owner_begin()).
 * Of a table that is gone, who had it last.  Its name in messages is put right too.
 */
extern Oid	dbsync_table_owner(DbsyncTable *table);

/* Do rows of this table travel (wholly or in part)? */
extern bool dbsync_table_flows(const DbsyncTable *table);

/* Write state and progress of a table to the source (current transaction). */
extern void dbsync_subscription_write_table(DbsyncSubscription *subscription,
											DbsyncTable *table, DbsyncTableState state);

/*
 * Take one table out of this subscription until copy_table(): its rows are passed
 * over from now on.  The note says why in table_status (current transaction).
 */
extern void dbsync_subscription_suspend(DbsyncSubscription *subscription,
										DbsyncTable *table, const char *note);

/* First position, or one that the target has on its disk (current transaction). */
extern void dbsync_subscription_write_position(DbsyncSubscription *subscription,
											   const char *position);

/* What has been emptied by now, of headers and tables (current transaction). */
extern void dbsync_subscription_reread_discarded(DbsyncSubscription *subscription);

#endif							/* DBSYNC_WORKER_SUBSCRIPTION_H */
