/*-------------------------------------------------------------------------
 *
 * worker/parked.h
 *	  Keys of a table that are parked at its target, and rows of theirs that come.
 *
 * Such a row is not sent with the others, as nobody expects that it fits: the relay catches it, and it goes alone.  Keys are
 * compared as the key's index does it, since equal ones may be written otherwise.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_PARKED_H
#define DBSYNC_WORKER_PARKED_H

#include "nodes/pg_list.h"
#include "utils/palloc.h"

#include "worker/driver/driver.h"
#include "worker/shape.h"

typedef struct DbsyncParkedKeys DbsyncParkedKeys;

/* None yet; in a context of its own below "parent". */
extern DbsyncParkedKeys *dbsync_parked_create(MemoryContext parent);

/* A key as text, as the ledger has it.  Added, it must not be there. */
extern void dbsync_parked_add(DbsyncParkedKeys *parked, int nkeys, char *const *key);
extern void dbsync_parked_remove(DbsyncParkedKeys *parked, int nkeys, char *const *key);
extern int	dbsync_parked_count(const DbsyncParkedKeys *parked);

/* The same as the ledger has it, and all of them (List of char **, each of so many); NULL: it is not parked. */
extern char **dbsync_parked_find_text(const DbsyncParkedKeys *parked, int nkeys, char *const *key);

/*
 * Before rows of a shape come, as the table's owner (dbsync_owner_begin()): what is looked for as it has keys.  Those that it could not have are passed over.
 */
extern void dbsync_parked_prepare(DbsyncParkedKeys *parked, const DbsyncTableShape *shape);

/* The key as the ledger has it, of one that has these values; NULL: it is not parked.  As the owner, too. */
extern char **dbsync_parked_find(DbsyncParkedKeys *parked, const Datum *key);

/* The same of a key as text, however that writes it; one that could not be of the shape is none. */
extern char **dbsync_parked_find_written(DbsyncParkedKeys *parked, const DbsyncTableShape *shape, char *const *key);

/* The values of a key, as dbsync_parked_find_text() has returned it; NULL: it could not be one of the shape. */
extern const Datum *dbsync_parked_values(const DbsyncParkedKeys *parked, char **key);

/*
 * Keep a row of such a key, with all columns of the target's table, as text; in a file, as there may be many, and large ones.  Within a
 * transaction, before which ends they are forgotten.  They are read in the order in which they came, with values in CurrentMemoryContext.
 */
extern void dbsync_parked_catch(DbsyncParkedKeys *parked, const DbsyncRow *row, int ncolumns);
extern int	dbsync_parked_caught(const DbsyncParkedKeys *parked);
extern void dbsync_parked_read(DbsyncParkedKeys *parked, int at, DbsyncRow *row);
extern void dbsync_parked_forget_caught(DbsyncParkedKeys *parked);

#endif							/* DBSYNC_WORKER_PARKED_H */
