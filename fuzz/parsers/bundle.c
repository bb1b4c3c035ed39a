/*-------------------------------------------------------------------------
 *
 * fuzz/parsers/bundle.c
 *	  Bundles: what a stranger can make of them, and what somebody can who has the key.
 *
 * The first byte says what the rest is.
 *
 *	F	a file, by a stranger
 *	M	head, contents, rows and format of a bundle, which is put together, and signed
 *	H C	bundle.json, contents.json
 *	B T Z	rows, binary, text, zipped text
 *	S	what is encrypted to us
 *	E	what was, and has been edited: pairs of a place and what is to be changed there
 *	K	a public key
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "worker/bundle/contents.h"
#include "worker/bundle/crypto.h"
#include "worker/bundle/flow.h"
#include "worker/bundle/frames.h"
#include "worker/bundle/names.h"
#include "worker/bundle/reader.h"
#include "worker/bundle/sign.h"
#include "worker/bundle/tar.h"
#include "worker/bundle/writer.h"

#include "fuzz/parsers/shim.h"

int			LLVMFuzzerInitialize(int *argc, char ***argv);

static char file[64];			/* where bundles lie, in the folder of the run */
static char identity[64];		/* key and certificate */
static char signing[64];
static uint8 public_key[DBSYNC_BUNDLE_KEY];

static void
write_pem(const char *path, EVP_PKEY *key, X509 *certificate)
{
	FILE	   *out = fdopen(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600), "w");

	fuzz_check(out != NULL && PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1);
	fuzz_check(certificate == NULL || PEM_write_X509(out, certificate) == 1);
	fclose(out);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	EVP_PKEY   *key = EVP_EC_gen("P-256");
	EVP_PKEY   *signer = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	X509	   *certificate = X509_new();
	X509_NAME  *name = X509_get_subject_name(certificate);
	size_t		length = sizeof(public_key);

	snprintf(file, sizeof(file), "bundle-%d.tar", (int) getpid());
	snprintf(identity, sizeof(identity), "bundle-%d.id", (int) getpid());
	snprintf(signing, sizeof(signing), "bundle-%d.key", (int) getpid());
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 1000000);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *) "us", -1, -1, 0);
	X509_set_issuer_name(certificate, name);
	X509_set_pubkey(certificate, key);
	fuzz_check(X509_sign(certificate, key, EVP_sha256()) > 0);
	write_pem(identity, key, certificate);
	write_pem(signing, signer, NULL);
	fuzz_check(EVP_PKEY_get_raw_public_key(signer, public_key, &length) == 1);
	EVP_PKEY_free(key);
	EVP_PKEY_free(signer);
	X509_free(certificate);
	return 0;
}

static void
put_file(const char *data, Size size)
{
	int			fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	fuzz_check(fd >= 0 && write(fd, data, size) == (ssize_t) size);
	close(fd);
}

/* --- a stranger --- */

static void
fuzz_file(const char *data, Size size)
{
	DbsyncBundleVerdict verdict;
	const char *reason;

	put_file(data, size);
	fuzz_check(dbsync_bundle_open(file, list_make1(public_key), &verdict, &reason) == NULL);
	fuzz_check(verdict != DBSYNC_BUNDLE_GOOD && reason != NULL);
}

/* --- somebody with the key --- */

static void
put_member(StringInfo tar, StringInfo sums, const char *name, const void *data, Size size)
{
	static const char nothing[DBSYNC_BUNDLE_BLOCK];
	char		header[DBSYNC_BUNDLE_BLOCK];
	char		path[DBSYNC_BUNDLE_NAME_LIMIT + 1];
	uint8		digest[DBSYNC_BUNDLE_HASH];
	char		hex[DBSYNC_BUNDLE_HEX];
	DbsyncHash *hash = dbsync_hash_create();

	snprintf(path, sizeof(path), "a-00000000-1-000000000001/%s", name);
	dbsync_tar_header(path, size, header);
	appendBinaryStringInfo(tar, header, sizeof(header));
	appendBinaryStringInfo(tar, data, size);
	appendBinaryStringInfo(tar, nothing, dbsync_tar_padding(size));
	dbsync_hash_begin(hash);
	dbsync_hash_add(hash, data, size);
	dbsync_hash_end(hash, digest);
	dbsync_hash_hex(digest, hex);
	appendStringInfo(sums, "%s  %s\n", hex, name);
}

