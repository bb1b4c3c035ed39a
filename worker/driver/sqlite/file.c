/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/file.c
 *	  SQLite driver: which files may be written to, and whether one is still the same.
 *
 * Whoever may write to the file, to what SQLite keeps beside it, or to the folder, can have the server do more
 * than write rows: SQLite maps the -shm file, and whoever truncates it ends the process by SIGBUS, and with it
 * all sessions; a journal that is planted there is played back into the file.  So they belong to the server's own user
 * and to nobody else, unless a superuser has said that others are trusted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"

#include "worker/driver/sqlite/internal.h"

static const char *const companions[] = {"-journal", "-wal", "-shm"};

static bool
refuse(SqliteTarget *target, int sqlstate, const char *detail, const char *hint)
{
	return dbsync_sqlite_refuse(target, DBSYNC_FAULT_REFUSED, sqlstate,
								psprintf("file \"%s\" cannot be a target", target->options.path), detail, hint);
}

static bool
refuse_errno(SqliteTarget *target, const char *path)
{
	int			error = errno;

	if (error == ENOENT && strcmp(path, target->options.path) == 0)
		return dbsync_sqlite_refuse(target, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_UNDEFINED_FILE,
									psprintf("file \"%s\" does not exist", path), NULL,
									"Make it, with its tables, by sqlite3, as the server's operating system user.");
	return dbsync_sqlite_refuse(target, DBSYNC_FAULT_UNAVAILABLE,
								error == ENOENT ? ERRCODE_UNDEFINED_FILE :
								error == EACCES ? ERRCODE_INSUFFICIENT_PRIVILEGE : ERRCODE_IO_ERROR,
								psprintf("could not look at \"%s\": %s", path, strerror(error)), NULL, NULL);
}

/* Is it a folder of the server's own data, by whatever way one has come there? */
static bool
is_servers(const struct stat *folder)
{
	const char *own[] = {DataDir, psprintf("%s/pg_wal", DataDir)};

	for (int i = 0; i < lengthof(own); i++)
	{
		struct stat data;

		if (stat(own[i], &data) == 0 && data.st_dev == folder->st_dev && data.st_ino == folder->st_ino)
			return true;
	}
	return false;
}

/* A part of the path that is "." or "..", or is empty. */
static bool
is_odd_part(const char *part, size_t length)
{
	return length == 0 || (length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.');
}

/* All folders on the way, from the root; *folder: the last one. */
static bool
check_folders(SqliteTarget *target, struct stat *folder)
{
	char	   *path = pstrdup(target->options.path);

	if (lstat("/", folder) != 0)
		return refuse_errno(target, "/");
	for (char *part = path + 1;; part = strchr(part, '/') + 1)
	{
		char	   *slash = strchr(part, '/');

		if (is_odd_part(part, slash ? slash - part : strlen(part)))
			return refuse(target, ERRCODE_INVALID_PARAMETER_VALUE, "Its path has a part that is empty, \".\" or \"..\".", NULL);
		if (slash == NULL)
			return true;
		*slash = '\0';
		if (lstat(path, folder) != 0)
			return refuse_errno(target, path);
		if (S_ISLNK(folder->st_mode))
			return refuse(target, ERRCODE_INVALID_PARAMETER_VALUE, psprintf("\"%s\" is a symbolic link.", path),
						  "Give the path that it leads to.");
		if (!S_ISDIR(folder->st_mode))
			return refuse(target, ERRCODE_INVALID_PARAMETER_VALUE, psprintf("\"%s\" is no folder.", path), NULL);
		if (is_servers(folder))
			return refuse(target, ERRCODE_INVALID_PARAMETER_VALUE, "It lies in the server's own data directory.", NULL);
		*slash = '/';
	}
}

/* Can anybody but the server's user, and root, write to it? */
static const char *
find_writers(const struct stat *found)
{
	if (found->st_uid != geteuid())
		return "belongs to another operating system user than the server's";
	if ((found->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return "can be written to by others than the server's operating system user";
	return NULL;
}

static bool
check_writers(SqliteTarget *target, const char *path, const struct stat *found, bool is_folder)
{
	const char *problem = find_writers(found);

	if (problem == NULL || target->options.trusted)
		return true;
	return refuse(target, ERRCODE_INSUFFICIENT_PRIVILEGE,
				  psprintf("%s \"%s\" %s.", is_folder ? "Folder" : "File", path, problem),
				  "chown and chmod it; or a superuser says that these are trusted: option writers 'trusted'.");
}

/* And the server's user must be able to: in the folder SQLite keeps its journal. */
static bool
check_access(SqliteTarget *target, const char *path, bool is_folder)
{
	if (access(path, is_folder ? R_OK | W_OK | X_OK : R_OK | W_OK) == 0)
		return true;
	return dbsync_sqlite_refuse(target, DBSYNC_FAULT_UNAVAILABLE,
								errno == EROFS ? ERRCODE_READ_ONLY_SQL_TRANSACTION : ERRCODE_INSUFFICIENT_PRIVILEGE,
								psprintf("file \"%s\" cannot be written to", target->options.path),
								psprintf("%s \"%s\": %s.", is_folder ? "Folder" : "File", path, strerror(errno)),
								"The server's operating system user reads and writes both file and folder.");
}

static bool
check_plain(SqliteTarget *target, const char *path, const struct stat *found)
{
	if (S_ISLNK(found->st_mode))
		return refuse(target, ERRCODE_INVALID_PARAMETER_VALUE, psprintf("\"%s\" is a symbolic link.", path), NULL);
	if (!S_ISREG(found->st_mode))
		return refuse(target, ERRCODE_INVALID_PARAMETER_VALUE, psprintf("\"%s\" is no ordinary file.", path), NULL);
	/* under another name it has another journal, and both do not know of each other */
	if (found->st_nlink != 1)
		return refuse(target, ERRCODE_INVALID_PARAMETER_VALUE, psprintf("\"%s\" has more names than this one.", path),
					  "Remove the other hard links.");
	return check_writers(target, path, found, false);
}

bool
dbsync_sqlite_file_check(SqliteTarget *target)
{
	const char *path = target->options.path;
	char	   *folder_path = pstrdup(path);
	struct stat folder;
	struct stat file;

	if (!check_folders(target, &folder))
		return false;
	*strrchr(folder_path, '/') = '\0';
	if (!check_writers(target, folder_path[0] ? folder_path : "/", &folder, true) ||
		!check_access(target, folder_path[0] ? folder_path : "/", true))
		return false;
	if (lstat(path, &file) != 0)
		return refuse_errno(target, path);
	if (!check_plain(target, path, &file) || !check_access(target, path, false))
		return false;
	for (int i = 0; i < lengthof(companions); i++)
	{
		char	   *companion = psprintf("%s%s", path, companions[i]);
		struct stat found;

		if (lstat(companion, &found) == 0)
		{
			if (!check_plain(target, companion, &found))
				return false;
		}
		else if (errno != ENOENT)
			return refuse_errno(target, companion);
	}
	target->device = file.st_dev;
	target->inode = file.st_ino;
	return true;
}

bool
dbsync_sqlite_file_is_same(SqliteTarget *target)
{
	struct stat found;

	if (stat(target->options.path, &found) == 0 &&
		found.st_dev == target->device && found.st_ino == target->inode)
		return true;
	return dbsync_sqlite_refuse(target, DBSYNC_FAULT_LOST, ERRCODE_CONNECTION_FAILURE,
								psprintf("file \"%s\" was replaced, or has gone, while it was open", target->options.path),
								NULL, NULL);
}
