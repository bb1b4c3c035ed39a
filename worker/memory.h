/*-------------------------------------------------------------------------
 *
 * worker/memory.h
 *	  Keeping freed memory from batch to batch.
 *
 * Called by worker.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_MEMORY_H
#define DBSYNC_WORKER_MEMORY_H

/* From now on let the process keep what it frees; once, as it starts. */
extern void dbsync_memory_keep(void);

/* Give back what is kept: there will be nothing to do for a while. */
extern void dbsync_memory_return(void);

#endif							/* DBSYNC_WORKER_MEMORY_H */
