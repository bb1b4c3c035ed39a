/*-------------------------------------------------------------------------
 *
 * extension/numbers.h
 *	  Numbers in as few bytes as they need.
 *
 * Seven bits a byte, the lowest first; the eighth says that more follow (LEB128, as
 * in DWARF and protocol buffers).  Most numbers of a header are below 128.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_NUMBERS_H
#define DBSYNC_EXTENSION_NUMBERS_H

/* the most that one number takes */
#define DBSYNC_NUMBER_MAX	10

/* Write a number; returns where the next one goes. */
static inline char *
dbsync_number_put(char *at, uint64 number)
{
	while (number >= 0x80)
	{
		*at++ = (char) (number | 0x80);
		number >>= 7;
	}
	*at++ = (char) number;
	return at;
}

/* Read the number at *at and move on; false if it does not end before "end". */
static inline bool
dbsync_number_get(const char **at, const char *end, uint64 *number)
{
	uint64		result = 0;

	for (int shift = 0; *at < end && shift < 64; shift += 7)
	{
		uint8		byte = (uint8) *(*at)++;

		result |= (uint64) (byte & 0x7f) << shift;
		if (byte < 0x80)
		{
			*number = result;
			return true;
		}
	}
	return false;
}

#endif							/* DBSYNC_EXTENSION_NUMBERS_H */
