/*-------------------------------------------------------------------------
 *
 * worker/receive/tape_rows.c
 *	  Rows of a step, from the frames of a bundle to the driver.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/memutils.h"

#include "worker/receive/convert.h"
#include "worker/receive/tape.h"
#include "worker/target.h"

/* how a step's rows become the driver's */
typedef struct Player
{
	DbsyncTape *tape;
	DbsyncTarget *target;
	const DbsyncTapeStep *step;
	DbsyncRowsMode mode;
	const DbsyncBundleTable *table;
	int			nextra;			/* fields before those of columns */
	int			nfields;		/* of columns, that come */
	const int  *columns;		/* which they are; NULL: all */
	DbsyncEncoding form;
	DbsyncConverter *converter;
	MemoryContext context;		/* reset for each row */
	const char **fields;		/* as they come */
	int		   *lengths;
	const char **values;		/* as they go */
	int		   *value_lengths;
	bool	   *unchanged;
} Player;

char *
dbsync_tape_doing(const DbsyncTapeStep *step)
{
	const DbsyncTapePiece *piece = linitial(step->pieces);

	return psprintf("playing bundle " INT64_FORMAT " of chain " INT64_FORMAT ": rows of table %s", piece->file->head->number,
					piece->file->head->chain, step->table ? step->table->source : "?");
}

static int
extra_fields(DbsyncBundleDo what)
{
	switch (what)
	{
		case DBSYNC_BUNDLE_MERGE:
		case DBSYNC_BUNDLE_CLEAR:
			return 1;			/* dbsync_op */
		case DBSYNC_BUNDLE_PATCH:
		case DBSYNC_BUNDLE_COUNT:
			return 2;			/* and dbsync_same, or dbsync_count */
		default:
			return 0;
	}
}

pg_noreturn static void
refuse_row(const Player *player, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("a row of table %s in a bundle has %s that cannot be", player->table->source, what),
			 errcontext("%s", dbsync_tape_doing(player->step))));
}

static DbsyncRowKind
kind_of(const Player *player)
{
	if (player->step->what == DBSYNC_BUNDLE_APPEND)
		return DBSYNC_ROW_INSERT;
	if (player->step->what == DBSYNC_BUNDLE_DELETE)
		return DBSYNC_ROW_DELETE;
	if (player->fields[0] == NULL || player->lengths[0] != 1)
		refuse_row(player, "a kind");
	switch (player->fields[0][0])
	{
		case 'I':
			return DBSYNC_ROW_INSERT;
		case 'U':
			return DBSYNC_ROW_UPDATE;
		case 'D':
			return DBSYNC_ROW_DELETE;
		default:
			refuse_row(player, "a kind");
	}
}

/* "2,5": columns that stay as they are; false: none does */
static bool
read_same(Player *player)
{
	const char *text = player->fields[1];
	const char *end = text ? text + player->lengths[1] : NULL;
	bool		any = false;

	if (text == NULL)
		return false;
	memset(player->unchanged, 0, sizeof(bool) * player->table->ncolumns);
	while (text < end)
	{
		int			column = 0;

		for (; text < end && *text >= '0' && *text <= '9' && column <= player->table->ncolumns; text++)
			column = column * 10 + (*text - '0');
		if (column < 1 || column > player->table->ncolumns || (text < end && *text != ','))
			refuse_row(player, "columns");
		player->unchanged[column - 1] = any = true;
		text++;
	}
	for (int k = 0; k < player->table->nkeys; k++)
	{
		/* by what would the row be found? */
		if (player->unchanged[player->table->keys[k]] && any)
			refuse_row(player, "columns");
	}
	return any;
}

static int64
read_count(const Player *player)
{
	int64		count = 0;

	if (player->fields[1] == NULL)
		refuse_row(player, "a number");
	if (player->form == DBSYNC_ENCODING_BINARY)
	{
		uint64		ordered;

		if (player->lengths[1] != sizeof(ordered))
			refuse_row(player, "a number");
		memcpy(&ordered, player->fields[1], sizeof(ordered));
		count = (int64) pg_ntoh64(ordered);
	}
	else
	{
		char	   *end;

		errno = 0;
		count = strtoll(player->fields[1], &end, 10);
		if (errno != 0 || end != player->fields[1] + player->lengths[1])
			count = 0;
	}
	if (count < 1)
		refuse_row(player, "a number");
	return count;
}

/* Only the key of it goes. */
static void
take_key(Player *player, DbsyncRow *row)
{
	const DbsyncBundleTable *table = player->table;

	for (int k = 0; k < table->nkeys; k++)
	{
		int			at = player->columns ? k : table->keys[k];

		player->values[k] = player->fields[player->nextra + at];
		player->value_lengths[k] = player->lengths[player->nextra + at];
	}
	row->values = player->values;
	row->lengths = player->value_lengths;
}

