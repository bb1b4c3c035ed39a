/*-------------------------------------------------------------------------
 *
 * worker/receive/receive.h
 *	  A receiver: what it is told, and what the rooms of one share.
 *
 * A receiver takes bundles out of a folder, proves them, keeps what has been proved in a folder of its own (the cache), and
 * plays them to a target in the order of their chain.  How far it has come is in the target's ledger, and nowhere else:
 * what the catalog says of it is for people, and for what was known before the target went back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RECEIVE_RECEIVE_H
#define DBSYNC_WORKER_RECEIVE_RECEIVE_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/palloc.h"
#include "utils/uuid.h"

#include "worker/bundle/bundle.h"
#include "worker/bundle/seal.h"
#include "worker/work.h"

/* files that were refused are kept, up to so many, and so many bytes */
#define DBSYNC_REJECTED_FILES	100
#define DBSYNC_REJECTED_BYTES	(1024 * 1024 * 1024)

/* as dbsync.receiver has it; read anew for each round */
typedef struct DbsyncReceiver
{
	MemoryContext context;
	int			id;
	pg_uuid_t	uid;
	const char *name;
	const char *target;
	const char *policy;
	Oid			owner;
	bool		enabled;
	bool		adopted;		/* this database is who it was */
	bool		may_files;		/* the owner may read and write the server's files, */
	bool		may_wrapper;	/* and have receivers at all */
	List	   *keys;			/* of uint8 *: public keys, DBSYNC_BUNDLE_KEY bytes each */
	bool		knows_subscription;
	pg_uuid_t	subscription;

	/* folders */
	const char *root;
	const char *in;
	const char *cache;			/* of the subscription; NULL: not known yet */
	const char *tmp;
	const char *rejected;
	const char *receipts;

	/* options; times in microseconds */
	bool		remove;			/* files from "in", once they are kept or refused */
	bool		applies_ddl;
	int64		partial_after;
	int64		gap_after;
	int64		settle_after;	/* before this a file that is not right may be one that is still written */
	int64		keep_applied;
	int64		receipt_every;
	int64		cache_size;		/* bytes */
	const char *existing_rows;	/* keep, truncate, or NULL */
	const char *identity_file;	/* or NULL */
	const char *receipt_key_file;	/* or NULL */

	/* what the catalog knows of how far it has come */
	int64		chain;			/* 0: nothing yet */
	int64		number;
	int			nchains;		/* chains of which anything was applied, ascending */
	int64	   *chains;
	int64		receipts_written;	/* count of the last one */
} DbsyncReceiver;

/* a bundle that was proved, in the cache */
typedef struct DbsyncCached
{
	int64		chain;
	int64		number;
	int64		size;
	bool		known;			/* the rest has been read since this process began */
	int64		batch;
	int			part;
	bool		last;
	int64		rows;
	TimestampTz time;
	char		previous[DBSYNC_BUNDLE_HEX];
	char		sums[DBSYNC_BUNDLE_HEX];
} DbsyncCached;

/* where the target is in its chain, as its ledger says */
typedef struct DbsyncPlace
{
	int64		chain;			/* 0: there is no ledger */
	int64		number;			/* 0: it has begun the chain, and no more */
	int64		batch;
	char		sums[DBSYNC_BUNDLE_HEX];
} DbsyncPlace;

/* why it does not go on by itself */
typedef enum DbsyncStop
{
	DBSYNC_STOP_NONE,
	DBSYNC_STOP_FORK,
	DBSYNC_STOP_BROKEN,			/* chain */
	DBSYNC_STOP_MISSING_ROW,
	DBSYNC_STOP_TOO_NEW,
	DBSYNC_STOP_LEDGER			/* the target has lost it, or it cannot be believed */
} DbsyncStop;

/* one receiver being worked on */
typedef struct DbsyncReceiving
{
	DbsyncWork *work;			/* the target, its ledger and identities; "rows" counts batches */
	DbsyncReceiver *receiver;
	MemoryContext lock_context; /* holds the lock on the folder; NULL: not locked */
	char	   *locked;			/* the root that is */
	char	   *called;			/* the subscription, by the source; NULL: nothing has said so yet */
	DbsyncPlace place;			/* as of the ledger; of the catalog while there is no target */
	bool		place_known;	/* it is the ledger's */
	const char *damage;			/* why what the ledger says cannot be believed; NULL: it can */
	DbsyncStop	stop;			/* what was raised last was this */
	int64		careful_batch;	/* this batch is played with care; 0: none is */
	int64		careful_chain;
	bool		careful_replaces;	/* as a stage had no room for one of its rows */

	/* what the inbox has told, see take.h */
	int64		fork_number;	/* a file there forks the chain behind this; 0: none does */
	const char *too_new;		/* what a file there wants; NULL: nothing is too new */
	int			partial;		/* files that have been incomplete for too long */
	int			older;			/* of chains that came before, and that are not known */
	int			unjudged;		/* that may have been played: the target has not been asked */
	int64		rejected;		/* since it began */
	int			rejected_last;	/* since a good one came */
	bool		inbox_made;		/* it had gone, and was made anew: nothing good has come since */
	int64		duplicates;
	ErrorData  *trouble;		/* what the first file of this round has raised; NULL: none has */

	/* what is waited for */
	int64		waits_for;		/* number; 0: for none */
	int64		waits_chain;
	TimestampTz waits_since;
	TimestampTz played_at;		/* when the last batch was */
	TimestampTz played_time;	/* and what time it was at the source when that began */
	bool		progress_due;	/* the catalog does not know yet */
	bool		unsettled;		/* a round has ended with an error: what it has played is to be settled first, */
	bool		settling;		/* which is going on */

	/* the batch that was refused last, for the receipt */
	int64		refused_number; /* its first bundle; 0: none was */
	int			refused_sqlstate;
	bool		refused_copies; /* it has rows of first copies, and the target checks foreign keys */
} DbsyncReceiving;

#endif							/* DBSYNC_WORKER_RECEIVE_RECEIVE_H */
