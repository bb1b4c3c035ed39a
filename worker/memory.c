/*-------------------------------------------------------------------------
 *
 * worker/memory.c
 *	  Keeping freed memory from batch to batch.
 *
 * A batch allocates some megabytes in large blocks and frees them all.  The C library
 * would give such blocks back to the kernel each time, and each next batch would fault
 * them in again, page by page, zeroed: on a virtual machine that was a quarter of the
 * time that a worker needed for many short transactions.  So the worker keeps them
 * while it is busy, and gives them back when it comes to rest.
 *
 * Where the C library is not glibc nothing is done, and nothing but speed is lost.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "worker/memory.h"

/* the largest block that is kept is one of PostgreSQL's usual ones (8 MB) */
#define LARGEST_BLOCK	(9 * 1024 * 1024)

/* so much at the end of the heap is kept: what batches of some 100 000 rows need */
#define MOST_KEPT		(48 * 1024 * 1024)

void
dbsync_memory_keep(void)
{
#ifdef __GLIBC__
	(void) mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK);
	(void) mallopt(M_TRIM_THRESHOLD, MOST_KEPT);
#endif
}

void
dbsync_memory_return(void)
{
#ifdef __GLIBC__
	(void) malloc_trim(0);
#endif
}
