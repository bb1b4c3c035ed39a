/*-------------------------------------------------------------------------
 *
 * extension/log/segment.h
 *	  What a segment holds: rows of a captured table, with columns of ours before them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_LOG_SEGMENT_H
#define DBSYNC_EXTENSION_LOG_SEGMENT_H

/*
 * What happened to the row; RESOLVED: what it was in the end, whatever came before; KEY: it came, or
 * changed, and nothing but its key was captured, so it is to be read from the table.
 */
#define DBSYNC_OP_INSERT	'I'
#define DBSYNC_OP_UPDATE	'U'
#define DBSYNC_OP_DELETE	'D'
#define DBSYNC_OP_TRUNCATE	'T'
#define DBSYNC_OP_RESOLVED	'R'
#define DBSYNC_OP_KEY		'K'

/* rows of a transaction are numbered, from 1, in so many bits */
#define DBSYNC_NO_BITS		45
#define DBSYNC_NO_MAX		((UINT64CONST(1) << DBSYNC_NO_BITS) - 1)

/*
 * Column numbers of a segment, before the captured table's own columns.  In this
 * order ours always take 24 bytes, so that what follows them is aligned as in
 * the table's own rows and can be copied as it is.  Behind them comes one more of
 * ours: which columns an UPDATE left untouched (dbsync_unchanged_find()).  Being last, it takes
 * nothing in rows that have no use for it: they end before it.
 */
#define DBSYNC_SEGMENT_OP			1
#define DBSYNC_SEGMENT_XID			2
#define DBSYNC_SEGMENT_NO			3
#define DBSYNC_SEGMENT_FIRST_COLUMN 4

/* our columns as they lie in a row */
typedef struct DbsyncOurs
{
	char		op;
	char		pad[7];
	uint64		xid;
	int64		no;
} DbsyncOurs;

StaticAssertDecl(sizeof(DbsyncOurs) == MAXALIGN(sizeof(DbsyncOurs)), "what follows must be aligned");

#endif							/* DBSYNC_EXTENSION_LOG_SEGMENT_H */
