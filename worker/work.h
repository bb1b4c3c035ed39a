/*-------------------------------------------------------------------------
 *
 * worker/work.h
 *	  One subscription being worked on: what the rooms of the worker share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_WORK_H
#define DBSYNC_WORKER_WORK_H

#include "nodes/bitmapset.h"
#include "utils/uuid.h"

#include "extension/settings.h"
#include "worker/driver/driver.h"
#include "worker/position.h"
#include "worker/subscription.h"

/*
 * How rows of the next batch are sent.  Each does what those before it do, and more, so
 * what two attempts have met is answered by the greater.
 */
typedef enum DbsyncSendAs
{
	DBSYNC_SEND_AS_USUAL,
	DBSYNC_SEND_WHOLE_ROWS,		/* a row was missing at the target: no column stays open,
								 * so that each can be inserted */
	DBSYNC_SEND_REPLACE_ALL,	/* rows clashed there: all are deleted, then inserted; tied tables are
								 * written by one statement */
	DBSYNC_SEND_DOUBTED			/* a row was refused for what it is: it is found, and its key is parked */
} DbsyncSendAs;

typedef struct DbsyncWork
{
	MemoryContext context;		/* as long as the worker */
	MemoryContext batch_context;	/* reset for each batch */
	int			subscription_id;
	uint64		run;			/* not 0: works for this run_once call, or */
	bool		for_verify;		/* ... for a verify(): sends what is pending, and compares nothing by itself */
	DbsyncSubscription *subscription;

	/* the target; NULL when not connected */
	DbsyncTarget *target;
	MemoryContext target_context;
	List	   *target_identities;	/* all whom the target has been: what has been
									 * there does not go back */
	List	   *stale_parts;	/* of DbsyncLedgerPart: of tables no longer in it */
	List	   *row_types;		/* by which rows are written out; see worker/row_types.c */
	DbsyncLedger ledger;		/* its row, as last read or written */

	/* where the target is, and the window being worked off */
	MemoryContext position_context;
	DbsyncPosition position;
	struct DbsyncWindow *window;		/* NULL: none begun */
	bool		caught_up;		/* the last round came as far as its own snapshot */
	DbsyncSendAs send_as;		/* by what the last attempt met */

	/* further connections, for first copies */
	struct DbsyncSide *sides[DBSYNC_MAX_COPY_CONNECTIONS - 1];
	int			nsides;
	TimestampTz sides_after;	/* one was not to be had; try again then */

	int			blamed;			/* captured id of the table being copied from, or 0 */
	bool		copy_failed;	/* the last attempt did, in a table's copy */
	bool		scan_failed;	/* or because of one that is scanned */
	int			comparing;		/* captured id of the table that is being compared, with its shadow or with the target, or 0 */
	bool		scans_by_round; /* tables are scanned, or compared, once a round of the policy, and not by their own clock */
	bool		unsure;			/* it has sent several tables, any of which may be what failed as it ended */

	bool		counts;			/* this batch has rows in mode COUNT */
	int			sending;		/* captured id of the table whose rows are under way, or 0 */
	int			completing;		/* the same, if they are completed from the table, or 0 */
	int			repairing;		/* the same, if they are sent anew for who verifies, or 0 */
	int			crowded;		/* of the table whose repair has met rows that are in the way, until that is over, or 0 */
	int			suspend_due;	/* of one that has a row too large to be sent, or 0 */
	ErrorData  *suspended_for;	/* what was said of the last such row */

	bool		lock_due;		/* the last attempt should have locked a table to be read, */
	bool		lock_all;		/* so the next one locks all of them */

	/* tables that are held, or to be: see worker/batch/held.h */
	int			asking;			/* captured id of the one that the target is asked about, or 0 */
	int			catching;		/* of the one that a batch is for that lets it catch up, or 0 */
	int			looking_anew;	/* of one whose types are looked at again before it is held, or 0 */
	int			hold_due;		/* of one that is to be held, or 0 */
	pg_uuid_t	hold_uid;		/* its attachment */
	bool		held_failed;	/* the last attempt to catch up did */
	struct DbsyncWindow *held_window;	/* what the one catching up lacks; NULL: none begun */
	int			held_window_of;
	DbsyncSendAs held_send_as;	/* by what the last attempt to catch up met */
	DbsyncSendAs others_send_as;	/* while one catches up: send_as of the others */

	/* rows that the target refuses: see worker/batch/quarantine.h */
	bool		parks;			/* what is parked was read as that of a subscription that parks rows */
	List	   *late;			/* of char *: what the next batch is to check with each row; in context */
	List	   *parked_read;	/* of DbsyncParkedRow: all that was parked as this connection began, in target_context; to be noted, ... */
	bool		parked_read_due;	/* ... if this is set; then */
	List	   *parked_news;	/* of DbsyncParkedRow: not noted in the catalog yet; in target_context, too: */
	List	   *parked_done;	/* of DbsyncParkedAnswer (worker/batch/retry.h) */
	int			refused;		/* captured id of the table whose rows the last attempt could not park, or 0 */
	int			parked_seen;	/* so many of target->parked are known before the batch is committed */
	int			parked_new;		/* so many of these were not parked before */

	DbsyncScanMark mark;		/* of this batch: see worker/copy/scanning.h */

	/* answers to wait_for */
	uint64		asked;			/* tickets known when the window was begun */
	uint64		fed_asked;		/* and when keys were read from the WAL last */
	uint64		answer_due;		/* up to this one they are to be answered: see worker/batch/confirm.h */

	TimestampTz upkeep_due;		/* when the target's driver wants to see to things; see worker/run/target_upkeep.h */
	int			chain_failures; /* attempts in a row to begin another chain by the clock, */
	TimestampTz chain_after;	/* and when the next one may be */

	/* retention */
	TimestampTz retention_due;
	bool		retention_needed;	/* something was captured, or was left over */
	TimestampTz confirm_due;	/* when the target is asked to put what it has on its disk; 0: it has */
	Bitmapset  *grown;			/* captured ids of which something was captured since segments
								 * were looked at; in context */
	bool		any_grown;		/* any of them may have more, as after a rollback */
	int			cached;			/* tables that were looked into since caches were trimmed */
	int			opened;			/* target tables that were opened on this connection, about */
	uint64		openings;		/* goes up as a table may have been opened, or tables are others */
	List	   *open;			/* those that were open at one of these: see choose_tables.c; in context */
	uint64		open_as_of;
	int64		uses;			/* batches that opened target tables: see DbsyncTable.used */

	struct DbsyncSequences *sequences;	/* see worker/sequence.h; NULL: not read yet */

	int64		rows;			/* applied since start (run_once reports it) */
} DbsyncWork;

#endif							/* DBSYNC_WORKER_WORK_H */
