/*-------------------------------------------------------------------------
 *
 * worker/driver/file/writing.c
 *	  File driver: the bundle that is being written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "worker/bundle/load_sql.h"
#include "worker/driver/file/internal.h"

/* of all tables and steps in one file: its description is to stay far below what a reader takes */
#define MAX_COLUMNS		100000
#define MAX_STEPS		50000

static FileName
name_of(const FileTarget *target)
{
	FileName	name = target->newest;

	name.number += list_length(target->batch->finished) + 1;
	return name;
}

static void
fill_head(FileTarget *target, const FileName *name)
{
	FileBatch  *batch = target->batch;
	DbsyncBundleHead *head = &batch->file.head;

	head->subscription = target->subscription;
	head->subscription_name = batch->ledger.subscription_name;
	head->system_identifier = batch->ledger.system_identifier;
	head->database_oid = batch->ledger.database_oid;
	head->timeline = batch->ledger.timeline;
	head->postgresql = PG_VERSION_NUM;
	head->dbsync = DBSYNC_VERSION;
	head->chain = name->chain;
	head->number = name->number;
	strlcpy(head->previous, batch->finished != NIL ? batch->sums : target->sums, DBSYNC_BUNDLE_HEX);
	head->time = batch->time;
	head->batch = batch->ledger.batch;
	head->part = batch->part;
}

void
dbsync_file_writing_begin(FileTarget *target)
{
	FileBatch  *batch = target->batch;
	FileWriting *file = &batch->file;
	FileName	name = name_of(target);
	DbsyncBundleWriting writing;
	MemoryContext old;

	if (file->context != NULL)
		return;
	batch->part++;
	memset(file, 0, sizeof(FileWriting));
	file->context = AllocSetContextCreate(batch->context, "dbsync bundle", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(file->context);
	fill_head(target, &name);
	file->contents.encoding = "UTF8";
	file->contents.route = batch->route;
	file->path = MemoryContextStrdup(batch->context, dbsync_file_tmp_path(target, &name, ".tar"));
	writing.path = file->path;
	writing.folder = dbsync_bundle_folder(batch->ledger.subscription_name, &target->subscription, name.chain, name.number);
	writing.level = target->options.level;
	writing.signer = target->signer;
	writing.sealer = target->sealer;
	file->writer = dbsync_bundle_create(&writing);
	MemoryContextSwitchTo(old);
}

int
dbsync_file_writing_table(FileTarget *target, DbsyncTargetTable *table)
{
	FileWriting *file = &target->batch->file;
	MemoryContext old;
	ListCell   *lc;

	foreach(lc, file->handles)
	{
		if (lfirst(lc) == table)
			return foreach_current_index(lc);
	}
	old = MemoryContextSwitchTo(file->context);
	file->handles = lappend(file->handles, table);
	file->contents.tables = lappend(file->contents.tables, &table->table);
	file->columns += table->table.ncolumns;
	MemoryContextSwitchTo(old);
	return list_length(file->handles) - 1;
}

DbsyncBundleStep *
dbsync_file_writing_step(FileTarget *target, DbsyncBundleDo what)
{
	FileWriting *file = &target->batch->file;
	MemoryContext old;
	DbsyncBundleStep *step;

	/* of whichever step the last rows were, another one begins another file: also many changes of shape in one batch */
	if (dbsync_file_writing_is_full(target))
		dbsync_file_writing_finish(target, false);
	dbsync_file_writing_begin(target);
	old = MemoryContextSwitchTo(file->context);
	step = palloc0(sizeof(DbsyncBundleStep));
	step->what = what;
	step->table = -1;
	file->contents.steps = lappend(file->contents.steps, step);
	MemoryContextSwitchTo(old);
	return step;
}

void
dbsync_file_writing_finish(FileTarget *target, bool last)
{
	FileBatch  *batch = target->batch;
	FileWriting *file = &batch->file;
	uint8		sums[DBSYNC_BUNDLE_HASH];
	MemoryContext old;

	dbsync_file_writing_begin(target);
	old = MemoryContextSwitchTo(file->context);
	file->head.last = last;
	file->head.position = last ? &batch->ledger : NULL;
	if (last)
		file->contents.parts = batch->changed;
	dbsync_bundle_finish(file->writer, &file->head, &file->contents,
						 dbsync_bundle_load_sql(&file->head, &file->contents), sums);
	strlcpy(batch->sums, dbsync_file_hex(sums), DBSYNC_BUNDLE_HEX);
	MemoryContextSwitchTo(batch->context);
	batch->finished = lappend(batch->finished, file->path);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(file->context);
	memset(file, 0, sizeof(FileWriting));
}

bool
dbsync_file_writing_is_full(const FileTarget *target)
{
	const FileWriting *file = &target->batch->file;

	return file->context != NULL &&
		(dbsync_bundle_written(file->writer) >= target->options.part_size ||
		 file->columns >= MAX_COLUMNS || list_length(file->contents.steps) >= MAX_STEPS);
}
