/*-------------------------------------------------------------------------
 *
 * worker/bundle/folder.c
 *	  Folders and files that survive a crash: made, written, linked, locked, listed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "port.h"
#include "storage/fd.h"
#include "utils/memutils.h"

#include "worker/bundle/folder.h"

#include "extension/compat.h"

/* a lock that somebody has; it goes with the memory context */
typedef struct Lock
{
	MemoryContextCallback cleanup;
	int			fd;
} Lock;

pg_noreturn static void
raise_for_file(const char *doing, const char *path)
{
	bool		denied = errno == EACCES;

	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not %s \"%s\": %m", doing, path),
			 denied ? errhint("The server's account must have the right to do that.") : 0));
}

static char *
parent_of(const char *path)
{
	char	   *parent = pstrdup(path);

	get_parent_directory(parent);
	return parent;
}

/* Is it the data directory, or below it, wherever symlinks lead? */
static bool
is_in_data_directory(const char *path)
{
	/* realpath() writes up to so many bytes, whatever we ask it about */
	char		real[PATH_MAX];
	char		data[PATH_MAX];
	char	   *existing = pstrdup(path);

	/* what is not there yet is made where its parent is */
	while (realpath(existing, real) == NULL)
	{
		if (errno != ENOENT || strcmp(existing, "/") == 0)
			return false;
		get_parent_directory(existing);
	}
	if (realpath(DataDir, data) == NULL)
		return false;
	return path_is_prefix_of_path(data, real) || path_is_prefix_of_path(DataDir, path);
}

/* Of a folder that is to be made: may it be? */
static const char *
parent_problem(const char *path)
{
	char	   *parent = parent_of(path);
	struct stat status;

	if (stat(parent, &status) != 0 || !S_ISDIR(status.st_mode))
		return "the folder that it is to be made in is not there";
	if (access(parent, W_OK | X_OK) != 0)
		return psprintf("the server's account cannot make it: %s", strerror(errno));
	return NULL;
}

const char *
dbsync_folder_problem(const char *path)
{
	char	   *clean = pstrdup(path);
	struct stat status;

	canonicalize_path(clean);
	if (!is_absolute_path(clean))
		return "it is relative";
	if (strlen(clean) > MAXPGPATH / 2)
		return "it is too long";
	if (strcmp(clean, "/") == 0)
		return "it is the root of all files";
	if (is_in_data_directory(clean))
		return "it is in the server's data directory";
	if (lstat(clean, &status) != 0)
	{
		if (errno != ENOENT)
			return psprintf("it cannot be looked at: %s", strerror(errno));
		return parent_problem(clean);
	}
	if (S_ISLNK(status.st_mode))
		return "it is a symbolic link";
	if (!S_ISDIR(status.st_mode))
		return "it is no folder";
	if (status.st_uid != geteuid())
		return "it does not belong to the server's account";
	if (access(clean, W_OK | X_OK) != 0)
		return psprintf("the server's account cannot write to it: %s", strerror(errno));
	return NULL;
}

void
dbsync_folder_make(const char *path, mode_t mode)
{
	struct stat status;
	mode_t		mask = umask(0);
	int			made = mkdir(path, mode);
	int			problem = errno;

	(void) umask(mask);
	errno = problem;
	if (made != 0)
	{
		if (errno == EEXIST && lstat(path, &status) == 0 && S_ISDIR(status.st_mode))
			return;
		if (errno == EACCES)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not make folder \"%s\": %m", path),
					 errhint("Make it yourself: install -d -o postgres -g gateway -m %04o %s", (unsigned int) (mode | S_ISGID), path)));
		raise_for_file("make folder", path);
	}

	/*
	 * What the folder above hands down stays.  That is why the umask was put aside: chmod() by one who is not of a folder's
	 * group takes S_ISGID away, and then nobody of that group could read what is made in it.
	 */
	if (stat(path, &status) != 0)
		raise_for_file("look at folder", path);
	mode |= status.st_mode & S_ISGID;
	if (status.st_mode != (S_IFDIR | mode) && chmod(path, mode) != 0)
		raise_for_file("set the mode of folder", path);
	dbsync_folder_sync(path);
	dbsync_folder_sync(parent_of(path));
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

List *
dbsync_folder_list(const char *path)
{
	DIR		   *folder = AllocateDir(path);
	List	   *names = NIL;
	struct dirent *entry;

	if (folder == NULL && errno == ENOENT)
		return NIL;
	while ((entry = ReadDir(folder, path)) != NULL)
	{
		if (entry->d_name[0] != '.')
			names = lappend(names, pstrdup(entry->d_name));
	}
	FreeDir(folder);
	list_sort(names, compare_names);
	return names;
}

