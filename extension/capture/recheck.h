/*-------------------------------------------------------------------------
 *
 * extension/capture/recheck.h
 *	  Settling what is true of keys whose captured order is in doubt.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_RECHECK_H
#define DBSYNC_EXTENSION_CAPTURE_RECHECK_H

#include "extension/capture/transaction.h"

/*
 * Read the flagged periods of a table again and append the final state of each
 * key that occurs in them more than once.  Called as the transaction is about to
 * commit, with an active snapshot, before the header is written.
 */
extern void dbsync_recheck_table(DbsyncTouched *touched);

#endif							/* DBSYNC_EXTENSION_CAPTURE_RECHECK_H */
