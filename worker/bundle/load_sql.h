/*-------------------------------------------------------------------------
 *
 * worker/bundle/load_sql.h
 *	  The script that loads a bundle by hand.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BUNDLE_LOAD_SQL_H
#define DBSYNC_WORKER_BUNDLE_LOAD_SQL_H

#include "worker/bundle/bundle.h"

/*
 * A psql script, palloc'd, in the server's encoding, for dbsync_bundle_finish(): it makes tables that are missing, and
 * does the bundle's steps with the row members that lie unzipped in the current folder, in one transaction.
 * NULL: it would take too much memory, as the bundle has very many tables.
 */
extern char *dbsync_bundle_load_sql(const DbsyncBundleHead *head, const DbsyncBundleContents *contents);

#endif							/* DBSYNC_WORKER_BUNDLE_LOAD_SQL_H */
