/*-------------------------------------------------------------------------
 *
 * worker/bundle/writer.c
 *	  Writing a bundle, member by member, in a stream.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "worker/bundle/contents.h"
#include "worker/bundle/crypto.h"
#include "worker/bundle/flow.h"
#include "worker/bundle/frames.h"
#include "worker/bundle/names.h"
#include "worker/bundle/tar.h"
#include "worker/bundle/writer.h"

struct DbsyncBundleWriter
{
	MemoryContext context;
	DbsyncBundleWriting writing;
	DbsyncFlowFile *file;
	DbsyncFlowOut *flow;
	StringInfoData sums;		/* SHA256SUMS, as far as it goes */
	int			members;
	int64		rows;
	int64		bytes;

	/* the member that is being written */
	char		name[DBSYNC_BUNDLE_NAME_LIMIT + 1];
	int64		header;			/* where its header is */
	MemoryContext rows_context;
	DbsyncFramesOut *frames;	/* NULL: no rows are coming */
	DbsyncEncoding form;
};

char *
dbsync_bundle_folder(const char *subscription_name, const pg_uuid_t *subscription, int64 chain, int64 number)
{
	char	   *utf8 = pg_server_to_any(subscription_name, strlen(subscription_name), PG_UTF8);

	return dbsync_names_folder(utf8, subscription, chain, number);
}

/* Begin a member: its header comes when its size is known. */
static void
begin_member(DbsyncBundleWriter *writer, const char *name, bool zipped, bool sealed)
{
	static const char nothing[DBSYNC_BUNDLE_BLOCK];

	if (writer->members == DBSYNC_NAMES_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("bundle \"%s\" has too many members", writer->writing.path)));
	writer->members++;
	strlcpy(writer->name, name, sizeof(writer->name));
	writer->header = dbsync_flow_length(writer->file);
	dbsync_flow_write(writer->file, nothing, sizeof(nothing));
	dbsync_flow_begin(writer->flow, zipped, sealed);
}

/* Header and padding; its SHA-256 goes to the sums, unless it is too late for that. */
static int64
end_member(DbsyncBundleWriter *writer, bool summed)
{
	static const char nothing[DBSYNC_BUNDLE_BLOCK];
	uint8		hash[DBSYNC_BUNDLE_HASH];
	char		hex[DBSYNC_BUNDLE_HEX];
	char		block[DBSYNC_BUNDLE_BLOCK];
	int64		bytes = dbsync_flow_end(writer->flow, hash);
	int64		size = dbsync_flow_length(writer->file) - writer->header - DBSYNC_BUNDLE_BLOCK;
	char	   *path = psprintf("%s/%s", writer->writing.folder, writer->name);

	if (size > DBSYNC_TAR_SIZE_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("member \"%s\" of bundle \"%s\" is larger than 8 GB", writer->name, writer->writing.path)));
	if (strlen(path) > DBSYNC_BUNDLE_NAME_LIMIT)
		elog(ERROR, "name of a member is too long: \"%s\"", path);
	dbsync_tar_header(path, size, block);
	dbsync_flow_patch(writer->file, writer->header, block, sizeof(block));
	dbsync_flow_write(writer->file, nothing, dbsync_tar_padding(size));
	if (summed)
	{
		dbsync_hash_hex(hash, hex);
		appendStringInfo(&writer->sums, "%s  %s\n", hex, writer->name);
	}
	pfree(path);
	return bytes;
}

static void
put_member(DbsyncBundleWriter *writer, const char *name, bool sealed, bool summed, const void *data, size_t length)
{
	char	   *full = psprintf("%s%s", name, sealed && writer->writing.sealer ? DBSYNC_NAMES_SEALED : "");

	begin_member(writer, full, false, sealed);
	dbsync_flow_put(writer->flow, data, length);
	(void) end_member(writer, summed);
	pfree(full);
}

DbsyncBundleWriter *
dbsync_bundle_create(const DbsyncBundleWriting *writing)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dbsync bundle that is written",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	DbsyncBundleWriter *writer = palloc0(sizeof(DbsyncBundleWriter));

	writer->context = context;
	writer->writing = *writing;
	writer->writing.path = pstrdup(writing->path);
	writer->writing.folder = pstrdup(writing->folder);
	writer->file = dbsync_flow_create(writing->path);
	writer->flow = dbsync_flow_out(writer->file, writing->level, writing->sealer);
	initStringInfo(&writer->sums);
	writer->rows_context = AllocSetContextCreate(context, "dbsync rows of a bundle", ALLOCSET_DEFAULT_SIZES);
	put_member(writer, DBSYNC_NAMES_FORMAT, false, true, DBSYNC_BUNDLE_FORMAT_TEXT, strlen(DBSYNC_BUNDLE_FORMAT_TEXT));
	MemoryContextSwitchTo(old);
	return writer;
}

