/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/acting.h
 *	  PostgreSQL driver: a foreign key that acts on what references a value.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_ACTING_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_ACTING_H

#include "nodes/pg_list.h"

#include "worker/driver/postgres/internal.h"

/*
 * SQL in pieces: p is a row of the table that it leads to, n one of that table's stage, m one of a list of values (v1, ..., and f1, ... as
 * the row has it afterwards), x a
 * row of the table that has it, and w one that was set aside (k1, ... of a row's own key, r1, ... of what it references).
 */
typedef struct PostgresActing
{
	const char *name;			/* of the constraint, quoted */
	const char *label;			/* schema.table that has it, for messages */
	const char *child;			/* the same for SQL, without inheritance children */
	Oid			child_id;
	char		on_delete;		/* as in pg_constraint */
	char		on_update;
	const char *same;			/* condition: p and n have one value */
	const char *taken;			/* p's value AS v1, ... */
	const char *references;		/* condition: x references m */
	const char *value;			/* what x references AS r1, ... */
	const char *unchanged;		/* condition: x references what w did */
	const char *off;			/* assignments by which x references nothing; NULL: there are none */
	const char *back;			/* and those that undo it */
	const char *again;			/* assignments of all of w's; NULL: they may not be assigned */
	const char *key;			/* x's own key AS k1, ...; NULL: none */
	const char *found;			/* condition: x is w */
	bool		fixed;			/* why off is NULL: others reference these columns, or they are generated */
	bool		allowed;		/* we may read and update x's table */
	const char *parent_columns; /* for messages */
	const char *child_columns;
	const char *columns;		/* the child's, as text[]; */
	const char *off_columns;	/* and those that are null meanwhile, or NULL */
	const char *form;			/* condition: p's value has another form than n's; NULL: it makes no difference */
	const char *given;			/* n's value AS f1, ... */
	const char *other;			/* condition: x references m in another form than that */
} PostgresActing;

/* Those that lead to a table, beside its key (led_to.h): *keys, of PostgresActing, in CurrentMemoryContext. */
extern bool dbsync_postgres_acting_keys(PostgresTarget *target, const DbsyncTargetTable *table, List **keys);

/* How a table that has such a key, and one whose rows are staged, have to do with each other */
typedef struct PostgresKin
{
	bool		related;		/* they are one, or one is part of the other, */
	bool		whole;			/* and its rows come with all that the key needs, */
	bool		in_part;		/* or with a part of that */
	bool		off_key;		/* some of off_columns are of the staged table's key, */
	bool		any_key;		/* or of all columns */
} PostgresKin;

extern bool dbsync_postgres_acting_kin(PostgresTarget *target, const PostgresActing *key,
									   const DbsyncTargetTable *staged, PostgresKin *kin);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_ACTING_H */
