/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/changing.h
 *	  PostgreSQL driver: a table being changed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_POSTGRES_CHANGING_H
#define DBSYNC_WORKER_POSTGRES_CHANGING_H

#include "lib/stringinfo.h"

#include "worker/driver/postgres/internal.h"

typedef struct Changing
{
	PostgresTarget *target;
	const DbsyncTableSpec *spec;
	int			how;
	char	   *label;			/* its name, for messages */
	char	   *quoted;			/* for SQL */
	char	   *only;			/* the same, without inheritance children */
	bool		has_heirs;		/* others inherit from it, whose rows are not ours to touch */
	char	   *of_type;		/* the composite type that it is of, for SQL, or NULL */
	const char *deferred;		/* constraints whose triggers may wait for the end of the transaction, for SQL, or
								 * NULL: see pending.h */
	List	   *changes;
	StringInfoData due;			/* statements that are due, if they are not to be made: */
	List	   *given_up;		/* those among them that take a name away from a column */
} Changing;

/* Run a statement that is due, or have it said. */
extern bool dbsync_postgres_make(Changing *changing, const char *sql);

/* What the target's column is called now that will have this name when all that is due was run. */
extern const char *dbsync_postgres_present_name(const Changing *changing, const char *name);

/*
 * What kind of table is it, and is it of a composite type?  Then its columns are that's, which
 * we do not change.
 */
extern bool dbsync_postgres_look_at_type(Changing *changing);

/* DBSYNC_CHANGE_KEY */
extern bool dbsync_postgres_change_key(Changing *changing, const DbsyncChange *change);

#endif							/* DBSYNC_WORKER_POSTGRES_CHANGING_H */
