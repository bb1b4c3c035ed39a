/*-------------------------------------------------------------------------
 *
 * t/driver/file.c
 *	  The file: reading all of it, and writing it anew.
 *
 * Lines of fields.  Each field has a tab before it, and is written as in COPY's text
 * format; null is \N.
 *
 *	position	the ledger's row of a subscription
 *	part		how far one of its tables is copied
 *	table		schema, name, columns
 *	row			of the table above: its key, as one field; its values
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/memutils.h"

#include "internal.h"

/* what COPY writes as a backslash and a letter; both in one order */
static const char special[] = "\\\b\f\n\r\t\v";
static const char letters[] = "\\bfnrtv";

void
file_put_field(StringInfo buf, const char *text)
{
	appendStringInfoChar(buf, '\t');
	if (text == NULL)
		appendStringInfoString(buf, "\\N");
	else
		for (; *text; text++)
		{
			const char *found = strchr(special, *text);

			if (found != NULL)
				appendStringInfoChar(buf, '\\');
			appendStringInfoChar(buf, found ? letters[found - special] : *text);
		}
}

/* Takes a field apart where it lies. */
static char *
get_field(char *field)
{
	char	   *to = field;

	if (strcmp(field, "\\N") == 0)
		return NULL;
	for (char *from = field; *from; from++)
	{
		const char *found = *from == '\\' ? strchr(letters, from[1]) : NULL;

		if (found != NULL && *found != '\0')
		{
			*to++ = special[found - letters];
			from++;
		}
		else
			*to++ = *from;
	}
	*to = '\0';
	return field;
}

static int
compare_rows(const RBTNode *a, const RBTNode *b, void *arg)
{
	return strcmp(((const FileRow *) a)->key, ((const FileRow *) b)->key);
}

static void
replace_row(RBTNode *existing, const RBTNode *new, void *arg)
{
	((FileRow *) existing)->values = ((const FileRow *) new)->values;
}

static RBTNode *
allocate_row(void *arg)
{
	return MemoryContextAllocZero((MemoryContext) arg, sizeof(FileRow));
}

static void
free_row(RBTNode *row, void *arg)
{
	pfree(row);
}

RBTree *
file_new_rows(FileContents *contents)
{
	MemoryContext old = MemoryContextSwitchTo(contents->context);
	RBTree	   *rows = rbt_create(sizeof(FileRow), compare_rows, replace_row, allocate_row, free_row,
								  contents->context);

	MemoryContextSwitchTo(old);
	return rows;
}

/* NULL: there is none, and none is to be made. */
FileTable *
file_table(FileContents *contents, const char *schema, const char *name, bool make)
{
	MemoryContext old;
	FileTable  *table;
	ListCell   *lc;

	foreach(lc, contents->tables)
	{
		table = lfirst(lc);
		if (strcmp(table->schema, schema) == 0 && strcmp(table->name, name) == 0)
			return table;
	}
	if (!make)
		return NULL;
	old = MemoryContextSwitchTo(contents->context);
	table = palloc0(sizeof(FileTable));
	table->schema = pstrdup(schema);
	table->name = pstrdup(name);
	table->rows = file_new_rows(contents);
	contents->tables = lappend(contents->tables, table);
	MemoryContextSwitchTo(old);
	return table;
}

static FileRow *
find_row(FileTable *table, const char *key)
{
	FileRow		wanted = {.key = unconstify(char *, key)};

	return (FileRow *) rbt_find(table->rows, &wanted.node);
}

bool
file_has_row(FileTable *table, const char *key)
{
	return find_row(table, key) != NULL;
}

void
file_delete_row(FileTable *table, const char *key)
{
	FileRow    *row = find_row(table, key);

	if (row != NULL)
		rbt_delete(table->rows, &row->node);
}

/* True: it was not there. */
bool
file_put_row(FileContents *contents, FileTable *table, const char *key, const char *values)
{
	MemoryContext old = MemoryContextSwitchTo(contents->context);
	FileRow		row = {.key = pstrdup(key), .values = pstrdup(values)};
	bool		is_new;

	(void) rbt_insert(table->rows, &row.node, &is_new);
	MemoryContextSwitchTo(old);
	return is_new;
}

static bool
read_table(FileContents *contents, FileTable **table, char *line)
{
	char	   *name = strchr(line, '\t');
	char	   *columns = name ? strchr(name + 1, '\t') : NULL;

	if (name == NULL)
		return false;
	*name++ = '\0';
	if (columns != NULL)
		*columns++ = '\0';
	*table = file_table(contents, get_field(line), get_field(name), true);
	/* with the tab before the first one */
	(*table)->columns = columns ? psprintf("\t%s", columns) : NULL;
	return true;
}

static bool
read_row(FileContents *contents, FileTable *table, char *line)
{
	char	   *values = strchr(line, '\t');
	char	   *key;

	if (table == NULL || values == NULL)
		return false;
	key = pnstrdup(line, values - line);
	return file_put_row(contents, table, get_field(key), values);
}

static char **
split(char *line, int *n)
{
	int			room = 1;
	char	  **fields;

	for (const char *p = line; *p; p++)
		room += *p == '\t';
	fields = palloc(sizeof(char *) * room);
	for (*n = 0; line != NULL; (*n)++)
	{
		char	   *end = strchr(line, '\t');

		if (end != NULL)
			*end++ = '\0';
		fields[*n] = get_field(line);
		line = end;
	}
	return fields;
}

