/*-------------------------------------------------------------------------
 *
 * extension/route.c
 *	  Routes: on which database a change was first made, and which ones passed
 *	  it on.
 *
 * A database does not send a change to one that is in its route.  Origin and last
 * sender alone would not do: where a ring has a tail, or where all of four
 * databases feed each other, there are ways round that touch neither.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "extension/route.h"

char *
dbsync_route_identity(uint64 system_identifier, Oid database)
{
	return psprintf(UINT64_FORMAT "/%u", system_identifier, database);
}

static const char *
skip_digits(const char *at)
{
	while (*at >= '0' && *at <= '9')
		at++;
	return at;
}

/* Behind the identity that begins here; NULL: none does. */
static const char *
skip_identity(const char *at)
{
	const char *slash = skip_digits(at);
	const char *end;

	if (slash == at || *slash != '/')
		return NULL;
	end = skip_digits(slash + 1);
	return end == slash + 1 || end - at > DBSYNC_ROUTE_PLACE_MAX ? NULL : end;
}

int
dbsync_route_length(const char *route)
{
	const char *at = route;

	for (int n = 1; n <= DBSYNC_ROUTE_MAX; n++)
	{
		at = skip_identity(at);
		if (at == NULL)
			return 0;
		if (*at == '\0')
			return n;
		if (*at++ != ' ')
			return 0;
	}
	return 0;
}

bool
dbsync_route_has(const char *route, const char *identity)
{
	size_t		size = strlen(identity);

	for (const char *at = route; at != NULL; at = strchr(at, ' '))
	{
		if (*at == ' ')
			at++;
		if (strncmp(at, identity, size) == 0 && (at[size] == ' ' || at[size] == '\0'))
			return true;
	}
	return false;
}

bool
dbsync_route_has_any(const char *route, const List *identities)
{
	ListCell   *lc;

	foreach(lc, identities)
	{
		if (dbsync_route_has(route, lfirst(lc)))
			return true;
	}
	return false;
}

bool
dbsync_route_same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

List *
dbsync_route_places(const char *route)
{
	List	   *places = NIL;
	const char *end;

	for (const char *at = route; *at != '\0'; at = end + (*end == ' '))
	{
		end = strchr(at, ' ');
		if (end == NULL)
			end = at + strlen(at);
		places = lappend(places, pnstrdup(at, end - at));
	}
	return places;
}

char *
dbsync_route_extend(const char *route, const char *identity)
{
	char	   *longer;

	if (route == NULL)
		return pstrdup(identity);
	longer = psprintf("%s %s", route, identity);
	if (dbsync_route_length(longer) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a change has come through more than %d databases", DBSYNC_ROUTE_MAX),
				 errdetail("Its route is: %s.", route),
				 errhint("Let databases feed each other over shorter ways, or with forward => 'local'.")));
	return longer;
}
