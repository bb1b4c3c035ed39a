/*-------------------------------------------------------------------------
 *
 * worker/uri.c
 *	  URIs of targets: what they say, as a driver's DbsyncAddress has it.
 *
 *		scheme://user:password@host:port/path?option=value&option=value
 *
 * All parts but the scheme may be missing.  Bytes are written as they are, or as % and two
 * hexadecimal digits; a path's / and a value's & and = mean what they look like.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "utils/formatting.h"

#include "worker/driver/percent.h"
#include "worker/uri.h"

typedef struct Reader
{
	const DbsyncAddress *address;
	const char *driver;			/* for messages */
	List	   *said;			/* of DefElem, so far */
} Reader;

static void
refuse(const Reader *reader, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid address of a target of driver \"%s\"", reader->driver),
			 errdetail_internal("%s", detail),
			 errhint("Write %s.", reader->address->example)));
}

static char *
decode(const Reader *reader, const char *text, size_t length)
{
	const char *problem;
	char	   *decoded = dbsync_percent_decode(text, length, &problem);

	if (decoded == NULL)
		refuse(reader, problem);
	return decoded;
}

static void
say(Reader *reader, const char *option, char *value)
{
	ListCell   *lc;

	foreach(lc, reader->said)
	{
		if (strcmp(lfirst_node(DefElem, lc)->defname, option) == 0)
			refuse(reader, psprintf("Option \"%s\" is there twice.", option));
	}
	reader->said = lappend(reader->said, makeDefElem(pstrdup(option), (Node *) makeString(value), -1));
}

/* One of its parts: an empty one says nothing. */
static void
say_part(Reader *reader, const char *option, const char *what, const char *text, size_t length)
{
	if (length == 0)
		return;
	if (option == NULL)
		refuse(reader, psprintf("Such targets have no %s.", what));
	say(reader, option, decode(reader, text, length));
}

/* user:password, in front of an @ */
static void
read_user(Reader *reader, const char *text, size_t length)
{
	const char *colon = memchr(text, ':', length);
	size_t		user = colon ? colon - text : length;

	say_part(reader, "user", "user", text, user);
	if (colon != NULL)
		say_part(reader, "password", "password", colon + 1, length - user - 1);
}

/* host:port, the host perhaps an address of IPv6 in brackets */
static void
read_host(Reader *reader, const char *text, size_t length)
{
	const DbsyncAddress *address = reader->address;
	const char *end = text + length;
	const char *behind = memchr(text, ':', length);

	if (length > 0 && text[0] == '[')
	{
		const char *bracket = memchr(text, ']', length);

		if (bracket == NULL)
			refuse(reader, "There is a [ without a ].");
		say_part(reader, address->host, "host", text + 1, bracket - text - 1);
		behind = bracket + 1;
		if (behind < end && *behind != ':')
			refuse(reader, "Between ] and the path there can be a port only.");
	}
	else
	{
		if (behind == NULL)
			behind = end;
		/* this very server, where there is none to choose */
		if (address->host == NULL && behind == end && pg_strncasecmp(text, "localhost", Max(length, 9)) == 0)
			return;
		say_part(reader, address->host, "host", text, behind - text);
	}
	if (behind >= end)
		return;
	/* what stands there may be a password, where an @ was forgotten */
	if (strspn(behind + 1, "0123456789") != end - behind - 1)
		refuse(reader, "Behind the colon there is no number.");
	say_part(reader, address->port, "port", behind + 1, end - behind - 1);
}

static void
read_options(Reader *reader, const char *next)
{
	while (*next != '\0')
	{
		size_t		length = strcspn(next, "&");
		const char *equals = memchr(next, '=', length);

		if (equals == NULL)
			refuse(reader, "There is an option without a value.");
		say(reader, decode(reader, next, equals - next), decode(reader, equals + 1, next + length - equals - 1));
		next += length + (next[length] == '&' ? 1 : 0);
	}
}

static void
check_scheme(const Reader *reader, const char *uri, size_t length)
{
	char	   *scheme = asc_tolower(uri, length);

	for (const char *const *known = reader->address->schemes; *known != NULL; known++)
	{
		if (strcmp(*known, scheme) == 0)
			return;
	}
	refuse(reader, "It begins with another scheme.");
}

static List *
parse(const DbsyncDriver *driver, const char *uri)
{
	Reader		reader = {driver->address, driver->name, NIL};
	const char *colon = strstr(uri, "://");
	const char *authority;
	size_t		length;
	const char *at = NULL;
	size_t		path;

	if (colon == NULL)
		refuse(&reader, "It is no URI.");
	check_scheme(&reader, uri, colon - uri);
	if (strchr(uri, '#') != NULL)
		refuse(&reader, "There is a fragment, #, in it: the character itself is %23.");
	authority = colon + 3;
	length = strcspn(authority, "/?");
	/* a password may have an @ of its own */
	for (size_t i = 0; i < length; i++)
		at = authority[i] == '@' ? authority + i : at;
	if (at != NULL)
		read_user(&reader, authority, at - authority);
	read_host(&reader, at ? at + 1 : authority, at ? authority + length - at - 1 : length);
	authority += length;
	path = strcspn(authority, "?");
	if (path > 0 && !driver->address->path_is_whole)
		say_part(&reader, driver->address->path, "path", authority + 1, path - 1);
	else
		say_part(&reader, driver->address->path, "path", authority, path);
	if (authority[path] == '?')
		read_options(&reader, authority + path + 1);
	return reader.said;
}

List *
dbsync_uri_parse(const DbsyncDriver *driver, const char *uri)
{
	if (driver->parse_uri != NULL)
		return driver->parse_uri(uri);
	if (driver->address == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("targets of driver \"%s\" have no URIs", driver->name),
				 errhint("Make them with CREATE SERVER and CREATE USER MAPPING.")));
	return parse(driver, uri);
}
