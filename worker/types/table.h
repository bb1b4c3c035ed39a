/*-------------------------------------------------------------------------
 *
 * worker/types/table.h
 *	  The two tables of types: what their lines say.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TYPES_TABLE_H
#define DBSYNC_WORKER_TYPES_TABLE_H

#include "worker/types/types.h"

/* how values of a type are written in the standard's forms */
typedef enum DbsyncWritten
{
	DBSYNC_WRITTEN_NOT,
	DBSYNC_WRITTEN_BOOLEAN,
	DBSYNC_WRITTEN_INT2,
	DBSYNC_WRITTEN_INT4,
	DBSYNC_WRITTEN_INT8,
	DBSYNC_WRITTEN_OID,
	DBSYNC_WRITTEN_NUMERIC,
	DBSYNC_WRITTEN_FLOAT4,
	DBSYNC_WRITTEN_FLOAT8,
	DBSYNC_WRITTEN_TEXT,
	DBSYNC_WRITTEN_CHAR,
	DBSYNC_WRITTEN_OUTPUT,		/* by the type's output function */
	DBSYNC_WRITTEN_BYTES,
	DBSYNC_WRITTEN_DATE,
	DBSYNC_WRITTEN_TIME,
	DBSYNC_WRITTEN_TIMESTAMP,
	DBSYNC_WRITTEN_TIMESTAMPTZ,
	DBSYNC_WRITTEN_INTERVAL,
	DBSYNC_WRITTEN_JSON,
	DBSYNC_WRITTEN_ARRAY
} DbsyncWritten;

/* which types a line is of */
typedef enum DbsyncTypeOf
{
	DBSYNC_TYPE_PLAIN,			/* this one, whatever its modifier */
	DBSYNC_TYPE_SIZED,			/* this one with a modifier */
	DBSYNC_TYPE_UNSIZED,		/* without */
	DBSYNC_TYPE_ENUM,			/* all of a kind */
	DBSYNC_TYPE_ARRAY,
	DBSYNC_TYPE_RANGE,
	DBSYNC_TYPE_COMPOSITE,
	DBSYNC_TYPE_OTHER			/* all that no other line has */
} DbsyncTypeOf;

/* may it be in a key? */
typedef enum DbsyncTypeKey
{
	DBSYNC_KEY_FREE,
	DBSYNC_KEY_NEVER,
	DBSYNC_KEY_AS_NUMBER		/* unless it travels as a string: equal ones have several */
} DbsyncTypeKey;

/* a type of PostgreSQL */
typedef struct DbsyncTypeLine
{
	const char *name;			/* as people call it */
	DbsyncTypeOf of;
	Oid			type;			/* PLAIN, SIZED, UNSIZED */
	DbsyncSqlType sql;
	DbsyncWritten written;
	int			length;			/* of VARCHAR: the longest that there is; 0: its modifier says it */
	DbsyncTypeKey key;
	const char *cast;			/* NONE: what to send it as */
} DbsyncTypeLine;

/* a standard type in a dialect */
typedef struct DbsyncDialectLine
{
	const char *declaration;	/* p, s and n in its parentheses stand for precision, scale and length */
	int			longest;		/* n that it is declared with; 0: no matter */
	const char *beyond;			/* declaration of longer ones, and of those without a length */
	const char *key;			/* declaration in a key; NULL: as elsewhere */
	DbsyncFormKind kind;
	int			precision;		/* most digits that there can be; 0: no matter */
	int			scale;			/* most of them behind the point */
	int			takes;			/* DBSYNC_TAKES_... */
	bool		limited;		/* a column has room for what its declaration says, and no more */
} DbsyncDialectLine;

/* what a key can have, in bytes */
typedef struct DbsyncDialectKey
{
	const char *name;			/* of the dialect, for people */
	int			bytes;			/* of all its columns together; 0: there is no limit */
	int			character;		/* bytes of one */
	int			binary;			/* of a BLOB */
} DbsyncDialectKey;

extern const DbsyncTypeLine dbsync_type_lines[];
extern const int dbsync_type_lines_count;
/* as dbsync.types calls them */
extern const char *const dbsync_dialect_names[DBSYNC_DIALECTS];
extern const char *const dbsync_sql_type_names[DBSYNC_SQL_TYPES];
extern const DbsyncDialectLine dbsync_dialect_lines[DBSYNC_SQL_TYPES][DBSYNC_DIALECTS];
extern const DbsyncDialectKey dbsync_dialect_keys[DBSYNC_DIALECTS];

#endif							/* DBSYNC_WORKER_TYPES_TABLE_H */
