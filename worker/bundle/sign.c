/*-------------------------------------------------------------------------
 *
 * worker/bundle/sign.c
 *	  Ed25519 by libcrypto: keys in PEM, signatures.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "utils/palloc.h"

#include "worker/bundle/bundle.h"
#include "worker/bundle/crypto.h"
#include "worker/bundle/folder.h"
#include "worker/bundle/secret.h"
#include "worker/bundle/sign.h"

struct DbsyncSigner
{
	MemoryContextCallback cleanup;
	EVP_PKEY   *key;
	uint8		public_key[DBSYNC_BUNDLE_KEY];
};

static void
free_signer(void *arg)
{
	DbsyncSigner *signer = arg;

	EVP_PKEY_free(signer->key);
	signer->key = NULL;
}

static DbsyncSigner *
new_signer(void)
{
	DbsyncSigner *signer = palloc0(sizeof(DbsyncSigner));

	dbsync_crypto_check();
	signer->cleanup.func = free_signer;
	signer->cleanup.arg = signer;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &signer->cleanup);
	return signer;
}

/* What a BIO in memory has collected; the BIO is gone then. */
static char *
take_text(BIO *bio)
{
	char	   *data;
	long		length = BIO_get_mem_data(bio, &data);
	char	   *text = MemoryContextAllocExtended(CurrentMemoryContext, length + 1, MCXT_ALLOC_NO_OOM);

	if (text != NULL)
	{
		memcpy(text, data, length);
		text[length] = '\0';
		OPENSSL_cleanse(data, length);
	}
	BIO_free(bio);
	if (text == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return text;
}

static char *
public_pem(EVP_PKEY *key)
{
	BIO		   *bio = BIO_new(BIO_s_mem());

	if (bio == NULL || PEM_write_bio_PUBKEY(bio, key) != 1)
	{
		BIO_free(bio);
		dbsync_crypto_failed("write a public key");
	}
	return take_text(bio);
}

void
dbsync_sign_make(const char *path, char **public)
{
	DbsyncSigner *signer = new_signer();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, NULL);
	bool		made = context != NULL && EVP_PKEY_keygen_init(context) == 1 &&
		EVP_PKEY_keygen(context, &signer->key) == 1;
	BIO		   *bio;
	char	   *pem;

	EVP_PKEY_CTX_free(context);
	if (!made)
		dbsync_crypto_failed("make a key");
	*public = public_pem(signer->key);
	bio = BIO_new(BIO_s_mem());
	if (bio == NULL || PEM_write_bio_PrivateKey(bio, signer->key, NULL, NULL, 0, NULL, NULL) != 1)
	{
		BIO_free(bio);
		dbsync_crypto_failed("write a key");
	}
	pem = take_text(bio);
	dbsync_secret_write(path, pem, strlen(pem));
	OPENSSL_cleanse(pem, strlen(pem));
	free_signer(signer);
}

DbsyncSigner *
dbsync_sign_load(const char *path, const char *what)
{
	DbsyncSigner *signer = new_signer();
	size_t		length = DBSYNC_BUNDLE_KEY;

	signer->key = dbsync_secret_read_key(path, what);
	if (EVP_PKEY_get_base_id(signer->key) != EVP_PKEY_ED25519)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s \"%s\" has no Ed25519 key", what, path),
				 errhint("openssl genpkey -algorithm ED25519 makes one.")));
	if (EVP_PKEY_get_raw_public_key(signer->key, signer->public_key, &length) != 1)
		dbsync_crypto_failed("read a key");
	return signer;
}

char *
dbsync_sign_public_pem(const DbsyncSigner *signer)
{
	return public_pem(signer->key);
}

const uint8 *
dbsync_sign_public_key(const DbsyncSigner *signer)
{
	return signer->public_key;
}

void
dbsync_sign(DbsyncSigner *signer, const void *data, size_t length, uint8 *signature)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t		room = DBSYNC_BUNDLE_SIGNATURE;
	bool		signed_it = context != NULL &&
		EVP_DigestSignInit(context, NULL, NULL, NULL, signer->key) == 1 &&
		EVP_DigestSign(context, signature, &room, data, length) == 1;

	EVP_MD_CTX_free(context);
	if (!signed_it || room != DBSYNC_BUNDLE_SIGNATURE)
		dbsync_crypto_failed("sign");
}

bool
dbsync_sign_holds(const uint8 *key, const void *data, size_t length, const uint8 *signature)
{
	EVP_PKEY   *public = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, DBSYNC_BUNDLE_KEY);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool		holds = public != NULL && context != NULL &&
		EVP_DigestVerifyInit(context, NULL, NULL, NULL, public) == 1 &&
		EVP_DigestVerify(context, signature, DBSYNC_BUNDLE_SIGNATURE, data, length) == 1;

	EVP_MD_CTX_free(context);
	EVP_PKEY_free(public);
	ERR_clear_error();
	return holds;
}

uint8 *
dbsync_sign_read_public(const char *pem)
{
	BIO		   *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY   *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, dbsync_secret_no_password, NULL) : NULL;
	uint8		raw[DBSYNC_BUNDLE_KEY];
	size_t		length = sizeof(raw);
	bool		usable = key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 &&
		EVP_PKEY_get_raw_public_key(key, raw, &length) == 1 && length == sizeof(raw);
	uint8	   *copy;

	EVP_PKEY_free(key);
	BIO_free(bio);
	ERR_clear_error();
	if (!usable)
		return NULL;
	copy = palloc(DBSYNC_BUNDLE_KEY);
	memcpy(copy, raw, DBSYNC_BUNDLE_KEY);
	return copy;
}
