/*-------------------------------------------------------------------------
 *
 * worker/receive/look.c
 *	  A file of the inbox as it lies there, before anything of it is proved.
 *
 * Who fills the inbox may be anybody: links, FIFOs and devices are not opened, and what a name says is not believed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "miscadmin.h"
#include "port.h"
#include "storage/fd.h"

#include "worker/bundle/bundle.h"
#include "worker/bundle/tar.h"
#include "worker/receive/look.h"

/* room for the name in a header, and what stands behind it in the first one of a bundle: mode, uid, gid, size, mtime */
#define NAME_ROOM		100
#define NUMBERS_ROOM	48

static const char numbers[NUMBERS_ROOM] =
"0000640\0" "0000000\0" "0000000\0" "00000000020\0" "00000000000";

#define COPY_PIECE		(256 * 1024)

/* "<name>-<8 of uuid>-<chain>-<number>/FORMAT"; false: it is the name of something else. */
static bool
read_folder(const char *block, DbsyncLook *look)
{
	char		name[NAME_ROOM + 1];
	char	   *slash;
	char	   *dash;

	memcpy(name, block, NAME_ROOM);
	name[NAME_ROOM] = '\0';
	slash = strchr(name, '/');
	if (slash == NULL || strcmp(slash, "/FORMAT") != 0)
		return false;
	*slash = '\0';
	dash = strrchr(name, '-');
	if (dash == NULL)
		return true;
	look->number = strtoll(dash + 1, NULL, 10);
	*dash = '\0';
	dash = strrchr(name, '-');
	if (dash == NULL)
		return true;
	look->chain = strtoll(dash + 1, NULL, 10);
	*dash = '\0';
	dash = strrchr(name, '-');
	if (dash != NULL && strlen(dash + 1) == 8)
		strlcpy(look->id, dash + 1, sizeof(look->id));
	return true;
}

/* Of less than a header: may the name in a bundle's first one begin so? */
static bool
begins(const char *block, size_t length)
{
	static const char member[] = "/FORMAT";
	size_t		end = Min(length, NAME_ROOM);
	size_t		n = 0;

	while (n < end && block[n] != '\0' &&
		   strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", block[n]) != NULL)
		n++;
	for (size_t i = 0; n < end; i++, n++)
	{
		if (block[n] != (i < lengthof(member) ? member[i] : '\0'))
			return false;
	}
	return true;
}

static bool
ends(int fd, off_t size)
{
	char		blocks[2 * DBSYNC_BUNDLE_BLOCK];

	if (size < (off_t) sizeof(blocks) || size % DBSYNC_BUNDLE_BLOCK != 0 ||
		pread(fd, blocks, sizeof(blocks), size - sizeof(blocks)) != sizeof(blocks))
		return false;
	for (int i = 0; i < sizeof(blocks); i++)
	{
		if (blocks[i] != 0)
			return false;
	}
	return true;
}

/* Opened without following a link, and without waiting; < 0: it has gone, or is no regular file. */
static int
open_regular(const char *path, struct stat *st)
{
	int			fd = OpenTransientFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | PG_BINARY);

	if (fd < 0)
	{
		bool		denied = errno == EACCES;

		/* ELOOP: a link; ENXIO: a socket */
		if (errno == ENOENT || errno == ELOOP || errno == ENXIO || errno == EMLINK)
			return -1;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path),
				 denied ? errhint("Have the gateway give its files mode 0644; or let the server's account be a member of the gateway's group, and restart the server.") : 0));
	}
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
	CloseTransientFile(fd);
	return -1;
}

