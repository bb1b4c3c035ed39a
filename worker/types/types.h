/*-------------------------------------------------------------------------
 *
 * worker/types/types.h
 *	  How a column of the source's is called elsewhere, and how its values travel.
 *
 * A type of PostgreSQL becomes one of the SQL standard's (DbsyncSqlType), and that has a declaration in each dialect.  So there
 * is one line per type and one per standard type, and not one per pair (table.c).
 *
 * What a form promises: a value is written so that the target's column holds just that value, whatever the settings of either
 * end; and one that the column cannot hold is not written at all (dbsync_form_write()).  Targets are no help here: many round,
 * cut or replace without saying a word.  Values that are equal have one form, or may not be in a key.
 *
 * Types only, no function to call: drivers know this header through the contract.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TYPES_TYPES_H
#define DBSYNC_WORKER_TYPES_TYPES_H

typedef enum DbsyncSqlType
{
	DBSYNC_SQL_NONE,			/* there is no counterpart */
	DBSYNC_SQL_BOOLEAN,
	DBSYNC_SQL_SMALLINT,
	DBSYNC_SQL_INTEGER,
	DBSYNC_SQL_BIGINT,
	DBSYNC_SQL_DECIMAL,
	DBSYNC_SQL_REAL,
	DBSYNC_SQL_DOUBLE,
	DBSYNC_SQL_VARCHAR,
	DBSYNC_SQL_CLOB,
	DBSYNC_SQL_BLOB,
	DBSYNC_SQL_DATE,
	DBSYNC_SQL_TIME,
	DBSYNC_SQL_TIMESTAMP,
	DBSYNC_SQL_TIMESTAMP_TZ,
	/* not the standard's, but most have something for them */
	DBSYNC_SQL_UUID,
	DBSYNC_SQL_JSON,
	DBSYNC_SQL_BITS
} DbsyncSqlType;

#define DBSYNC_SQL_TYPES	(DBSYNC_SQL_BITS + 1)

/* whose SQL a target speaks */
typedef enum DbsyncDialect
{
	DBSYNC_DIALECT_POSTGRES,	/* it takes every type as it is */
	DBSYNC_DIALECT_MYSQL,		/* MariaDB and MySQL */
	DBSYNC_DIALECT_SQLITE
} DbsyncDialect;

#define DBSYNC_DIALECTS		(DBSYNC_DIALECT_SQLITE + 1)

/* what the bytes of a value are */
typedef enum DbsyncFormKind
{
	DBSYNC_FORM_TEXT,			/* PostgreSQL's text, in the source's server encoding */
	DBSYNC_FORM_BINARY,			/* what PostgreSQL's send functions make of it */

	/* the standard's; without a zero behind them */
	DBSYNC_FORM_NUMBER,			/* digits, sign, point and exponent in ASCII: a literal of SQL as it is */
	DBSYNC_FORM_STRING,			/* UTF-8, to be quoted */
	DBSYNC_FORM_HEX,			/* two digits for each byte */
	DBSYNC_FORM_BYTES,			/* the bytes themselves */
	DBSYNC_FORM_INT64,			/* an int64 as this machine has it */
	DBSYNC_FORM_DOUBLE			/* a double as this machine has it */
} DbsyncFormKind;

/* values that not every column has room for */
#define DBSYNC_TAKES_NAN		0x01	/* numbers that are none */
#define DBSYNC_TAKES_INFINITY	0x02	/* numbers without end */
#define DBSYNC_TAKES_LATE		0x04	/* years after 9999 */

/*
 * How a column's values are to come, and what it has room for: the column that is there, as the driver has looked it up.
 * Limits are of the standard's forms only; -1: there is none.
 */
typedef struct DbsyncForm
{
	DbsyncFormKind kind;
	int			precision;		/* digits of a number */
	int			scale;			/* those of them behind the point; digits of a second */
	int			length;			/* characters of a string; bytes */
	int			depth;			/* of JSON within JSON */
	int			takes;			/* DBSYNC_TAKES_... */
} DbsyncForm;

/* a column that goes to a target */
typedef struct DbsyncColumn
{
	const char *name;			/* at the target */
	Oid			type;			/* at the source, without domains; InvalidOid: only its name is known, */
	const char *type_name;		/* as SQL says it, with its modifier; NULL: "type" says it */
	int32		typmod;			/* its modifier, */
	Oid			collation;		/* and collation */
	bool		not_null;		/* false: not known to be */
	int			key;			/* its place in the key, from 1; 0: it is not part of it */

	/* filled in by dbsync_types_resolve(), for drivers of other dialects than PostgreSQL's */
	DbsyncSqlType sql;
	int			precision;		/* as its type says them; -1: it does not */
	int			scale;
	int			length;
	const char *declaration;	/* in the target's SQL */
	DbsyncForm	form;			/* of a column that is declared so */
} DbsyncColumn;

/* a column as the target's catalogs have it; numbers are -1 where it has none */
typedef struct DbsyncColumnThere
{
	const char *type;			/* its name in small letters, as "bigint unsigned"; of SQLite its affinity */
	int			precision;		/* digits of a number */
	int			scale;			/* those of them behind the point; digits of a second */
	int			length;			/* characters; of binary strings bytes */
} DbsyncColumnThere;

#endif							/* DBSYNC_WORKER_TYPES_TYPES_H */
