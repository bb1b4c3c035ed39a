/*-------------------------------------------------------------------------
 *
 * extension/owner.h
 *	  Running what users have written as the owner of the table that it belongs to.
 *
 * The order of a key, a type's output or input function, a cast, a domain's CHECK
 * may be anybody's code.  Whoever looks at a captured table on dbsync's behalf (the
 * worker, dbsync.changes(), the settling of keys at commit) has more rights than he
 * who wrote it, or others.  So all that can call such code stands between begin and
 * end: there it has its table's owner's rights, as when ANALYZE looks at the table,
 * and what it has SET is undone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_OWNER_H
#define DBSYNC_EXTENSION_OWNER_H

/* where the names of such code lead; the worker's own session has it always */
#define DBSYNC_SAFE_PATH	"pg_catalog, pg_temp"

/* what is put back at the end; after an error the (sub)transaction's end does it */
typedef struct DbsyncOwner
{
	Oid			user;
	int			security;
	int			nest;
} DbsyncOwner;

/*
 * From here on "owner" is the current user, in a security-restricted operation: no
 * other role can be taken, and nothing left behind in the session (temporary tables,
 * prepared statements, cursors, LISTEN, deferred triggers).  Names are looked up in
 * pg_catalog.  Needs a transaction.
 */
extern void dbsync_owner_begin(DbsyncOwner *saved, Oid owner);

/* The user who was there before, and all settings as they were. */
extern void dbsync_owner_end(const DbsyncOwner *saved);

/* For code that may meet a user's: error if it does not run between the two. */
extern void dbsync_owner_check(void);

#endif							/* DBSYNC_EXTENSION_OWNER_H */