bool
dbsync_look(const char *path, DbsyncLook *look)
{
	char		block[DBSYNC_BUNDLE_BLOCK] = "";
	struct stat st;
	ssize_t		got;
	int			fd;

	memset(look, 0, sizeof(DbsyncLook));
	/* what cannot be opened is no reason to stop, if it is none for us */
	if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	fd = open_regular(path, &look->st);
	if (fd < 0)
		return false;
	got = pread(fd, block, sizeof(block), 0);
	if (got < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", path)));
	if (got == sizeof(block))
	{
		/* one changed byte leaves one of the two as it was; other archives have neither */
		look->ours = read_folder(block, look) || memcmp(block + NAME_ROOM, numbers, NUMBERS_ROOM) == 0;
		look->has_end = ends(fd, look->st.st_size);
	}
	else
		look->ours = look->st.st_size < (off_t) sizeof(block) && begins(block, got);
	CloseTransientFile(fd);
	return true;
}

static DbsyncLookWay
way_of(int fd, off_t size)
{
	char		block[DBSYNC_BUNDLE_BLOCK];
	char		path[DBSYNC_BUNDLE_NAME_LIMIT + 1];
	off_t		at = 0;
	int64		length;

	while (at <= size - 2 * (off_t) sizeof(block))
	{
		CHECK_FOR_INTERRUPTS();
		if (pread(fd, block, sizeof(block), at) != sizeof(block))
			return DBSYNC_LOOK_ASTRAY;
		if (dbsync_tar_is_zero(block, sizeof(block)))
			return at + 2 * (off_t) sizeof(block) == size ? DBSYNC_LOOK_TO_END : DBSYNC_LOOK_ASTRAY;
		if (!dbsync_tar_read(block, path, &length))
			return DBSYNC_LOOK_ASTRAY;
		at += (off_t) sizeof(block) + length + dbsync_tar_padding(length);
	}
	return at >= size ? DBSYNC_LOOK_BEYOND : DBSYNC_LOOK_ASTRAY;
}

DbsyncLookWay
dbsync_look_way(const char *path, const struct stat *st)
{
	struct stat opened;
	int			fd = open_regular(path, &opened);
	DbsyncLookWay way;

	if (fd < 0)
		return DBSYNC_LOOK_ASTRAY;
	way = way_of(fd, st->st_size);
	CloseTransientFile(fd);
	return way;
}

bool
dbsync_look_is_same(const char *path, const struct stat *st)
{
	struct stat now;

	return lstat(path, &now) == 0 && now.st_dev == st->st_dev && now.st_ino == st->st_ino &&
		now.st_size == st->st_size && dbsync_look_written(&now) == dbsync_look_written(st);
}

int64
dbsync_look_written(const struct stat *st)
{
	return (int64) st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* So many bytes, or less if there are no more: one that grows meanwhile is looked at again, and need not ever stop. */
static void
copy_bytes(int in, int out, off_t length, const char *from, const char *to)
{
	char	   *piece = palloc(COPY_PIECE);

	while (length > 0)
	{
		ssize_t		got;

		CHECK_FOR_INTERRUPTS();
		got = read(in, piece, Min(length, COPY_PIECE));
		if (got < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read file \"%s\": %m", from)));
		if (got == 0)
			break;
		length -= got;
		errno = 0;
		if (write(out, piece, got) != got)
		{
			/* if write has not set it, assume the disk is full */
			if (errno == 0)
				errno = ENOSPC;
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write file \"%s\": %m", to)));
		}
	}
	pfree(piece);
}

/* Better to say so at once than to leave no room to anybody while it is found out. */
static void
check_room(const char *path, off_t size)
{
	char	   *folder = pstrdup(path);
	struct statvfs room;

	get_parent_directory(folder);
	if (statvfs(folder, &room) != 0 || (uint64) room.f_bavail * room.f_frsize >= (uint64) size)
		return;
	errno = ENOSPC;
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not write file \"%s\": %m", path)));
}

bool
dbsync_look_copy(const char *from, const struct stat *st, const char *to)
{
	struct stat opened;
	int			in = open_regular(from, &opened);
	int			out;

	if (in < 0)
		return false;
	if (opened.st_dev != st->st_dev || opened.st_ino != st->st_ino)
	{
		CloseTransientFile(in);
		return false;
	}
	check_room(to, st->st_size);
	out = OpenTransientFilePerm(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | PG_BINARY, S_IRUSR | S_IWUSR);
	if (out < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", to)));
	copy_bytes(in, out, st->st_size, from, to);
	CloseTransientFile(in);
	if (CloseTransientFile(out) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not close file \"%s\": %m", to)));
	return true;
}
