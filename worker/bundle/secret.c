/*-------------------------------------------------------------------------
 *
 * worker/bundle/secret.c
 *	  Files with private keys: read and written so that nobody else sees them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "storage/fd.h"

#include "worker/bundle/crypto.h"
#include "worker/bundle/folder.h"
#include "worker/bundle/secret.h"

int
dbsync_secret_no_password(char *buffer, int size, int writing, void *arg)
{
	return -1;
}

static void
check_file(const char *path, const char *what, bool secret, const struct stat *status)
{
	if (!S_ISREG(status->st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s \"%s\" is no ordinary file", what, path)));
	if (secret && (status->st_mode & (S_IRWXG | S_IRWXO)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s \"%s\" can be read by others", what, path),
				 errdetail("It has mode %04o.", (unsigned int) (status->st_mode & 07777)),
				 errhint("It must belong to the server's account and have mode 0600.")));
	if (status->st_size > DBSYNC_SECRET_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s \"%s\" is larger than 1 MB", what, path)));
}

char *
dbsync_secret_read(const char *path, const char *what, bool secret, size_t *length)
{
	int			fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | PG_BINARY);
	struct stat status;
	char	   *data;
	ssize_t		n;

	if (fd < 0 || fstat(fd, &status) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open %s \"%s\": %m", what, path)));
	check_file(path, what, secret, &status);
	data = palloc(status.st_size + 1);
	n = read(fd, data, status.st_size);
	if (n < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read %s \"%s\": %m", what, path)));
	CloseTransientFile(fd);
	data[n] = '\0';
	*length = n;
	return data;
}

EVP_PKEY *
dbsync_secret_read_key(const char *path, const char *what)
{
	size_t		length;
	char	   *pem = dbsync_secret_read(path, what, true, &length);
	BIO		   *bio;
	EVP_PKEY   *key;

	dbsync_crypto_check();
	bio = BIO_new_mem_buf(pem, length);
	key = bio ? PEM_read_bio_PrivateKey(bio, NULL, dbsync_secret_no_password, NULL) : NULL;
	BIO_free(bio);
	OPENSSL_cleanse(pem, length);
	ERR_clear_error();
	if (key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s \"%s\" has no private key", what, path),
				 errhint("It must be PEM, and without a password.")));
	return key;
}

/* Write all of it to a file that is made for it; "made" says that it is ours to remove. */
static void
write_new(const char *path, const char *data, size_t length)
{
	int			fd = OpenTransientFilePerm(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | PG_BINARY, 0600);

	errno = fd < 0 ? errno : 0;
	if (fd < 0 || write(fd, data, length) != (ssize_t) length || pg_fsync(fd) != 0)
	{
		/* a disk that is full says so by writing less */
		if (errno == 0)
			errno = ENOSPC;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", path)));
	}
	CloseTransientFile(fd);
}

void
dbsync_secret_write(const char *path, const char *data, size_t length)
{
	char	   *temporary = psprintf("%s.new", path);

	/* left by somebody who died; what has the name itself is never written over */
	(void) unlink(temporary);
	write_new(temporary, data, length);
	if (!dbsync_folder_link(temporary, path))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_FILE),
				 errmsg("file \"%s\" is there already", path)));
	dbsync_folder_remove(temporary);
}