/* Reads all that a reader would. */
static void
read_all(DbsyncBundleReader *reader)
{
	DbsyncUnsealer *unsealer = dbsync_unseal_load(identity, "identity");
	DbsyncBundleContents *contents = dbsync_bundle_contents(reader, unsealer);
	ListCell   *lc;

	foreach(lc, contents->steps)
	{
		DbsyncBundleStep *step = lfirst(lc);
		const char *values[3];
		int			lengths[3];
		DbsyncBundleRows *rows;

		if (!dbsync_contents_has_rows(step->what))
			continue;
		rows = dbsync_bundle_rows_open(reader, step, lengthof(values), unsealer);
		while (dbsync_bundle_rows_next(rows, values, lengths))
			;
		dbsync_bundle_rows_close(rows);
	}
}

/* Four pieces with a zero between them: head, contents, rows, format. */
static void
fuzz_members(const char *data, Size size)
{
	const char *pieces[4];
	Size		sizes[4];
	StringInfoData tar;
	StringInfoData sums;
	uint8		signature[DBSYNC_BUNDLE_SIGNATURE];
	DbsyncBundleVerdict verdict;
	const char *reason;
	DbsyncBundleReader *reader;

	for (int i = 0; i < 4; i++)
	{
		const char *end = memchr(data, '\0', size);

		pieces[i] = data;
		sizes[i] = end && i < 3 ? (Size) (end - data) : size;
		data += Min(sizes[i] + 1, size);
		size -= Min(sizes[i] + 1, size);
	}
	initStringInfo(&tar);
	initStringInfo(&sums);
	put_member(&tar, &sums, DBSYNC_NAMES_FORMAT, sizes[3] ? pieces[3] : DBSYNC_BUNDLE_FORMAT_TEXT,
			   sizes[3] ? sizes[3] : strlen(DBSYNC_BUNDLE_FORMAT_TEXT));
	put_member(&tar, &sums, "1.copy", pieces[2], sizes[2]);
	put_member(&tar, &sums, DBSYNC_NAMES_CONTENTS, pieces[1], sizes[1]);
	put_member(&tar, &sums, DBSYNC_NAMES_HEAD, pieces[0], sizes[0]);
	dbsync_sign(dbsync_sign_load(signing, "key"), sums.data, sums.len, signature);
	put_member(&tar, &sums, DBSYNC_NAMES_SUMS, pstrdup(sums.data), sums.len);
	put_member(&tar, &sums, DBSYNC_NAMES_SIGNATURE, signature, sizeof(signature));
	enlargeStringInfo(&tar, 2 * DBSYNC_BUNDLE_BLOCK);
	memset(tar.data + tar.len, 0, 2 * DBSYNC_BUNDLE_BLOCK);
	put_file(tar.data, tar.len + 2 * DBSYNC_BUNDLE_BLOCK);
	reader = dbsync_bundle_open(file, list_make1(public_key), &verdict, &reason);
	fuzz_check(verdict == DBSYNC_BUNDLE_GOOD || verdict == DBSYNC_BUNDLE_BAD || verdict == DBSYNC_BUNDLE_TOO_NEW);
	fuzz_check((reader != NULL) == (verdict == DBSYNC_BUNDLE_GOOD));
	if (reader != NULL)
		read_all(reader);
}

/* --- parts of it --- */

/* What is read and written is read again, and written the same. */
static void
fuzz_head(const char *data, Size size)
{
	DbsyncBundleHead *head;
	DbsyncBundleHead *again;
	char	   *name;
	StringInfoData text;
	StringInfoData second;

	if (dbsync_head_read(data, size, &head, &name) != NULL)
		return;
	initStringInfo(&text);
	initStringInfo(&second);
	dbsync_head_write(&text, head);
	fuzz_check(dbsync_head_read(text.data, text.len, &again, &name) == NULL);
	dbsync_head_write(&second, again);
	fuzz_check(strcmp(text.data, second.data) == 0);
	(void) dbsync_names_folder(name, &head->subscription, head->chain, head->number);
}

static void
fuzz_contents(const char *data, Size size)
{
	DbsyncBundleContents *contents;
	DbsyncBundleContents *again;
	StringInfoData text;
	StringInfoData second;

	if (dbsync_contents_read(data, size, ".copy", &contents) != NULL)
		return;
	initStringInfo(&text);
	initStringInfo(&second);
	dbsync_contents_write(&text, contents, ".copy");
	fuzz_check(dbsync_contents_read(text.data, text.len, ".copy", &again) == NULL);
	dbsync_contents_write(&second, again, ".copy");
	fuzz_check(strcmp(text.data, second.data) == 0);
}

