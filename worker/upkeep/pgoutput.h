/*-------------------------------------------------------------------------
 *
 * worker/upkeep/pgoutput.h
 *	  Messages of PostgreSQL's output plugin "pgoutput", protocol version 1.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_UPKEEP_PGOUTPUT_H
#define DBSYNC_WORKER_UPKEEP_PGOUTPUT_H

typedef enum DbsyncPgoutputType
{
	DBSYNC_PGOUTPUT_BEGIN = 'B',
	DBSYNC_PGOUTPUT_COMMIT = 'C',
	DBSYNC_PGOUTPUT_RELATION = 'R',
	DBSYNC_PGOUTPUT_TYPE = 'Y',
	DBSYNC_PGOUTPUT_ORIGIN = 'O',
	DBSYNC_PGOUTPUT_INSERT = 'I',
	DBSYNC_PGOUTPUT_UPDATE = 'U',
	DBSYNC_PGOUTPUT_DELETE = 'D',
	DBSYNC_PGOUTPUT_TRUNCATE = 'T'
} DbsyncPgoutputType;

/* a column as it was when the rows that follow were written */
typedef struct DbsyncPgoutputColumn
{
	const char *name;
	Oid			type;
	int32		typmod;
	bool		key;			/* it is of the replica identity */
} DbsyncPgoutputColumn;

/* a value as its type's output function gave it */
typedef struct DbsyncPgoutputValue
{
	char		kind;			/* n: null, u: untouched and not said, t: text */
	const char *data;			/* ends with no zero byte */
	int			length;
} DbsyncPgoutputValue;

typedef struct DbsyncPgoutputRow
{
	int			n;				/* 0: there is none */
	DbsyncPgoutputValue *values;
} DbsyncPgoutputRow;

/* a message; what is not of its type is zero */
typedef struct DbsyncPgoutput
{
	DbsyncPgoutputType type;
	Oid			relid;			/* of relation, insert, update, delete */
	char		identity;		/* of a relation: as pg_class.relreplident */
	int			ncolumns;
	DbsyncPgoutputColumn *columns;
	DbsyncPgoutputRow before;	/* the row, or its key, that it was */
	DbsyncPgoutputRow after;	/* the row that it is */
	int			nrelids;		/* of truncate */
	Oid		   *relids;
} DbsyncPgoutput;

/*
 * Read a message.  Names and values point into the data, which must live as long; arrays
 * are in CurrentMemoryContext.  False if it is none of the protocol, to the last byte.
 */
extern bool dbsync_pgoutput_read(const char *data, Size size, DbsyncPgoutput *message);

#endif							/* DBSYNC_WORKER_UPKEEP_PGOUTPUT_H */