/* A key alone, where rows go as a whole. */
static void
spread_key(Player *player, DbsyncRow *row)
{
	const DbsyncBundleTable *table = player->table;

	for (int i = 0; i < table->ncolumns; i++)
	{
		player->values[i] = NULL;
		player->value_lengths[i] = 0;
	}
	for (int k = 0; k < table->nkeys; k++)
	{
		player->values[table->keys[k]] = player->fields[k];
		player->value_lengths[table->keys[k]] = player->lengths[k];
	}
	row->values = player->values;
	row->lengths = player->value_lengths;
}

/* False: this pass leaves it out. */
static bool
make_row(Player *player, DbsyncRow *row)
{
	row->kind = kind_of(player);
	row->count = player->step->what == DBSYNC_BUNDLE_COUNT ? read_count(player) : 1;
	row->unchanged = NULL;
	dbsync_converter_row(player->converter, player->fields + player->nextra, player->lengths + player->nextra);
	row->values = player->fields + player->nextra;
	row->lengths = player->lengths + player->nextra;
	if (player->step->what == DBSYNC_BUNDLE_PATCH && row->kind == DBSYNC_ROW_UPDATE && read_same(player))
		row->unchanged = player->unchanged;
	if (player->mode == DBSYNC_ROWS_DELETE)
	{
		take_key(player, row);
		row->kind = DBSYNC_ROW_DELETE;
		return true;
	}
	if (player->mode == DBSYNC_ROWS_APPEND)
	{
		/* of a row to delete the pass before this one has seen */
		if (row->kind == DBSYNC_ROW_DELETE)
			return false;
		row->kind = DBSYNC_ROW_INSERT;
	}
	else if (player->step->what == DBSYNC_BUNDLE_DELETE)
		spread_key(player, row);
	return true;
}

static void
put_piece(Player *player, const DbsyncTapePiece *piece, const char *doing)
{
	DbsyncBundleRows *rows = dbsync_bundle_rows_open(piece->file->reader, piece->step, player->nextra + player->nfields,
													 player->tape->unsealer);
	DbsyncRow	row;

	while (dbsync_bundle_rows_next(rows, player->fields, player->lengths))
	{
		MemoryContext old;
		bool		put;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(player->context);
		old = MemoryContextSwitchTo(player->context);
		put = !make_row(player, &row) || dbsync_target_try_rows_put(player->target, &row);
		MemoryContextSwitchTo(old);
		if (!put)
			dbsync_target_raise(player->target, doing);
	}
	dbsync_bundle_rows_close(rows);
	dbsync_bundle_rest(piece->file->reader);
}

static Player
make_player(DbsyncTape *tape, const DbsyncTapeStep *step, DbsyncRowsMode mode)
{
	Player		player = {.tape = tape,.target = tape->receiving->work->target,.step = step,.mode = mode,.table = step->table};
	int			room = step->table->ncolumns + 2;

	player.nextra = extra_fields(step->what);
	player.nfields = step->table->ncolumns;
	if (step->what == DBSYNC_BUNDLE_DELETE)
	{
		player.nfields = step->table->nkeys;
		player.columns = step->table->keys;
	}
	player.context = AllocSetContextCreate(CurrentMemoryContext, "dbsync row of a bundle", ALLOCSET_DEFAULT_SIZES);
	player.fields = palloc0(sizeof(char *) * room);
	player.lengths = palloc0(sizeof(int) * room);
	player.values = palloc0(sizeof(char *) * room);
	player.value_lengths = palloc0(sizeof(int) * room);
	player.unchanged = palloc0(sizeof(bool) * room);
	return player;
}

void
dbsync_tape_put(DbsyncTape *tape, const DbsyncTapeStep *step, DbsyncRowsMode mode, const char *doing)
{
	Player		player = make_player(tape, step, mode);
	const DbsyncForm *forms = dbsync_target_table_forms(player.target, step->handle);
	ListCell   *lc;

	foreach(lc, step->pieces)
	{
		const DbsyncTapePiece *piece = lfirst(lc);

		if (player.converter == NULL || player.form != piece->step->form)
			player.converter = dbsync_converter_create(step->table, player.columns, player.nfields, piece->step->form, forms);
		player.form = piece->step->form;
		put_piece(&player, piece, doing);
	}
	MemoryContextDelete(player.context);
}

void
dbsync_tape_rows(DbsyncTape *tape, const DbsyncTapeStep *step, DbsyncRowsMode mode)
{
	DbsyncTarget *target = tape->receiving->work->target;
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "dbsync step", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	char	   *doing = dbsync_tape_doing(step);

	dbsync_target_rows_begin(target, step->handle, mode, step->rows, doing);
	dbsync_tape_put(tape, step, mode, doing);
	if (!dbsync_target_try_rows_end(target))
		dbsync_target_raise(target, doing);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}
