/*-------------------------------------------------------------------------
 *
 * worker/driver/file/options.c
 *	  File driver: which options a target takes, and what they say.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_foreign_server.h"
#include "commands/defrem.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "worker/driver/file/options.h"
#include "worker/driver/percent.h"

PG_FUNCTION_INFO_V1(dbsync_file_validator);

#define SCHEME			"file://"
#define LEVEL_MAX		19
#define PART_SIZE_MIN	(64 * 1024)
#define PART_SIZE_MAX	(INT64CONST(4) * 1024 * 1024 * 1024)	/* a member has 8 GB at most */
#define REPEATS_MAX		100
#define SUFFIX_MAX		16
#define USECS_PER_MS	1000

static void
refuse(const DefElem *def, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("option \"%s\" must be %s", def->defname, what)));
}

/* --- kinds of values --- */

static int64
read_number(DefElem *def, int64 min, int64 max)
{
	const char *text = defGetString(def);
	char	   *end;
	long long	number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || number < min || number > max)
		refuse(def, psprintf("a number from %lld to %lld", (long long) min, (long long) max));
	return number;
}

static int64
read_size(DefElem *def, int64 min)
{
	int64		size = DatumGetInt64(DirectFunctionCall1(pg_size_bytes, CStringGetTextDatum(defGetString(def))));

	if (size < min)
		refuse(def, psprintf("a size of at least %lld bytes", (long long) min));
	return size;
}

/* ms */
static int64
read_time(DefElem *def, int64 min)
{
	Interval   *interval = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(defGetString(def)),
																  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	double		ms = (interval->month * 30.0 + interval->day) * SECS_PER_DAY * 1000.0 + interval->time / USECS_PER_MS;

	if (ms < min || ms > (double) PG_INT64_MAX / 1000000)
		refuse(def, psprintf("an interval of at least %lld ms", (long long) min));
	return (int64) ms;
}

/* names with commas between them */
static List *
read_names(DefElem *def)
{
	char	   *text = pstrdup(defGetString(def));
	char	   *next = NULL;
	List	   *names = NIL;

	for (char *name = strtok_r(text, ", ", &next); name != NULL; name = strtok_r(NULL, ", ", &next))
		names = lappend(names, name);
	if (names == NIL)
		refuse(def, "names of receivers, with commas between them");
	return names;
}

static const char *
read_path(DefElem *def)
{
	const char *path = defGetString(def);

	if (!is_absolute_path(path))
		refuse(def, "an absolute path");
	return path;
}

/* It becomes part of names, in a folder that others write to. */
static const char *
read_suffix(DefElem *def)
{
	const char *suffix = defGetString(def);

	if (strlen(suffix) > SUFFIX_MAX || suffix[0] != '.' || suffix[1] == '\0' ||
		suffix[strspn(suffix, ".-_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")] != '\0')
		refuse(def, "a dot and up to 15 letters, digits, dots, - or _");
	return suffix;
}

/* --- each option --- */

static void
take_root(FileOptions *read, DefElem *def)
{
	read->root = defGetString(def);
	/* all else that is wrong with it is found where it is looked at */
	if (read->root[0] == '\0')
		refuse(def, "a path");
}

static void
take_format(FileOptions *read, DefElem *def)
{
	if (strcmp(defGetString(def), "copy") != 0)
		refuse(def, "\"copy\": there is no other yet");
}

static void
take_compression(FileOptions *read, DefElem *def)
{
	if (strcmp(defGetString(def), "none") == 0)
		read->level = 0;
	else if (strcmp(defGetString(def), "zstd") != 0)
		refuse(def, "\"zstd\" or \"none\"");
}

static void
take_level(FileOptions *read, DefElem *def)
{
	int			level = (int) read_number(def, 1, LEVEL_MAX);

	if (read->level != 0)
		read->level = level;
}

static void
take_part_size(FileOptions *read, DefElem *def)
{
	read->part_size = read_size(def, PART_SIZE_MIN);
	if (read->part_size > PART_SIZE_MAX)
		refuse(def, "a size of 4 GB at most");
}

static void
take_whole_rows(FileOptions *read, DefElem *def)
{
	read->whole_rows = defGetBoolean(def);
}

static void
take_heartbeat(FileOptions *read, DefElem *def)
{
	read->heartbeat = read_time(def, 0);
}

static void
take_receivers(FileOptions *read, DefElem *def)
{
	read->receivers = read_names(def);
}

static void
take_keep_for(FileOptions *read, DefElem *def)
{
	read->keep_for = read_time(def, 0);
}

static void
take_keep_size(FileOptions *read, DefElem *def)
{
	read->keep_size = read_size(def, 1);
}

static void
take_resend_after(FileOptions *read, DefElem *def)
{
	read->resend_after = read_time(def, 1);
}

static void
take_repeats(FileOptions *read, DefElem *def)
{
	read->repeats = (int) read_number(def, 0, REPEATS_MAX);
}

static void
take_full_every(FileOptions *read, DefElem *def)
{
	read->full_every = read_time(def, 1000);
}

static void
take_recipients(FileOptions *read, DefElem *def)
{
	read->recipients = read_path(def);
}

static void
take_receipt_keys(FileOptions *read, DefElem *def)
{
	read->receipt_keys = read_path(def);
}

static void
take_suffix(FileOptions *read, DefElem *def)
{
	read->suffix = read_suffix(def);
}

