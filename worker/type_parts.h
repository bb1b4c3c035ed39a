/*-------------------------------------------------------------------------
 *
 * worker/type_parts.h
 *	  What types of the source are made of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TYPE_PARTS_H
#define DBSYNC_WORKER_TYPE_PARTS_H

#include "nodes/pg_list.h"

#include "worker/driver/driver.h"

/*
 * The types of this kind (TYPTYPE_...: enum or composite) that values of the spec's columns are made of,
 * however deep inside: oids, in the current context.  Within a transaction.
 */
extern List *dbsync_type_parts(const DbsyncTableSpec *spec, char kind);

#endif							/* DBSYNC_WORKER_TYPE_PARTS_H */
