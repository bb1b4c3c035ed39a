/*-------------------------------------------------------------------------
 *
 * worker/bundle/json_in.c
 *	  JSON in, by one pass over a text that others wrote.
 *
 * NOTES
 *	  Not jsonb: that takes many times the text's memory, wants its strings in the server's encoding before anybody asks for
 *	  them, and is no parser that can be fuzzed by itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "mb/pg_wchar.h"

#include "worker/bundle/json.h"

/* objects and arrays within each other */
#define JSON_DEPTH		16

void
dbsync_json_wrong(DbsyncJson *json, const char *problem)
{
	if (json->problem == NULL)
		json->problem = problem;
	/* nothing more is to be found */
	json->at = json->end;
}

static void
skip_blanks(DbsyncJson *json)
{
	while (json->at < json->end && (*json->at == ' ' || *json->at == '\n' || *json->at == '\t' || *json->at == '\r'))
		json->at++;
}

/* The next byte that is no blank; 0: there is none. */
static char
next_byte(DbsyncJson *json)
{
	skip_blanks(json);
	return json->at < json->end ? *json->at : 0;
}

static bool
take(DbsyncJson *json, char wanted)
{
	if (next_byte(json) != wanted || json->at == json->end)
		return false;
	json->at++;
	return true;
}

static bool
take_word(DbsyncJson *json, const char *word)
{
	size_t		length = strlen(word);

	skip_blanks(json);
	if ((size_t) (json->end - json->at) < length || memcmp(json->at, word, length) != 0)
		return false;
	json->at += length;
	return true;
}

void
dbsync_json_begin(DbsyncJson *json, const char *text, size_t length)
{
	json->at = text;
	json->end = text + length;
	json->depth = 0;
	json->problem = NULL;
	if (pg_encoding_verifymbstr(PG_UTF8, text, (int) length) != (int) length)
		dbsync_json_wrong(json, "it is not UTF-8");
}

void
dbsync_json_end(DbsyncJson *json)
{
	if (next_byte(json) != 0 || json->at < json->end)
		dbsync_json_wrong(json, "something follows behind its end");
}

/* Four hexadecimal digits; -1: there are none. */
static int
read_hex(DbsyncJson *json)
{
	int			value = 0;

	if (json->end - json->at < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		char		c = *json->at++;

		if (c >= '0' && c <= '9')
			value = value * 16 + c - '0';
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			value = value * 16 + (c | 32) - 'a' + 10;
		else
			return -1;
	}
	return value;
}

/* The character of \uXXXX, behind the u, or of two of them; 0: there is none, or it is zero. */
static pg_wchar
read_unicode(DbsyncJson *json)
{
	int			first = read_hex(json);
	int			second;

	if (first < 0 || (first >= 0xDC00 && first <= 0xDFFF))
		return 0;
	if (first < 0xD800 || first > 0xDBFF)
		return first;
	if (json->end - json->at < 2 || json->at[0] != '\\' || json->at[1] != 'u')
		return 0;
	json->at += 2;
	second = read_hex(json);
	if (second < 0xDC00 || second > 0xDFFF)
		return 0;
	return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
}

/* Behind a backslash: put what it stands for, return where the next one goes; NULL: nothing. */
static char *
read_escape(DbsyncJson *json, char *to)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char bytes[] = "\"\\/\b\f\n\r\t";
	const char *found;
	char		c;
	pg_wchar	character;

	if (json->at == json->end)
		return NULL;
	c = *json->at++;
	found = c ? strchr(letters, c) : NULL;
	if (found != NULL)
	{
		*to++ = bytes[found - letters];
		return to;
	}
	character = c == 'u' ? read_unicode(json) : 0;
	if (character == 0)
		return NULL;
	(void) unicode_to_utf8(character, (unsigned char *) to);
	return to + pg_utf_mblen((unsigned char *) to);
}

/* Where a string ends, behind its first quote: at the last one; NULL: it does not. */
static const char *
find_quote(DbsyncJson *json)
{
	for (const char *p = json->at; p < json->end; p++)
	{
		if (*p == '"')
			return p;
		if (*p == '\\')
			p++;
		else if ((unsigned char) *p < ' ')
			return NULL;
	}
	return NULL;
}

/* What is written never takes more room than what is read. */
static char *
read_string(DbsyncJson *json)
{
	const char *end;
	char	   *result;
	char	   *to;

	if (!take(json, '"') || (end = find_quote(json)) == NULL)
	{
		dbsync_json_wrong(json, "there is no string where one is due");
		return NULL;
	}
	result = to = palloc(end - json->at + 1);
	while (json->at < end)
	{
		if (*json->at != '\\')
			*to++ = *json->at++;
		else
		{
			json->at++;
			to = read_escape(json, to);
			if (to == NULL || json->at > end)
			{
				dbsync_json_wrong(json, "a string has a backslash that means nothing");
				return NULL;
			}
		}
	}
	*to = '\0';
	json->at = end + 1;
	return result;
}

