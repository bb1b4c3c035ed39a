/*-------------------------------------------------------------------------
 *
 * fuzz/parsers/contexts.c
 *	  What stands in for more of the server, for parsers that open files and use libraries: memory contexts, which
 *	  are good for their callbacks alone, encodings (all is UTF-8), descriptors.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/fd.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "fuzz/parsers/shim.h"

volatile sig_atomic_t InterruptPending = false;
char	   *DataDir = "/nowhere";
int			MyProcPid = 1;

/* --- memory contexts: each has a list of callbacks, and one that is made stays until the end --- */

typedef struct Context
{
	struct Context *next;
	MemoryContextCallback *callbacks;
} Context;

static Context top = {NULL, NULL};

MemoryContext
AllocSetContextCreateInternal(MemoryContext parent, const char *name, Size minContextSize,
							  Size initBlockSize, Size maxBlockSize)
{
	Context    *context = calloc(1, sizeof(Context));

	context->next = top.next;
	top.next = context;
	return (MemoryContext) context;
}

void
MemoryContextRegisterResetCallback(MemoryContext context, MemoryContextCallback *callback)
{
	Context    *ours = context ? (Context *) context : &top;

	callback->next = ours->callbacks;
	ours->callbacks = callback;
}

void
MemoryContextReset(MemoryContext context)
{
	Context    *ours = (Context *) context;

	while (ours->callbacks != NULL)
	{
		MemoryContextCallback *callback = ours->callbacks;

		ours->callbacks = callback->next;
		callback->func(callback->arg);
	}
}

void
MemoryContextDelete(MemoryContext context)
{
	MemoryContextReset(context);
}

/* called as a run has ended, before its memory goes */
void
fuzz_end(void)
{
	while (top.next != NULL)
	{
		Context    *context = top.next;

		MemoryContextReset((MemoryContext) context);
		top.next = context->next;
		free(context);
	}
	MemoryContextReset((MemoryContext) &top);
	CurrentMemoryContext = NULL;
}

void *
MemoryContextAllocHuge(MemoryContext context, Size size)
{
	return palloc(size);
}

void *
MemoryContextAllocExtended(MemoryContext context, Size size, int flags)
{
	return palloc(size);
}

void *
repalloc_huge(void *pointer, Size size)
{
	return repalloc(pointer, size);
}

char *
psprintf(const char *fmt,...)
{
	char		text[4096];
	va_list		args;
	int			n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fuzz_check(n >= 0 && n < (int) sizeof(text));
	return pstrdup(text);
}

List *
lappend_int(List *list, int datum)
{
	list = lappend(list, NULL);
	list->type = T_IntList;
	lfirst_int(&list->elements[list->length - 1]) = datum;
	return list;
}

List *
list_make1_impl(NodeTag type, ListCell datum)
{
	return lappend(NIL, datum.ptr_value);
}

void
list_sort(List *list, list_sort_comparator compare)
{
	fuzz_fail("no list is sorted", __FILE__, __LINE__);
}

/* --- encodings --- */

int
GetDatabaseEncoding(void)
{
	return PG_UTF8;
}

char *
pg_any_to_server(const char *s, int len, int encoding)
{
	fuzz_check(pg_encoding_verifymbstr(PG_UTF8, s, len) == len);
	return unconstify(char *, s);
}

char *
pg_server_to_any(const char *s, int len, int encoding)
{
	return unconstify(char *, s);
}

void
escape_json(StringInfo buf, const char *str)
{
	appendStringInfoChar(buf, '"');
	for (; *str; str++)
	{
		if (*str == '"' || *str == '\\' || (unsigned char) *str < ' ')
			appendStringInfo(buf, "\\u%04x", *str);
		else
			appendStringInfoChar(buf, *str);
	}
	appendStringInfoChar(buf, '"');
}

/* --- times: days since 4714 BC, by counting --- */

static int
days_of(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)));
}

int
date2j(int year, int month, int day)
{
	int			julian = 1721060;	/* of 0000-01-01 */

	julian += year * 365 + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
	for (int i = 1; i < month; i++)
		julian += days_of(year, i);
	return julian + day - 1;
}

void
j2date(int julian, int *year, int *month, int *day)
{
	*year = (julian - 1721060) / 366;
	while (date2j(*year + 1, 1, 1) <= julian)
		(*year)++;
	*month = 1;
	*day = julian - date2j(*year, 1, 1) + 1;
	while (*day > days_of(*year, *month))
		*day -= days_of(*year, (*month)++);
}

/* --- files --- */

bool
AcquireExternalFD(void)
{
	return true;
}

void
ReleaseExternalFD(void)
{
}

int
OpenTransientFile(const char *fileName, int fileFlags)
{
	return open(fileName, fileFlags);
}

int
CloseTransientFile(int fd)
{
	return close(fd);
}

int
pg_fsync(int fd)
{
	return 0;
}

int
errcode_for_file_access(void)
{
	return errcode(ERRCODE_IO_ERROR);
}

void
ProcessInterrupts(void)
{
}
