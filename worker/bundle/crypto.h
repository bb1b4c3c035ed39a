/*-------------------------------------------------------------------------
 *
 * worker/bundle/crypto.h
 *	  What all users of libcrypto share: is it the one we were built for, what did it say, SHA-256.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BUNDLE_CRYPTO_H
#define DBSYNC_WORKER_BUNDLE_CRYPTO_H

#include "extension/compat.h"

/* Error unless the library that runs is of the major that we were built with.  Cheap. */
extern void dbsync_crypto_check(void);

/* What libcrypto says of its last failure, for a detail; its list of errors is emptied.  Never content of keys. */
extern const char *dbsync_crypto_words(void);

/* Raise an error of libcrypto's: "doing" is what could not be done. */
pg_noreturn extern void dbsync_crypto_failed(const char *doing);

/* SHA-256 of a stream; for as many streams as wanted, one after the other.  Goes with its memory context. */
typedef struct DbsyncHash DbsyncHash;

extern DbsyncHash *dbsync_hash_create(void);
extern void dbsync_hash_begin(DbsyncHash *hash);
extern void dbsync_hash_add(DbsyncHash *hash, const void *data, size_t length);
/* digest: DBSYNC_BUNDLE_HASH bytes */
extern void dbsync_hash_end(DbsyncHash *hash, uint8 *digest);

/* "hex" has room for DBSYNC_BUNDLE_HEX bytes. */
extern void dbsync_hash_hex(const uint8 *digest, char *hex);

#endif							/* DBSYNC_WORKER_BUNDLE_CRYPTO_H */
