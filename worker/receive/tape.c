/*-------------------------------------------------------------------------
 *
 * worker/receive/tape.c
 *	  A batch as it is played: its files, its steps over all of them, and the target's tables.
 *
 * A step that reached the size of a file goes on in the next one.  Here it is one step again: half of it alone, two rows of which
 * have swapped a unique value, could not be written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "worker/bundle/contents.h"
#include "worker/receive/shape.h"
#include "worker/receive/tape.h"

/* --- files and steps --- */

static void
open_file(DbsyncTape *tape, int i, int64 chain, int64 number)
{
	const DbsyncReceiver *receiver = tape->receiving->receiver;
	DbsyncTapeFile *file = &tape->files[i];
	const DbsyncCached *cached = dbsync_bundles_find(chain, number);
	char	   *path = dbsync_bundles_path(receiver, chain, number);
	DbsyncBundleVerdict verdict;
	const char *reason = NULL;
	DbsyncCached found;

	file->reader = dbsync_bundle_open(path, receiver->keys, &verdict, &reason);
	if (file->reader == NULL)
	{
		/* it is looked at anew, and taken away if it is still so */
		dbsync_bundles_forget();
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" cannot be proved any more", path),
				 errdetail("%s", reason ? reason : "")));
	}
	found = dbsync_bundles_describe(file->reader, 0);
	if (cached == NULL || strcmp(cached->sums, found.sums) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" has become another one", path)));
	file->head = dbsync_bundle_head(file->reader);
	if (dbsync_bundle_is_sealed(file->reader) && tape->unsealer == NULL)
	{
		if (receiver->identity_file == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("bundle " INT64_FORMAT " of chain " INT64_FORMAT " is encrypted", number, chain),
					 errhint("Give the receiver the key and the certificate: SELECT dbsync.alter_receiver(%s, options => '{\"identity_file\": ...}').",
							 quote_literal_cstr(receiver->name))));
		tape->unsealer = dbsync_unseal_load(receiver->identity_file, "identity_file");
	}
	file->contents = dbsync_bundle_contents(file->reader, tape->unsealer);
	dbsync_bundle_rest(file->reader);
}

const DbsyncBundleTable *
dbsync_tape_table_at(const DbsyncTapeFile *file, int i)
{
	if (i < 0 || i >= list_length(file->contents->tables))
		return NULL;
	return list_nth(file->contents->tables, i);
}

pg_noreturn static void
refuse_step(const DbsyncTapeFile *file, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("bundle " INT64_FORMAT " of chain " INT64_FORMAT " %s", file->head->number, file->head->chain, why),
			 errdetail("Its signature holds, so it was made like that.")));
}

/* "goes_on": with the step before it, of this file or the one before. */
static void
add_step(DbsyncTape *tape, const DbsyncTapeFile *file, const DbsyncBundleStep *step, bool goes_on)
{
	DbsyncTapePiece *piece = palloc(sizeof(DbsyncTapePiece));
	DbsyncTapeStep *whole;

	piece->file = file;
	piece->step = step;
	if (goes_on)
	{
		const DbsyncBundleTable *table = dbsync_tape_table_at(file, step->table);

		whole = llast(tape->steps);
		if (whole->what != step->what || table == NULL || whole->table == NULL || !dbsync_shape_is_same(whole->table, table))
			refuse_step(file, "does not go on with the step that was begun before it");
	}
	else
	{
		whole = palloc0(sizeof(DbsyncTapeStep));
		whole->what = step->what;
		whole->table = dbsync_tape_table_at(file, step->table);
		tape->steps = lappend(tape->steps, whole);
	}
	whole->pieces = lappend(whole->pieces, piece);
	whole->rows += step->rows;
	tape->changes |= step->what == DBSYNC_BUNDLE_CHANGE;
	tape->copies |= step->what == DBSYNC_BUNDLE_APPEND && step->first;
}

static void
gather_steps(DbsyncTape *tape)
{
	bool		continues = false;

	for (int i = 0; i < tape->nfiles; i++)
	{
		const DbsyncTapeFile *file = &tape->files[i];
		ListCell   *lc;

		foreach(lc, file->contents->steps)
		{
			const DbsyncBundleStep *step = lfirst(lc);

			add_step(tape, file, step, continues);
			continues = step->continues;
			if (continues && !dbsync_contents_has_rows(step->what))
				refuse_step(file, "has a step without rows that is to go on");
		}
		tape->rows += file->head->rows;
		tape->copies |= file->contents->parts != NIL;
	}
	if (continues)
		refuse_step(tape->last, "completes a batch, and has a step that is to go on");
}

DbsyncTape *
dbsync_tape_open(DbsyncReceiving *receiving, const DbsyncNext *next)
{
	DbsyncTape *tape = palloc0(sizeof(DbsyncTape));

	tape->receiving = receiving;
	tape->context = CurrentMemoryContext;
	tape->nfiles = next->nfiles;
	tape->files = palloc0(sizeof(DbsyncTapeFile) * next->nfiles);
	for (int i = 0; i < next->nfiles; i++)
		open_file(tape, i, next->chain, next->number + i);
	tape->last = &tape->files[next->nfiles - 1];
	if (tape->last->head->position == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("bundle " INT64_FORMAT " completes a batch, and has no position", tape->last->head->number)));
	gather_steps(tape);
	return tape;
}

void
dbsync_tape_close(DbsyncTape *tape)
{
	for (int i = 0; i < tape->nfiles; i++)
		dbsync_bundle_close(tape->files[i].reader);
}
