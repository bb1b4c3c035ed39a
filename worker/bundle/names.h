/*-------------------------------------------------------------------------
 *
 * worker/bundle/names.h
 *	  What members are called, and the folder that they are in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BUNDLE_NAMES_H
#define DBSYNC_WORKER_BUNDLE_NAMES_H

#include "utils/uuid.h"

#include "worker/bundle/bundle.h"

#define DBSYNC_NAMES_FORMAT		"FORMAT"
#define DBSYNC_NAMES_LOAD		"load.sql"
#define DBSYNC_NAMES_CONTENTS	"contents.json"
#define DBSYNC_NAMES_HEAD		"bundle.json"
#define DBSYNC_NAMES_SUMS		"SHA256SUMS"
#define DBSYNC_NAMES_SIGNATURE	"SHA256SUMS.sig"
#define DBSYNC_NAMES_SEALED		".cms"

/*
 * Members in a bundle, at most: what a reader keeps of each before it knows who made it must not be much; the longest
 * folder leaves room for six digits.
 */
#define DBSYNC_NAMES_LIMIT		100000

/* What stands behind the number of a member with rows. */
extern const char *dbsync_names_suffix(bool zipped, bool sealed);

/* A name in one word of letters, digits, "_", "." and "-"; every other byte of it, as UTF-8, is %XX. */
extern char *dbsync_names_word(const char *name);

/* dbsync_bundle_folder(), for a name that is UTF-8. */
extern char *dbsync_names_folder(const char *name, const pg_uuid_t *subscription, int64 chain, int64 number);

#endif							/* DBSYNC_WORKER_BUNDLE_NAMES_H */
