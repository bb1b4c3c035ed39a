/*-------------------------------------------------------------------------
 *
 * worker/bundle/prove.h
 *	  Is a file what somebody has signed?  One pass, nothing parsed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BUNDLE_PROVE_H
#define DBSYNC_WORKER_BUNDLE_PROVE_H

#include "worker/bundle/bundle.h"

typedef struct DbsyncProveMember
{
	const char *name;			/* without the folder */
	int64		at;				/* of its content in the file */
	int64		size;
} DbsyncProveMember;

typedef struct DbsyncProof
{
	char	   *folder;
	int			nmembers;
	DbsyncProveMember *members; /* FORMAT first, SHA256SUMS and its signature last */
	uint8		sums[DBSYNC_BUNDLE_HASH];
	int64		length;			/* of the file */
} DbsyncProof;

/*
 * Read an open file from its beginning: headers, sums, signature by one of the keys.  GOOD says that all of it is signed, and
 * nothing of what is in it.  Else *reason says why not.  Errors are raised of the disk and of memory.
 */
extern DbsyncBundleVerdict dbsync_prove(int fd, const char *path, List *keys, DbsyncProof *proof,
										const char **reason);

#endif							/* DBSYNC_WORKER_BUNDLE_PROVE_H */
