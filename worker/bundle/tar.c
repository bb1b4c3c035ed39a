/*-------------------------------------------------------------------------
 *
 * worker/bundle/tar.c
 *	  Headers of members: canonical ones, written and read.
 *
 * NOTES
 *	  Nobody signs a header: so it has no bit that could be another one.  A reader takes name and size out of
 *	  it, makes the header anew, and compares.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/bundle/tar.h"

/* where fields of ustar are: offset and room */
#define TAR_NAME		0
#define TAR_MODE		100
#define TAR_UID			108
#define TAR_GID			116
#define TAR_SIZE		124
#define TAR_SIZE_DIGITS	11
#define TAR_MTIME		136
#define TAR_SUM			148
#define TAR_SUM_ROOM	8
#define TAR_TYPE		156
#define TAR_MAGIC		257

/* Octal digits, as many as there is room for. */
static void
put_octal(char *to, int digits, uint64 value)
{
	for (int i = digits - 1; i >= 0; i--)
	{
		to[i] = '0' + (value & 7);
		value >>= 3;
	}
}

void
dbsync_tar_header(const char *name, int64 size, char *block)
{
	unsigned int sum = 0;

	Assert(strlen(name) <= DBSYNC_BUNDLE_NAME_LIMIT);
	Assert(size >= 0 && size <= DBSYNC_TAR_SIZE_LIMIT);
	memset(block, 0, DBSYNC_BUNDLE_BLOCK);
	memcpy(block + TAR_NAME, name, strlen(name));
	put_octal(block + TAR_MODE, 7, 0640);
	put_octal(block + TAR_UID, 7, 0);
	put_octal(block + TAR_GID, 7, 0);
	put_octal(block + TAR_SIZE, TAR_SIZE_DIGITS, size);
	put_octal(block + TAR_MTIME, 11, 0);
	block[TAR_TYPE] = '0';
	memcpy(block + TAR_MAGIC, "ustar\00000", 8);
	/* over the header with blanks in its own place */
	memset(block + TAR_SUM, ' ', TAR_SUM_ROOM);
	for (int i = 0; i < DBSYNC_BUNDLE_BLOCK; i++)
		sum += (unsigned char) block[i];
	put_octal(block + TAR_SUM, 6, sum);
	block[TAR_SUM + 6] = '\0';
}

bool
dbsync_tar_read(const char *block, char *name, int64 *size)
{
	char		canonical[DBSYNC_BUNDLE_BLOCK];
	size_t		length = strnlen(block, DBSYNC_BUNDLE_NAME_LIMIT + 1);

	if (length == 0 || length > DBSYNC_BUNDLE_NAME_LIMIT)
		return false;
	memcpy(name, block, length);
	name[length] = '\0';
	*size = 0;
	for (int i = 0; i < TAR_SIZE_DIGITS; i++)
	{
		char		digit = block[TAR_SIZE + i];

		if (digit < '0' || digit > '7')
			return false;
		*size = *size * 8 + (digit - '0');
	}
	dbsync_tar_header(name, *size, canonical);
	return memcmp(block, canonical, DBSYNC_BUNDLE_BLOCK) == 0;
}

bool
dbsync_tar_is_zero(const char *data, size_t length)
{
	return length == 0 || (data[0] == 0 && memcmp(data, data + 1, length - 1) == 0);
}
