/*-------------------------------------------------------------------------
 *
 * worker/bundle/prove.c
 *	  Is a file what somebody has signed?  One pass, nothing parsed.
 *
 * NOTES
 *	  Whoever has made the file is not known here, so all that is looked at are headers of tar, which must be those that we
 *	  would have made, and names in them.  The text of the sums is not read but made anew, and compared.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "worker/bundle/crypto.h"
#include "worker/bundle/names.h"
#include "worker/bundle/prove.h"
#include "worker/bundle/sign.h"
#include "worker/bundle/tar.h"

#define PROVE_BUFFER	(256 * 1024)

typedef struct Proving
{
	MemoryContext context;		/* of what is needed for the proof alone */
	int			fd;
	const char *path;
	DbsyncProof *proof;
	DbsyncHash *hash;
	StringInfoData sums;		/* SHA256SUMS as it has to be */
	char	   *said;			/* as it is */
	uint8		signature[DBSYNC_BUNDLE_SIGNATURE];
	int			room;			/* for members */
	DbsyncBundleVerdict verdict;
	const char *reason;

	/* bytes of the file that have been read: from "used" to "filled" */
	size_t		used;
	size_t		filled;
	int64		at;				/* of the file: where they begin */
	char		buffer[PROVE_BUFFER];
} Proving;

static bool
found(Proving *proving, DbsyncBundleVerdict verdict, const char *reason)
{
	proving->verdict = verdict;
	proving->reason = reason;
	return false;
}

static bool
bad(Proving *proving, const char *reason)
{
	return found(proving, DBSYNC_BUNDLE_BAD, reason);
}