void
dbsync_bundle_rows_begin(DbsyncBundleWriter *writer, DbsyncEncoding form, int nfields)
{
	MemoryContext old = MemoryContextSwitchTo(writer->rows_context);
	char		name[DBSYNC_BUNDLE_NAME_LIMIT];

	Assert(writer->frames == NULL);
	Assert(form == DBSYNC_ENCODING_TEXT || GetDatabaseEncoding() == PG_UTF8);
	/* the first one is FORMAT */
	snprintf(name, sizeof(name), "%d%s", writer->members,
			 dbsync_names_suffix(writer->writing.level != 0, writer->writing.sealer != NULL));
	begin_member(writer, name, true, true);
	writer->frames = dbsync_frames_out(writer->flow, form, nfields);
	writer->form = form;
	MemoryContextSwitchTo(old);
}

void
dbsync_bundle_rows_put(DbsyncBundleWriter *writer, const char **values, const int *lengths)
{
	dbsync_frames_put(writer->frames, values, lengths);
}

void
dbsync_bundle_rows_end(DbsyncBundleWriter *writer, DbsyncBundleStep *step)
{
	step->rows = dbsync_frames_end(writer->frames);
	step->form = writer->form;
	step->member = writer->members - 1;
	step->bytes = end_member(writer, true);
	writer->rows += step->rows;
	writer->bytes += step->bytes;
	writer->frames = NULL;
	MemoryContextReset(writer->rows_context);
}

int64
dbsync_bundle_written(const DbsyncBundleWriter *writer)
{
	return dbsync_flow_length(writer->file);
}

/* What a reader must know, beside what the head says already. */
static void
add_requires(DbsyncBundleWriter *writer, DbsyncBundleHead *head, const DbsyncBundleContents *contents)
{
	List	   *wanted = writer->writing.sealer ? list_make1("cms") : NIL;
	ListCell   *lc;

	foreach(lc, contents->steps)
	{
		DbsyncBundleStep *step = lfirst(lc);

		if (dbsync_contents_is_required(step->what))
			wanted = lappend(wanted, unconstify(char *, dbsync_contents_do(step->what)));
	}
	foreach(lc, wanted)
	{
		bool		there = false;
		ListCell   *said;

		foreach(said, head->requires)
			there |= strcmp(lfirst(said), lfirst(lc)) == 0;
		if (!there)
			head->requires = lappend(head->requires, lfirst(lc));
	}
}

static void
put_texts(DbsyncBundleWriter *writer, const DbsyncBundleHead *head, const DbsyncBundleContents *contents,
		  const char *load_sql)
{
	StringInfoData text;
	char	   *utf8;

	if (load_sql != NULL)
	{
		utf8 = pg_server_to_any(load_sql, strlen(load_sql), PG_UTF8);
		put_member(writer, DBSYNC_NAMES_LOAD, true, true, utf8, strlen(utf8));
	}
	initStringInfo(&text);
	dbsync_contents_write(&text, contents,
						  dbsync_names_suffix(writer->writing.level != 0, writer->writing.sealer != NULL));
	if (text.len > DBSYNC_BUNDLE_JSON_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("bundle \"%s\" has too many tables and steps", writer->writing.path)));
	put_member(writer, DBSYNC_NAMES_CONTENTS, true, true, text.data, text.len);
	resetStringInfo(&text);
	dbsync_head_write(&text, head);
	put_member(writer, DBSYNC_NAMES_HEAD, false, true, text.data, text.len);
}

static void
put_signature(DbsyncBundleWriter *writer, uint8 *sums)
{
	DbsyncHash *hash = dbsync_hash_create();
	uint8		signature[DBSYNC_BUNDLE_SIGNATURE];

	dbsync_hash_begin(hash);
	dbsync_hash_add(hash, writer->sums.data, writer->sums.len);
	dbsync_hash_end(hash, sums);
	dbsync_sign(writer->writing.signer, writer->sums.data, writer->sums.len, signature);
	put_member(writer, DBSYNC_NAMES_SUMS, false, false, writer->sums.data, writer->sums.len);
	put_member(writer, DBSYNC_NAMES_SIGNATURE, false, false, signature, sizeof(signature));
}

void
dbsync_bundle_finish(DbsyncBundleWriter *writer, DbsyncBundleHead *head,
					 const DbsyncBundleContents *contents, const char *load_sql, uint8 *sums)
{
	static const char end[2 * DBSYNC_BUNDLE_BLOCK];
	MemoryContext old;

	Assert(writer->frames == NULL);
	head->rows = writer->rows;
	head->bytes = writer->bytes;
	/* what it requires lives where the head does */
	add_requires(writer, head, contents);
	old = MemoryContextSwitchTo(writer->context);
	put_texts(writer, head, contents, load_sql);
	put_signature(writer, sums);
	dbsync_flow_write(writer->file, end, sizeof(end));
	dbsync_flow_finish(writer->file);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(writer->context);
}
