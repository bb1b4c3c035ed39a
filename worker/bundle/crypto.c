/*-------------------------------------------------------------------------
 *
 * worker/bundle/crypto.c
 *	  What all users of libcrypto share: is it the one we were built for, what did it say, SHA-256.
 *
 * NOTES
 *	  Not pg_cryptohash_create(): what that makes goes with the transaction, and a bundle is written over several.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "utils/palloc.h"

#include "worker/bundle/bundle.h"
#include "worker/bundle/crypto.h"

struct DbsyncHash
{
	MemoryContextCallback cleanup;
	EVP_MD_CTX *context;
};

void
dbsync_crypto_check(void)
{
	unsigned long here = OpenSSL_version_num() >> 28;
	unsigned long built = OPENSSL_VERSION_NUMBER >> 28;

	if (here != built)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("dbsync was built with OpenSSL %lu, and the server runs with OpenSSL %lu", built, here),
				 errhint("Build dbsync anew on this system.")));
}

const char *
dbsync_crypto_words(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return reason ? reason : "unknown error";
}

void
dbsync_crypto_failed(const char *doing)
{
	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("libcrypto could not %s: %s", doing, dbsync_crypto_words())));
}

static void
free_hash(void *arg)
{
	DbsyncHash *hash = arg;

	EVP_MD_CTX_free(hash->context);
	hash->context = NULL;
}

DbsyncHash *
dbsync_hash_create(void)
{
	DbsyncHash *hash = palloc0(sizeof(DbsyncHash));

	dbsync_crypto_check();
	hash->cleanup.func = free_hash;
	hash->cleanup.arg = hash;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &hash->cleanup);
	hash->context = EVP_MD_CTX_new();
	if (hash->context == NULL)
		dbsync_crypto_failed("make a hash");
	return hash;
}

void
dbsync_hash_begin(DbsyncHash *hash)
{
	if (EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL) != 1)
		dbsync_crypto_failed("make a hash");
}

void
dbsync_hash_add(DbsyncHash *hash, const void *data, size_t length)
{
	if (EVP_DigestUpdate(hash->context, data, length) != 1)
		dbsync_crypto_failed("make a hash");
}

void
dbsync_hash_end(DbsyncHash *hash, uint8 *digest)
{
	if (EVP_DigestFinal_ex(hash->context, digest, NULL) != 1)
		dbsync_crypto_failed("make a hash");
}

void
dbsync_hash_hex(const uint8 *digest, char *hex)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < DBSYNC_BUNDLE_HASH; i++)
	{
		*hex++ = digits[digest[i] >> 4];
		*hex++ = digits[digest[i] & 15];
	}
	*hex = '\0';
}
