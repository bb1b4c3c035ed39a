/*-------------------------------------------------------------------------
 *
 * extension/clock.c
 *	  The clock by which policies go.
 *
 * Tests set it, to pass a night, a change to summer time or a restart in no time.  Its
 * text is read here and not by the server's input function, which raises errors: a
 * configuration file is read where none may be raised.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "extension/clock.h"

static char *test_clock = NULL;

/* where it stands; 0: it goes */
static TimestampTz stands_at = 0;

/* YYYY-MM-DD HH:MM:SS+HH, minutes behind that may follow */
static bool
read_clock(const char *text, TimestampTz *result)
{
	int			year,
				month,
				day,
				hour,
				minute,
				second,
				ahead,
				more = 0;
	int			n = 0;
	char		sign;
	int64		seconds;

	if (sscanf(text, "%4d-%2d-%2d %2d:%2d:%2d%c%2d%n", &year, &month, &day, &hour, &minute, &second, &sign, &ahead, &n) != 8 || n == 0)
		return false;
	text += n;
	if (text[0] == ':')
	{
		if (sscanf(text, ":%2d%n", &more, &n) != 1)
			return false;
		text += n;
	}
	if (text[0] != '\0' || (sign != '+' && sign != '-') || year < 1 || month < 1 || month > 12 ||
		day < 1 || day > day_tab[isleap(year)][month - 1] || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
		second < 0 || second > 59 || ahead < 0 || ahead > 15 || more < 0 || more > 59)
		return false;
	seconds = (int64) (date2j(year, month, day) - POSTGRES_EPOCH_JDATE) * SECS_PER_DAY +
		hour * SECS_PER_HOUR + minute * SECS_PER_MINUTE + second;
	seconds -= (sign == '+' ? 1 : -1) * (ahead * SECS_PER_HOUR + more * SECS_PER_MINUTE);
	*result = seconds * USECS_PER_SEC;
	return true;
}

static bool
check_clock(char **newval, void **extra, GucSource source)
{
	TimestampTz at;

	if ((*newval)[0] == '\0' || read_clock(*newval, &at))
		return true;
	GUC_check_errdetail("It is a time as 2026-03-29 01:59:59+01, or empty.");
	return false;
}

static void
assign_clock(const char *newval, void *extra)
{
	stands_at = 0;
	if (newval != NULL && newval[0] != '\0')
		(void) read_clock(newval, &stands_at);
}

TimestampTz
dbsync_clock_now(void)
{
	return stands_at != 0 ? stands_at : GetCurrentTimestamp();
}

void
dbsync_clock_define(void)
{
	DefineCustomStringVariable("dbsync.test_clock",
							   "Time at which the clock of policies stands; empty: it goes.",
							   "For tests of dbsync.",
							   &test_clock, "", PGC_SUSET, GUC_NOT_IN_SAMPLE,
							   check_clock, assign_clock, NULL);
}
