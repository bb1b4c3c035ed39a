/*-------------------------------------------------------------------------
 *
 * worker/bundle/reader.c
 *	  Proving a bundle, and reading what is in it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/memutils.h"

#include "worker/bundle/contents.h"
#include "worker/bundle/flow.h"
#include "worker/bundle/frames.h"
#include "worker/bundle/names.h"
#include "worker/bundle/prove.h"
#include "worker/bundle/reader.h"

struct DbsyncBundleReader
{
	MemoryContextCallback cleanup;
	MemoryContext context;
	MemoryContext work;			/* while its head is read */
	const char *path;
	int			fd;				/* -1: closed */
	dev_t		device;			/* of the file that was proved */
	ino_t		inode;
	DbsyncProof proof;
	int			nrows;			/* members with rows: from the second one on */
	bool		zipped;
	bool		sealed;
	int			contents;		/* the member */
	int			head_member;
	DbsyncBundleHead *head;
};

struct DbsyncBundleRows
{
	MemoryContext context;
	DbsyncFlowIn *flow;
	DbsyncFramesIn *frames;
	int64		rows;			/* that have come */
	int64		wanted;
	int64		bytes;
};

static void
close_reader(void *arg)
{
	DbsyncBundleReader *reader = arg;

	if (reader->fd < 0)
		return;
	close(reader->fd);
	ReleaseExternalFD();
	reader->fd = -1;
}

/* Open it, or say why it is none; true: it is open. */
static bool
open_file(DbsyncBundleReader *reader, struct stat *status, const char **reason)
{
	if (!AcquireExternalFD())
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", reader->path)));
	/* neither does a FIFO block us, nor a link lead us anywhere */
	reader->fd = open(reader->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (reader->fd < 0)
	{
		int			problem = errno;

		ReleaseExternalFD();
		errno = problem;
		*reason = "it is no ordinary file";
		if (errno == ELOOP || errno == ENXIO || errno == EMLINK)
			return false;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", reader->path)));
	}
	if (fstat(reader->fd, status) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not look at file \"%s\": %m", reader->path)));
	*reason = "it is no ordinary file";
	return S_ISREG(status->st_mode);
}

/* It is read again, after a rest: nobody else can write to it, but somebody may have put another one in its place. */
static void
open_again(DbsyncBundleReader *reader)
{
	struct stat status;
	const char *reason;

	if (reader->fd >= 0)
		return;
	if (open_file(reader, &status, &reason) && status.st_dev == reader->device && status.st_ino == reader->inode &&
		status.st_size == reader->proof.length)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("file \"%s\" has become another one", reader->path)));
}

/* All of a small member; buffers and all stay in CurrentMemoryContext. */
static char *
read_member(DbsyncBundleReader *reader, int i, DbsyncUnsealer *unsealer, size_t *length)
{
	const DbsyncProveMember *member = &reader->proof.members[i];
	char	   *what = psprintf("\"%s\" of bundle \"%s\"", member->name, reader->path);
	DbsyncFlowIn *flow = dbsync_flow_in(reader->fd, what, member->at, member->size, false, unsealer,
										DBSYNC_BUNDLE_JSON_LIMIT);
	char	   *data;

	/* what is sealed becomes less, and nothing is zipped: so there is no more than the member has, and room for that is enough */
	*length = dbsync_flow_get(flow, (size_t) Min(member->size, DBSYNC_BUNDLE_JSON_LIMIT) + 1, &data);
	return data;
}

/* Is the member called so, perhaps sealed? */
static bool
is_called(const DbsyncBundleReader *reader, int i, const char *name)
{
	const char *called = reader->proof.members[i].name;
	size_t		length = strlen(name);

	return i >= 0 && strncmp(called, name, length) == 0 &&
		strcmp(called + length, reader->sealed ? DBSYNC_NAMES_SEALED : "") == 0;
}

/* Are these the members of format 1, in their order? */
static bool
are_members_right(DbsyncBundleReader *reader)
{
	const DbsyncProof *proof = &reader->proof;
	const char *suffix;
	char		name[DBSYNC_BUNDLE_NAME_LIMIT];
	int			n = proof->nmembers - 3;	/* before bundle.json, the sums and their signature */

	reader->head_member = n;
	if (n < 2 || strcmp(proof->members[n].name, DBSYNC_NAMES_HEAD) != 0)
		return false;
	reader->contents = --n;
	reader->sealed = strcmp(proof->members[n].name, DBSYNC_NAMES_CONTENTS) != 0;
	if (!is_called(reader, n, DBSYNC_NAMES_CONTENTS))
		return false;
	if (is_called(reader, n - 1, DBSYNC_NAMES_LOAD))
		n--;
	reader->nrows = n - 1;
	reader->zipped = n > 1 && strncmp(proof->members[1].name, "1.copy.zst", 10) == 0;
	suffix = dbsync_names_suffix(reader->zipped, reader->sealed);
	for (int i = 1; i < n; i++)
	{
		snprintf(name, sizeof(name), "%d%s", i, suffix);
		if (strcmp(proof->members[i].name, name) != 0)
			return false;
	}
	return true;
}

