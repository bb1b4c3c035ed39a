/*-------------------------------------------------------------------------
 *
 * worker/bundle/seal.h
 *	  Encryption of a member: CMS messages (AuthEnvelopedData, AES-256-GCM) to X.509 recipients, by libcrypto.
 *
 * A sealed member is one message behind the other, each of at most DBSYNC_BUNDLE_SEAL_LIMIT bytes of content,
 * in DER.  Content is passed on when its tag has held, never before.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BUNDLE_SEAL_H
#define DBSYNC_WORKER_BUNDLE_SEAL_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* both go with the memory context that they were made in */
typedef struct DbsyncSealer DbsyncSealer;
typedef struct DbsyncUnsealer DbsyncUnsealer;

/* The certificates (PEM) in a file; error, with the position of the certificate, for what CMS cannot use. */
extern DbsyncSealer *dbsync_seal_load(const char *path, const char *what);

/* A key and its certificate (PEM) in a file; error if others may read it. */
extern DbsyncUnsealer *dbsync_unseal_load(const char *path, const char *what);

/* Append one message with this content. */
extern void dbsync_seal(DbsyncSealer *sealer, const void *data, size_t length, StringInfo message);

/*
 * Open the message that "data" begins with: append its content, and return the length of the message; 0: there is not
 * all of it.  Error if it is no message to us, or was changed.
 */
extern size_t dbsync_unseal(DbsyncUnsealer *unsealer, const void *data, size_t length, StringInfo content);

#endif							/* DBSYNC_WORKER_BUNDLE_SEAL_H */
