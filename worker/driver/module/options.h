/*-------------------------------------------------------------------------
 *
 * worker/driver/module/options.h
 *	  Modules: checking the options of a foreign server or user mapping by the driver's table.
 *
 * Shared as source: a module has a file of its own that says how the function is called there (MODULE_CHECK_OPTIONS), and
 * includes options.c.  So the objects, and what they are called, are the module's own, as all modules of a process see each
 * other's symbols.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_MODULE_OPTIONS_H
#define DBSYNC_WORKER_DRIVER_MODULE_OPTIONS_H

#include "worker/driver/driver.h"

/*
 * For a validator: error unless all of these options (text[], as it gets them) are in the table, may stand in this
 * catalog, and may be set by who sets them.  Returns them as a list of DefElem; what their values mean is for the caller
 * to see to.
 */
extern List *MODULE_CHECK_OPTIONS(Datum options, Oid catalog, const DbsyncOption *known);

#endif							/* DBSYNC_WORKER_DRIVER_MODULE_OPTIONS_H */