/* Has a text bytes that COPY would have escaped?  They are taken as they are. */
static bool
has_raw_bytes(const char *data, Size size)
{
	for (Size i = 0; i < size; i++)
	{
		if (data[i] == '\b' || data[i] == '\f' || data[i] == '\r' || data[i] == '\v')
			return true;
	}
	return false;
}

/* Rows of three values that are accepted are written as they were. */
static void
fuzz_rows(const char *data, Size size, DbsyncEncoding form, bool zipped)
{
	int			fd;
	DbsyncFlowIn *in;
	DbsyncFramesIn *rows;
	DbsyncFlowFile *out;
	DbsyncFlowOut *flow;
	DbsyncFramesOut *written;
	const char *values[3];
	int			lengths[3];
	uint8		hash[DBSYNC_BUNDLE_HASH];
	int64		written_bytes;
	char	   *copy = palloc(size + 1);

	put_file(data, size);
	fd = open(file, O_RDONLY);
	in = dbsync_flow_in(dup2(fd, 100), "rows", 0, size, zipped, NULL, 1000000);
	close(fd);
	unlink(file);
	out = dbsync_flow_create(file);
	flow = dbsync_flow_out(out, 1, NULL);
	dbsync_flow_begin(flow, false, false);
	written = dbsync_frames_out(flow, form, lengthof(values));
	rows = dbsync_frames_in(in, form, lengthof(values));
	while (dbsync_frames_next(rows, values, lengths))
	{
		for (int i = 0; i < (int) lengthof(values); i++)
			fuzz_check(values[i] != NULL || lengths[i] == 0);
		dbsync_frames_put(written, values, lengths);
	}
	(void) dbsync_frames_end(written);
	written_bytes = dbsync_flow_end(flow, hash);
	dbsync_flow_finish(out);
	if (zipped || (form == DBSYNC_ENCODING_TEXT && has_raw_bytes(data, size)))
		return;
	fuzz_check(written_bytes == dbsync_flow_total(in));
	fd = open(file, O_RDONLY);
	fuzz_check(read(fd, copy, size + 1) == (ssize_t) size && memcmp(copy, data, size) == 0);
	close(fd);
}

static void
fuzz_sealed(const char *data, Size size)
{
	StringInfoData content;
	size_t		used;

	initStringInfo(&content);
	used = dbsync_unseal(dbsync_unseal_load(identity, "identity"), data, size, &content);
	fuzz_check(used <= size && (used > 0 || content.len == 0) && content.len <= DBSYNC_BUNDLE_SEAL_LIMIT);
}

/* It is opened to what it was, or not at all. */
static void
fuzz_edited(const char *data, Size size)
{
	static const char secret[] = "what nobody else can read";
	StringInfoData message;
	StringInfoData content;
	size_t		used;

	initStringInfo(&message);
	initStringInfo(&content);
	dbsync_seal(dbsync_seal_load(identity, "identity"), secret, sizeof(secret), &message);
	for (Size i = 0; i + 2 < size; i += 3)
	{
		int			at = (((unsigned char) data[i] << 8) | (unsigned char) data[i + 1]) % message.len;

		message.data[at] ^= data[i + 2];
	}
	used = dbsync_unseal(dbsync_unseal_load(identity, "identity"), message.data, message.len, &content);
	fuzz_check(used == 0 || (content.len == sizeof(secret) && memcmp(content.data, secret, sizeof(secret)) == 0));
}

void
fuzz_one(const char *data, Size size)
{
	if (size == 0)
		return;
	data++;
	size--;
	switch (data[-1])
	{
		case 'F':
			fuzz_file(data, size);
			break;
		case 'M':
			fuzz_members(data, size);
			break;
		case 'H':
			fuzz_head(data, size);
			break;
		case 'C':
			fuzz_contents(data, size);
			break;
		case 'B':
			fuzz_rows(data, size, DBSYNC_ENCODING_BINARY, false);
			break;
		case 'T':
			fuzz_rows(data, size, DBSYNC_ENCODING_TEXT, false);
			break;
		case 'Z':
			fuzz_rows(data, size, DBSYNC_ENCODING_TEXT, true);
			break;
		case 'S':
			fuzz_sealed(data, size);
			break;
		case 'E':
			fuzz_edited(data, size);
			break;
		case 'K':
			(void) dbsync_sign_read_public(data);
			break;
	}
}
