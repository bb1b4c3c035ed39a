/*-------------------------------------------------------------------------
 *
 * worker/driver/file/receipts.h
 *	  File driver: what receivers have said, and what has been sent again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_FILE_RECEIPTS_H
#define DBSYNC_WORKER_DRIVER_FILE_RECEIPTS_H

#include "worker/driver/file/internal.h"

/* numbers of a chain, both ends included */
typedef struct FileRange
{
	int64		from;
	int64		to;
} FileRange;

/* the last word of a receiver */
typedef struct FileReceipt
{
	char	   *line;			/* as it came, without its signature */
	char	   *receiver;		/* its uuid */
	char	   *name;
	int64		count;			/* grows; of two the one that has more is the later one */
	int64		chain;
	int64		applied;		/* number of the last bundle that it has played */
	char	   *sha256;			/* beginning of that one's hash, or "-" */
	List	   *missing;		/* of FileRange */
	char	   *refused;		/* number:SQLSTATE, or "-" */
	TimestampTz taken;			/* when we had it */
} FileReceipt;

/* in place of how often it was sent again: it could not be */
#define DBSYNC_FILE_DAMAGED		(-1)

/* a bundle that was published again because somebody lacked it */
typedef struct FileResent
{
	FileName	name;
	int			times;
	TimestampTz last;
} FileResent;

/* What a subscription's receivers have said so far: its file in keep. */
typedef struct FileReceipts
{
	List	   *receipts;		/* of FileReceipt, one a receiver */
	List	   *resent;			/* of FileResent */
} FileReceipts;

/* A receipt's line; NULL: it is none.  In CurrentMemoryContext. */
extern FileReceipt *dbsync_file_receipt_parse(const char *line);

/* Into CurrentMemoryContext: what is kept; and back to the disk. */
extern FileReceipts *dbsync_file_receipts_read(const FileTarget *target);
extern void dbsync_file_receipts_write(FileTarget *target, const FileReceipts *receipts);

/* Is it of a receiver of this name?  Names come in one word, or as they are. */
extern bool dbsync_file_receipt_is_of(const FileReceipt *receipt, const char *name);

/* Of the present chain: the receiver's, by name; NULL: it has said nothing. */
extern FileReceipt *dbsync_file_receipts_find(const FileTarget *target, const FileReceipts *receipts, const char *name);

/* What all receivers have that are named in the options; 0 where one has not said so. */
extern int64 dbsync_file_receipts_applied(const FileTarget *target, const FileReceipts *receipts);

extern FileResent *dbsync_file_resent_find(const FileReceipts *receipts, const FileName *name);

/* Take what has come. */
extern void dbsync_file_receipts_take(FileTarget *target, FileReceipts *receipts);

/*
 * Is a kept file still what was signed?  What is in out is the same file: whoever can write there writes to what is kept.  If
 * not, a warning says so.  "keys": those of the root, NIL for the first time.
 */
extern bool dbsync_file_proves_itself(const FileTarget *target, const FileName *name, List **keys);

/* Publish again what receivers lack, or have said nothing of for long; true: that is to be kept. */
extern bool dbsync_file_resend(FileTarget *target, FileReceipts *receipts);

/*
 * Those of the present chain that say something is missing (List of FileReceipt); not the last words of one in whose place
 * there is another one of its name.
 */
extern List *dbsync_file_asking(const FileTarget *target, const FileReceipts *receipts);

/* What people are to see to, in the target's "lack". */
extern void dbsync_file_tell_lack(FileTarget *target, const FileReceipts *receipts);

#endif							/* DBSYNC_WORKER_DRIVER_FILE_RECEIPTS_H */
