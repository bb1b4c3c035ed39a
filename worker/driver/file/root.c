/*-------------------------------------------------------------------------
 *
 * worker/driver/file/root.c
 *	  File driver: the folder of a target, and its keys.
 *
 * The key that signs is made with the root, and only then: a root that has lost its key, and would
 * get another one by itself, would send what all receivers take for forged.  So the catalog keeps the
 * public key, too, and one that is another is refused until somebody has said that it is to be.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "utils/builtins.h"

#include "worker/bundle/folder.h"
#include "worker/driver/file/internal.h"

#define ROOT_MARK		"dbsync.json"
#define ROOT_MARK_TEXT	"{\"dbsync\": \"outbox\", \"format\": 1}\n"
#define PRIVATE_KEY		"signing.key"
#define PUBLIC_KEY		"signing.pub"

#define ROOT_MODE		02711
#define SHARED_MODE		02770	/* the gateway's group writes there */
#define OWN_MODE		0700
#define MARK_MODE		0644
#define PRIVATE_MODE	0600

#define FORMER_KEYS		"keep/former.pub"
#define KEYS_LIMIT		(1024 * 1024)
#define PEM_END			"-----END PUBLIC KEY-----"

static char *
path_of_name(const FileTarget *target, const char *name)
{
	return psprintf("%s/%s", target->options.root, name);
}

static bool
is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* Is there nothing but what is made before the mark, by us?  Who made it has died, or had no room. */
static bool
is_half_made(FileTarget *target)
{
	static const char *const made[] = {"tmp", "keep", "out", "receipts", PRIVATE_KEY, PRIVATE_KEY ".new", PUBLIC_KEY};
	ListCell   *lc;

	foreach(lc, dbsync_folder_list(target->options.root))
	{
		const char *name = lfirst(lc);
		struct stat status;
		bool		known = false;

		for (int i = 0; i < lengthof(made); i++)
			known |= strcmp(name, made[i]) == 0;
		if (!known || lstat(path_of_name(target, name), &status) != 0 || status.st_uid != geteuid())
			return false;
	}
	return true;
}

/* Is there a root of ours?  Else there may be an empty folder, or nothing, or one that was not made to its end. */
static bool
is_ours(FileTarget *target, bool *ours)
{
	const char *root = target->options.root;
	const char *problem = dbsync_folder_problem(root);

	if (problem != NULL)
		return dbsync_file_refuse(target, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_INVALID_PARAMETER_VALUE,
								  psprintf("\"%s\" cannot be the root of a file target: %s", root, problem), NULL,
								  DBSYNC_FOLDER_HINT);
	*ours = is_there(path_of_name(target, ROOT_MARK));
	if (!*ours && !is_half_made(target))
		return dbsync_file_refuse(target, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_INVALID_PARAMETER_VALUE,
								  psprintf("\"%s\" cannot be the root of a file target", root),
								  "It is not empty, and nothing in it says that it is dbsync's.",
								  "Name a folder that is empty, or not there yet.");
	return true;
}

static void
make_folders(FileTarget *target)
{
	dbsync_folder_make(path_of_name(target, "tmp"), OWN_MODE);
	dbsync_folder_make(path_of_name(target, "keep"), OWN_MODE);
	dbsync_folder_make(path_of_name(target, "out"), SHARED_MODE);
	dbsync_folder_make(path_of_name(target, "receipts"), SHARED_MODE);
}

static void
make_key(FileTarget *target)
{
	char	   *pem;

	/* a half made one has no public half yet, which is written last */
	if (!is_there(path_of_name(target, PUBLIC_KEY)))
		dbsync_folder_remove(path_of_name(target, PRIVATE_KEY));
	else if (is_there(path_of_name(target, PRIVATE_KEY)))
		return;
	dbsync_sign_make(path_of_name(target, PRIVATE_KEY), &pem);
	dbsync_folder_write(path_of_name(target, "tmp"), path_of_name(target, PUBLIC_KEY), pem, strlen(pem), MARK_MODE);
}

