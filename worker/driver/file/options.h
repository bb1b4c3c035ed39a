/*-------------------------------------------------------------------------
 *
 * worker/driver/file/options.h
 *	  File driver: which options a target takes, and what they say.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_FILE_OPTIONS_H
#define DBSYNC_WORKER_DRIVER_FILE_OPTIONS_H

#include "fmgr.h"
#include "nodes/pg_list.h"

#include "worker/driver/driver.h"

/* what is handed over beside the options of the server, by whoever opens a target */
#define DBSYNC_FILE_PUBLIC_KEY	"public_key"	/* PEM: the only key that the root may have */
#define DBSYNC_FILE_NEW_KEY		"new_key"	/* a root without a key gets one, whatever is in it */

typedef struct FileOptions
{
	const char *root;
	int			level;			/* of zstd; 0: not zipped */
	int64		part_size;		/* bytes, from which on a batch goes on in another file */
	bool		whole_rows;		/* no column stays open */
	int64		heartbeat;		/* ms without a bundle; 0: none for the sake of that */
	List	   *receivers;		/* of char *: names; NIL: there is no way back */
	int64		keep_for;		/* ms */
	int64		keep_size;		/* bytes; 0: no matter */
	int64		resend_after;	/* ms */
	int			repeats;		/* so often more, where there is no way back */
	int64		full_every;		/* ms; 0: never */
	const char *recipients;		/* file of certificates; NULL: not encrypted */
	const char *receipt_keys;	/* file of public keys; NULL: receipts need no signature */
	const char *suffix;			/* of files in out */
	const char *public_key;
	bool		new_key;
} FileOptions;

/* Into CurrentMemoryContext; error for what is none. */
extern void dbsync_file_options_read(List *options, FileOptions *read);

/* As DbsyncDriver.options, and DbsyncDriver.parse_uri. */
extern const DbsyncOption *dbsync_file_options(void);
extern List *dbsync_file_parse_uri(const char *uri);

extern PGDLLEXPORT Datum dbsync_file_validator(PG_FUNCTION_ARGS);

#endif							/* DBSYNC_WORKER_DRIVER_FILE_OPTIONS_H */
