/*-------------------------------------------------------------------------
 *
 * extension/ddl/rules.h
 *	  What rules of subscriptions ask of a command that is judged.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_DDL_RULES_H
#define DBSYNC_EXTENSION_DDL_RULES_H

#include "nodes/nodes.h"

/* what the command that is judged has attached or detached; InvalidOid: nothing */
extern Oid	dbsync_judged_partition;

/*
 * The table that a command attaches as a partition, or detaches, by the search_path that is
 * in force, which must be that of the command; InvalidOid: there is none.
 */
extern Oid	dbsync_rules_partition(const Node *command);

#endif							/* DBSYNC_EXTENSION_DDL_RULES_H */