/* So many bytes, or less if there are no more. */
static size_t
read_bytes(int fd, const char *path, char *data, size_t wanted)
{
	size_t		length = 0;
	ssize_t		n;

	do
	{
		n = read(fd, data + length, wanted - length);
		if (n < 0)
			raise_for_file("read file", path);
		length += n;
	} while (n > 0 && length < wanted);
	return length;
}

char *
dbsync_folder_read(const char *path, size_t limit, size_t *length)
{
	int			fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | PG_BINARY);
	struct stat status;
	char	   *data;

	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 || fstat(fd, &status) != 0)
		raise_for_file("open file", path);
	if (!S_ISREG(status.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is no ordinary file", path)));
	if ((size_t) status.st_size > limit)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("file \"%s\" is larger than %zu bytes", path, limit)));
	/* one that grows meanwhile is as large as it was */
	data = palloc(status.st_size + 1);
	*length = read_bytes(fd, path, data, status.st_size);
	CloseTransientFile(fd);
	data[*length] = '\0';
	return data;
}

static void
write_file(const char *path, const char *data, size_t length, mode_t mode)
{
	int			fd = OpenTransientFilePerm(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | PG_BINARY, S_IRUSR | S_IWUSR);

	if (fd < 0 || fchmod(fd, mode) != 0)
		raise_for_file("make file", path);
	while (length > 0)
	{
		ssize_t		n;

		errno = 0;
		n = write(fd, data, length);
		if (n <= 0)
		{
			/* a disk that is full says so by writing less */
			if (errno == 0)
				errno = ENOSPC;
			raise_for_file("write file", path);
		}
		data += n;
		length -= n;
	}
	if (pg_fsync(fd) != 0)
		raise_for_file("fsync file", path);
	if (CloseTransientFile(fd) != 0)
		raise_for_file("close file", path);
}

/* A name in "tmp" for what becomes a file. */
static char *
temporary_for(const char *tmp, const char *path)
{
	static uint32 count = 0;
	char	   *temporary = psprintf("%s/%s.%d.%u", tmp, last_dir_separator(path) + 1, MyProcPid, count++);

	/* left by a process of this number */
	(void) unlink(temporary);
	return temporary;
}

void
dbsync_folder_write(const char *tmp, const char *path, const void *data, size_t length, mode_t mode)
{
	char	   *temporary = temporary_for(tmp, path);

	PG_TRY();
	{
		write_file(temporary, data, length, mode);
		(void) durable_rename(temporary, path, ERROR);
	}
	PG_CATCH();
	{
		(void) unlink(temporary);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

bool
dbsync_folder_link(const char *path, const char *name)
{
	struct stat ours;
	struct stat theirs;

	if (link(path, name) != 0)
	{
		int			problem = errno;

		/* a file system over a network may have done it, lost the answer, and been asked again */
		if (problem != EEXIST || lstat(path, &ours) != 0 || lstat(name, &theirs) != 0)
		{
			errno = problem;
			raise_for_file("link file", name);
		}
		if (ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino)
			return false;
	}
	dbsync_folder_sync(parent_of(name));
	return true;
}

bool
dbsync_folder_write_new(const char *tmp, const char *path, const void *data, size_t length, mode_t mode)
{
	char	   *temporary = temporary_for(tmp, path);
	volatile bool named = false;

	PG_TRY();
	{
		write_file(temporary, data, length, mode);
		named = dbsync_folder_link(temporary, path);
	}
	PG_FINALLY();
	{
		(void) unlink(temporary);
	}
	PG_END_TRY();
	return named;
}

bool
dbsync_folder_unlink(const char *path)
{
	if (unlink(path) == 0)
		return true;
	if (errno != ENOENT)
		raise_for_file("remove file", path);
	return false;
}

void
dbsync_folder_remove(const char *path)
{
	if (dbsync_folder_unlink(path))
		dbsync_folder_sync(parent_of(path));
}

void
dbsync_folder_sync(const char *path)
{
	/* not fsync_fname(): what is lost here is made again, and no reason for the server to panic */
	(void) fsync_fname_ext(path, true, false, ERROR);
}

static void
unlock(void *arg)
{
	Lock	   *lock = arg;

	if (lock->fd < 0)
		return;
	close(lock->fd);
	ReleaseExternalFD();
	lock->fd = -1;
}

bool
dbsync_folder_lock(const char *path)
{
	Lock	   *lock = palloc0(sizeof(Lock));

	lock->fd = -1;
	lock->cleanup.func = unlock;
	lock->cleanup.arg = lock;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &lock->cleanup);
	if (!AcquireExternalFD())
		raise_for_file("open file", path);
	lock->fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (lock->fd < 0)
	{
		int			problem = errno;

		ReleaseExternalFD();
		errno = problem;
		raise_for_file("open file", path);
	}
	while (flock(lock->fd, LOCK_EX | LOCK_NB) != 0)
	{
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			raise_for_file("lock file", path);
		unlock(lock);
		return false;
	}
	return true;
}
