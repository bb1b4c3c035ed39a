/*-------------------------------------------------------------------------
 *
 * worker/driver/file/state.c
 *	  File driver: how far first copies have come, in a file beside the bundles.
 *
 * Bundles have what a batch has changed, and may be encrypted to somebody else; what all tables have comes from here.
 * Nobody but this driver reads it: lines of fields, one that says that it is whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "port/pg_crc32c.h"
#include "storage/fd.h"

#include "worker/bundle/folder.h"
#include "worker/driver/file/internal.h"

#define HEAD			"dbsync state 1\n"
#define STATE_LIMIT		(512 * 1024 * 1024)
#define STATE_MODE		0600
#define POSITION_FIELDS	14
#define PART_FIELDS		9		/* and those of the boundary */

/* --- writing --- */

static void
put_text(StringInfo buf, const char *text)
{
	appendStringInfoChar(buf, '\t');
	if (text == NULL)
		appendStringInfoString(buf, "\\N");
	for (; text != NULL && *text != '\0'; text++)
	{
		switch (*text)
		{
			case '\t':
				appendStringInfoString(buf, "\\t");
				break;
			case '\n':
				appendStringInfoString(buf, "\\n");
				break;
			case '\\':
				appendStringInfoString(buf, "\\\\");
				break;
			default:
				appendStringInfoChar(buf, *text);
		}
	}
}

static void
put_number(StringInfo buf, int64 number)
{
	appendStringInfo(buf, "\t" INT64_FORMAT, number);
}

static void
put_position(StringInfo buf, const DbsyncLedger *ledger)
{
	appendStringInfoString(buf, "position");
	put_text(buf, ledger->subscription_name);
	put_number(buf, (int64) ledger->system_identifier);
	put_number(buf, ledger->database_oid);
	put_number(buf, ledger->timeline);
	put_number(buf, (int64) ledger->lsn);
	put_number(buf, ledger->server_start);
	put_number(buf, ledger->batch);
	put_text(buf, ledger->after);
	put_text(buf, ledger->upto);
	put_number(buf, (int64) ledger->closing);
	put_number(buf, (int64) ledger->closing_xid);
	put_number(buf, ledger->checksum);
	put_text(buf, ledger->identities);
	appendStringInfoChar(buf, '\n');
}

static void
put_part(StringInfo buf, const DbsyncLedgerPart *part)
{
	appendStringInfoString(buf, "part");
	put_text(buf, dbsync_file_uuid(&part->attachment));
	put_number(buf, part->live);
	put_number(buf, part->rows);
	put_number(buf, part->checksum);
	put_text(buf, part->after);
	put_text(buf, part->upto);
	put_number(buf, (int64) part->closing);
	put_number(buf, (int64) part->closing_xid);
	for (int k = 0; k < part->nkeys; k++)
		put_text(buf, part->boundary[k]);
	appendStringInfoChar(buf, '\n');
}

static pg_crc32c
sum_of(const char *data, size_t length)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, data, length);
	FIN_CRC32C(crc);
	return crc;
}

bool
dbsync_file_state_write(FileTarget *target, const FileName *name, const char *sums,
						const DbsyncLedger *position, List *parts)
{
	StringInfoData buf;
	bool		written;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfo(&buf, HEAD "bundle\t%s\n", sums);
	if (position != NULL)
		put_position(&buf, position);
	foreach(lc, parts)
		put_part(&buf, lfirst(lc));
	appendStringInfo(&buf, "end\t%08x\n", sum_of(buf.data, buf.len));
	written = dbsync_folder_write_new(dbsync_file_tmp_folder(target), dbsync_file_keep_path(target, name, ".state"),
									  buf.data, buf.len, STATE_MODE);
	pfree(buf.data);
	return written;
}

/* Is the state that has this name of the bundle with these sums?  Not if there is none. */
bool
dbsync_file_state_is_of(FileTarget *target, const FileName *name, const char *sums)
{
	char		wanted[sizeof(HEAD) + DBSYNC_BUNDLE_HEX + 16];
	char		there[sizeof(wanted)];
	const char *path = dbsync_file_keep_path(target, name, ".state");
	int			length = snprintf(wanted, sizeof(wanted), HEAD "bundle\t%s\n", sums);
	int			fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	int			n;

	if (fd < 0 && errno == ENOENT)
		return false;
	if (fd < 0 || (n = read(fd, there, length)) < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", path)));
	(void) CloseTransientFile(fd);
	return n == length && memcmp(there, wanted, length) == 0;
}

/* --- reading --- */

pg_noreturn static void
raise_damaged(const char *path)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("file \"%s\" is damaged", path),
			 errdetail("It says how far first copies are that have gone into bundles."),
			 errhint("Put it back as it was, or begin anew: dbsync.restart_chain().")));
}

/* In place: the text that ends at the next tab or newline; NULL is SQL NULL. */
static char *
unescape(char *field)
{
	char	   *to = field;

	if (strcmp(field, "\\N") == 0)
		return NULL;
	for (char *from = field; *from != '\0'; from++)
	{
		if (*from == '\\' && from[1] != '\0')
		{
			from++;
			*to++ = *from == 't' ? '\t' : *from == 'n' ? '\n' : *from;
		}
		else
			*to++ = *from;
	}
	*to = '\0';
	return field;
}

