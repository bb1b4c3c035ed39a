/*-------------------------------------------------------------------------
 *
 * worker/bundle/json.h
 *	  JSON out into a string, and in by one pass over a text that others wrote.
 *
 * Reading goes by callbacks: one for each key of an object, or element of an array, which has to read the value.  The
 * first thing that is wrong stays in "problem", and whatever is read behind it is empty; so callers look once, at the
 * end.  No memory is taken but for the strings that are asked for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BUNDLE_JSON_H
#define DBSYNC_WORKER_BUNDLE_JSON_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "utils/uuid.h"

/* --- out: in the server's encoding --- */

/* A key, or the place of an element, with a comma if something stands before it; the value follows. */
extern void dbsync_json_key(StringInfo out, const char *key);
extern void dbsync_json_item(StringInfo out);

/* Keys with their values; NULL is null. */
extern void dbsync_json_put_string(StringInfo out, const char *key, const char *value);
extern void dbsync_json_put_int(StringInfo out, const char *key, int64 value);
extern void dbsync_json_put_bool(StringInfo out, const char *key, bool value);
/* As "2026-11-30T01:02:03.000004Z". */
extern void dbsync_json_put_time(StringInfo out, const char *key, TimestampTz value);
extern void dbsync_json_put_uuid(StringInfo out, const char *key, const pg_uuid_t *value);

/* --- in: UTF-8 --- */

typedef struct DbsyncJson
{
	const char *at;
	const char *end;
	int			depth;
	const char *problem;		/* NULL: none so far */
} DbsyncJson;

typedef void (*DbsyncJsonMember) (DbsyncJson *json, const char *key, void *arg);
typedef void (*DbsyncJsonElement) (DbsyncJson *json, void *arg);

/* The text must stay; it need not be followed by a zero. */
extern void dbsync_json_begin(DbsyncJson *json, const char *text, size_t length);
/* Nothing may come any more. */
extern void dbsync_json_end(DbsyncJson *json);
/* Note a problem, unless there is one already. */
extern void dbsync_json_wrong(DbsyncJson *json, const char *problem);

extern void dbsync_json_object(DbsyncJson *json, DbsyncJsonMember member, void *arg);
extern void dbsync_json_array(DbsyncJson *json, DbsyncJsonElement element, void *arg);
extern void dbsync_json_skip(DbsyncJson *json);
/* Is it null?  Then it has been read. */
extern bool dbsync_json_null(DbsyncJson *json);
extern int64 dbsync_json_int(DbsyncJson *json, int64 min, int64 max);
extern bool dbsync_json_bool(DbsyncJson *json);
/* In CurrentMemoryContext; in the server's encoding, or as it is.  NULL: null, or there is a problem. */
extern char *dbsync_json_string(DbsyncJson *json);
extern char *dbsync_json_utf8(DbsyncJson *json);
/* Of strings: 0 where there is a problem. */
extern TimestampTz dbsync_json_time(DbsyncJson *json);
extern uint64 dbsync_json_uint64(DbsyncJson *json);
extern void dbsync_json_uuid(DbsyncJson *json, pg_uuid_t *value);

/* An array of n elements of this size (NULL: none was made) with room for one more: twice as many at 1, 2, 4 ... */
extern void *dbsync_json_grow(void *array, int n, size_t size);

#endif							/* DBSYNC_WORKER_BUNDLE_JSON_H */
