/*-------------------------------------------------------------------------
 *
 * worker/receive/rejected.c
 *	  Files that were refused, and why: kept for people, for a while.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/timestamp.h"

#include "worker/bundle/folder.h"
#include "worker/receive/rejected.h"

/* bytes of the name that it came under which are kept */
#define NAME_KEPT	100

/* The time first, so that the order of names is that of coming; and nothing of the name that could mean something. */
static char *
choose_name(const char *name)
{
	char		kept[NAME_KEPT + 1];
	int			n = 0;

	for (; name[n] && n < NAME_KEPT; n++)
		kept[n] = isalnum((unsigned char) name[n]) || strchr("._-", name[n]) ? name[n] : '_';
	kept[n] = '\0';
	return psprintf("%016lld-%s", (long long) GetCurrentTimestamp(), kept);
}

/* By age, oldest first, until the rest is within the limits; of each the reason goes with it. */
static void
make_room(const DbsyncReceiver *receiver)
{
	List	   *names = dbsync_folder_list(receiver->rejected);
	int64		bytes = 0;
	int			n = 0;

	/* the newest are at the end: those behind which there is enough go */
	for (int i = list_length(names) - 1; i >= 0; i--)
	{
		char	   *path = psprintf("%s/%s", receiver->rejected, (char *) list_nth(names, i));
		struct stat st;

		if (lstat(path, &st) == 0)
		{
			bytes += st.st_size;
			n++;
			if (n > 2 * DBSYNC_REJECTED_FILES || bytes > DBSYNC_REJECTED_BYTES)
				dbsync_folder_remove(path);
		}
		pfree(path);
	}
	list_free_deep(names);
}

void
dbsync_rejected_put(const DbsyncReceiver *receiver, const char *copy, const char *name, const char *reason)
{
	char	   *chosen = choose_name(name);
	char	   *path = psprintf("%s/%s", receiver->rejected, chosen);
	char	   *text = psprintf("%s\n", reason);

	dbsync_folder_make(receiver->rejected, S_IRWXU);
	dbsync_folder_write(receiver->tmp, psprintf("%s.txt", path), text, strlen(text), S_IRUSR | S_IWUSR);
	if (copy != NULL)
		durable_rename(copy, path, ERROR);
	else
		dbsync_folder_write(receiver->tmp, path, "", 0, S_IRUSR | S_IWUSR);
	make_room(receiver);
}