/* Of what is signed: is it of a format that we know?  GOOD, TOO_NEW or BAD. */
static DbsyncBundleVerdict
check_format(DbsyncBundleReader *reader, const char **reason)
{
	const DbsyncProveMember *member = &reader->proof.members[0];
	size_t		length = 0;
	char	   *text = member->size < 100 ? read_member(reader, 0, NULL, &length) : "";

	if (length == strlen(DBSYNC_BUNDLE_FORMAT_TEXT) && memcmp(text, DBSYNC_BUNDLE_FORMAT_TEXT, length) == 0)
		return DBSYNC_BUNDLE_GOOD;
	if (length > 15 && memcmp(text, "dbsync bundle ", 14) == 0 && text[length - 1] == '\n' &&
		strspn(text + 14, "0123456789") == length - 15)
	{
		*reason = psprintf("it has format %.*s, and this dbsync reads format %d", (int) length - 15, text + 14,
						   DBSYNC_BUNDLE_FORMAT);
		return DBSYNC_BUNDLE_TOO_NEW;
	}
	*reason = "FORMAT says nothing that is known";
	return DBSYNC_BUNDLE_BAD;
}

/* Do we know all that a reader must know? */
static DbsyncBundleVerdict
check_requires(DbsyncBundleReader *reader, const char **reason)
{
	ListCell   *lc;

	foreach(lc, reader->head->requires)
	{
		const char *word = lfirst(lc);
		int			what = dbsync_contents_read_do(word);

		if (strcmp(word, "cms") != 0 && (what < 0 || !dbsync_contents_is_required(what)))
		{
			*reason = psprintf("it requires \"%s\", which this dbsync does not know", word);
			return DBSYNC_BUNDLE_TOO_NEW;
		}
	}
	return DBSYNC_BUNDLE_GOOD;
}

static DbsyncBundleVerdict
read_head(DbsyncBundleReader *reader, const char **reason)
{
	size_t		length;
	char	   *text;
	char	   *name;
	const char *problem;
	const DbsyncBundleHead *head;

	if (reader->proof.members[reader->head_member].size > DBSYNC_BUNDLE_JSON_LIMIT)
	{
		*reason = "bundle.json is larger than 64 MB";
		return DBSYNC_BUNDLE_BAD;
	}
	text = read_member(reader, reader->head_member, NULL, &length);
	MemoryContextSwitchTo(reader->context);
	problem = dbsync_head_read(text, length, &reader->head, &name);
	MemoryContextSwitchTo(reader->work);
	head = reader->head;
	if (problem != NULL)
	{
		*reason = psprintf("bundle.json: %s", problem);
		return DBSYNC_BUNDLE_BAD;
	}
	/* nobody has signed it elsewhere */
	if (strcmp(reader->proof.folder,
			   dbsync_names_folder(name, &head->subscription, head->chain, head->number)) != 0)
	{
		*reason = "its folder is called like another bundle's";
		return DBSYNC_BUNDLE_BAD;
	}
	return check_requires(reader, reason);
}

/* Of what is signed: is it a bundle that we can read? */
static DbsyncBundleVerdict
check_signed(DbsyncBundleReader *reader, const char **reason)
{
	DbsyncBundleVerdict verdict = check_format(reader, reason);

	if (verdict != DBSYNC_BUNDLE_GOOD)
		return verdict;
	if (!are_members_right(reader))
	{
		*reason = "its members are not those of a bundle";
		return DBSYNC_BUNDLE_BAD;
	}
	return read_head(reader, reason);
}

static DbsyncBundleVerdict
open_reader(DbsyncBundleReader *reader, List *keys, const char **reason)
{
	DbsyncBundleVerdict verdict;
	MemoryContext old;
	struct stat status;

	if (!open_file(reader, &status, reason))
		return DBSYNC_BUNDLE_BAD;
	reader->device = status.st_dev;
	reader->inode = status.st_ino;
	verdict = dbsync_prove(reader->fd, reader->path, keys, &reader->proof, reason);
	if (verdict != DBSYNC_BUNDLE_GOOD)
		return verdict;
	/* somebody may have many of them open: what is needed for this alone does not stay */
	reader->work = AllocSetContextCreate(reader->context, "dbsync head of a bundle", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(reader->work);
	verdict = check_signed(reader, reason);
	MemoryContextSwitchTo(old);
	if (verdict != DBSYNC_BUNDLE_GOOD)
		*reason = pstrdup(*reason);
	MemoryContextDelete(reader->work);
	return verdict;
}

DbsyncBundleReader *
dbsync_bundle_open(const char *path, List *keys, DbsyncBundleVerdict *verdict, const char **reason)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dbsync bundle that is read",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	DbsyncBundleReader *reader = palloc0(sizeof(DbsyncBundleReader));

	reader->context = context;
	reader->path = pstrdup(path);
	reader->fd = -1;
	reader->cleanup.func = close_reader;
	reader->cleanup.arg = reader;
	MemoryContextRegisterResetCallback(context, &reader->cleanup);
	*verdict = open_reader(reader, keys, reason);
	MemoryContextSwitchTo(old);
	if (*verdict == DBSYNC_BUNDLE_GOOD)
	{
		*reason = NULL;
		return reader;
	}
	*reason = pstrdup(*reason);
	MemoryContextDelete(context);
	return NULL;
}

