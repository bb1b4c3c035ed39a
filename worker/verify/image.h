/*-------------------------------------------------------------------------
 *
 * worker/verify/image.h
 *	  What rows look like when they are compared: their text, its hash, and back again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_VERIFY_IMAGE_H
#define DBSYNC_WORKER_VERIFY_IMAGE_H

#include "lib/stringinfo.h"
#include "worker/driver/driver.h"

typedef struct DbsyncImager DbsyncImager;

/*
 * Makes images as the target's driver has said that it does (DbsyncReadForm), of rows with these columns, keys among
 * them; nkeys = 0: the row is its own key.  In CurrentMemoryContext.
 */
extern DbsyncImager *dbsync_imager_create(const DbsyncReadForm *form, int ncolumns, int nkeys, const int *keys,
										  int64 seed, int buckets);

/*
 * Take a row, as text; what is made of it is good until the next one.  Of a table with a key the values of that may be taken first, and then
 * the row, unless it is passed by; as a number where the key is one (dbsync_imager_key_is_number()).  In the memory of a row, as the
 * table's owner.
 */
extern bool dbsync_imager_key_is_number(const DbsyncImager *imager);
extern void dbsync_imager_take_key(DbsyncImager *imager, const char *const *values);
extern void dbsync_imager_take_number(DbsyncImager *imager, bool isnull, int64 key);
extern void dbsync_imager_pass(DbsyncImager *imager);
extern void dbsync_imager_take(DbsyncImager *imager, const char *const *values);

/* Of the row: its bucket, for which its key is enough; its hash; the image by which it is listed, of its key or of all of it; and all of it, never hexadecimal. */
extern int	dbsync_imager_bucket(DbsyncImager *imager);
extern uint64 dbsync_imager_hash(DbsyncImager *imager);
extern const StringInfoData *dbsync_imager_listed(DbsyncImager *imager);
extern const char *dbsync_imager_row(DbsyncImager *imager);

/* Of its key, never hexadecimal. */
extern const char *dbsync_imager_key(DbsyncImager *imager);

/* Can the target's column have such a value, as far as that can be told here? */
extern bool dbsync_imager_reads(DbsyncImager *imager, int column, const char *value);

/* The room that the longest of all images has taken. */
extern int	dbsync_imager_longest(const DbsyncImager *imager);

/* An image that was listed, as it was before it became hexadecimal. */
extern char *dbsync_image_plain(const DbsyncReadForm *form, const char *image);

/* The values of an image, n of them; NULL is SQL NULL.  Error if it has not so many. */
extern char **dbsync_image_values(const char *image, int n);

#endif							/* DBSYNC_WORKER_VERIFY_IMAGE_H */
