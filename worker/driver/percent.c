/*-------------------------------------------------------------------------
 *
 * worker/driver/percent.c
 *	  Percent-encoding, as parts of URIs are written (RFC 3986, 2.1).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/percent.h"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char *
dbsync_percent_decode(const char *text, size_t length, const char **problem)
{
	char	   *decoded = palloc(length + 1);
	size_t		n = 0;

	for (size_t i = 0; i < length; i++)
	{
		int			high;
		int			low;

		if (text[i] != '%')
		{
			decoded[n++] = text[i];
			continue;
		}
		high = i + 2 < length ? hex_digit(text[i + 1]) : -1;
		low = i + 2 < length ? hex_digit(text[i + 2]) : -1;
		if (high < 0 || low < 0)
			*problem = "There is a percent sign without two hexadecimal digits behind it.";
		else if (high == 0 && low == 0)
			*problem = "There is a zero byte in it.";
		else
		{
			decoded[n++] = (char) (high * 16 + low);
			i += 2;
			continue;
		}
		return NULL;
	}
	decoded[n] = '\0';
	return decoded;
}
