/*-------------------------------------------------------------------------
 *
 * worker/bundle/seal.c
 *	  Encryption of a member: CMS messages (AuthEnvelopedData, AES-256-GCM) to X.509 recipients, by libcrypto.
 *
 * NOTES
 *	  libcrypto reads a message whole, and hands out what is in it before it has looked at the tag: so messages are
 *	  small, and their content goes nowhere before CMS_decrypt() has said that all of it is right.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "utils/palloc.h"

#include "worker/bundle/bundle.h"
#include "worker/bundle/crypto.h"
#include "worker/bundle/seal.h"
#include "worker/bundle/secret.h"

/* recipients, at most, and the bytes that they may add to a message */
#define SEAL_RECIPIENTS		100
#define SEAL_OVERHEAD		(256 * 1024)

struct DbsyncSealer
{
	MemoryContextCallback cleanup;
	STACK_OF(X509) *recipients;
};

struct DbsyncUnsealer
{
	MemoryContextCallback cleanup;
	EVP_PKEY   *key;
	X509	   *certificate;
};

static void
free_sealer(void *arg)
{
	DbsyncSealer *sealer = arg;

	sk_X509_pop_free(sealer->recipients, X509_free);
	sealer->recipients = NULL;
}

static void
free_unsealer(void *arg)
{
	DbsyncUnsealer *unsealer = arg;

	EVP_PKEY_free(unsealer->key);
	X509_free(unsealer->certificate);
	unsealer->key = NULL;
	unsealer->certificate = NULL;
}

/* A message with this content; NULL: libcrypto could not. */
static CMS_ContentInfo *
make_message(STACK_OF(X509) *recipients, const void *data, size_t length)
{
	BIO		   *content = BIO_new_mem_buf(data, (int) length);
	CMS_ContentInfo *message = content == NULL ? NULL
		: CMS_encrypt(recipients, content, EVP_aes_256_gcm(), CMS_BINARY);

	BIO_free(content);
	return message;
}

/* Can CMS encrypt to it?  That is what tells: libcrypto knows kinds of keys that CMS does not take. */
static bool
is_usable(X509 *certificate)
{
	STACK_OF(X509) *alone = sk_X509_new_null();
	CMS_ContentInfo *message = alone != NULL && sk_X509_push(alone, certificate) > 0 ?
		make_message(alone, "?", 1) : NULL;
	int			length = message ? i2d_CMS_ContentInfo(message, NULL) : -1;

	CMS_ContentInfo_free(message);
	sk_X509_free(alone);
	return length > 0;
}

/* The next certificate of a text; error for one that is none, NULL: there is no further one. */
static X509 *
next_certificate(BIO *bio, int position, const char *path, const char *what)
{
	X509	   *certificate = PEM_read_bio_X509(bio, NULL, dbsync_secret_no_password, NULL);
	bool		none = certificate == NULL;
	bool		ended = none && position > 1 &&
		ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;

	if (!none && is_usable(certificate))
		return certificate;
	X509_free(certificate);
	ERR_clear_error();
	if (ended)
		return NULL;
	BIO_free(bio);
	if (none)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s \"%s\" has no certificate at position %d", what, path, position),
				 errhint("It must have X.509 certificates in PEM, and nothing else.")));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s \"%s\" has a certificate at position %d that cannot be encrypted to", what, path, position),
			 errhint("Its key must be of a kind that CMS takes: RSA, or P-256.")));
}

DbsyncSealer *
dbsync_seal_load(const char *path, const char *what)
{
	DbsyncSealer *sealer = palloc0(sizeof(DbsyncSealer));
	size_t		length;
	char	   *pem = dbsync_secret_read(path, what, false, &length);
	BIO		   *bio;
	X509	   *certificate;

	dbsync_crypto_check();
	sealer->cleanup.func = free_sealer;
	sealer->cleanup.arg = sealer;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &sealer->cleanup);
	sealer->recipients = sk_X509_new_null();
	bio = BIO_new_mem_buf(pem, (int) length);
	if (sealer->recipients == NULL || bio == NULL)
	{
		BIO_free(bio);
		dbsync_crypto_failed("read certificates");
	}
	while ((certificate = next_certificate(bio, sk_X509_num(sealer->recipients) + 1, path, what)) != NULL)
	{
		if (sk_X509_num(sealer->recipients) < SEAL_RECIPIENTS && sk_X509_push(sealer->recipients, certificate) > 0)
			continue;
		X509_free(certificate);
		BIO_free(bio);
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s \"%s\" has more than %d certificates", what, path, SEAL_RECIPIENTS)));
	}
	BIO_free(bio);
	pfree(pem);
	return sealer;
}

