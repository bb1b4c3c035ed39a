/*-------------------------------------------------------------------------
 *
 * worker/control/target_ask.h
 *	  Asking a target from a session whether it takes what somebody has chosen.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_CONTROL_TARGET_ASK_H
#define DBSYNC_WORKER_CONTROL_TARGET_ASK_H

#include "fmgr.h"

/* body of dbsync_internal.ask_target() */
extern PGDLLEXPORT Datum dbsync_ask_target(PG_FUNCTION_ARGS);

#endif							/* DBSYNC_WORKER_CONTROL_TARGET_ASK_H */
