/*-------------------------------------------------------------------------
 *
 * worker/bundle/folder.h
 *	  Folders and files that survive a crash: made, written, linked, locked, listed.
 *
 * Errors of the disk are raised, with the path.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BUNDLE_FOLDER_H
#define DBSYNC_WORKER_BUNDLE_FOLDER_H

#include "postgres.h"

#include <sys/stat.h>

#include "nodes/pg_list.h"

/*
 * Why a path cannot be the root of a target or receiver: it is relative, below the data directory, a symlink, or no
 * folder of the server's account.  NULL: it can, or can be made.  Never touches what is not ours.
 */
extern const char *dbsync_folder_problem(const char *path);

/* What to do then. */
#define DBSYNC_FOLDER_HINT	"Make one with: install -d -o postgres -g gateway -m 2711 PATH"

/* Make a folder, and have its parent's entry on disk, unless it is there. */
extern void dbsync_folder_make(const char *path, mode_t mode);

/* Names in a folder that do not begin with a dot, sorted (List of char *); NIL if there is no such folder. */
extern List *dbsync_folder_list(const char *path);

/* All of a file, and its length; NULL if it is not there; error if it has more than "limit" bytes. */
extern char *dbsync_folder_read(const char *path, size_t limit, size_t *length);

/*
 * Write a file anew, by a file in "tmp" that is put on disk and renamed.  So there are the old contents or the new
 * ones, whoever dies.
 */
extern void dbsync_folder_write(const char *tmp, const char *path, const void *data, size_t length, mode_t mode);

/* The same of a file that must not be there yet: false, and nothing is written, if it is. */
extern bool dbsync_folder_write_new(const char *tmp, const char *path, const void *data, size_t length, mode_t mode);

/*
 * Give a file a second name, and have that on disk.  False if there is another file of that name: never written over.  True also if
 * the name is its own already.
 */
extern bool dbsync_folder_link(const char *path, const char *name);

/* Remove a file, and have that on disk; none is no error. */
extern void dbsync_folder_remove(const char *path);

/* The same of one of many: on disk when the folder is synced.  False: there was none. */
extern bool dbsync_folder_unlink(const char *path);

/* The folder's own entries to the disk. */
extern void dbsync_folder_sync(const char *path);

/*
 * Lock a file (made if missing) until the memory context dies in which this was called.  False: somebody else has it.
 */
extern bool dbsync_folder_lock(const char *path);

#endif							/* DBSYNC_WORKER_BUNDLE_FOLDER_H */
