/*-------------------------------------------------------------------------
 *
 * extension/config_file.c
 *	  Files of the server that a configuration is read from and written to.
 *
 * Asked for are the rights that COPY asks for.  The caller is an argument: the functions
 * that call these run as the owner of the extension.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "extension/config.h"

PG_FUNCTION_INFO_V1(dbsync_config_read);
PG_FUNCTION_INFO_V1(dbsync_config_write);

static void
check_right(Oid caller, Oid role, const char *right, const char *doing)
{
	if (!has_privs_of_role(caller, role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to %s a file of the server", doing),
				 errdetail("Only roles with privileges of the \"%s\" role may do that.", right)));
}

/* Where a relative path would lead is nothing that a caller knows. */
static char *
checked_path(text *argument)
{
	char	   *path = text_to_cstring(argument);

	canonicalize_path(path);
	if (!is_absolute_path(path))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("path of a file must be absolute: \"%s\"", path),
				 errhint("It is one of the server's.")));
	return path;
}

/* Nothing that blocks whoever opens it, or has no end. */
static void
check_regular(const char *path, const struct stat *status)
{
	if (!S_ISREG(status->st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is no ordinary file", path)));
}

static int
open_to_read(const char *path, struct stat *status)
{
	int			fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | PG_BINARY);

	if (fd < 0 || fstat(fd, status) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\" for reading: %m", path)));
	check_regular(path, status);
	return fd;
}

/* All of a file that is not too large, with a zero byte behind it. */
static char *
read_all(const char *path, int *length)
{
	struct stat status;
	int			fd = open_to_read(path, &status);
	char	   *bytes = palloc(DBSYNC_CONFIG_MAX + 2);
	ssize_t		n = 0;

	*length = 0;
	do
	{
		n = read(fd, bytes + *length, DBSYNC_CONFIG_MAX + 1 - *length);
		if (n < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read file \"%s\": %m", path)));
		*length += n;
	} while (n > 0 && *length <= DBSYNC_CONFIG_MAX);
	CloseTransientFile(fd);
	if (*length > DBSYNC_CONFIG_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("file \"%s\" is larger than 10 MB", path)));
	bytes[*length] = '\0';
	return bytes;
}

static void
check_utf8(const char *path, const char *bytes, int length)
{
	int			valid = pg_encoding_verifymbstr(PG_UTF8, bytes, length);
	int			line = 1;

	if (valid == length)
		return;
	for (int i = 0; i < valid; i++)
		line += bytes[i] == '\n';
	ereport(ERROR,
			(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
			 errmsg("line %d: file \"%s\" is not valid UTF-8", line, path),
			 errdetail("The byte there is 0x%02x.", (unsigned char) bytes[valid]),
			 errhint("Save the file as UTF-8.")));
}

/* dbsync_internal.config_read(caller, path): a file of the server, in UTF-8, as text. */
Datum
dbsync_config_read(PG_FUNCTION_ARGS)
{
	char	   *path;
	char	   *bytes;
	int			length;

	check_right(PG_GETARG_OID(0), ROLE_PG_READ_SERVER_FILES, "pg_read_server_files", "read");
	path = checked_path(PG_GETARG_TEXT_PP(1));
	bytes = read_all(path, &length);
	check_utf8(path, bytes, length);
	/* a mark that only Unicode has */
	if (length >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0)
	{
		bytes += 3;
		length -= 3;
	}
	PG_RETURN_TEXT_P(cstring_to_text(pg_any_to_server(bytes, length, PG_UTF8)));
}

static void
write_all(const char *path, const char *temporary, const char *bytes, size_t length)
{
	int			fd = OpenTransientFilePerm(temporary, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY, S_IRUSR | S_IWUSR);

	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", path)));
	errno = 0;
	if (write(fd, bytes, length) != (ssize_t) length)
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

/*
 * dbsync_internal.config_write(caller, path, text): puts a file in the place of the one that
 * is there, readable for the server's own account alone.  Whoever reads it meanwhile sees the
 * old one or the new one, whole.  No rollback undoes it.
 */
Datum
dbsync_config_write(PG_FUNCTION_ARGS)
{
	char	   *path;
	char	   *temporary;
	char	   *words = text_to_cstring(PG_GETARG_TEXT_PP(2));
	char	   *bytes = pg_server_to_any(words, strlen(words), PG_UTF8);
	struct stat status;

	check_right(PG_GETARG_OID(0), ROLE_PG_WRITE_SERVER_FILES, "pg_write_server_files", "write");
	path = checked_path(PG_GETARG_TEXT_PP(1));
	if (lstat(path, &status) == 0)
		check_regular(path, &status);
	temporary = psprintf("%s.%d.tmp", path, MyProcPid);
	/* left by a process of this number, if the server crashed */
	(void) unlink(temporary);
	PG_TRY();
	{
		write_all(path, temporary, bytes, strlen(bytes));
		(void) durable_rename(temporary, path, ERROR);
	}
	PG_CATCH();
	{
		(void) unlink(temporary);
		PG_RE_THROW();
	}
	PG_END_TRY();
	PG_RETURN_VOID();
}
