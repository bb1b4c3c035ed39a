/*-------------------------------------------------------------------------
 *
 * worker/types/table.c
 *	  The table of types: a line per type of PostgreSQL, and a line per standard type and dialect.
 *
 * dbsync.types shows it, docs/types.md is held against that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"

#include "worker/types/table.h"

/* a type that has a counterpart */
#define OF(oid, name, sql, written) \
	{name, DBSYNC_TYPE_PLAIN, oid, DBSYNC_SQL_##sql, DBSYNC_WRITTEN_##written, 0, DBSYNC_KEY_FREE, NULL}
#define SIZED(oid, name, sql, written) \
	{name, DBSYNC_TYPE_SIZED, oid, DBSYNC_SQL_##sql, DBSYNC_WRITTEN_##written, 0, DBSYNC_KEY_FREE, NULL}
#define UNSIZED(oid, name, sql, written) \
	{name, DBSYNC_TYPE_UNSIZED, oid, DBSYNC_SQL_##sql, DBSYNC_WRITTEN_##written, 0, DBSYNC_KEY_FREE, NULL}
/* one that has another type's text, so many characters at most */
#define WITHIN(oid, name, length) \
	{name, DBSYNC_TYPE_PLAIN, oid, DBSYNC_SQL_VARCHAR, DBSYNC_WRITTEN_OUTPUT, length, DBSYNC_KEY_FREE, NULL}
#define NO_KEY(of, oid, name, sql, written, length) \
	{name, DBSYNC_TYPE_##of, oid, DBSYNC_SQL_##sql, DBSYNC_WRITTEN_##written, length, DBSYNC_KEY_NEVER, NULL}
/* one that has none */
#define NONE(oid, name, cast) \
	{name, DBSYNC_TYPE_PLAIN, oid, DBSYNC_SQL_NONE, DBSYNC_WRITTEN_NOT, 0, DBSYNC_KEY_NEVER, cast}
#define NO_KIND(of, name) \
	{name, DBSYNC_TYPE_##of, InvalidOid, DBSYNC_SQL_NONE, DBSYNC_WRITTEN_NOT, 0, DBSYNC_KEY_NEVER, "text"}

const DbsyncTypeLine dbsync_type_lines[] = {
	OF(BOOLOID, "boolean", BOOLEAN, BOOLEAN),
	OF(INT2OID, "smallint", SMALLINT, INT2),
	OF(INT4OID, "integer", INTEGER, INT4),
	OF(INT8OID, "bigint", BIGINT, INT8),
	OF(OIDOID, "oid", BIGINT, OID),
	SIZED(NUMERICOID, "numeric(p,s)", DECIMAL, NUMERIC),
	/* 1.0 and 1.00 are equal */
	{"numeric", DBSYNC_TYPE_UNSIZED, NUMERICOID, DBSYNC_SQL_DECIMAL, DBSYNC_WRITTEN_NUMERIC, 0, DBSYNC_KEY_AS_NUMBER, NULL},
	OF(FLOAT4OID, "real", REAL, FLOAT4),
	OF(FLOAT8OID, "double precision", DOUBLE, FLOAT8),
	SIZED(BPCHAROID, "character(n)", VARCHAR, CHAR),
	UNSIZED(BPCHAROID, "bpchar", CLOB, CHAR),
	SIZED(VARCHAROID, "character varying(n)", VARCHAR, TEXT),
	UNSIZED(VARCHAROID, "character varying", CLOB, TEXT),
	OF(TEXTOID, "text", CLOB, TEXT),
	NO_KEY(PLAIN, XMLOID, "xml", CLOB, OUTPUT, 0),
	WITHIN(NAMEOID, "name", NAMEDATALEN - 1),
	{"enums", DBSYNC_TYPE_ENUM, InvalidOid, DBSYNC_SQL_VARCHAR, DBSYNC_WRITTEN_OUTPUT, NAMEDATALEN - 1, DBSYNC_KEY_FREE, NULL},
	OF(BYTEAOID, "bytea", BLOB, BYTES),
	OF(DATEOID, "date", DATE, DATE),
	OF(TIMEOID, "time(p)", TIME, TIME),
	OF(TIMESTAMPOID, "timestamp(p)", TIMESTAMP, TIMESTAMP),
	OF(TIMESTAMPTZOID, "timestamp(p) with time zone", TIMESTAMP_TZ, TIMESTAMPTZ),
	/* P1D and PT24H are equal */
	NO_KEY(PLAIN, INTERVALOID, "interval", VARCHAR, INTERVAL, 64),
	OF(UUIDOID, "uuid", UUID, OUTPUT),
	NO_KEY(PLAIN, JSONOID, "json", JSON, JSON, 0),
	NO_KEY(PLAIN, JSONBOID, "jsonb", JSON, JSON, 0),
	OF(BITOID, "bit(n)", BITS, OUTPUT),
	OF(VARBITOID, "bit varying(n)", BITS, OUTPUT),
	WITHIN(INETOID, "inet", 49),
	WITHIN(CIDROID, "cidr", 49),
	WITHIN(MACADDROID, "macaddr", 49),
	WITHIN(MACADDR8OID, "macaddr8", 49),
	NO_KEY(RANGE, InvalidOid, "ranges, multiranges", CLOB, OUTPUT, 0),
	NO_KEY(ARRAY, InvalidOid, "arrays of these", JSON, ARRAY, 0),

	/* its text depends on lc_monetary */
	NONE(MONEYOID, "money", "numeric(20,2)"),
	NONE(TIMETZOID, "time with time zone", "text"),
	NONE(CHAROID, "\"char\"", "text"),
	NONE(TSVECTOROID, "tsvector", "text"),
	NONE(TSQUERYOID, "tsquery", "text"),
	NONE(PG_LSNOID, "pg_lsn", "text"),
	/* arrays that count from 0 */
	NONE(INT2VECTOROID, "int2vector", "text"),
	NONE(OIDVECTOROID, "oidvector", "text"),
	NO_KIND(COMPOSITE, "composite types"),
	NO_KIND(OTHER, "all others")
};

const int	dbsync_type_lines_count = lengthof(dbsync_type_lines);

const char *const dbsync_dialect_names[DBSYNC_DIALECTS] = {
	[DBSYNC_DIALECT_POSTGRES] = "postgres",
	[DBSYNC_DIALECT_MYSQL] = "mysql",
	[DBSYNC_DIALECT_SQLITE] = "sqlite"
};

const char *const dbsync_sql_type_names[DBSYNC_SQL_TYPES] = {
	[DBSYNC_SQL_BOOLEAN] = "BOOLEAN",
	[DBSYNC_SQL_SMALLINT] = "SMALLINT",
	[DBSYNC_SQL_INTEGER] = "INTEGER",
	[DBSYNC_SQL_BIGINT] = "BIGINT",
	[DBSYNC_SQL_DECIMAL] = "DECIMAL(p,s)",
	[DBSYNC_SQL_REAL] = "REAL",
	[DBSYNC_SQL_DOUBLE] = "DOUBLE PRECISION",
	[DBSYNC_SQL_VARCHAR] = "VARCHAR(n)",
	[DBSYNC_SQL_CLOB] = "CLOB",
	[DBSYNC_SQL_BLOB] = "BLOB",
	[DBSYNC_SQL_DATE] = "DATE",
	[DBSYNC_SQL_TIME] = "TIME(p)",
	[DBSYNC_SQL_TIMESTAMP] = "TIMESTAMP(p)",
	[DBSYNC_SQL_TIMESTAMP_TZ] = "TIMESTAMP(p) WITH TIME ZONE",
	[DBSYNC_SQL_UUID] = "UUID",
	[DBSYNC_SQL_JSON] = "JSON",
	[DBSYNC_SQL_BITS] = "BITS(n)"
};

#define AS(text, form)		.declaration = text, .kind = DBSYNC_FORM_##form
#define MYSQL(text, form)	[DBSYNC_DIALECT_MYSQL] = {AS(text, form)}
#define SQLITE(text, form)	[DBSYNC_DIALECT_SQLITE] = {AS(text, form)}
#define NAMES_KEY			"VARCHAR(n)"
#define ASCII				" CHARACTER SET ascii COLLATE ascii_bin"

/*
 * FLOAT of MariaDB refuses PostgreSQL's largest real, and shows six digits.  Its TIMESTAMP ends in 2038, and is another time
 * in another session.  What SQLite has as NUMERIC becomes a double, and another number.
 */
const DbsyncDialectLine dbsync_dialect_lines[DBSYNC_SQL_TYPES][DBSYNC_DIALECTS] = {
	[DBSYNC_SQL_BOOLEAN] = {MYSQL("TINYINT(1)", NUMBER), SQLITE("INTEGER", INT64)},
	[DBSYNC_SQL_SMALLINT] = {MYSQL("SMALLINT", NUMBER), SQLITE("INTEGER", INT64)},
	[DBSYNC_SQL_INTEGER] = {MYSQL("INT", NUMBER), SQLITE("INTEGER", INT64)},
	[DBSYNC_SQL_BIGINT] = {MYSQL("BIGINT", NUMBER), SQLITE("INTEGER", INT64)},
	[DBSYNC_SQL_DECIMAL] = {
		[DBSYNC_DIALECT_MYSQL] = {AS("DECIMAL(p,s)", NUMBER), .precision = 65, .scale = 30, .limited = true},
		[DBSYNC_DIALECT_SQLITE] = {AS("TEXT", STRING), .takes = DBSYNC_TAKES_NAN | DBSYNC_TAKES_INFINITY}
	},
	[DBSYNC_SQL_REAL] = {
		MYSQL("DOUBLE", NUMBER),
		[DBSYNC_DIALECT_SQLITE] = {AS("REAL", DOUBLE), .takes = DBSYNC_TAKES_INFINITY}
	},
	[DBSYNC_SQL_DOUBLE] = {
		MYSQL("DOUBLE", NUMBER),
		[DBSYNC_DIALECT_SQLITE] = {AS("REAL", DOUBLE), .takes = DBSYNC_TAKES_INFINITY}
	},
	[DBSYNC_SQL_VARCHAR] = {
		[DBSYNC_DIALECT_MYSQL] = {AS("VARCHAR(n)", STRING), .longest = 255, .beyond = "LONGTEXT", .key = NAMES_KEY, .limited = true},
		SQLITE("TEXT", STRING)
	},
	[DBSYNC_SQL_CLOB] = {
		[DBSYNC_DIALECT_MYSQL] = {AS("LONGTEXT", STRING), .key = NAMES_KEY, .limited = true},
		SQLITE("TEXT", STRING)
	},
	[DBSYNC_SQL_BLOB] = {
		[DBSYNC_DIALECT_MYSQL] = {AS("LONGBLOB", HEX), .key = "VARBINARY(n)", .limited = true},
		SQLITE("BLOB", BYTES)
	},
	[DBSYNC_SQL_DATE] = {
		MYSQL("DATE", STRING),
		[DBSYNC_DIALECT_SQLITE] = {AS("TEXT", STRING), .takes = DBSYNC_TAKES_LATE}
	},
	[DBSYNC_SQL_TIME] = {
		[DBSYNC_DIALECT_MYSQL] = {AS("TIME(p)", STRING), .limited = true},
		SQLITE("TEXT", STRING)
	},
	[DBSYNC_SQL_TIMESTAMP] = {
		[DBSYNC_DIALECT_MYSQL] = {AS("DATETIME(p)", STRING), .limited = true},
		[DBSYNC_DIALECT_SQLITE] = {AS("TEXT", STRING), .takes = DBSYNC_TAKES_LATE}
	},
	[DBSYNC_SQL_TIMESTAMP_TZ] = {
		[DBSYNC_DIALECT_MYSQL] = {AS("DATETIME(p)", STRING), .limited = true},
		[DBSYNC_DIALECT_SQLITE] = {AS("TEXT", STRING), .takes = DBSYNC_TAKES_LATE}
	},
	[DBSYNC_SQL_UUID] = {MYSQL("CHAR(36)" ASCII, STRING), SQLITE("TEXT", STRING)},
	[DBSYNC_SQL_JSON] = {
		[DBSYNC_DIALECT_MYSQL] = {AS("LONGTEXT", STRING), .limited = true},
		SQLITE("TEXT", STRING)
	},
	[DBSYNC_SQL_BITS] = {
		[DBSYNC_DIALECT_MYSQL] = {AS("VARCHAR(n)" ASCII, STRING), .longest = 255, .beyond = "LONGTEXT" ASCII,
		.key = NAMES_KEY ASCII, .limited = true},
		SQLITE("TEXT", STRING)
	}
};

const DbsyncDialectKey dbsync_dialect_keys[DBSYNC_DIALECTS] = {
	[DBSYNC_DIALECT_POSTGRES] = {.name = "PostgreSQL"},
	[DBSYNC_DIALECT_MYSQL] = {.name = "MariaDB", .bytes = 3072, .character = 4, .binary = 767},
	[DBSYNC_DIALECT_SQLITE] = {.name = "SQLite"}
};
