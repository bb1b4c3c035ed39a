/*-------------------------------------------------------------------------
 *
 * worker/sequence.c
 *	  The sequences of a subscription: which there are, and what is known of the target's.
 *
 * Which column a sequence belongs to, and whose default takes values from it, is in the
 * system catalogs, and changes without a word to dbsync's configuration.  But none of it changes
 * without the server telling of a sequence, a table, or a role: such news are counted, and
 * the list is read again before it is used next.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "extension/catalog.h"
#include "worker/news.h"
#include "worker/query.h"
#include "worker/sequence.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/text.h"

/* of sequences themselves, and of what rights on those that were added hang on */
static const int watched_caches[] = {SEQRELID, AUTHOID, AUTHMEMMEMROLE, NAMESPACEOID};

static DbsyncNews news = {.count = 1};

/* Tables, too: a default that takes values from another table's sequence is a change of the table. */
static void
watch(const DbsyncWork *work)
{
	const List *tables = work->subscription->tables;
	const List *all = work->sequences->all;
	Oid		   *relids = palloc(sizeof(Oid) * (list_length(tables) + list_length(all) + 1));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, tables)
		relids[n++] = ((const DbsyncTable *) lfirst(lc))->relid;
	foreach(lc, all)
		relids[n++] = ((const DbsyncSequence *) lfirst(lc))->relid;
	dbsync_news_watch(&news, relids, n);
	pfree(relids);
}

static List *
read_users(uint64 row, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);
	Datum	   *ids;
	int			n = 0;
	List	   *users = NIL;

	if (!isnull)
		deconstruct_array(DatumGetArrayTypeP(value), INT4OID, sizeof(int32), true, TYPALIGN_INT,
						  &ids, NULL, &n);
	for (int i = 0; i < n; i++)
		users = lappend_int(users, DatumGetInt32(ids[i]));
	return users;
}

static char *
copy_text(const char *text)
{
	return text ? pstrdup(text) : NULL;
}

/* what was found out of the same one before, if it still goes to the same place */
static void
move_over(DbsyncSequence *sequence, const List *before)
{
	ListCell   *lc;

	foreach(lc, before)
	{
		const DbsyncSequence *old = lfirst(lc);

		if (old->relid != sequence->relid || old->left_out != sequence->left_out ||
			old->captured_id != sequence->captured_id ||
			!dbsync_text_is_same(old->goal.schema, sequence->goal.schema) ||
			!dbsync_text_is_same(old->goal.relation, sequence->goal.relation) ||
			!dbsync_text_is_same(old->goal.column, sequence->goal.column))
			continue;
		sequence->known = old->known;
		sequence->known_at = old->known_at;
		sequence->covered = old->covered;
		sequence->has_value = old->has_value;
		sequence->there = old->there;
		sequence->note_due = old->note_due;
		sequence->failures = old->failures;
		sequence->retry_at = old->retry_at;
		sequence->name = copy_text(old->name);
		sequence->note = copy_text(old->note);
	}
}

/* One order for all workers: they lock the target's sequences in it. */
static int
compare_places(const ListCell *a, const ListCell *b)
{
	const DbsyncSequenceGoal *left = &((const DbsyncSequence *) lfirst(a))->goal;
	const DbsyncSequenceGoal *right = &((const DbsyncSequence *) lfirst(b))->goal;
	int			order = strcmp(left->schema, right->schema);

	if (order == 0)
		order = strcmp(left->relation, right->relation);
	if (order == 0)
		order = strcmp(left->column ? left->column : "", right->column ? right->column : "");
	return order;
}

static DbsyncSequence *
read_sequence(uint64 row)
{
	DbsyncSequence *sequence = palloc0(sizeof(DbsyncSequence));

	sequence->relid = dbsync_query_oid(row, 1);
	sequence->captured_id = (int) dbsync_query_int(row, 2);
	sequence->attnum = (int) dbsync_query_int(row, 3);
	sequence->goal.schema = dbsync_query_text(row, 4);
	sequence->goal.relation = dbsync_query_text(row, 5);
	sequence->goal.column = dbsync_query_text(row, 6);
	sequence->users = read_users(row, 7);
	sequence->left_out = dbsync_query_bool(row, 8);
	return sequence;
}

static DbsyncSequences *
new_sequences(DbsyncWork *work, const DbsyncSequences *before)
{
	MemoryContext context = AllocSetContextCreate(work->context, "dbsync sequences", ALLOCSET_SMALL_SIZES);
	DbsyncSequences *sequences = MemoryContextAllocZero(context, sizeof(DbsyncSequences));

	sequences->context = context;
	sequences->changed = true;
	if (before != NULL)
	{
		sequences->looked_at = before->looked_at;
		sequences->completions = before->completions;
		sequences->noted_at = before->noted_at;
	}
	/* before reading, so that a change in between is seen next time */
	sequences->heard = news.count;
	sequences->generation = dbsync_catalog_generation_of(DBSYNC_WATCHED_SUBSCRIPTION_SEQUENCE);
	return sequences;
}

