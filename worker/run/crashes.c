/*-------------------------------------------------------------------------
 *
 * worker/run/crashes.c
 *	  A worker that crashes again and again takes the whole server along.
 *
 * A crash of any process makes the postmaster begin anew: all sessions end, and shared
 * memory is as after a start.  A worker that meets the same thing each time would keep
 * the server from coming up for good.  So each leaves a small file for as long as it
 * runs, with the number of crashes in a row before it.  The next worker that finds one
 * knows that its owner did not end, and after the second such crash it does not
 * begin (and the subscription is left stopped).
 *
 * The file is written as a worker begins and once more when it has got something done:
 * nothing per batch.  It goes at every end that is one, and when the postmaster ends
 * us because somebody else has crashed.  It names the start of the postmaster, as one
 * that was killed itself, with its host perhaps, tells nothing about us; unless it is
 * told to end at every crash (restart_after_crash), when somebody else starts it again.
 * If the file cannot be written, there is no protection, and no harm either.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"

#include "worker/run/crashes.h"

/* emptied by nobody, and left out of base backups */
#define FOLDER "pg_stat_tmp"

static char path[MAXPGPATH] = "";
static bool survived = false;

static void
fill_path(char *buffer, int subscription)
{
	snprintf(buffer, MAXPGPATH, FOLDER "/dbsync_worker_%u_%d", MyDatabaseId, subscription);
}

/* crashes in a row that the file tells of, its own included; 0: there is none */
static int
read_file(void)
{
	char		text[64] = "";
	long long	start;
	int			before;
	int			fd = open(path, O_RDONLY | PG_BINARY);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	if (sscanf(text, "%lld %d", &start, &before) != 2 || before < 0 || before > 1000)
		return 0;
	/* of an earlier postmaster, which may have been killed itself */
	if (start != (long long) PgStartTime && restart_after_crash)
		return 0;
	return before + 1;
}

static void
write_file(int crashes)
{
	char		text[64];
	int			fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | PG_BINARY, pg_file_create_mode);

	snprintf(text, sizeof(text), "%lld %d\n", (long long) PgStartTime, crashes);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", path)));
	if (fd >= 0)
		close(fd);
}

static void
remove_at_exit(int code, Datum arg)
{
	(void) unlink(path);
}

/* The postmaster ends all processes, as one of them has crashed: not this one. */
static void
on_sigquit(SIGNAL_ARGS)
{
	(void) unlink(path);
	_exit(2);
}

int
dbsync_crashes_begin(int subscription)
{
	int			crashes;

	fill_path(path, subscription);
	crashes = read_file();
	if (crashes >= 2)
		return crashes;
	write_file(crashes);
	survived = (crashes == 0);
	on_proc_exit(remove_at_exit, (Datum) 0);
	pqsignal(SIGQUIT, on_sigquit);
	return crashes;
}

void
dbsync_crashes_survived(void)
{
	/* a run_once has no file: nobody starts it again */
	if (survived || path[0] == '\0')
		return;
	survived = true;
	write_file(0);
}

void
dbsync_crashes_forget(int subscription)
{
	char		file[MAXPGPATH];

	fill_path(file, subscription);
	(void) unlink(file);
}
