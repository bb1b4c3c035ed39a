/*-------------------------------------------------------------------------
 *
 * worker/run/cron_read.c
 *	  Minutes of which a line of a crontab speaks: reading it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/run/cron.h"

static const char *const months[] = {"January", "February", "March", "April", "May", "June", "July",
"August", "September", "October", "November", "December"};
static const char *const weekdays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

typedef struct Field
{
	int			least;
	int			most;
	const char *const *names;	/* of numbers from "least" on, or NULL */
	int			nnames;
	const char *expected;
	const char *example;
} Field;

static const Field fields[] = {
	{0, 59, NULL, 0, "a minute (0 to 59, lists, ranges and steps of them, or *)", "cron 30 2 * * *"},
	{0, 23, NULL, 0, "an hour (0 to 23, lists, ranges and steps of them, or *)", "cron 0 2,14 * * *"},
	{1, 31, NULL, 0, "a day of the month (1 to 31, lists, ranges and steps of them, or *)", "cron 0 2 1,15 * *"},
	{1, 12, months, lengthof(months), "a month (1 to 12, Jan to Dec, lists, ranges and steps of them, or *)", "cron 0 2 1 Jan-Jun *"},
	{0, 7, weekdays, lengthof(weekdays), "a day of the week (0 to 7, Sun to Sat, lists, ranges and steps of them, or *)", "cron 0 2 * * Mon-Fri"},
};

/* days that there are at most in each month */
static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

/* short forms, and what they stand for */
static const struct
{
	const char *name;
	const char *fields;
}			short_forms[] = {
	{"@hourly", "0 * * * *"},
	{"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"},
	{"@weekly", "0 0 * * 0"},
	{"@monthly", "0 0 1 * *"},
	{"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
};

#define SHORT_FORM_EXPECTED "@hourly, @daily, @weekly, @monthly or @yearly"

/* A number or a name of the field, up to one of "ends"; -1: it is neither. */
static int
read_value(DbsyncPolicyText *text, const Field *field, const char *ends, DbsyncWord *word)
{
	int			value;

	word->start = text->at;
	word->length = 0;
	while (text->at[word->length] != '\0' && strchr(ends, text->at[word->length]) == NULL)
		word->length++;
	value = dbsync_policy_number(*word);
	if (value < 0 && field->names != NULL)
	{
		value = dbsync_policy_name(*word, field->names, field->nnames);
		if (value >= 0)
			value += field->least;
	}
	dbsync_policy_take(text, *word);
	return value >= field->least && value <= field->most ? value : -1;
}

#define ENDS	",-/ \t\n\v\f\r"

/* What is behind a slash; a greater one than the field has values would not mean what it says. */
static bool
read_step(DbsyncPolicyText *text, const Field *field, int *step)
{
	DbsyncWord	word;

	*step = 1;
	if (*text->at != '/')
		return true;
	text->at++;
	word.start = text->at;
	word.length = strcspn(text->at, ENDS);
	*step = dbsync_policy_number(word);
	dbsync_policy_take(text, word);
	if (*step < 1 || *step > field->most)
		return dbsync_policy_wrong(text, word, "a step: 1 or more, and no more than the field has values", "cron */15 * * * *");
	return true;
}

/* One piece of a list: *, a value, or a range; with a step. */
static bool
read_range(DbsyncPolicyText *text, const Field *field, uint64 *bits)
{
	DbsyncWord	word;
	int			first = field->least;
	int			last = field->most;
	int			step;

	if (*text->at == '*')
	{
		text->at++;
		/* Sunday is not to be there twice */
		if (field->names == weekdays)
			last = 6;
		if (!read_step(text, field, &step))
			return false;
	}
	else
	{
		first = last = read_value(text, field, ENDS, &word);
		if (first < 0)
			return dbsync_policy_wrong(text, word, field->expected, field->example);
		step = 1;
		if (*text->at == '-')
		{
			text->at++;
			last = read_value(text, field, ENDS, &word);
			/* Fri-Sun */
			if (last == 0 && first > 0 && field->names == weekdays)
				last = 7;
			if (last < 0)
				return dbsync_policy_wrong(text, word, field->expected, field->example);
			if (last < first)
				return dbsync_policy_wrong(text, word, "a range that ends behind its beginning", field->example);
			if (!read_step(text, field, &step))
				return false;
		}
	}
	for (int i = first; i <= last; i += step)
		*bits |= UINT64CONST(1) << i;
	return true;
}

static bool
read_field(DbsyncPolicyText *text, const Field *field, uint64 *bits, bool *any)
{
	DbsyncWord	word;
	const char *end;

	if (!dbsync_policy_skip(text))
	{
		word.start = text->at;
		word.length = 0;
		return dbsync_policy_wrong(text, word, field->expected, field->example);
	}
	word = dbsync_policy_peek(text, "");
	end = word.start + word.length;
	*any = *text->at == '*';
	*bits = 0;
	for (;;)
	{
		if (!read_range(text, field, bits))
			return false;
		if (text->at == end)
			return true;
		if (*text->at != ',')
		{
			word.start = text->at;
			word.length = end - text->at;
			return dbsync_policy_wrong(text, word, "a comma, or the end of the field", field->example);
		}
		text->at++;
	}
}

static bool
read_fields(DbsyncPolicyText *text, DbsyncCron *cron)
{
	uint64		bits[lengthof(fields)];
	bool		any[lengthof(fields)];

	for (int i = 0; i < lengthof(fields); i++)
	{
		if (!read_field(text, &fields[i], &bits[i], &any[i]))
			return false;
	}
	cron->minutes = bits[0];
	cron->hours = (uint32) bits[1];
	cron->days = (uint32) bits[2];
	cron->months = (uint16) bits[3];
	cron->weekdays = (uint8) ((bits[4] | bits[4] >> 7) & 0x7f);
	cron->any_hour = any[1];
	cron->any_day = any[2];
	cron->any_weekday = any[4];
	return true;
}

/* Every date falls on each day of the week some year; but there must be the date. */
static bool
comes(const DbsyncCron *cron)
{
	/* where either will do, the day of the week does */
	if (!cron->any_day && !cron->any_weekday)
		return true;
	for (int month = 1; month <= 12; month++)
	{
		if ((cron->months & (1 << month)) == 0)
			continue;
		for (int day = 1; day <= month_days[month - 1]; day++)
		{
			if (cron->days & ((uint32) 1 << day))
				return true;
		}
	}
	return false;
}

bool
dbsync_cron_read(DbsyncPolicyText *text, DbsyncCron *cron)
{
	DbsyncWord	word = dbsync_policy_peek(text, "");
	const char *begin = word.start;

	if (word.length > 0 && word.start[0] == '@')
	{
		DbsyncPolicyText form = {0};

		for (int i = 0; i < lengthof(short_forms); i++)
		{
			if (!dbsync_policy_is(word, short_forms[i].name))
				continue;
			dbsync_policy_take(text, word);
			form.whole = form.at = short_forms[i].fields;
			return read_fields(&form, cron);
		}
		return dbsync_policy_wrong(text, word, SHORT_FORM_EXPECTED, "cron @daily");
	}
	if (!read_fields(text, cron))
		return false;
	if (!comes(cron))
	{
		word.start = begin;
		word.length = text->at - begin;
		return dbsync_policy_wrong(text, word, "a day that comes: there is no such date in any year", "cron 0 0 28 2 *");
	}
	return true;
}
