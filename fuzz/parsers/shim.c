/*-------------------------------------------------------------------------
 *
 * fuzz/parsers/shim.c
 *	  What stands in for the server when a parser of ours is fuzzed by itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "fuzz/parsers/shim.h"

int			LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

MemoryContext CurrentMemoryContext = NULL;
MemoryContext TopMemoryContext = NULL;
sigjmp_buf *PG_exception_stack = NULL;
ErrorContextCallback *error_context_stack = NULL;

/* every chunk of the run, so that an error leaves none */
typedef struct Chunk
{
	struct Chunk *next;
	struct Chunk *previous;
	Size		size;
} Chunk;

static Chunk chunks = {&chunks, &chunks, 0};
static int	raised = 0;			/* SQLSTATE of the error that is on its way */

void
fuzz_fail(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

static void *
allocate(Size size, bool zero)
{
	Chunk	   *chunk;

	if (!AllocSizeIsValid(size))
		elog(ERROR, "invalid memory alloc request size %zu", size);
	chunk = zero ? calloc(1, sizeof(Chunk) + size) : malloc(sizeof(Chunk) + size);
	if (chunk == NULL)
		fuzz_fail("memory", __FILE__, __LINE__);
	chunk->size = size;
	chunk->next = chunks.next;
	chunk->previous = &chunks;
	chunks.next->previous = chunk;
	chunks.next = chunk;
	return chunk + 1;
}

void *
palloc(Size size)
{
	return allocate(size, false);
}

void *
palloc0(Size size)
{
	return allocate(size, true);
}

void *
MemoryContextAlloc(MemoryContext context, Size size)
{
	return allocate(size, false);
}

void
pfree(void *pointer)
{
	Chunk	   *chunk = (Chunk *) pointer - 1;

	chunk->next->previous = chunk->previous;
	chunk->previous->next = chunk->next;
	free(chunk);
}

void *
repalloc(void *pointer, Size size)
{
	void	   *fresh = palloc(size);

	memcpy(fresh, pointer, Min(((Chunk *) pointer - 1)->size, size));
	pfree(pointer);
	return fresh;
}

char *
pstrdup(const char *string)
{
	return strcpy(palloc(strlen(string) + 1), string);
}

char *
pnstrdup(const char *in, Size len)
{
	Size		n = strnlen(in, len);
	char	   *copy = palloc(n + 1);

	memcpy(copy, in, n);
	copy[n] = '\0';
	return copy;
}

char *
pchomp(const char *string)
{
	char	   *copy = pstrdup(string);

	for (Size n = strlen(copy); n > 0 && copy[n - 1] == '\n'; n--)
		copy[n - 1] = '\0';
	return copy;
}

/* what it returns has no locale, as in the server */
char *
asc_tolower(const char *buff, size_t nbytes)
{
	char	   *copy = palloc(nbytes + 1);

	for (size_t i = 0; i < nbytes; i++)
		copy[i] = pg_ascii_tolower((unsigned char) buff[i]);
	copy[nbytes] = '\0';
	return copy;
}

/* nothing that is read here is stored out of line */
struct varlena *
pg_detoast_datum_packed(struct varlena *datum)
{
	fuzz_check(!VARATT_IS_EXTENDED(datum) || VARATT_IS_SHORT(datum));
	return datum;
}

/* --- strings --- */

void
initStringInfo(StringInfo str)
{
	str->maxlen = 64;
	str->data = palloc(str->maxlen);
	str->data[0] = '\0';
	str->len = str->cursor = 0;
}

void
enlargeStringInfo(StringInfo str, int needed)
{
	if (str->len + needed < str->maxlen)
		return;
	str->maxlen = 2 * (str->len + needed + 1);
	str->data = repalloc(str->data, str->maxlen);
}

void
appendStringInfo(StringInfo str, const char *fmt,...)
{
	va_list		args;
	char		piece[1024];
	int			n;

	va_start(args, fmt);
	n = vsnprintf(piece, sizeof(piece), fmt, args);
	va_end(args);
	fuzz_check(n >= 0 && n < (int) sizeof(piece));
	enlargeStringInfo(str, n);
	memcpy(str->data + str->len, piece, n + 1);
	str->len += n;
}

void
appendStringInfoString(StringInfo str, const char *s)
{
	int			n = strlen(s);

	enlargeStringInfo(str, n);
	memcpy(str->data + str->len, s, n + 1);
	str->len += n;
}

void
resetStringInfo(StringInfo str)
{
	str->data[0] = '\0';
	str->len = str->cursor = 0;
}

/* text or bytes: majors differ in what they call them */
#if PG_VERSION_NUM >= 160000
void
appendBinaryStringInfo(StringInfo str, const void *data, int datalen)
#else
void
appendBinaryStringInfo(StringInfo str, const char *data, int datalen)
#endif
{
	fuzz_check(datalen >= 0);
	enlargeStringInfo(str, datalen);
	memcpy(str->data + str->len, data, datalen);
	str->len += datalen;
	str->data[str->len] = '\0';
}

void
appendStringInfoChar(StringInfo str, char ch)
{
	appendBinaryStringInfo(str, &ch, 1);
}

/* --- lists --- */

List *
lappend(List *list, void *datum)
{
	if (list == NIL)
	{
		list = palloc0(sizeof(List));
		list->type = T_List;
	}
	if (list->length == list->max_length)
	{
		ListCell   *cells = palloc(sizeof(ListCell) * (list->max_length + 8));

		if (list->length > 0)
			memcpy(cells, list->elements, sizeof(ListCell) * list->length);
		list->elements = cells;
		list->max_length += 8;
	}
	lfirst(&list->elements[list->length++]) = datum;
	return list;
}

/* --- tuplestores: all that is put is looked at --- */

struct Tuplestorestate
{
	int64		bytes;
};

Tuplestorestate *
tuplestore_begin_heap(bool randomAccess, bool interXact, int maxKBytes)
{
	fuzz_check(maxKBytes > 0);
	return palloc0(sizeof(Tuplestorestate));
}

void
tuplestore_puttuple(Tuplestorestate *state, HeapTuple tuple)
{
	char	   *copy = palloc(tuple->t_len);

	memcpy(copy, tuple->t_data, tuple->t_len);
	state->bytes += tuple->t_len;
	pfree(copy);
}

void
tuplestore_end(Tuplestorestate *state)
{
	pfree(state);
}

void
heap_freetuple(HeapTuple tuple)
{
	pfree(tuple);
}

/* --- errors --- */

bool
errstart(int elevel, const char *domain)
{
	raised = ERRCODE_INTERNAL_ERROR;
	return elevel >= ERROR;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

int
errcode(int sqlerrcode)
{
	raised = sqlerrcode;
	return 0;
}

/* the text is made, as it would read what it is to show */
static int
say(const char *fmt, va_list args)
{
	int			n = vsnprintf(NULL, 0, fmt, args);

	fuzz_check(n >= 0);
	return 0;
}

#define SAYING(name) \
int \
name(const char *fmt,...) \
{ \
	va_list		args; \
\
	va_start(args, fmt); \
	say(fmt, args); \
	va_end(args); \
	return 0; \
}

SAYING(errmsg)
SAYING(errmsg_internal)
SAYING(errdetail)
SAYING(errdetail_internal)
SAYING(errhint)

void
pg_re_throw(void)
{
	siglongjmp(*PG_exception_stack, 1);
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	if (raised == ERRCODE_INTERNAL_ERROR)
		fuzz_fail("no internal error", filename, lineno);
	pg_re_throw();
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	sigjmp_buf	here;
	char	   *copy = malloc(size + 1);

	memcpy(copy, data, size);
	copy[size] = '\0';
	PG_exception_stack = &here;
	if (sigsetjmp(here, 0) == 0)
		fuzz_one(copy, size);
	if (fuzz_end != NULL)
		fuzz_end();
	while (chunks.next != &chunks)
		pfree(chunks.next + 1);
	free(copy);
	return 0;
}
