/*-------------------------------------------------------------------------
 *
 * worker/bundle/tar.h
 *	  Headers of members: canonical ones, written and read.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BUNDLE_TAR_H
#define DBSYNC_WORKER_BUNDLE_TAR_H

#include "postgres.h"

#include "worker/bundle/bundle.h"

/* bytes in a member, at most: eleven octal digits */
#define DBSYNC_TAR_SIZE_LIMIT	INT64CONST(0x1FFFFFFFF)

/* Bytes of zeros behind so many bytes of content. */
#define dbsync_tar_padding(size) \
	((int) ((DBSYNC_BUNDLE_BLOCK - (size) % DBSYNC_BUNDLE_BLOCK) % DBSYNC_BUNDLE_BLOCK))

/*
 * Make the header of a member: DBSYNC_BUNDLE_BLOCK bytes.  The caller sees to it that the name has no more than
 * DBSYNC_BUNDLE_NAME_LIMIT bytes, and the size is not beyond DBSYNC_TAR_SIZE_LIMIT.
 */
extern void dbsync_tar_header(const char *name, int64 size, char *block);

/*
 * Read one: "name" has room for DBSYNC_BUNDLE_NAME_LIMIT bytes and a zero.  False unless it is, byte for byte, the header that
 * dbsync_tar_header() makes of the name and size found.
 */
extern bool dbsync_tar_read(const char *block, char *name, int64 *size);

/* Nothing but zeros? */
extern bool dbsync_tar_is_zero(const char *data, size_t length);

#endif							/* DBSYNC_WORKER_BUNDLE_TAR_H */
