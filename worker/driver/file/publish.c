/*-------------------------------------------------------------------------
 *
 * worker/driver/file/publish.c
 *	  File driver: kept files get their names in out, where a gateway takes them.
 *
 * Others write to out.  So nothing that is there is written to, and a file that has a name which one of
 * ours is to get gives way: it is a copy that somebody has left there, or nothing that belongs there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/timestamp.h"

#include "worker/bundle/folder.h"
#include "worker/driver/file/internal.h"

#define COPY_BUFFER		(64 * 1024)
#define OUT_MODE		0640

pg_noreturn static void
raise_file(const char *doing, const char *path)
{
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not %s \"%s\": %m", doing, path)));
}

static bool
is_same_file(const char *a, const char *b)
{
	struct stat of_a;
	struct stat of_b;

	return lstat(a, &of_a) == 0 && lstat(b, &of_b) == 0 &&
		of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

static void
copy_bytes(int from, int to, const char *path, const char *copy)
{
	char	   *buffer = palloc(COPY_BUFFER);
	ssize_t		n;

	while ((n = read(from, buffer, COPY_BUFFER)) > 0)
	{
		errno = 0;
		if (write(to, buffer, n) != n)
		{
			/* if nothing is said, there was no room */
			if (errno == 0)
				errno = ENOSPC;
			raise_file("write", copy);
		}
	}
	if (n < 0)
		raise_file("read", path);
	pfree(buffer);
}

/* Where no link can be made: a whole file or none all the same. */
static void
copy_out(const char *path, const char *name)
{
	uint64		chance;
	char	   *copy;
	int			from;
	int			to;

	if (!pg_strong_random(&chance, sizeof(chance)))
		elog(ERROR, "could not get random bytes");
	copy = psprintf("%s." UINT64_FORMAT ".part", name, chance);
	from = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	if (from < 0)
		raise_file("open", path);
	to = OpenTransientFilePerm(copy, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | PG_BINARY, OUT_MODE);
	if (to < 0)
		raise_file("create", copy);
	/* on a disk that is full, each attempt would leave as much as there is room for */
	PG_TRY();
	{
		copy_bytes(from, to, path, copy);
		if (fchmod(to, OUT_MODE) != 0 || pg_fsync(to) != 0)
			raise_file("fsync", copy);
		if (rename(copy, name) != 0)
			raise_file("rename", copy);
	}
	PG_CATCH();
	{
		(void) unlink(copy);
		PG_RE_THROW();
	}
	PG_END_TRY();
	(void) CloseTransientFile(to);
	(void) CloseTransientFile(from);
}

/* What has the name of one of ours: a folder, too, which may have something in it. */
static void
make_way(const char *name)
{
	if (unlink(name) == 0 || errno == ENOENT)
		return;
	if (errno != EISDIR && errno != EPERM)
		raise_file("remove", name);
	if (rename(name, psprintf("%s." INT64_FORMAT ".old", name, GetCurrentTimestamp())) != 0)
		raise_file("rename", name);
}

static void
give_name(const char *path, const char *name)
{
	if (link(path, name) == 0)
		return;
	if (errno == EEXIST)
	{
		if (is_same_file(path, name))
			return;
		make_way(name);
		if (link(path, name) == 0)
			return;
	}
	if (errno != EXDEV && errno != EPERM && errno != EMLINK && errno != EOPNOTSUPP)
		raise_file("link", name);
	copy_out(path, name);
}

void
dbsync_file_publish(FileTarget *target, const FileName *name)
{
	give_name(dbsync_file_keep_path(target, name, ".tar"),
			  dbsync_file_out_path(target, target->ledger.subscription_name, name));
}

bool
dbsync_file_is_out(const FileTarget *target, const FileName *name, const struct stat *kept)
{
	struct stat copy;

	if (kept->st_nlink > 1)
		return true;
	return lstat(dbsync_file_out_path(target, target->ledger.subscription_name, name), &copy) == 0 &&
		S_ISREG(copy.st_mode) && copy.st_dev != kept->st_dev;
}

/* Seen as soon as it has its name; it is to be there after a crash of the machine, too. */
void
dbsync_file_publish_newest(FileTarget *target)
{
	FileName	name = target->newest;

	for (name.number -= target->newest_part - 1; target->newest_part > 0 && name.number <= target->newest.number; name.number++)
		dbsync_file_publish(target, &name);
	if (target->newest_part > 0)
		dbsync_folder_sync(psprintf("%s/out", target->options.root));
}