void
dbsync_bundle_close(DbsyncBundleReader *reader)
{
	MemoryContextDelete(reader->context);
}

void
dbsync_bundle_rest(DbsyncBundleReader *reader)
{
	close_reader(reader);
}

const DbsyncBundleHead *
dbsync_bundle_head(const DbsyncBundleReader *reader)
{
	return reader->head;
}

const uint8 *
dbsync_bundle_sums(const DbsyncBundleReader *reader)
{
	return reader->proof.sums;
}

bool
dbsync_bundle_is_sealed(const DbsyncBundleReader *reader)
{
	return reader->sealed;
}

static DbsyncUnsealer *
checked_unsealer(const DbsyncBundleReader *reader, DbsyncUnsealer *unsealer)
{
	if (!reader->sealed)
		return NULL;
	if (unsealer == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("bundle \"%s\" is encrypted, and there is no key to open it", reader->path)));
	return unsealer;
}

pg_noreturn static void
raise_wrong(const DbsyncBundleReader *reader, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("\"contents.json\" of bundle \"%s\" cannot be read: %s", reader->path, why),
			 errdetail("Its signature holds, so it was made like that.")));
}

/* Each member with rows is a step's, in their order. */
static void
check_steps(DbsyncBundleReader *reader, List *steps)
{
	int			member = 0;
	ListCell   *lc;

	foreach(lc, steps)
	{
		const DbsyncBundleStep *step = lfirst(lc);

		if (dbsync_contents_has_rows(step->what) && step->member != ++member)
			raise_wrong(reader, "steps do not have the members in their order");
	}
	if (member != reader->nrows)
		raise_wrong(reader, "steps do not have the members in their order");
}

DbsyncBundleContents *
dbsync_bundle_contents(DbsyncBundleReader *reader, DbsyncUnsealer *unsealer)
{
	MemoryContext target = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(target, "dbsync contents of a bundle", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	size_t		length;
	char	   *text = read_member(reader, reader->contents, checked_unsealer(reader, unsealer), &length);
	DbsyncBundleContents *contents = NULL;
	const char *problem;

	MemoryContextSwitchTo(target);
	problem = dbsync_contents_read(text, length, dbsync_names_suffix(reader->zipped, reader->sealed), &contents);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	if (problem != NULL)
		raise_wrong(reader, problem);
	check_steps(reader, contents->steps);
	return contents;
}

DbsyncBundleRows *
dbsync_bundle_rows_open(DbsyncBundleReader *reader, const DbsyncBundleStep *step, int nfields,
						DbsyncUnsealer *unsealer)
{
	MemoryContext context;
	MemoryContext old;
	const DbsyncProveMember *member;
	DbsyncBundleRows *rows;

	if (step->member < 1 || step->member > reader->nrows)
		elog(ERROR, "bundle \"%s\" has no member %d", reader->path, step->member);
	open_again(reader);
	context = AllocSetContextCreate(CurrentMemoryContext, "dbsync rows of a bundle", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	member = &reader->proof.members[step->member];
	rows = palloc0(sizeof(DbsyncBundleRows));
	rows->context = context;
	rows->wanted = step->rows;
	rows->bytes = step->bytes;
	rows->flow = dbsync_flow_in(reader->fd, psprintf("\"%s\" of bundle \"%s\"", member->name, reader->path),
								member->at, member->size, reader->zipped, checked_unsealer(reader, unsealer),
								step->bytes);
	rows->frames = dbsync_frames_in(rows->flow, step->form, nfields);
	MemoryContextSwitchTo(old);
	return rows;
}

bool
dbsync_bundle_rows_next(DbsyncBundleRows *rows, const char **values, int *lengths)
{
	if (dbsync_frames_next(rows->frames, values, lengths))
	{
		if (++rows->rows > rows->wanted)
			dbsync_flow_wrong(rows->flow, "it has more rows than the bundle says");
		return true;
	}
	if (rows->rows != rows->wanted || dbsync_flow_total(rows->flow) != rows->bytes)
		dbsync_flow_wrong(rows->flow, "it has less than the bundle says");
	return false;
}

void
dbsync_bundle_rows_close(DbsyncBundleRows *rows)
{
	MemoryContextDelete(rows->context);
}
