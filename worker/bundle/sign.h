/*-------------------------------------------------------------------------
 *
 * worker/bundle/sign.h
 *	  Ed25519 by libcrypto: keys in PEM, signatures.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BUNDLE_SIGN_H
#define DBSYNC_WORKER_BUNDLE_SIGN_H

#include "postgres.h"

/* a private key; goes with the memory context that it was made in */
typedef struct DbsyncSigner DbsyncSigner;

/*
 * Make a pair of keys: "path" gets the private one (PEM, mode 0600, on disk when this returns; must not be there), and
 * *public_pem is the public one.
 */
extern void dbsync_sign_make(const char *path, char **public_pem);

/*
 * Read a private key.  Error (never with a byte of the file) if others may read it, or it is no Ed25519 key;
 * "what" is what the file is called in messages.
 */
extern DbsyncSigner *dbsync_sign_load(const char *path, const char *what);

/* Its public key. */
extern char *dbsync_sign_public_pem(const DbsyncSigner *signer);
extern const uint8 *dbsync_sign_public_key(const DbsyncSigner *signer);

/* signature: DBSYNC_BUNDLE_SIGNATURE bytes */
extern void dbsync_sign(DbsyncSigner *signer, const void *data, size_t length, uint8 *signature);
extern bool dbsync_sign_holds(const uint8 *key, const void *data, size_t length, const uint8 *signature);

/* A public key from PEM; NULL: it is none, or of another kind. */
extern uint8 *dbsync_sign_read_public(const char *pem);

#endif							/* DBSYNC_WORKER_BUNDLE_SIGN_H */
