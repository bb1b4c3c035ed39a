/*-------------------------------------------------------------------------
 *
 * worker/driver/file/names.c
 *	  File driver: what files are called.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "storage/fd.h"
#include "utils/timestamp.h"

#include "worker/driver/file/internal.h"

/* digits of a number in a name, so that names come in order */
#define NUMBER_FORMAT	"%012lld"

#define CLOCKS_DIFFER	USECS_PER_MINUTE

char *
dbsync_file_uuid(const pg_uuid_t *uuid)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < UUID_LEN; i++)
		appendStringInfo(&text, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid->data[i]);
	return text.data;
}

char *
dbsync_file_hex(const uint8 *hash)
{
	char	   *text = palloc(DBSYNC_BUNDLE_HEX);

	for (int i = 0; i < DBSYNC_BUNDLE_HASH; i++)
		sprintf(text + 2 * i, "%02x", hash[i]);
	return text;
}

char *
dbsync_file_keep_path(const FileTarget *target, const FileName *name, const char *suffix)
{
	return psprintf("%s/%lld-" NUMBER_FORMAT "%s", target->keep, (long long) name->chain, (long long) name->number, suffix);
}

char *
dbsync_file_out_path(const FileTarget *target, const char *subscription_name, const FileName *name)
{
	return psprintf("%s/out/%s%s", target->options.root,
					dbsync_bundle_folder(subscription_name, &target->subscription, name->chain, name->number),
					target->options.suffix);
}

char *
dbsync_file_by_hand_folder(const FileTarget *target)
{
	return psprintf("%s/by-hand", target->keep);
}

char *
dbsync_file_tmp_folder(const FileTarget *target)
{
	return psprintf("%s/tmp/%s", target->options.root, dbsync_file_uuid(&target->subscription));
}

TimestampTz
dbsync_file_kept_since(const FileTarget *target, const FileName *name, const struct stat *status)
{
	TimestampTz written = time_t_to_timestamptz(status->st_mtime);
	TimestampTz now = GetCurrentTimestamp();
	struct timespec times[2];

	/* a file server's clock may be a little ahead */
	if (written <= now + CLOCKS_DIFFER)
		return written;
	/* by our clock: where its own is further ahead, "now" is what it would make of it each time, and nothing would ever grow old */
	times[0].tv_sec = times[1].tv_sec = (time_t) timestamptz_to_time_t(now);
	times[0].tv_nsec = times[1].tv_nsec = 0;
	(void) utimensat(AT_FDCWD, dbsync_file_keep_path(target, name, ".tar"), times, 0);
	return now;
}

bool
dbsync_file_is_due(TimestampTz since, int64 ms)
{
	TimestampTz now = GetCurrentTimestamp();

	return now - since >= ms * 1000 || since > now;
}

char *
dbsync_file_tmp_path(const FileTarget *target, const FileName *name, const char *suffix)
{
	return psprintf("%s/%lld-" NUMBER_FORMAT "%s", dbsync_file_tmp_folder(target),
					(long long) name->chain, (long long) name->number, suffix);
}

int
dbsync_file_compare(const FileName *a, const FileName *b)
{
	if (a->chain != b->chain)
		return a->chain < b->chain ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

static int
compare_cells(const ListCell *a, const ListCell *b)
{
	return dbsync_file_compare(lfirst(a), lfirst(b));
}

/* NULL: it is something else */
static FileName *
read_name(const char *text, const char *suffix)
{
	FileName   *name;
	long long	chain;
	long long	number;
	int			length = 0;

	if (sscanf(text, "%lld-%lld%n", &chain, &number, &length) != 2 || length == 0 ||
		chain < 0 || number < 0 || strcmp(text + length, suffix) != 0)
		return NULL;
	name = palloc(sizeof(FileName));
	name->chain = chain;
	name->number = number;
	return name;
}

List *
dbsync_file_list(const FileTarget *target, const char *suffix)
{
	List	   *names = NIL;
	DIR		   *dir = AllocateDir(target->keep);
	struct dirent *entry;

	while ((entry = ReadDir(dir, target->keep)) != NULL)
	{
		FileName   *name = read_name(entry->d_name, suffix);

		if (name != NULL)
			names = lappend(names, name);
	}
	FreeDir(dir);
	list_sort(names, compare_cells);
	return names;
}
