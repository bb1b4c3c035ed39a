/*-------------------------------------------------------------------------
 *
 * worker/run/policy_text.c
 *	  The text of a policy as it is read, and what is wrong with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/run/policy_text.h"

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

bool
dbsync_policy_skip(DbsyncPolicyText *text)
{
	while (is_space(*text->at))
		text->at++;
	return *text->at != '\0';
}

DbsyncWord
dbsync_policy_peek(DbsyncPolicyText *text, const char *ends)
{
	DbsyncWord	word;

	(void) dbsync_policy_skip(text);
	word.start = text->at;
	word.length = 0;
	while (word.start[word.length] != '\0' && !is_space(word.start[word.length]) &&
		   strchr(ends, word.start[word.length]) == NULL)
		word.length++;
	return word;
}

void
dbsync_policy_take(DbsyncPolicyText *text, DbsyncWord word)
{
	text->at = word.start + word.length;
}

bool
dbsync_policy_is(DbsyncWord word, const char *name)
{
	return word.length == (int) strlen(name) && pg_strncasecmp(word.start, name, word.length) == 0;
}

int
dbsync_policy_name(DbsyncWord word, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (dbsync_policy_is(word, names[i]) ||
			(word.length == 3 && pg_strncasecmp(word.start, names[i], 3) == 0))
			return i;
	}
	return -1;
}

int
dbsync_policy_number(DbsyncWord word)
{
	int			number = 0;

	if (word.length == 0 || word.length > 9)
		return -1;
	for (int i = 0; i < word.length; i++)
	{
		if (word.start[i] < '0' || word.start[i] > '9')
			return -1;
		number = number * 10 + (word.start[i] - '0');
	}
	return number;
}

bool
dbsync_policy_wrong(DbsyncPolicyText *text, DbsyncWord word, const char *expected, const char *example)
{
	if (text->wrong != NULL)
		return false;
	text->wrong = word.start;
	text->wrong_length = word.length;
	text->expected = expected;
	text->example = example;
	return false;
}
