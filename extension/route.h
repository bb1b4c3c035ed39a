/*-------------------------------------------------------------------------
 *
 * extension/route.h
 *	  Routes: on which database a change was first made, and which ones passed
 *	  it on.
 *
 * An identity is "<system identifier>/<database oid>".  A route is one text:
 * identities with a space between two, the database of origin first.  It is what
 * the setting dbsync.origin holds, what headers keep (NULL: made on this very
 * database), and, as a mere list, what a ledger keeps of its database.  Anybody's
 * text becomes a route in dbsync_route_length() only, so all routes are ASCII.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_ROUTE_H
#define DBSYNC_EXTENSION_ROUTE_H

#include "nodes/pg_list.h"

/* databases in a route; bytes of one of them */
#define DBSYNC_ROUTE_MAX	32
#define DBSYNC_ROUTE_PLACE_MAX	40

/* The identity of a database, palloc'd. */
extern char *dbsync_route_identity(uint64 system_identifier, Oid database);

/* How many databases it names; 0: it is no route. */
extern int	dbsync_route_length(const char *route);

/* Is the database in the route? */
extern bool dbsync_route_has(const char *route, const char *identity);

/* Is any of them (list of C strings)? */
extern bool dbsync_route_has_any(const char *route, const List *identities);

/* Are both the same?  NULL: made here. */
extern bool dbsync_route_same(const char *a, const char *b);

/* The databases that a route names, as a list of C strings, palloc'd. */
extern List *dbsync_route_places(const char *route);

/*
 * The route of a change that this database passes on: the one that it has here (NULL:
 * made here) and this database behind it; palloc'd.  Raises an error where
 * that would be more than DBSYNC_ROUTE_MAX databases.
 */
extern char *dbsync_route_extend(const char *route, const char *identity);

#endif							/* DBSYNC_EXTENSION_ROUTE_H */
