/*-------------------------------------------------------------------------
 *
 * worker/types/clock_form.c
 *	  Dates, times and intervals in the standard's forms.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"

#include "worker/types/clock_form.h"

#include "extension/compat.h"

#define LAST_YEAR		9999

static const char *
objection_to_year(int year, const DbsyncForm *form)
{
	if (year < 1)
		return "it is before the year 1";
	if (year > LAST_YEAR && !(form->takes & DBSYNC_TAKES_LATE))
		return "it is after the year 9999";
	return NULL;
}

static char *
put_date(char *to, int year, int month, int day)
{
	to = pg_ultostr_zeropad(to, year, 4);
	*to++ = '-';
	to = pg_ultostr_zeropad(to, month, 2);
	*to++ = '-';
	return pg_ultostr_zeropad(to, day, 2);
}

/* Digits of a second, without zeros at their end; NULL: more than the form has. */
static char *
put_fraction(char *to, int microseconds, const DbsyncForm *form)
{
	int			digits = 6;

	if (microseconds == 0)
		return to;
	for (; microseconds % 10 == 0; microseconds /= 10)
		digits--;
	if (form->scale >= 0 && digits > form->scale)
		return NULL;
	*to++ = '.';
	return pg_ultostr_zeropad(to, microseconds, digits);
}

static char *
put_time(char *to, int hour, int minute, int second, int microseconds, const DbsyncForm *form, const char **problem)
{
	to = pg_ultostr_zeropad(to, hour, 2);
	*to++ = ':';
	to = pg_ultostr_zeropad(to, minute, 2);
	*to++ = ':';
	to = pg_ultostr_zeropad(to, second, 2);
	to = put_fraction(to, microseconds, form);
	if (to == NULL)
		*problem = psprintf("it has more than the %d digits of a second that the column has", form->scale);
	return to;
}

int
dbsync_clock_date(char *to, DateADT date, const DbsyncForm *form, const char **problem)
{
	int			year;
	int			month;
	int			day;

	if (DATE_NOT_FINITE(date))
	{
		*problem = "it is infinite";
		return 0;
	}
	j2date(date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	*problem = objection_to_year(year, form);
	return *problem ? 0 : put_date(to, year, month, day) - to;
}

/* 24:00:00 is one, too. */
int
dbsync_clock_time(char *to, TimeADT time, const DbsyncForm *form, const char **problem)
{
	char	   *end = put_time(to, time / USECS_PER_HOUR, time / USECS_PER_MINUTE % MINS_PER_HOUR,
							   time / USECS_PER_SEC % SECS_PER_MINUTE, time % USECS_PER_SEC, form, problem);

	return end ? end - to : 0;
}

int
dbsync_clock_timestamp(char *to, Timestamp time, const DbsyncForm *form, const char **problem)
{
	struct pg_tm tm;
	fsec_t		microseconds;
	char	   *end;

	if (TIMESTAMP_NOT_FINITE(time))
	{
		*problem = "it is infinite";
		return 0;
	}
	/* without a zone it is taken as it is, which is UTC */
	if (timestamp2tm(time, NULL, &tm, &microseconds, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	*problem = objection_to_year(tm.tm_year, form);
	if (*problem != NULL)
		return 0;
	end = put_date(to, tm.tm_year, tm.tm_mon, tm.tm_mday);
	*end++ = ' ';
	end = put_time(end, tm.tm_hour, tm.tm_min, tm.tm_sec, microseconds, form, problem);
	return end ? end - to : 0;
}

int
dbsync_clock_interval(char *to, const Interval *interval, const char **problem)
{
	struct pg_itm itm;

	if (dbsync_interval_is_infinite_compat(interval))
	{
		*problem = "it is infinite";
		return 0;
	}
	interval2itm(*interval, &itm);
	EncodeInterval(&itm, INTSTYLE_ISO_8601, to);
	return strlen(to);
}
