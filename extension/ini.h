/*-------------------------------------------------------------------------
 *
 * extension/ini.h
 *	  Reading INI files: lines into sections, keys and values; names and lists in these.
 *
 * What sections, keys and values mean is none of its business.  The rules are in
 * docs/config.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_INI_H
#define DBSYNC_EXTENSION_INI_H

#include "fmgr.h"
#include "lib/stringinfo.h"

/* A section's head, or a key with its value; all of it is palloc'd. */
typedef struct DbsyncIniEntry
{
	int			line;			/* where it begins, from 1 */
	int			head;			/* where its section does */
	const char *section;		/* what is between the brackets */
	const char *key;			/* NULL: it is the head */
	StringInfoData value;		/* lines are separated by newlines */
	StringInfoData uncut;		/* the same, with what was taken for comments */
	bool		cut;			/* is there such a thing? */
	bool		exact;			/* of lines that begin with |, which are taken as they are */
} DbsyncIniEntry;

typedef struct DbsyncIni
{
	const char *at;				/* of the text, which ends with a zero byte */
	int			line;			/* of the line that begins there */
	int			head;
	const char *section;		/* NULL: none has begun */
} DbsyncIni;

/* Begin to read the text, which must stay. */
extern void dbsync_ini_begin(DbsyncIni *ini, const char *text);

/* The next head or key; false: there is none.  Error, with its number, at a line that is none. */
extern bool dbsync_ini_next(DbsyncIni *ini, DbsyncIniEntry *entry);

/*
 * Names in SQL form, as "a, b.c" or "a / b.c": each is put into *names as it would be
 * quoted, a palloc'd string.  False: it is no such list, or a name has more than 63 bytes.
 */
extern bool dbsync_ini_names(const char *text, char separator, List **names);

/*
 * The elements of a SELECT's list, palloc'd strings, without the blanks around them.
 * False: a quote or a bracket does not end, or an element is empty.
 */
extern bool dbsync_ini_list(const char *text, List **elements);

#endif							/* DBSYNC_EXTENSION_INI_H */
