/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/copy.c
 *	  PostgreSQL driver: the large road, rows by COPY.
 *
 * Rows that cannot be there already go straight in.  Others are copied to a
 * staging table, a temporary one per target table, and merged from there
 * (dbsync_postgres_merge_begin()).  Keys of rows to delete are staged without the rest of the
 * row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bswap.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/between.h"
#include "worker/driver/postgres/careful.h"
#include "worker/driver/postgres/copy.h"
#include "worker/driver/postgres/count.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/frame.h"
#include "worker/driver/postgres/together.h"
#include "worker/driver/postgres/guard.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/merge.h"
#include "worker/driver/postgres/patch.h"
#include "worker/driver/postgres/sql.h"
#include "worker/driver/postgres/stage.h"
#include "worker/driver/postgres/step.h"
#include "worker/driver/postgres/wait.h"

static PostgresStageKind
stage_of(DbsyncRowsMode mode)
{
	switch (mode)
	{
		case DBSYNC_ROWS_DELETE:
			return POSTGRES_STAGE_KEYS;
		case DBSYNC_ROWS_PATCH:
			return POSTGRES_STAGE_PATCH;
		case DBSYNC_ROWS_COUNT:
			return POSTGRES_STAGE_COUNT;
		default:
			return POSTGRES_STAGE_ROWS;
	}
}

/* what a binary COPY begins with: signature, no flags, no header extension */
static const char binary_head[11 + 4 + 4] = "PGCOPY\n\377\r\n";

bool
dbsync_postgres_copy_begin(PostgresTarget *target)
{
	PostgresRows *rows = &target->rows;
	PostgresStep step = {.kind = POSTGRES_STEP_PLAIN,.table = rows->table};
	bool		has_op = rows->mode != DBSYNC_ROWS_APPEND && rows->mode != DBSYNC_ROWS_DELETE;

	if (!dbsync_postgres_merge_finish(target))
		return false;
	if (rows->mode == DBSYNC_ROWS_APPEND && !dbsync_postgres_guard(target, rows->table))
		return false;
	if (!dbsync_postgres_settle(target) ||
		(rows->mode != DBSYNC_ROWS_APPEND && !dbsync_postgres_stage_make(target, rows->table, stage_of(rows->mode))))
		return false;
	if (PQsendQuery(target->conn, dbsync_postgres_copy_sql(rows->table, rows->mode)) == 0 ||
		!dbsync_postgres_flush(target))
		return dbsync_postgres_lost(target);
	if (!dbsync_postgres_read_copy_in(target, &step, rows->ncolumns + (has_op ? 1 : 0),
									  rows->table->binary))
		return false;
	resetStringInfo(&rows->frame);
	if (rows->table->binary)
		appendBinaryStringInfo(&rows->frame, binary_head, sizeof(binary_head));
	rows->copying = true;
	return true;
}

#define EACH_BYTE(b)	(UINT64CONST(0x0101010101010101) * (b))

/*
 * Does the value hold a control character or a backslash?  Looks at eight bytes
 * at a time, since the answer is no for nearly all values.
 */
static bool
needs_escape(const char *value, int length)
{
	for (; length >= (int) sizeof(uint64); length -= sizeof(uint64), value += sizeof(uint64))
	{
		uint64		word;
		uint64		backslash;

		memcpy(&word, value, sizeof(word));
		backslash = word ^ EACH_BYTE('\\');
		/* high bits of: bytes below 0x20, and bytes that are zero in backslash */
		if ((((word - EACH_BYTE(0x20)) & ~word) |
			 ((backslash - EACH_BYTE(0x01)) & ~backslash)) & EACH_BYTE(0x80))
			return true;
	}
	for (; length > 0; length--, value++)
	{
		if ((unsigned char) *value < 0x20 || *value == '\\')
			return true;
	}
	return false;
}

static void
append_escaped(StringInfo frame, const char *value, int length)
{
	char	   *out;

	/* every byte may become two */
	enlargeStringInfo(frame, length * 2);
	out = frame->data + frame->len;
	for (const char *end = value + length; value < end; value++)
	{
		switch (*value)
		{
			case '\\':
				*out++ = '\\';
				*out++ = '\\';
				break;
			case '\t':
				*out++ = '\\';
				*out++ = 't';
				break;
			case '\n':
				*out++ = '\\';
				*out++ = 'n';
				break;
			case '\r':
				*out++ = '\\';
				*out++ = 'r';
				break;
			default:
				*out++ = *value;
		}
	}
	frame->len = out - frame->data;
}

/* a long value goes in pieces, so that the frame stays small */
static bool
append_value(PostgresTarget *target, const char *value, int length)
{
	StringInfo	frame = &target->rows.frame;

	while (length > 0)
	{
		int			piece = Min(length, POSTGRES_FRAME_SIZE);

		if (!target->rows.table->binary && needs_escape(value, piece))
			append_escaped(frame, value, piece);
		else
			appendBinaryStringInfo(frame, value, piece);
		value += piece;
		length -= piece;
		if (frame->len >= POSTGRES_FRAME_SIZE && !dbsync_postgres_frame_send(target))
			return false;
	}
	return true;
}