static void
write_mark(FileTarget *target)
{
	dbsync_folder_write(path_of_name(target, "tmp"), path_of_name(target, ROOT_MARK), ROOT_MARK_TEXT,
						strlen(ROOT_MARK_TEXT), MARK_MODE);
}

/* The mark comes last: what has none was not made to its end. */
static void
make_root(FileTarget *target)
{
	dbsync_folder_make(target->options.root, ROOT_MODE);
	make_folders(target);
	make_key(target);
	write_mark(target);
}

static bool
refuse_key(FileTarget *target, const char *detail)
{
	return dbsync_file_refuse(target, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
							  psprintf("the root of target \"%s\" has another key than it had", target->name), detail,
							  psprintf("Put back \"%s\" as it was. Where that cannot be done, or it is to be so:"
									   " SELECT dbsync.alter_target(%s, options => '{\"new_key\": true}'); then carry"
									   " dbsync.public_key(%s) to all receivers.",
									   target->options.root, quote_literal_cstr(target->name), quote_literal_cstr(target->name)));
}

/* What was signed with the key before is ours as well, and may be the ledger. */
static void
remember_key(FileTarget *target)
{
	const char *former = target->options.public_key;
	size_t		length;
	char	   *known;

	if (former == NULL || strcmp(former, dbsync_sign_public_pem(target->signer)) == 0)
		return;
	known = dbsync_folder_read(path_of_name(target, FORMER_KEYS), KEYS_LIMIT, &length);
	if (known != NULL && strstr(known, former) != NULL)
		return;
	known = psprintf("%s%s", known ? known : "", former);
	dbsync_folder_write(path_of_name(target, "tmp"), path_of_name(target, FORMER_KEYS), known, strlen(known), PRIVATE_MODE);
}

List *
dbsync_file_read_keys(const char *path)
{
	List	   *keys = NIL;
	size_t		length;
	char	   *data = dbsync_folder_read(path, KEYS_LIMIT, &length);
	char	   *end;

	while (data != NULL && (end = strstr(data, PEM_END)) != NULL)
	{
		char	   *pem = pnstrdup(data, end + strlen(PEM_END) - data);
		uint8	   *key = dbsync_sign_read_public(psprintf("%s\n", pem));

		if (key == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("public key %d in file \"%s\" is no Ed25519 key", list_length(keys) + 1, path)));
		keys = lappend(keys, key);
		data = end + strlen(PEM_END);
	}
	return keys;
}

List *
dbsync_file_own_keys(const FileTarget *target)
{
	return lcons(unconstify(uint8 *, dbsync_sign_public_key(target->signer)),
				 dbsync_file_read_keys(path_of_name(target, FORMER_KEYS)));
}

bool
dbsync_file_root_open(FileTarget *target)
{
	const FileOptions *options = &target->options;
	bool		known = options->public_key != NULL && !options->new_key;
	bool		has_key;
	bool		ours = false;

	if (!is_ours(target, &ours))
		return false;
	has_key = is_there(path_of_name(target, PRIVATE_KEY));
	/* one that was made to its end is known by its key, whatever else it lacks now */
	if (!has_key && (known || (ours && !options->new_key)))
		return refuse_key(target, psprintf("There is no file \"%s\".", path_of_name(target, PRIVATE_KEY)));
	if (!ours && !known)
		make_root(target);
	else if (!has_key)
	{
		dbsync_folder_remove(path_of_name(target, PUBLIC_KEY));
		make_key(target);
	}
	make_folders(target);
	target->signer = dbsync_sign_load(path_of_name(target, PRIVATE_KEY), "the signing key of a file target");
	if (known && strcmp(options->public_key, dbsync_sign_public_pem(target->signer)) != 0)
		return refuse_key(target, psprintf("That of \"%s\" does not go with the public key that is known here.",
										   path_of_name(target, PRIVATE_KEY)));
	if (!ours && known)
		write_mark(target);
	if (options->new_key)
		remember_key(target);
	if (options->recipients != NULL)
		target->sealer = dbsync_seal_load(options->recipients, "the file of recipients");
	return true;
}
