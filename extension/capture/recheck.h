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

/* Is anything flagged, that is to be settled before the table changes or the transaction ends? */
extern bool dbsync_recheck_is_due(const DbsyncPeriods *periods);

/*
 * Read the flagged periods of all tables again, append the final state of each key that
 * occurs in them more than once, and forget the flags.  Called before the header is written,
 * and before DDL, which finds no truth of an older shape behind it then.  Tables on which a
 * statement is open are left for later.
 */
extern void dbsync_recheck_doubts(void);

#endif							/* DBSYNC_EXTENSION_CAPTURE_RECHECK_H */
