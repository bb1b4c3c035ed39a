/*-------------------------------------------------------------------------
 *
 * worker/verify/here.c
 *	  The source's rows as they would be sent now, made into images.
 *
 * They go the way of rows of a first copy: through a relay, with what was chosen of them.  In place of a target stands one that
 * takes them as text and keeps nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "extension/owner.h"
#include "worker/copy/chunk.h"
#include "worker/relay.h"
#include "worker/source/source.h"
#include "worker/verify/guard.h"
#include "worker/verify/here.h"
#include "worker/verify/image.h"

/* rows between two looks at the clock */
#define LOOK_ROWS	1000

typedef struct Sink
{
	DbsyncTarget base;			/* first: the relay knows us by it */
	DbsyncVerify *v;
	bool		(*wants) (const DbsyncVerify *v, int bucket, void *arg);
	void		(*take) (DbsyncVerify *v, void *arg);
	void		(*find) (DbsyncVerify *v, int number, bool found, void *arg);
	void	   *arg;
	int			number;			/* of the key that is looked up */
	int		   *numbers;		/* of those that could be read */
	bool	   *was_there;		/* by their numbers */
} Sink;

static bool
is_wanted(const Sink *sink)
{
	DbsyncImager *imager = sink->v->imager;
	bool		wanted = sink->wants(sink->v, dbsync_imager_bucket(imager), sink->arg);

	if (!wanted)
		dbsync_imager_pass(imager);
	return wanted;
}

/* DbsyncRowScreen.values: most rows may be of no concern, and their keys say so. */
static bool
look_at_key(void *arg, const char *const *values)
{
	Sink	   *sink = arg;

	dbsync_imager_take_key(sink->v->imager, values);
	return is_wanted(sink);
}

/* DbsyncRowScreen.number: without a text at that. */
static bool
look_at_number(void *arg, bool isnull, int64 number)
{
	Sink	   *sink = arg;

	dbsync_imager_take_number(sink->v->imager, isnull, number);
	return is_wanted(sink);
}

static bool
put(DbsyncTarget *base, const DbsyncRow *row)
{
	Sink	   *sink = (Sink *) base;
	bool		there = row->kind != DBSYNC_ROW_DELETE;

	if (there)
		dbsync_imager_take(sink->v->imager, row->values);
	if (sink->find != NULL)
		sink->find(sink->v, sink->number, there, sink->arg);
	else if (sink->v->spec.nkeys > 0 || is_wanted(sink))
		sink->take(sink->v, sink->arg);
	return true;
}

static const DbsyncDriver sink_driver = {
	.version = DBSYNC_DRIVER_VERSION,
	.name = "dbsync_verify",
	.rows_put = put,
};

void
dbsync_here_read(DbsyncVerify *v, bool (*wants) (const DbsyncVerify *v, int bucket, void *arg),
				 void (*take) (DbsyncVerify *v, void *arg), void *arg)
{
	Sink		sink = {.base = {.driver = &sink_driver}, .v = v, .wants = wants, .take = take, .arg = arg};
	DbsyncRowScreen screen = {.n = v->spec.nkeys, .columns = v->spec.keys, .arg = &sink};
	DbsyncRelay *relay = dbsync_relay_create(&sink.base, NULL, v->table, v->table->shape, DBSYNC_RELAY_ROWS);
	DbsyncChunk *chunk;
	DbsyncOwner saved;

	if (dbsync_imager_key_is_number(v->imager))
		screen.number = look_at_number;
	else
		screen.values = look_at_key;
	if (screen.n > 0)
		dbsync_relay_screen(relay, &screen);
	v->progress.rows = 0;
	dbsync_chunk_begin_reading(&saved, v->table, v->work->subscription->owner);
	chunk = dbsync_chunk_open_whole(v->table, DBSYNC_RELAY_ROWS, relay);
	while (dbsync_chunk_read(chunk, LOOK_ROWS))
	{
		v->progress.rows += LOOK_ROWS;
		dbsync_guard_look(v);
	}
	dbsync_chunk_close(chunk);
	dbsync_owner_end(&saved);
}

static void
note_number(int number, void *arg)
{
	Sink	   *sink = arg;

	sink->number = sink->numbers[number];
	sink->was_there[sink->number] = true;
}

void
dbsync_here_find(DbsyncVerify *v, List *keys, void (*take) (DbsyncVerify *v, int number, bool found, void *arg), void *arg)
{
	int			n = list_length(keys);
	Sink		sink = {.base = {.driver = &sink_driver}, .v = v, .find = take, .arg = arg,
		.numbers = palloc(sizeof(int) * Max(n, 1)), .was_there = palloc0(sizeof(bool) * Max(n, 1))};
	DbsyncRelay *relay = dbsync_relay_create(&sink.base, NULL, v->table, v->table->shape, DBSYNC_RELAY_CHANGES);
	List	   *known = NIL;
	DbsyncOwner saved;
	ListCell   *lc;

	v->table->lock = DBSYNC_LOCK_HELD;
	dbsync_chunk_begin_reading(&saved, v->table, v->work->subscription->owner);
	foreach(lc, dbsync_lookup_keys(v->table->shape, keys))
	{
		if (lfirst(lc) == NULL)
			continue;
		sink.numbers[list_length(known)] = foreach_current_index(lc);
		known = lappend(known, lfirst(lc));
	}
	if (known != NIL)
		dbsync_lookup(v->table, v->table->shape, known, false, DBSYNC_RELAY_CHANGES, relay, note_number, &sink);
	dbsync_owner_end(&saved);
	for (int i = 0; i < n; i++)
	{
		if (!sink.was_there[i])
			take(v, i, false, arg);
	}
}