char *
dbsync_json_utf8(DbsyncJson *json)
{
	return json->problem || dbsync_json_null(json) ? NULL : read_string(json);
}

char *
dbsync_json_string(DbsyncJson *json)
{
	char	   *utf8 = dbsync_json_utf8(json);

	return utf8 ? pg_any_to_server(utf8, strlen(utf8), PG_UTF8) : NULL;
}

bool
dbsync_json_null(DbsyncJson *json)
{
	return take_word(json, "null");
}

bool
dbsync_json_bool(DbsyncJson *json)
{
	if (take_word(json, "true"))
		return true;
	if (!take_word(json, "false"))
		dbsync_json_wrong(json, "there is neither true nor false where one is due");
	return false;
}

int64
dbsync_json_int(DbsyncJson *json, int64 min, int64 max)
{
	bool		negative = take(json, '-');
	int64		value = 0;
	int			digits = 0;

	if (!negative)
		skip_blanks(json);
	for (; json->at < json->end && *json->at >= '0' && *json->at <= '9'; json->at++, digits++)
	{
		/* counted below zero, where there is room for one more */
		if (pg_mul_s64_overflow(value, 10, &value) || pg_sub_s64_overflow(value, *json->at - '0', &value))
			digits = 100;
	}
	if (digits == 0 || digits > 19 || (!negative && value == PG_INT64_MIN))
	{
		dbsync_json_wrong(json, "there is no whole number where one is due");
		return min;
	}
	value = negative ? value : -value;
	if (value < min || value > max)
	{
		dbsync_json_wrong(json, "a number is out of range");
		return min;
	}
	return value;
}

/* Begin an object or array; false: there is none, or too many are open. */
static bool
enter(DbsyncJson *json, char open)
{
	if (json->problem != NULL)
		return false;
	if (!take(json, open))
		dbsync_json_wrong(json, open == '{' ? "there is no object where one is due" : "there is no array where one is due");
	else if (++json->depth > JSON_DEPTH)
		dbsync_json_wrong(json, "it is nested too deeply");
	return json->problem == NULL;
}

/* Behind a member or element: is there one more? */
static bool
goes_on(DbsyncJson *json, char close)
{
	if (json->problem != NULL)
		return false;
	if (take(json, ','))
		return true;
	if (take(json, close))
		json->depth--;
	else
		dbsync_json_wrong(json, "there is neither a comma nor an end where one is due");
	return false;
}

void
dbsync_json_object(DbsyncJson *json, DbsyncJsonMember member, void *arg)
{
	if (!enter(json, '{'))
		return;
	if (take(json, '}'))
	{
		json->depth--;
		return;
	}
	do
	{
		char	   *key = read_string(json);

		if (key == NULL || !take(json, ':'))
		{
			dbsync_json_wrong(json, "there is no key where one is due");
			return;
		}
		member(json, key, arg);
		pfree(key);
	} while (goes_on(json, '}'));
}

void
dbsync_json_array(DbsyncJson *json, DbsyncJsonElement element, void *arg)
{
	if (!enter(json, '['))
		return;
	if (take(json, ']'))
	{
		json->depth--;
		return;
	}
	do
	{
		element(json, arg);
	} while (goes_on(json, ']'));
}

static void
skip_member(DbsyncJson *json, const char *key, void *arg)
{
	dbsync_json_skip(json);
}

static void
skip_element(DbsyncJson *json, void *arg)
{
	dbsync_json_skip(json);
}

/* A number as JSON has it, which may be none that we could keep. */
static void
skip_number(DbsyncJson *json)
{
	const char *start = json->at;

	while (json->at < json->end && *json->at && strchr("+-.0123456789Ee", *json->at) != NULL)
		json->at++;
	if (json->at == start)
		dbsync_json_wrong(json, "there is no value where one is due");
}

void
dbsync_json_skip(DbsyncJson *json)
{
	char	   *string;

	switch (next_byte(json))
	{
		case '{':
			dbsync_json_object(json, skip_member, NULL);
			break;
		case '[':
			dbsync_json_array(json, skip_element, NULL);
			break;
		case '"':
			string = read_string(json);
			if (string != NULL)
				pfree(string);
			break;
		case 't':
		case 'f':
			(void) dbsync_json_bool(json);
			break;
		case 'n':
			if (!dbsync_json_null(json))
				dbsync_json_wrong(json, "there is no value where one is due");
			break;
		default:
			skip_number(json);
	}
}
