/*-------------------------------------------------------------------------
 *
 * worker/bundle/file.c
 *	  The file that is written: in large pieces, and to the disk.
 *
 * NOTES
 *	  Who writes it may do so over several transactions: so its descriptor is none of the server's, which are closed
 *	  at the end of each, but goes with the memory context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/palloc.h"

#include "worker/bundle/flow.h"

#define FILE_BUFFER		(128 * 1024)
/* so much at a time is on its way to the disk before all of it has to be there */
#define FILE_FLUSH		(8 * 1024 * 1024)

struct DbsyncFlowFile
{
	MemoryContextCallback cleanup;
	const char *path;
	int			fd;				/* -1: closed */
	int64		written;		/* handed over to the system */
	int64		flushed;
	size_t		used;			/* bytes in the buffer */
	char		buffer[FILE_BUFFER];
};

static void
close_file(void *arg)
{
	DbsyncFlowFile *file = arg;

	if (file->fd < 0)
		return;
	close(file->fd);
	ReleaseExternalFD();
	file->fd = -1;
}

static void
file_failed(const DbsyncFlowFile *file, const char *doing)
{
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not %s file \"%s\": %m", doing, file->path)));
}

DbsyncFlowFile *
dbsync_flow_create(const char *path)
{
	DbsyncFlowFile *file = palloc(sizeof(DbsyncFlowFile));

	memset(file, 0, offsetof(DbsyncFlowFile, buffer));
	file->path = pstrdup(path);
	file->fd = -1;
	file->cleanup.func = close_file;
	file->cleanup.arg = file;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &file->cleanup);
	if (!AcquireExternalFD())
		file_failed(file, "make");
	file->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (file->fd < 0)
	{
		int			problem = errno;

		ReleaseExternalFD();
		errno = problem;
		file_failed(file, "make");
	}
	/* what the server's umask takes away */
	if (fchmod(file->fd, S_IRUSR | S_IWUSR | S_IRGRP) != 0)
		file_failed(file, "set the mode of");
	return file;
}

/* Write all of it at a place. */
static void
write_at(DbsyncFlowFile *file, int64 at, const char *data, size_t length)
{
	while (length > 0)
	{
		ssize_t		n;

		errno = 0;
		n = pwrite(file->fd, data, length, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
		{
			/* a disk that is full says so by writing less */
			if (errno == 0)
				errno = ENOSPC;
			file_failed(file, "write");
		}
		data += n;
		at += n;
		length -= n;
	}
}

static void
empty_buffer(DbsyncFlowFile *file)
{
	write_at(file, file->written, file->buffer, file->used);
	file->written += file->used;
	file->used = 0;
	if (file->written - file->flushed >= FILE_FLUSH)
	{
#ifdef HAVE_SYNC_FILE_RANGE
		/* not pg_flush_data(), for which the server panics; what fails here, fsync says */
		(void) sync_file_range(file->fd, file->flushed, file->written - file->flushed, SYNC_FILE_RANGE_WRITE);
#endif
		file->flushed = file->written;
	}
}

void
dbsync_flow_write(DbsyncFlowFile *file, const void *data, size_t length)
{
	const char *from = data;

	while (length > 0)
	{
		size_t		n = Min(length, FILE_BUFFER - file->used);

		memcpy(file->buffer + file->used, from, n);
		file->used += n;
		from += n;
		length -= n;
		if (file->used == FILE_BUFFER)
			empty_buffer(file);
	}
}

int64
dbsync_flow_length(const DbsyncFlowFile *file)
{
	return file->written + file->used;
}

void
dbsync_flow_patch(DbsyncFlowFile *file, int64 at, const void *data, size_t length)
{
	if (at >= file->written)
	{
		Assert(at + (int64) length <= dbsync_flow_length(file));
		memcpy(file->buffer + (at - file->written), data, length);
		return;
	}
	/* it may lie in the buffer in part */
	if (at + (int64) length > file->written)
		empty_buffer(file);
	write_at(file, at, data, length);
}

void
dbsync_flow_finish(DbsyncFlowFile *file)
{
	empty_buffer(file);
	if (pg_fsync(file->fd) != 0)
		file_failed(file, "fsync");
	close_file(file);
}
