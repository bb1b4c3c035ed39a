/*-------------------------------------------------------------------------
 *
 * extension/clock.h
 *	  The clock by which policies go.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CLOCK_H
#define DBSYNC_EXTENSION_CLOCK_H

#include "datatype/timestamp.h"

/*
 * What time it is, for policies: the server's clock, or where dbsync.test_clock makes it
 * stand.  Pauses after errors, time limits and the like go by the server's clock alone.
 */
extern TimestampTz dbsync_clock_now(void);

/* Define dbsync.test_clock; called once, with the other settings. */
extern void dbsync_clock_define(void);

#endif							/* DBSYNC_EXTENSION_CLOCK_H */