/* in this order, as the level of what is not zipped does not matter */
static const struct
{
	const char *name;
	void		(*take) (FileOptions *read, DefElem *def);
}			options[] = {
	{"root", take_root},
	{"format", take_format},
	{"compression", take_compression},
	{"level", take_level},
	{"part_size", take_part_size},
	{"whole_rows", take_whole_rows},
	{"heartbeat", take_heartbeat},
	{"receivers", take_receivers},
	{"keep_for", take_keep_for},
	{"keep_size", take_keep_size},
	{"resend_after", take_resend_after},
	{"repeats", take_repeats},
	{"full_every", take_full_every},
	{"recipients", take_recipients},
	{"receipt_keys", take_receipt_keys},
	{"suffix", take_suffix},
};

static DefElem *
find_option(List *given, const char *name)
{
	ListCell   *lc;

	foreach(lc, given)
	{
		DefElem    *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, name) == 0)
			return def;
	}
	return NULL;
}

void
dbsync_file_options_read(List *given, FileOptions *read)
{
	DefElem    *def;

	memset(read, 0, sizeof(FileOptions));
	read->level = 1;
	read->part_size = INT64CONST(256) * 1024 * 1024;
	read->heartbeat = SECS_PER_HOUR * INT64CONST(1000);
	read->keep_for = 7 * SECS_PER_DAY * INT64CONST(1000);
	read->resend_after = SECS_PER_HOUR * INT64CONST(1000);
	read->suffix = ".tar";
	for (int i = 0; i < lengthof(options); i++)
	{
		def = find_option(given, options[i].name);
		if (def != NULL)
			options[i].take(read, def);
	}
	def = find_option(given, DBSYNC_FILE_PUBLIC_KEY);
	read->public_key = def ? defGetString(def) : NULL;
	def = find_option(given, DBSYNC_FILE_NEW_KEY);
	read->new_key = def && defGetBoolean(def);
	if (read->root == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("a file target has no option \"root\""),
				 errhint("It is the folder for bundles: file:///path.")));
}

const DbsyncOption *
dbsync_file_options(void)
{
	static DbsyncOption list[lengthof(options) + 1];

	for (int i = 0; i < lengthof(options); i++)
	{
		list[i].name = options[i].name;
		list[i].where = DBSYNC_OPTION_SERVER;
	}
	return list;
}

static bool
is_option(const char *name)
{
	for (int i = 0; i < lengthof(options); i++)
	{
		if (strcmp(options[i].name, name) == 0)
			return true;
	}
	return false;
}

static void
refuse_unknown(const char *name, Oid catalog)
{
	StringInfoData valid;

	initStringInfo(&valid);
	for (int i = 0; i < lengthof(options) && catalog == ForeignServerRelationId; i++)
		appendStringInfo(&valid, "%s%s", i > 0 ? ", " : "", options[i].name);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 valid.len > 0 ? errhint("Valid options in this context are: %s", valid.data)
			 : errhint("There are no valid options in this context.")));
}

Datum
dbsync_file_validator(PG_FUNCTION_ARGS)
{
	List	   *given = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);
	FileOptions read;
	ListCell   *lc;

	foreach(lc, given)
	{
		const char *name = lfirst_node(DefElem, lc)->defname;

		if (catalog != ForeignServerRelationId || !is_option(name))
			refuse_unknown(name, catalog);
	}
	/* CREATE SERVER without options comes before they are set */
	if (find_option(given, "root") != NULL)
		dbsync_file_options_read(given, &read);
	PG_RETURN_VOID();
}

/* --- URIs --- */

static void
refuse_uri(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid address of a file target"),
			 errdetail_internal("%s", detail),
			 errhint("Write file:///path?option=value&option=value.")));
}

static char *
decode(const char *text, size_t length)
{
	const char *problem;
	char	   *decoded = dbsync_percent_decode(text, length, &problem);

	if (decoded == NULL)
		refuse_uri(problem);
	return decoded;
}

static List *
put_option(List *said, char *option, char *value)
{
	return lappend(said, makeDefElem(option, (Node *) makeString(value), -1));
}

static List *
put_pairs(List *said, const char *next)
{
	while (*next != '\0')
	{
		size_t		length = strcspn(next, "&");
		const char *equals = memchr(next, '=', length);

		if (equals == NULL)
			refuse_uri("There is an option without a value.");
		said = put_option(said, decode(next, equals - next), decode(equals + 1, next + length - equals - 1));
		next += length + (next[length] == '&' ? 1 : 0);
	}
	return said;
}

/* What a URI says: the root, and options; values are looked at by the validator. */
List *
dbsync_file_parse_uri(const char *uri)
{
	const char *path = uri + strlen(SCHEME);
	List	   *said = NIL;
	size_t		length;

	if (pg_strncasecmp(uri, SCHEME, strlen(SCHEME)) != 0)
		refuse_uri("It does not begin with file://.");
	if (pg_strncasecmp(path, "localhost/", strlen("localhost/")) == 0)
		path += strlen("localhost");
	length = strcspn(path, "?#");
	/* "file://" alone leaves all to options, as a configuration does */
	if (path[0] != '/' && path[0] != '\0')
		refuse_uri("Behind file:// stands the absolute path of a folder of this server.");
	if (path[length] == '#')
		refuse_uri("There is a fragment, #, in it.");
	if (length > 0)
		said = put_option(NIL, pstrdup("root"), decode(path, length));
	return path[length] == '?' ? put_pairs(said, path + length + 1) : said;
}
