/*-------------------------------------------------------------------------
 *
 * worker/subscription_versions.h
 *	  Which tables a subscription has, and who wrote their configuration last.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SUBSCRIPTION_VERSIONS_H
#define DBSYNC_WORKER_SUBSCRIPTION_VERSIONS_H

typedef struct DbsyncTableVersion
{
	int			captured_id;
	TransactionId writers[2];	/* of its rows of subscription_table and captured_table */
} DbsyncTableVersion;

/*
 * The tables of a subscription as the active snapshot shows them, in the order of their
 * captured ids; returns how many there are, in memory of the caller's.
 */
extern int	dbsync_subscription_versions(int subscription_id, DbsyncTableVersion **found);

#endif							/* DBSYNC_WORKER_SUBSCRIPTION_VERSIONS_H */
