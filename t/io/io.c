/*-------------------------------------------------------------------------
 *
 * t/io/io.c
 *	  A disk that fails, and processes that die at a place of a test's choosing.
 *
 * Loaded in front of the C library (LD_PRELOAD).  The file that DBSYNC_TEST_IO names has lines
 *
 *		<call> <part of a path> <what happens>
 *
 * call: link, rename, unlink, fsync, write, chmod, utimensat.  What happens: a number: the call fails with this errno; "before" or "behind": the
 * process is killed (9) before the call, or when it is done; "stops": it is stopped (19) before the call, until somebody has it go on.
 * The file of rules goes then, so that it happens once.
 *
 * Of chmod 0 means what the system does where a folder is of a group that the process is not in: S_ISGID goes.  Of utimensat, a file
 * server whose clock is a day ahead, which takes its own time where none is given.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

typedef enum Rule
{
	NOTHING, BEFORE, BEHIND, STOPS, FAILS
} Rule;

static void
happen(int signal_number)
{
	syscall(SYS_unlinkat, AT_FDCWD, getenv("DBSYNC_TEST_IO"), 0);
	syscall(SYS_kill, syscall(SYS_getpid), signal_number);
}

static void
die(void)
{
	happen(SIGKILL);
	for (;;)
		pause();
}

/* What is to happen; of FAILS errno is set. */
static Rule
find_rule(const char *call, const char *path)
{
	const char *rules = getenv("DBSYNC_TEST_IO");
	char		data[4096];
	char	   *next = NULL;
	int			fd;
	ssize_t		length;

	if (rules == NULL || (fd = (int) syscall(SYS_openat, AT_FDCWD, rules, O_RDONLY)) < 0)
		return NOTHING;
	length = syscall(SYS_read, fd, data, sizeof(data) - 1);
	syscall(SYS_close, fd);
	if (length <= 0)
		return NOTHING;
	data[length] = '\0';
	for (char *line = strtok_r(data, "\n", &next); line != NULL; line = strtok_r(NULL, "\n", &next))
	{
		char		of[32];
		char		part[1024];
		char		what[32];

		if (sscanf(line, "%31s %1023s %31s", of, part, what) != 3 || strcmp(of, call) != 0 || strstr(path, part) == NULL)
			continue;
		if (strcmp(what, "before") == 0)
			return BEFORE;
		if (strcmp(what, "behind") == 0)
			return BEHIND;
		if (strcmp(what, "stops") == 0)
			return STOPS;
		errno = atoi(what);
		return FAILS;
	}
	return NOTHING;
}

static int
found(Rule rule)
{
	if (rule == BEFORE)
		die();
	if (rule == STOPS)
		happen(SIGSTOP);
	return rule == FAILS;
}

static long
done(Rule rule, long result)
{
	if (rule == BEHIND)
		die();
	return result;
}

int
link(const char *from, const char *to)
{
	int			saved = errno;
	Rule		rule = find_rule("link", to);

	if (found(rule))
		return -1;
	errno = saved;
	return (int) done(rule, syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int
rename(const char *from, const char *to)
{
	int			saved = errno;
	Rule		rule = find_rule("rename", to);

	if (found(rule))
		return -1;
	errno = saved;
	return (int) done(rule, syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int
unlink(const char *path)
{
	int			saved = errno;
	Rule		rule = find_rule("unlink", path);

	if (found(rule))
		return -1;
	errno = saved;
	return (int) done(rule, syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

int
chmod(const char *path, mode_t mode)
{
	int			saved = errno;
	Rule		rule = find_rule("chmod", path);

	if (found(rule))
	{
		if (errno != 0)
			return -1;
		mode &= ~S_ISGID;
	}
	errno = saved;
	return (int) done(rule, syscall(SYS_fchmodat, AT_FDCWD, path, mode));
}

int
utimensat(int folder, const char *path, const struct timespec times[2], int flags)
{
	int			saved = errno;
	Rule		rule = find_rule("utimensat", path);
	struct timespec own[2];

	if (found(rule))
	{
		if (errno != 0)
			return -1;
		clock_gettime(CLOCK_REALTIME, &own[0]);
		own[0].tv_sec += 24 * 60 * 60;
		own[1] = own[0];
		times = times ? times : own;
	}
	errno = saved;
	return (int) done(rule, syscall(SYS_utimensat, folder, path, times, flags));
}

/* What the descriptor is of. */
static Rule
rule_of(const char *call, int fd)
{
	char		link[64];
	char		path[4096];
	ssize_t		length;

	if (getenv("DBSYNC_TEST_IO") == NULL || syscall(SYS_faccessat, AT_FDCWD, getenv("DBSYNC_TEST_IO"), F_OK) != 0)
		return NOTHING;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof(path) - 1);
	if (length < 0)
		return NOTHING;
	path[length] = '\0';
	return find_rule(call, path);
}

static int
sync_fd(int fd, long call)
{
	int			saved = errno;
	Rule		rule = rule_of("fsync", fd);

	if (found(rule))
		return -1;
	errno = saved;
	return (int) done(rule, syscall(call, fd));
}

int
fsync(int fd)
{
	return sync_fd(fd, SYS_fsync);
}

int
fdatasync(int fd)
{
	return sync_fd(fd, SYS_fdatasync);
}

ssize_t
write(int fd, const void *data, size_t length)
{
	int			saved = errno;
	Rule		rule = rule_of("write", fd);

	if (found(rule))
		return -1;
	errno = saved;
	return done(rule, syscall(SYS_write, fd, data, length));
}

ssize_t
pwrite(int fd, const void *data, size_t length, off_t at)
{
	int			saved = errno;
	Rule		rule = rule_of("write", fd);

	if (found(rule))
		return -1;
	errno = saved;
	return done(rule, syscall(SYS_pwrite64, fd, data, length, at));
}

/* the same, for whoever was built with it */
ssize_t
pwrite64(int fd, const void *data, size_t length, off64_t at)
{
	return pwrite(fd, data, length, at);
}

ssize_t
pwritev(int fd, const struct iovec *parts, int n, off_t at)
{
	int			saved = errno;
	Rule		rule = rule_of("write", fd);

	if (found(rule))
		return -1;
	errno = saved;
	return done(rule, syscall(SYS_pwritev, fd, parts, n, at, 0));
}

/* returns the error, and leaves errno alone */
int
posix_fallocate(int fd, off_t at, off_t length)
{
	int			saved = errno;
	Rule		rule = rule_of("write", fd);
	int			result = 0;

	if (found(rule))
		result = errno;
	else if (done(rule, syscall(SYS_fallocate, fd, 0, at, length)) != 0)
		result = errno;
	errno = saved;
	return result;
}