/* The table is the one that the last line "table" has named. */
static bool
read_line(FileContents *contents, FileTable **table, char *line)
{
	char	   *rest = strchr(line, '\t');
	char	  **fields;
	int			n;

	if (rest == NULL)
		return false;
	*rest++ = '\0';
	if (strcmp(line, "table") == 0)
		return read_table(contents, table, rest);
	if (strcmp(line, "row") == 0)
		return read_row(contents, *table, rest);
	fields = split(rest, &n);
	return strcmp(line, "position") == 0 ? file_read_position(contents, fields, n)
		: strcmp(line, "part") == 0 && file_read_part(contents, fields, n);
}

/* NULL: a fault.  A file that is not there is empty. */
static char *
slurp(FileTarget *target)
{
	int			fd = OpenTransientFile(target->path, O_RDONLY);
	struct stat status;
	char	   *text = NULL;
	ssize_t		size = -1;

	if (fd < 0 && errno == ENOENT)
		return pstrdup("");
	if (fd >= 0 && fstat(fd, &status) == 0)
	{
		text = palloc(status.st_size + 1);
		size = read(fd, text, status.st_size);
	}
	if (text == NULL || size != status.st_size)
	{
		(void) file_refuse(target, DBSYNC_FAULT_LOST, ERRCODE_IO_ERROR,
						   psprintf("could not read target \"%s\"", target->name),
						   psprintf("%s: %s", target->path, strerror(errno)), NULL);
		text = NULL;
	}
	else
		text[size] = '\0';
	if (fd >= 0)
		CloseTransientFile(fd);
	return text;
}

/* All that the file says, in a context below the target's; NULL: a fault. */
FileContents *
file_read(FileTarget *target)
{
	MemoryContext context = AllocSetContextCreate(target->base.context, "dbsync file contents",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	FileContents *contents = palloc0(sizeof(FileContents));
	FileTable  *table = NULL;
	char	   *line = slurp(target);
	bool		whole = line != NULL;

	contents->context = context;
	while (whole && *line)
	{
		char	   *end = strchr(line, '\n');

		whole = end != NULL;
		if (!whole)
			break;
		*end = '\0';
		whole = read_line(contents, &table, line);
		line = end + 1;
	}
	MemoryContextSwitchTo(old);
	if (whole)
		return contents;
	if (line != NULL)
		(void) file_refuse(target, DBSYNC_FAULT_REFUSED, ERRCODE_DATA_CORRUPTED,
						   psprintf("target \"%s\" is damaged", target->name), target->path, NULL);
	MemoryContextDelete(context);
	return NULL;
}

static void
write_tables(StringInfo buf, const FileContents *contents)
{
	ListCell   *lc;

	foreach(lc, contents->tables)
	{
		const FileTable *table = lfirst(lc);
		RBTreeIterator iterator;
		const FileRow *row;

		appendStringInfoString(buf, "table");
		file_put_field(buf, table->schema);
		file_put_field(buf, table->name);
		appendStringInfo(buf, "%s\n", table->columns ? table->columns : "");
		rbt_begin_iterate(table->rows, LeftRightWalk, &iterator);
		while ((row = (const FileRow *) rbt_iterate(&iterator)) != NULL)
		{
			appendStringInfoString(buf, "row");
			file_put_field(buf, row->key);
			appendStringInfo(buf, "%s\n", row->values);
		}
	}
}

/* Somewhere else first.  What is written may not be on disk yet. */
static bool
spill(FileTarget *target, const char *path, StringInfo text)
{
	int			fd = OpenTransientFile(path, O_CREAT | O_TRUNC | O_WRONLY);
	bool		done = fd >= 0 && write(fd, text->data, text->len) == text->len;

	if (!done)
		(void) file_refuse(target, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_IO_ERROR,
						   psprintf("could not write target \"%s\"", target->name),
						   psprintf("%s: %s", path, strerror(errno)), NULL);
	if (fd >= 0)
		CloseTransientFile(fd);
	return done;
}

/* Begins a transaction: nobody else writes until it ends. */
bool
file_begin(FileTarget *target)
{
	if (!file_lock(target))
		return false;
	target->batch = file_read(target);
	return target->batch != NULL;
}

/*
 * durable_rename() flushes the file, renames it and flushes the folder.  Where it
 * fails nobody knows which of both a crash would leave: that is a connection lost.
 */
bool
file_commit(FileTarget *target)
{
	FileContents *contents = target->batch;
	MemoryContext old = MemoryContextSwitchTo(contents->context);
	char	   *path = psprintf("%s.new", target->path);
	StringInfoData text;
	bool		done;

	initStringInfo(&text);
	file_write_ledger(&text, contents);
	write_tables(&text, contents);
	done = spill(target, path, &text);
	if (done && durable_rename(path, target->path, LOG) != 0)
		done = file_refuse(target, DBSYNC_FAULT_LOST, ERRCODE_IO_ERROR,
						   psprintf("could not commit to target \"%s\"", target->name), NULL, NULL);
	done = done && file_hold(target, "answer");
	MemoryContextSwitchTo(old);
	MemoryContextDelete(contents->context);
	target->batch = NULL;
	if (done)
		file_unlock(target);
	return done;
}
