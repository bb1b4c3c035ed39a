/*-------------------------------------------------------------------------
 *
 * worker/bundle/contents.h
 *	  The JSON texts of a bundle: bundle.json and contents.json, written and read.
 *
 * Whoever reads gets structs in which all that others rely on holds: numbers of tables and columns are of what is
 * there, and what must be there is.  Strings are in the server's encoding.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BUNDLE_CONTENTS_H
#define DBSYNC_WORKER_BUNDLE_CONTENTS_H

#include "lib/stringinfo.h"

#include "worker/bundle/bundle.h"
#include "worker/bundle/json.h"

/* Append bundle.json in UTF-8. */
extern void dbsync_head_write(StringInfo out, const DbsyncBundleHead *head);

/*
 * Read it, in CurrentMemoryContext; returns what is wrong, NULL: nothing.  *name: the subscription's in UTF-8, as folders
 * are named by it.
 */
extern const char *dbsync_head_read(const char *text, size_t length, DbsyncBundleHead **head, char **name);

/* Append contents.json in UTF-8; members of rows end in "suffix" behind their number. */
extern void dbsync_contents_write(StringInfo out, const DbsyncBundleContents *contents, const char *suffix);

/* Read it likewise. */
extern const char *dbsync_contents_read(const char *text, size_t length, const char *suffix,
										DbsyncBundleContents **contents);

/* The word for what a step does; and the step, -1: there is no such word. */
extern const char *dbsync_contents_do(DbsyncBundleDo what);
extern int	dbsync_contents_read_do(const char *word);
/* Are there rows with it? */
extern bool dbsync_contents_has_rows(DbsyncBundleDo what);
/* Must "requires" name it? */
#define dbsync_contents_is_required(what) ((what) > DBSYNC_BUNDLE_DELETE)

/* --- between the files that do it --- */

extern void dbsync_head_put_place(StringInfo out, const char *after, const char *upto, XLogRecPtr closing, uint64 closing_xid);
extern void dbsync_head_put_lsn(StringInfo out, const char *key, XLogRecPtr lsn);
extern XLogRecPtr dbsync_head_lsn(DbsyncJson *json);
extern void dbsync_extras_write(StringInfo out, const DbsyncBundleStep *step);
/* A member of a step that is of one of the later kinds; false: it is not known. */
extern bool dbsync_extras_read(DbsyncJson *json, const char *key, DbsyncBundleStep *step);

/* The same of a step that says what types look like. */
extern void dbsync_types_write(StringInfo out, const DbsyncBundleStep *step);
extern bool dbsync_types_read(DbsyncJson *json, const char *key, DbsyncBundleStep *step);

/* A list of words under a key; one of them is read into the list that "arg" points to. */
extern void dbsync_extras_put_words(StringInfo out, const char *key, List *words);
extern void dbsync_extras_read_word(DbsyncJson *json, void *arg);

/* An oid that is the same in all databases, else none. */
extern Oid	dbsync_extras_same_everywhere(Oid oid);

#endif							/* DBSYNC_WORKER_BUNDLE_CONTENTS_H */