/* what the stage is told of a row, if it is one of whole rows; returns the length */
static int
op_of(const PostgresRows *rows, const DbsyncRow *row, char *op)
{
	if (rows->mode == DBSYNC_ROWS_COUNT)
		return dbsync_postgres_count_op(rows->table, row, op);
	if (rows->mode == DBSYNC_ROWS_APPEND || rows->mode == DBSYNC_ROWS_DELETE)
		return 0;
	return dbsync_postgres_patch_op(rows->table, row, op);
}

static bool
copy_text_row(PostgresTarget *target, const DbsyncRow *row)
{
	PostgresRows *rows = &target->rows;
	StringInfo	frame = &rows->frame;
	int			n = rows->ncolumns;
	char		op[POSTGRES_OP_SIZE];
	int			length = op_of(rows, row, op);

	if (length > 0)
	{
		appendBinaryStringInfo(frame, op, length);
		appendStringInfoChar(frame, '\t');
	}
	for (int i = 0; i < n; i++)
	{
		if (row->values[i] == NULL)
			appendBinaryStringInfo(frame, "\\N", 2);
		else if (!append_value(target, row->values[i], row->lengths[i]))
			return false;
		appendStringInfoChar(frame, i < n - 1 ? '\t' : '\n');
	}
	return true;
}

static char *
put_int32(char *out, int32 value)
{
	uint32		ordered = pg_hton32((uint32) value);

	memcpy(out, &ordered, sizeof(ordered));
	return out + sizeof(ordered);
}

static char *
put_int16(char *out, int16 value)
{
	uint16		ordered = pg_hton16((uint16) value);

	memcpy(out, &ordered, sizeof(ordered));
	return out + sizeof(ordered);
}

/*
 * Number of columns, then length and bytes of each.  Room is made once for all
 * values that are not long: this runs for each row of the largest batches.
 */
static bool
copy_binary_row(PostgresTarget *target, const DbsyncRow *row)
{
	PostgresRows *rows = &target->rows;
	StringInfo	frame = &rows->frame;
	char		op[POSTGRES_OP_SIZE];
	int			op_length = op_of(rows, row, op);
	int			n = rows->ncolumns;
	int			room = 16 + op_length;
	char	   *out;

	for (int i = 0; i < n; i++)
		room += sizeof(int32) + (row->lengths[i] < POSTGRES_FRAME_SIZE ? row->lengths[i] : 0);
	enlargeStringInfo(frame, room);
	out = put_int16(frame->data + frame->len, n + (op_length > 0 ? 1 : 0));
	if (op_length > 0)
	{
		out = put_int32(out, op_length);
		memcpy(out, op, op_length);
		out += op_length;
	}
	for (int i = 0; i < n; i++)
	{
		int			length = row->lengths[i];

		out = put_int32(out, row->values[i] ? length : -1);
		if (row->values[i] && length < POSTGRES_FRAME_SIZE)
		{
			memcpy(out, row->values[i], length);
			out += length;
			room -= length;
		}
		else if (row->values[i])
		{
			frame->len = out - frame->data;
			if (!append_value(target, row->values[i], length))
				return false;
			enlargeStringInfo(frame, room);
			out = frame->data + frame->len;
		}
	}
	frame->len = out - frame->data;
	return true;
}

bool
dbsync_postgres_copy_row(PostgresTarget *target, const DbsyncRow *row)
{
	PostgresRows *rows = &target->rows;
	int64		frames = rows->frames;
	int			from = rows->frame.len;
	bool		good = rows->table->binary
		? copy_binary_row(target, row) : copy_text_row(target, row);

	/* one that has left in part must leave as a whole */
	if (good && rows->between && rows->frames == frames)
		good = dbsync_postgres_between_row(target, from);
	if (!good)
		return false;
	return rows->frame.len < POSTGRES_FRAME_SIZE || dbsync_postgres_frame_send(target);
}

bool
dbsync_postgres_copy_end(PostgresTarget *target)
{
	PostgresRows *rows = &target->rows;
	char		trailer[sizeof(int16)];

	if (rows->between && !dbsync_postgres_between_end(target))
		return false;
	if (rows->table->binary)
	{
		put_int16(trailer, -1);
		appendBinaryStringInfo(&rows->frame, trailer, sizeof(trailer));
	}
	if (rows->frame.len > 0 && !dbsync_postgres_frame_send(target))
		return false;
	if (!dbsync_postgres_flush(target))
		return false;
	if (PQputCopyEnd(target->conn, NULL) != 1)
		return dbsync_postgres_lost(target);
	if (!dbsync_postgres_frame_outcome(target))
		return false;
	if (rows->mode == DBSYNC_ROWS_APPEND || rows->mode == DBSYNC_ROWS_CLEAR)
		return true;
	if (rows->mode == DBSYNC_ROWS_COUNT)
		return dbsync_postgres_count_stage(target);
	if (rows->careful)
		return dbsync_postgres_careful_staged(target);
	if (rows->mode == DBSYNC_ROWS_TOGETHER)
	{
		dbsync_postgres_together_staged(target);
		return true;
	}
	if (dbsync_postgres_rows_are_mixed(rows))
		return dbsync_postgres_together_alone(target);
	return dbsync_postgres_merge_begin(target, stage_of(rows->mode));
}
