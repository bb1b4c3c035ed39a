/*-------------------------------------------------------------------------
 *
 * fuzz/parsers/shim.h
 *	  What stands in for the server when a parser of ours is fuzzed by itself.
 *
 * palloc() is malloc(), so that AddressSanitizer sees each byte that is read or
 * written beyond a chunk; ereport(ERROR) ends the run, as it ends a statement.  All
 * else of the server is missing: whoever calls it crashes, and is no pure parser.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_FUZZ_SHIM_H
#define DBSYNC_FUZZ_SHIM_H

#include "extension/compat.h"

/*
 * One run, written by each target: the input is followed by a zero byte that does not
 * count.  It may raise an error, but not an internal one (XX000).
 */
extern void fuzz_one(const char *data, Size size);

/* What a run leaves beside its memory goes; only where contexts.c is. */
extern void fuzz_end(void) __attribute__((weak));

/* What must hold; a crash with its text else. */
#define fuzz_check(condition) \
	((condition) ? (void) 0 : fuzz_fail(#condition, __FILE__, __LINE__))

pg_noreturn extern void fuzz_fail(const char *condition, const char *file, int line);

#endif							/* DBSYNC_FUZZ_SHIM_H */