/* The fields of a line, whose first says what it is; List of char *, some of which are NULL. */
static List *
split(char *line)
{
	List	   *fields = NIL;
	char	   *tab;

	while ((tab = strchr(line, '\t')) != NULL)
	{
		*tab = '\0';
		fields = lappend(fields, unescape(line));
		line = tab + 1;
	}
	return lappend(fields, unescape(line));
}

static int64
number_of(const List *fields, int at)
{
	const char *text = list_nth(fields, at);

	return text ? (int64) strtoll(text, NULL, 10) : 0;
}

static bool
read_uuid(const char *text, pg_uuid_t *uuid)
{
	int			n = 0;

	while (text != NULL && *text != '\0' && n < UUID_LEN)
	{
		unsigned int byte;

		if (*text == '-')
			text++;
		else if (sscanf(text, "%2x", &byte) != 1)
			return false;
		else
		{
			uuid->data[n++] = (unsigned char) byte;
			text += 2;
		}
	}
	return n == UUID_LEN;
}

static bool
read_position(const List *fields, DbsyncLedger *ledger)
{
	int			f = 1;

	if (list_length(fields) != POSITION_FIELDS)
		return false;
	ledger->subscription_name = list_nth(fields, f++);
	ledger->system_identifier = (uint64) number_of(fields, f++);
	ledger->database_oid = (Oid) number_of(fields, f++);
	ledger->timeline = (TimeLineID) number_of(fields, f++);
	ledger->lsn = (XLogRecPtr) number_of(fields, f++);
	ledger->server_start = number_of(fields, f++);
	ledger->batch = number_of(fields, f++);
	ledger->after = list_nth(fields, f++);
	ledger->upto = list_nth(fields, f++);
	ledger->closing = (XLogRecPtr) number_of(fields, f++);
	ledger->closing_xid = (uint64) number_of(fields, f++);
	ledger->checksum = number_of(fields, f++);
	ledger->identities = list_nth(fields, f++);
	return ledger->after != NULL;
}

static DbsyncLedgerPart *
read_part(const List *fields)
{
	DbsyncLedgerPart *part = palloc0(sizeof(DbsyncLedgerPart));

	if (list_length(fields) < PART_FIELDS || !read_uuid(list_nth(fields, 1), &part->attachment))
		return NULL;
	part->live = number_of(fields, 2) != 0;
	part->rows = number_of(fields, 3);
	part->checksum = number_of(fields, 4);
	part->after = list_nth(fields, 5);
	part->upto = list_nth(fields, 6);
	part->closing = (XLogRecPtr) number_of(fields, 7);
	part->closing_xid = (uint64) number_of(fields, 8);
	part->nkeys = list_length(fields) - PART_FIELDS;
	part->boundary = palloc(sizeof(char *) * Max(part->nkeys, 1));
	for (int k = 0; k < part->nkeys; k++)
		part->boundary[k] = list_nth(fields, PART_FIELDS + k);
	return part;
}

/* The last line is the sum of those before it. */
static bool
is_whole(char *data, size_t length)
{
	char	   *end;
	unsigned int sum;

	if (length == 0 || data[length - 1] != '\n' || strlen(data) != length)
		return false;
	data[length - 1] = '\0';
	end = strrchr(data, '\n');
	if (end == NULL || sscanf(end + 1, "end\t%8x", &sum) != 1 || sum != sum_of(data, end + 1 - data))
		return false;
	end[1] = '\0';
	return strncmp(data, HEAD, strlen(HEAD)) == 0;
}

static bool
read_line(char *line, char *sums, DbsyncLedger *position, List **parts)
{
	List	   *fields = split(line);
	const char *what = linitial(fields);

	if (strcmp(what, "bundle") == 0)
	{
		const char *text = list_length(fields) == 2 ? lsecond(fields) : NULL;

		strlcpy(sums, text ? text : "", DBSYNC_BUNDLE_HEX);
		return text != NULL;
	}
	if (strcmp(what, "position") == 0)
		return read_position(fields, position);
	if (strcmp(what, "part") == 0)
	{
		*parts = lappend(*parts, read_part(fields));
		return llast(*parts) != NULL;
	}
	return false;
}

bool
dbsync_file_state_read(FileTarget *target, const FileName *name, char *sums,
					   DbsyncLedger *position, List **parts)
{
	char	   *path = dbsync_file_keep_path(target, name, ".state");
	size_t		length;
	char	   *data = dbsync_folder_read(path, STATE_LIMIT, &length);
	char	   *line;

	*parts = NIL;
	memset(position, 0, sizeof(DbsyncLedger));
	if (data == NULL)
		return false;
	if (!is_whole(data, length))
		raise_damaged(path);
	line = data + strlen(HEAD);
	while (*line != '\0')
	{
		char	   *end = strchr(line, '\n');

		*end = '\0';
		if (!read_line(line, sums, position, parts))
			raise_damaged(path);
		line = end + 1;
	}
	return true;
}
