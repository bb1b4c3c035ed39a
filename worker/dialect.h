/*-------------------------------------------------------------------------
 *
 * worker/dialect.h
 *	  A table's columns as the SQL of a driver's targets has them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DIALECT_H
#define DBSYNC_WORKER_DIALECT_H

#include "worker/driver/driver.h"

/*
 * The spec with declarations and forms of its columns, in CurrentMemoryContext; it shares the rest with what it was.  Of drivers
 * that speak PostgreSQL's own SQL it is what it was.  Error (0A000), by column, if one has no counterpart.  In a transaction.
 */
extern DbsyncTableSpec dbsync_dialect_spec(const DbsyncDriver *driver, const DbsyncTableSpec *spec);

#endif							/* DBSYNC_WORKER_DIALECT_H */