void
dbsync_sequences_outdate(void)
{
	news.count++;
}

bool
dbsync_sequences_are_stale(const DbsyncWork *work)
{
	const DbsyncSequences *sequences = work->sequences;

	return sequences == NULL || sequences->heard != news.count ||
		sequences->generation != dbsync_catalog_generation_of(DBSYNC_WATCHED_SUBSCRIPTION_SEQUENCE);
}

void
dbsync_sequences_read(DbsyncWork *work)
{
	DbsyncSequences *before = work->sequences;
	DbsyncSequences *sequences;
	const char *id = psprintf("%d", work->subscription->id);
	MemoryContext old;
	uint64		n;

	(void) dbsync_news_listen(&news, watched_caches, lengthof(watched_caches));
	if (!dbsync_sequences_are_stale(work))
		return;
	sequences = new_sequences(work, before);
	/* not as of S: what the news was about may be younger */
	n = dbsync_query_latest("SELECT sequence, captured_id, attnum, target_schema, target_name, target_column, users,"
							" problem IS NOT NULL"
							" FROM dbsync_internal.sequences_of($1::pg_catalog.int4)", 1, &id);
	old = MemoryContextSwitchTo(sequences->context);
	for (uint64 row = 0; row < n; row++)
	{
		DbsyncSequence *sequence = read_sequence(row);

		move_over(sequence, before ? before->all : NIL);
		sequences->all = lappend(sequences->all, sequence);
	}
	list_sort(sequences->all, compare_places);
	MemoryContextSwitchTo(old);
	work->sequences = sequences;
	if (before != NULL)
		MemoryContextDelete(before->context);
	watch(work);
}

void
dbsync_sequences_forget(DbsyncWork *work)
{
	ListCell   *lc;

	if (work->sequences == NULL)
		return;
	work->sequences->sent = NIL;
	work->sequences->looked_at = 0;
	foreach(lc, work->sequences->all)
	{
		DbsyncSequence *sequence = lfirst(lc);

		sequence->known = false;
		sequence->failures = 0;
		sequence->retry_at = 0;
	}
}

void
dbsync_sequence_set_note(DbsyncSequence *sequence, const char *note)
{
	if (dbsync_text_is_same(sequence->note, note))
		return;
	if (sequence->note != NULL)
		pfree(sequence->note);
	sequence->note = note ? MemoryContextStrdup(GetMemoryChunkContext(sequence), note) : NULL;
	sequence->note_due = true;
}

static void
write_note(const DbsyncWork *work, const DbsyncSequence *sequence)
{
	const char *args[5];

	args[0] = psprintf("%d", work->subscription->id);
	args[1] = psprintf("%u", sequence->relid);
	args[2] = sequence->name;
	args[3] = sequence->has_value ? psprintf(INT64_FORMAT, sequence->there) : NULL;
	args[4] = sequence->note;
	dbsync_query("SELECT dbsync_internal.note_sequence($1::pg_catalog.int4, $2::pg_catalog.oid, $3,"
				 " $4::pg_catalog.int8, $5)", 5, args);
}

static void
write_notes(void *arg)
{
	DbsyncWork *work = arg;
	ListCell   *lc;
	const char *id;

	dbsync_query_begin(false, "noting sequences");
	id = psprintf("%d", work->subscription->id);
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (work->sequences->changed)
		dbsync_query("SELECT dbsync_internal.forget_sequences($1::pg_catalog.int4)", 1, &id);
	foreach(lc, work->sequences->all)
	{
		const DbsyncSequence *sequence = lfirst(lc);

		if (sequence->note_due)
			write_note(work, sequence);
	}
	PopActiveSnapshot();
	SPI_finish();
	dbsync_query_commit();
	work->sequences->changed = false;
	foreach(lc, work->sequences->all)
		((DbsyncSequence *) lfirst(lc))->note_due = false;
}

void
dbsync_sequences_write_notes(DbsyncWork *work)
{
	ListCell   *lc;
	bool		due = work->sequences->changed;

	foreach(lc, work->sequences->all)
		due |= ((DbsyncSequence *) lfirst(lc))->note_due;
	if (due && dbsync_query_attempt(write_notes, work))
		work->sequences->noted_at = GetCurrentTimestamp();
}
