/*-------------------------------------------------------------------------
 *
 * worker/creation.h
 *	  What a table that the target lacks is made of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_CREATION_H
#define DBSYNC_WORKER_CREATION_H

#include "utils/uuid.h"

#include "worker/driver/driver.h"

typedef struct DbsyncCreation
{
	DbsyncTableSpec spec;		/* of names and columns; what else a look-up needs is not in it */
	List	   *changes;		/* of DbsyncChange: what leads to it from nothing */
	List	   *indexes;		/* of DbsyncIndex: those that it gets behind its first copy */
} DbsyncCreation;

/*
 * What a subscription's table is made of at the target, as the source's catalogs have it now.
 * In CurrentMemoryContext; in a transaction, which sees dbsync's own tables; SPI not connected.
 */
extern DbsyncCreation *dbsync_creation_read(int subscription_id, int captured_id);

/* Who makes a subscription's tables, by which they are known again: see DbsyncDriver.  palloc'd. */
extern char *dbsync_creation_maker(const pg_uuid_t *subscription);

/* The statements (List of char *) by which a driver makes it, and then what is not made, as comments. */
extern List *dbsync_creation_statements(const DbsyncDriver *driver, const DbsyncCreation *creation);

#endif							/* DBSYNC_WORKER_CREATION_H */