/* Some more bytes; false: there are none. */
static bool
fill(Proving *proving)
{
	ssize_t		n;

	if (proving->used < proving->filled)
		return true;
	CHECK_FOR_INTERRUPTS();
	do
	{
		n = pread(proving->fd, proving->buffer, PROVE_BUFFER, proving->at);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", proving->path)));
	proving->used = 0;
	proving->filled = n;
	proving->at += n;
	return n > 0;
}

/* So many bytes into "to" (NULL: nowhere), or into the hash; false: partial. */
static bool
get(Proving *proving, char *to, DbsyncHash *hash, int64 length)
{
	while (length > 0)
	{
		size_t		n;

		if (!fill(proving))
			return found(proving, DBSYNC_BUNDLE_PARTIAL, "it has no end yet");
		n = Min((int64) (proving->filled - proving->used), length);
		if (to != NULL)
		{
			memcpy(to, proving->buffer + proving->used, n);
			to += n;
		}
		if (hash != NULL)
			dbsync_hash_add(hash, proving->buffer + proving->used, n);
		proving->used += n;
		length -= n;
	}
	return true;
}

/* Of a name, one of ours: nothing that leads anywhere. */
static bool
is_plain(const char *name)
{
	return name[0] != '\0' && name[0] != '.' &&
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(name);
}

/* Take folder and name of a member apart, and note it. */
static bool
note_member(Proving *proving, char *path, int64 size)
{
	DbsyncProof *proof = proving->proof;
	char	   *slash = strchr(path, '/');

	if (slash == NULL)
		return bad(proving, "a member is in no folder");
	*slash = '\0';
	if (!is_plain(path) || !is_plain(slash + 1))
		return bad(proving, "a member has a name that none of a bundle has");
	if (proof->nmembers == 0)
		proof->folder = pstrdup(path);
	else if (strcmp(proof->folder, path) != 0)
		return bad(proving, "a member is in another folder");
	if ((proof->nmembers == 0) != (strcmp(slash + 1, DBSYNC_NAMES_FORMAT) == 0))
		return bad(proving, "FORMAT is not its first member, or is there twice");
	if (proof->nmembers == DBSYNC_NAMES_LIMIT + 2)
		return bad(proving, "it has too many members");
	if (proof->nmembers == proving->room)
	{
		proving->room *= 2;
		proof->members = repalloc(proof->members, proving->room * sizeof(DbsyncProveMember));
	}
	proof->members[proof->nmembers].name = pstrdup(slash + 1);
	proof->members[proof->nmembers].size = size;
	proof->members[proof->nmembers].at = proving->at - (int64) (proving->filled - proving->used);
	proof->nmembers++;
	return true;
}

/* SHA256SUMS: as long as it has to be. */
static bool
get_sums(Proving *proving, int64 size)
{
	if (size != proving->sums.len)
		return bad(proving, "its members are not those of SHA256SUMS");
	proving->said = MemoryContextAllocHuge(proving->context, size + 1);
	return get(proving, proving->said, NULL, size);
}

static bool
get_signature(Proving *proving, int64 size)
{
	if (size != DBSYNC_BUNDLE_SIGNATURE)
		return bad(proving, "its signature has another length");
	return get(proving, (char *) proving->signature, NULL, size);
}

/* Content of a member that is summed. */
static bool
get_content(Proving *proving, const char *name, int64 size)
{
	uint8		digest[DBSYNC_BUNDLE_HASH];
	char		hex[DBSYNC_BUNDLE_HEX];

	dbsync_hash_begin(proving->hash);
	if (!get(proving, NULL, proving->hash, size))
		return false;
	dbsync_hash_end(proving->hash, digest);
	dbsync_hash_hex(digest, hex);
	appendStringInfo(&proving->sums, "%s  %s\n", hex, name);
	return true;
}

static bool
get_padding(Proving *proving, int64 size)
{
	char		padding[DBSYNC_BUNDLE_BLOCK];
	int			length = dbsync_tar_padding(size);

	if (!get(proving, padding, NULL, length))
		return false;
	return dbsync_tar_is_zero(padding, length) || bad(proving, "there is something behind a member's content");
}

/* Behind the signature: one more block of zeros, and that was all. */
static bool
get_end(Proving *proving)
{
	char		block[DBSYNC_BUNDLE_BLOCK];

	if (!get(proving, block, NULL, DBSYNC_BUNDLE_BLOCK))
		return false;
	if (!dbsync_tar_is_zero(block, DBSYNC_BUNDLE_BLOCK))
		return bad(proving, "its end is no end");
	if (fill(proving))
		return bad(proving, "there is something behind its end");
	proving->proof->length = proving->at;
	return true;
}

/* One member with its header and padding; false: there is no further one. */
static bool
get_member(Proving *proving, bool *ended)
{
	DbsyncProof *proof = proving->proof;
	char		block[DBSYNC_BUNDLE_BLOCK];
	char		path[DBSYNC_BUNDLE_NAME_LIMIT + 1];
	const char *name;
	int64		size;

	if (!get(proving, block, NULL, DBSYNC_BUNDLE_BLOCK))
		return false;
	if (dbsync_tar_is_zero(block, DBSYNC_BUNDLE_BLOCK))
	{
		*ended = true;
		return proving->said != NULL && strcmp(proof->members[proof->nmembers - 1].name, DBSYNC_NAMES_SIGNATURE) == 0 ?
			get_end(proving) : bad(proving, "it ends before its signature");
	}
	if (proving->said != NULL && strcmp(proof->members[proof->nmembers - 1].name, DBSYNC_NAMES_SUMS) != 0)
		return bad(proving, "there is a member behind its signature");
	if (!dbsync_tar_read(block, path, &size))
		return bad(proving, "a member's header is not the one that it must have");
	if (!note_member(proving, path, size))
		return false;
	name = proof->members[proof->nmembers - 1].name;
	if ((proving->said != NULL) != (strcmp(name, DBSYNC_NAMES_SIGNATURE) == 0))
		return bad(proving, "its signature is not where it has to be");
	if (proving->said != NULL)
		return get_signature(proving, size) && get_padding(proving, size);
	if (strcmp(name, DBSYNC_NAMES_SUMS) == 0)
		return get_sums(proving, size) && get_padding(proving, size);
	return get_content(proving, name, size) && get_padding(proving, size);
}

/* Has one of the keys signed the sums? */
static bool
is_signed(Proving *proving, List *keys)
{
	ListCell   *lc;

	foreach(lc, keys)
	{
		if (dbsync_sign_holds(lfirst(lc), proving->said, proving->sums.len, proving->signature))
			return true;
	}
	return found(proving, DBSYNC_BUNDLE_UNSIGNED, "its signature is by nobody whose key is known");
}

/* Of a file that has come to its end: do sums and signature hold? */
static void
check_sums(Proving *proving, List *keys)
{
	if (memcmp(proving->said, proving->sums.data, proving->sums.len) != 0)
	{
		(void) bad(proving, "its members are not those of SHA256SUMS");
		return;
	}
	if (!is_signed(proving, keys))
		return;
	dbsync_hash_begin(proving->hash);
	dbsync_hash_add(proving->hash, proving->said, proving->sums.len);
	dbsync_hash_end(proving->hash, proving->proof->sums);
	proving->verdict = DBSYNC_BUNDLE_GOOD;
}

static Proving *
begin_proving(int fd, const char *path, DbsyncProof *proof)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dbsync proof of a bundle",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Proving    *proving = palloc(sizeof(Proving));

	memset(proving, 0, offsetof(Proving, buffer));
	proving->context = context;
	proving->fd = fd;
	proving->path = path;
	proving->proof = proof;
	proving->hash = dbsync_hash_create();
	initStringInfo(&proving->sums);
	MemoryContextSwitchTo(old);
	return proving;
}

DbsyncBundleVerdict
dbsync_prove(int fd, const char *path, List *keys, DbsyncProof *proof, const char **reason)
{
	Proving    *proving = begin_proving(fd, path, proof);
	DbsyncBundleVerdict verdict;
	bool		ended = false;

	memset(proof, 0, sizeof(DbsyncProof));
	proving->room = 16;
	proof->members = palloc(proving->room * sizeof(DbsyncProveMember));
#ifdef POSIX_FADV_SEQUENTIAL
	(void) posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
#endif
	while (!ended && get_member(proving, &ended))
		;
	if (proving->reason == NULL)
		check_sums(proving, keys);
	verdict = proving->verdict;
	*reason = proving->reason;
	MemoryContextDelete(proving->context);
	return verdict;
}
