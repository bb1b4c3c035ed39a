/*-------------------------------------------------------------------------
 *
 * worker/bundle/secret.h
 *	  Files with private keys: read and written so that nobody else sees them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BUNDLE_SECRET_H
#define DBSYNC_WORKER_BUNDLE_SECRET_H

#include "postgres.h"

#include <openssl/evp.h>

/* largest file that is read */
#define DBSYNC_SECRET_LIMIT		(1024 * 1024)

/*
 * All of a file of PEM, a zero behind it; error with "what", which it is called in messages, if it is no regular file, too large, or (if
 * it is "secret") others than the server's account may read it.  The caller cleans what is secret.
 */
extern char *dbsync_secret_read(const char *path, const char *what, bool secret, size_t *length);

/* The private key in a file that is a secret; the caller frees it.  Errors never tell a byte of it. */
extern EVP_PKEY *dbsync_secret_read_key(const char *path, const char *what);

/* Make a file with a secret, mode 0600, on disk when this returns; error if there is one. */
extern void dbsync_secret_write(const char *path, const char *data, size_t length);

/* For libcrypto: there is nobody to be asked for a password. */
extern int	dbsync_secret_no_password(char *buffer, int size, int writing, void *arg);

#endif							/* DBSYNC_WORKER_BUNDLE_SECRET_H */
