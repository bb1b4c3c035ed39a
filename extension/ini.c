/*-------------------------------------------------------------------------
 *
 * extension/ini.c
 *	  Reading INI files: lines into sections, keys and values.
 *
 * A line is told by how it begins: with [ a section, with ; or # a comment, with a blank
 * the continuation of a value, with anything else a key.  A section ends at the last ] of
 * its line, since names may have brackets.  In a value ; and # behind a blank begin a
 * comment; who reads values is told of what was cut off, as it may have been meant.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "extension/ini.h"

#include "extension/compat.h"

PG_FUNCTION_INFO_V1(dbsync_ini);

/* a piece of the text */
typedef struct Piece
{
	const char *at;
	int			length;
} Piece;

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
begins_comment(char c)
{
	return c == ';' || c == '#';
}

static Piece
trimmed(Piece piece)
{
	while (piece.length > 0 && is_blank(piece.at[0]))
	{
		piece.at++;
		piece.length--;
	}
	while (piece.length > 0 && is_blank(piece.at[piece.length - 1]))
		piece.length--;
	return piece;
}

static char *
copy_of(Piece piece)
{
	return pnstrdup(piece.at, piece.length);
}

/* The line that begins here, without its end. */
static Piece
this_line(const DbsyncIni *ini)
{
	const char *end = strchr(ini->at, '\n');
	Piece		line = {ini->at, end ? end - ini->at : (int) strlen(ini->at)};

	if (line.length > 0 && line.at[line.length - 1] == '\r')
		line.length--;
	return line;
}

static void
next_line(DbsyncIni *ini)
{
	const char *end = strchr(ini->at, '\n');

	ini->at = end ? end + 1 : ini->at + strlen(ini->at);
	ini->line++;
}

pg_noreturn static void
refuse(const DbsyncIni *ini, const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("line %d: %s", ini->line, problem),
			 errhint("%s", hint)));
}

void
dbsync_ini_begin(DbsyncIni *ini, const char *text)
{
	memset(ini, 0, sizeof(DbsyncIni));
	/* some editors put this mark before UTF-8 */
	if (strncmp(text, "\xEF\xBB\xBF", 3) == 0)
		text += 3;
	ini->at = text;
	ini->line = 1;
}

/* Skips lines that say nothing; false: there is nothing else. */
static bool
find_line(DbsyncIni *ini)
{
	while (*ini->at != '\0')
	{
		Piece		line = trimmed(this_line(ini));

		if (line.length > 0 && !begins_comment(line.at[0]))
			return true;
		next_line(ini);
	}
	return false;
}

static void
read_section(DbsyncIni *ini)
{
	Piece		line = this_line(ini);
	Piece		name;
	Piece		rest;
	int			end = line.length - 1;

	while (end > 0 && line.at[end] != ']')
		end--;
	if (end == 0)
		refuse(ini, "a section has no end", "Write [kind name], and nothing but a comment behind it.");
	rest = trimmed((Piece) {line.at + end + 1, line.length - end - 1});
	if (rest.length > 0 && !begins_comment(rest.at[0]))
		refuse(ini, "there is something behind the section", "Write [kind name], and nothing but a comment behind it.");
	name = trimmed((Piece) {line.at + 1, end - 1});
	if (name.length == 0)
		refuse(ini, "a section has no name", "Write [kind name].");
	ini->section = copy_of(name);
	ini->head = ini->line;
}

/* Where a comment begins in a line's value, or its length. */
static int
comment_at(Piece value)
{
	for (int i = 0; i < value.length; i++)
	{
		if (begins_comment(value.at[i]) && (i == 0 || is_blank(value.at[i - 1])))
			return i;
	}
	return value.length;
}

/* Put one line of a value behind those that are there. */
static void
append_value(DbsyncIniEntry *entry, Piece line, bool first)
{
	Piece		whole = trimmed(line);
	Piece		kept = whole;

	if (!first)
	{
		appendStringInfoChar(&entry->value, '\n');
		appendStringInfoChar(&entry->uncut, '\n');
	}
	if (!entry->exact)
	{
		kept = trimmed((Piece) {whole.at, comment_at(whole)});
		entry->cut |= kept.length < whole.length;
	}
	appendBinaryStringInfo(&entry->value, kept.at, kept.length);
	appendBinaryStringInfo(&entry->uncut, whole.at, whole.length);
}

/* The same for a line that is taken as it is, from behind its |. */
static void
append_exact(DbsyncIniEntry *entry, Piece line, bool first)
{
	if (!first)
		appendStringInfoChar(&entry->value, '\n');
	appendBinaryStringInfo(&entry->value, line.at + 1, line.length - 1);
}

