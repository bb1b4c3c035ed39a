/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/settings.c
 *	  PostgreSQL driver: the connection option "options", set as late as is safe.
 *
 * A server does what "options" says as soon as it has let us in, before we can know
 * how: session_preload_libraries loads a file, post_auth_delay waits.  Where it has let
 * in this server's own account (peer, trust), that would be done with a superuser's
 * rights, for whoever may make a target.  So where a password must be asked for, the
 * settings are not sent along: they are set when that is known, with SET's own rules.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/settings.h"
#include "worker/driver/postgres/step.h"

/* The next word; a backslash keeps the character behind it.  NULL: there is none. */
static char *
next_word(const char **options)
{
	const char *s = *options;
	char	   *word;
	char	   *end;

	while (isspace((unsigned char) *s))
		s++;
	if (*s == '\0')
		return NULL;
	word = end = palloc(strlen(s) + 1);
	while (*s != '\0' && !isspace((unsigned char) *s))
	{
		if (*s == '\\' && s[1] != '\0')
			s++;
		*end++ = *s++;
	}
	*end = '\0';
	*options = s;
	return word;
}

/* "-c name=value", "-cname=value" or "--name=value"; NULL: none of them */
static char *
next_setting(const char *word, const char **options)
{
	char	   *setting;

	if (strncmp(word, "--", 2) == 0)
		setting = pstrdup(word + 2);
	else if (strcmp(word, "-c") == 0)
		setting = next_word(options);
	else if (strncmp(word, "-c", 2) == 0)
		setting = pstrdup(word + 2);
	else
		return NULL;
	return setting && strchr(setting, '=') > setting ? setting : NULL;
}

static bool
set(PostgresTarget *target, const char *name, const char *value)
{
	const char *values[2] = {name, value};

	return dbsync_postgres_query(target, "SELECT pg_catalog.set_config($1, $2, false)",
								 2, values, POSTGRES_ANY_ROWS) != NULL;
}

static bool
set_one(PostgresTarget *target, char *setting)
{
	char	   *value = strchr(setting, '=');

	*value++ = '\0';
	/* as the server reads them */
	for (char *p = setting; *p; p++)
		if (*p == '-')
			*p = '_';
	return set(target, setting, value);
}

bool
dbsync_postgres_set_options(PostgresTarget *target)
{
	const char *options = target->options;
	char	   *word;

	while (options && (word = next_word(&options)) != NULL)
	{
		char	   *setting = next_setting(word, &options);

		if (setting == NULL)
			return dbsync_postgres_refuse(target, ERRCODE_INVALID_PARAMETER_VALUE,
										  psprintf("invalid \"options\" of target \"%s\"", target->name),
										  NULL, "Write -c name=value, or --name=value; spaces within a value as \"\\ \".");
		if (!set_one(target, setting))
			return false;
	}
	/* what we send is in it; at login, too, it goes before "options" */
	return target->options == NULL || set(target, "client_encoding", GetDatabaseEncodingName());
}
