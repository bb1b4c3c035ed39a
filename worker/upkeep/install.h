/*-------------------------------------------------------------------------
 *
 * worker/upkeep/install.h
 *	  Installing capture, one table a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_UPKEEP_INSTALL_H
#define DBSYNC_WORKER_UPKEEP_INSTALL_H

#include "worker/work.h"

/*
 * Install capture on tables that lack it, one transaction each.  A table whose
 * lock is not to be had is left for later, unless "insist"; one with a copy is while
 * there is no connection.  Returns true when all tables are captured.
 */
extern bool dbsync_install_tables(DbsyncWork *work, bool insist);

/* Did it leave off so that a batch can be run, to be called again at once? */
extern bool dbsync_install_goes_on(void);

#endif							/* DBSYNC_WORKER_UPKEEP_INSTALL_H */