/* Does the value go on in a line that is not empty?  Comments in between are passed over. */
static bool
goes_on(DbsyncIni *ini)
{
	return find_line(ini) && is_blank(ini->at[0]);
}

/* Lines that belong to the value; those that begin with | all do, or none. */
static void
read_value(DbsyncIni *ini, DbsyncIniEntry *entry, Piece first)
{
	Piece		begin = trimmed(first);
	bool		any = begin.length > 0 && !begins_comment(begin.at[0]);

	/* blanks at the end count where the line is taken as it is */
	if (begin.length > 0 && begin.at[0] == '|')
	{
		entry->exact = true;
		append_exact(entry, (Piece) {begin.at, first.length - (int) (begin.at - first.at)}, true);
	}
	else
		append_value(entry, first, true);
	next_line(ini);
	while (goes_on(ini))
	{
		Piece		whole = this_line(ini);
		Piece		line = trimmed(whole);

		if (line.at[0] == '[')
			refuse(ini, "a section is indented", "Begin sections at the beginning of their lines; a line of a value that begins so is written with a | before it.");
		if (line.at[0] == '|' && (entry->exact || !any))
		{
			append_exact(entry, (Piece) {line.at, whole.length - (int) (line.at - whole.at)}, !entry->exact);
			entry->exact = true;
			/* before them there may be a comment, and nothing else */
			entry->cut = false;
		}
		else if (line.at[0] == '|' || entry->exact)
			refuse(ini, "some lines of a value begin with |, and others do not", "Begin all lines of the value with |, or none.");
		else
			append_value(entry, line, !any && entry->value.len == 0);
		any = true;
		next_line(ini);
	}
}

/* Length of what is before the =, where that is not in double quotes; -1: there is none. */
static int
key_length(Piece line)
{
	bool		quoted = false;

	for (int i = 0; i < line.length; i++)
	{
		if (line.at[i] == '"')
			quoted = !quoted;
		if (line.at[i] == '=' && !quoted)
			return i;
	}
	return -1;
}

static void
read_key(DbsyncIni *ini, DbsyncIniEntry *entry)
{
	Piece		line = this_line(ini);
	int			length = key_length(line);
	Piece		key;

	if (length < 0)
		refuse(ini, "there is no =", "Write key = value; a line that continues a value is indented.");
	key = trimmed((Piece) {line.at, length});
	if (key.length == 0)
		refuse(ini, "there is no key before the =", "Write key = value.");
	entry->key = copy_of(key);
	read_value(ini, entry, (Piece) {line.at + length + 1, line.length - length - 1});
}

bool
dbsync_ini_next(DbsyncIni *ini, DbsyncIniEntry *entry)
{
	memset(entry, 0, sizeof(DbsyncIniEntry));
	if (!find_line(ini))
		return false;
	initStringInfo(&entry->value);
	initStringInfo(&entry->uncut);
	entry->line = ini->line;
	if (is_blank(ini->at[0]))
		refuse(ini, "it is indented, and there is no value that it could continue", "Begin sections and keys at the beginning of their lines.");
	if (ini->at[0] == '[')
	{
		read_section(ini);
		next_line(ini);
	}
	else if (ini->section == NULL)
		refuse(ini, "it is in no section", "A file begins with [dbsync], and version = 1 below it.");
	else
		read_key(ini, entry);
	entry->section = ini->section;
	entry->head = ini->head;
	return true;
}

/* dbsync_internal.ini(text): see extension/install/58_config.sql. */
Datum
dbsync_ini(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	DbsyncIni	ini;
	DbsyncIniEntry entry;

	InitMaterializedSRF(fcinfo, 0);
	dbsync_ini_begin(&ini, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	while (dbsync_ini_next(&ini, &entry))
	{
		Datum		values[7] = {0};
		bool		nulls[7] = {false};

		CHECK_FOR_INTERRUPTS();
		values[0] = Int32GetDatum(entry.line);
		values[1] = CStringGetTextDatum(entry.section);
		nulls[2] = nulls[3] = entry.key == NULL;
		if (entry.key != NULL)
		{
			values[2] = CStringGetTextDatum(entry.key);
			values[3] = CStringGetTextDatum(entry.value.data);
		}
		values[4] = Int32GetDatum(entry.head);
		nulls[5] = !entry.cut;
		if (entry.cut)
			values[5] = CStringGetTextDatum(entry.uncut.data);
		values[6] = BoolGetDatum(entry.exact);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		/* there may be millions of them */
		for (int i = 0; i < lengthof(values); i++)
		{
			if (!nulls[i] && TupleDescAttr(result->setDesc, i)->atttypid == TEXTOID)
				pfree(DatumGetPointer(values[i]));
		}
		pfree(entry.value.data);
		pfree(entry.uncut.data);
	}
	return (Datum) 0;
}