DbsyncUnsealer *
dbsync_unseal_load(const char *path, const char *what)
{
	DbsyncUnsealer *unsealer = palloc0(sizeof(DbsyncUnsealer));
	size_t		length;
	char	   *pem;
	BIO		   *bio;

	unsealer->cleanup.func = free_unsealer;
	unsealer->cleanup.arg = unsealer;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &unsealer->cleanup);
	unsealer->key = dbsync_secret_read_key(path, what);
	pem = dbsync_secret_read(path, what, true, &length);
	bio = BIO_new_mem_buf(pem, (int) length);
	unsealer->certificate = bio ? PEM_read_bio_X509(bio, NULL, dbsync_secret_no_password, NULL) : NULL;
	BIO_free(bio);
	OPENSSL_cleanse(pem, length);
	pfree(pem);
	ERR_clear_error();
	if (unsealer->certificate == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s \"%s\" has no certificate", what, path),
				 errhint("It must have the private key and its X.509 certificate, both in PEM.")));
	if (X509_check_private_key(unsealer->certificate, unsealer->key) != 1)
	{
		ERR_clear_error();
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s \"%s\" has a certificate for another key", what, path)));
	}
	return unsealer;
}

void
dbsync_seal(DbsyncSealer *sealer, const void *data, size_t length, StringInfo message)
{
	CMS_ContentInfo *sealed;
	int			size;
	unsigned char *to;

	Assert(length <= DBSYNC_BUNDLE_SEAL_LIMIT);
	/* before libcrypto has anything that an error would leave behind */
	enlargeStringInfo(message, length + SEAL_OVERHEAD);
	sealed = make_message(sealer->recipients, data, length);
	size = sealed ? i2d_CMS_ContentInfo(sealed, NULL) : -1;
	to = (unsigned char *) message->data + message->len;
	if (size > 0 && size <= (int) length + SEAL_OVERHEAD)
		size = i2d_CMS_ContentInfo(sealed, &to);
	else
		size = -1;
	CMS_ContentInfo_free(sealed);
	if (size < 0)
		dbsync_crypto_failed("encrypt");
	message->len += size;
	message->data[message->len] = '\0';
}

/*
 * Bytes of the message that begins here, by its outermost header; 0: that is not all there yet.  Error if it is none of
 * ours: a length that is not given, or is beyond all that we make.
 */
static size_t
message_length(const unsigned char *data, size_t length)
{
	size_t		size = 0;
	int			digits;

	if (data[0] != 0x30)
		return SIZE_MAX;
	if (length < 2)
		return 0;
	if (data[1] < 0x80)
		return 2 + data[1];
	digits = data[1] & 0x7F;
	if (digits < 1 || digits > 3)
		return SIZE_MAX;
	if (length < (size_t) 2 + digits)
		return 0;
	for (int i = 0; i < digits; i++)
		size = size * 256 + data[2 + i];
	size += 2 + digits;
	return size > DBSYNC_BUNDLE_SEAL_LIMIT + SEAL_OVERHEAD ? SIZE_MAX : size;
}

/* What is in a message, in a BIO of its own; NULL: it is not for us, or not what it was. */
static BIO *
open_message(DbsyncUnsealer *unsealer, const unsigned char *data, size_t length)
{
	const unsigned char *at = data;
	CMS_ContentInfo *message = d2i_CMS_ContentInfo(NULL, &at, (long) length);
	BIO		   *content = BIO_new(BIO_s_mem());
	bool		good = message != NULL && content != NULL && at == data + length &&
		OBJ_obj2nid(CMS_get0_type(message)) == NID_id_smime_ct_authEnvelopedData &&
		CMS_decrypt(message, unsealer->key, unsealer->certificate, NULL, content, CMS_BINARY) == 1;

	CMS_ContentInfo_free(message);
	if (good)
		return content;
	BIO_free(content);
	return NULL;
}

size_t
dbsync_unseal(DbsyncUnsealer *unsealer, const void *data, size_t length, StringInfo content)
{
	size_t		size = length > 0 ? message_length(data, length) : 0;
	BIO		   *bio;
	char	   *plain;
	long		n;

	if (size == SIZE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("an encrypted member is no row of CMS messages of at most 1 MB")));
	if (size == 0 || length < size)
		return 0;
	/* before libcrypto has anything that an error would leave behind */
	enlargeStringInfo(content, DBSYNC_BUNDLE_SEAL_LIMIT);
	bio = open_message(unsealer, data, size);
	if (bio == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("an encrypted member cannot be opened: %s", dbsync_crypto_words()),
				 errhint("Is it encrypted to our certificate?")));
	n = BIO_get_mem_data(bio, &plain);
	if (n > 0 && n <= DBSYNC_BUNDLE_SEAL_LIMIT)
		appendBinaryStringInfo(content, plain, (int) n);
	OPENSSL_cleanse(plain, n);
	BIO_free(bio);
	if (n <= 0 || n > DBSYNC_BUNDLE_SEAL_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("an encrypted member has a message that is empty or larger than 1 MB")));
	return size;
}
