/*-------------------------------------------------------------------------
 *
 * worker/batch/difference.c
 *	  What leads from one shape of a table to another.
 *
 * Columns are known by their numbers, which a table never gives twice: so a column that is
 * renamed is not one that was dropped and another that was added.  What a user wrote does not
 * come into it: it may have been several statements, in a function, with names that mean
 * something else elsewhere.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "worker/batch/difference.h"
#include "worker/text.h"

static bool
has_name(const DbsyncTableShape *shape, const char *name)
{
	for (int i = 0; i < shape->ncolumns; i++)
	{
		if (strcmp(shape->columns[i], name) == 0)
			return true;
	}
	return false;
}

static DbsyncChange *
add_change(DbsyncDifference *difference, DbsyncChangeKind kind, const char *column)
{
	DbsyncChange *change = palloc0(sizeof(DbsyncChange));

	change->kind = kind;
	change->column = column;
	difference->changes = lappend(difference->changes, change);
	return change;
}

static void
find_dropped(DbsyncDifference *difference, const DbsyncTableShape *before,
			 const DbsyncTableShape *after)
{
	for (int i = 0; i < before->ncolumns; i++)
	{
		if (dbsync_shape_find_column(after, before->numbers[i]) >= 0)
			continue;
		difference->taken |= has_name(after, before->columns[i]);
		add_change(difference, DBSYNC_CHANGE_DROP, before->columns[i]);
	}
}

/* renames that are still to be put in order */
typedef struct Renames
{
	int			n;
	const char **from;
	const char **to;
} Renames;

static bool
is_source(const Renames *renames, const char *name)
{
	for (int i = 0; i < renames->n; i++)
	{
		if (strcmp(renames->from[i], name) == 0)
			return true;
	}
	return false;
}

static void
rename_column(DbsyncDifference *difference, const char *from, const char *to)
{
	add_change(difference, DBSYNC_CHANGE_RENAME, from)->new_name = to;
}

/*
 * First those whose new name nobody bears any more.  When none is left they go in circles:
 * one of them steps aside, under a name that no column has.
 */
static void
order_renames(DbsyncDifference *difference, const DbsyncTableShape *before,
			  const DbsyncTableShape *after, Renames *renames)
{
	int			aside = 0;

	while (renames->n > 0)
	{
		bool		moved = false;

		for (int i = 0; i < renames->n && !moved; i++)
		{
			if (is_source(renames, renames->to[i]))
				continue;
			rename_column(difference, renames->from[i], renames->to[i]);
			renames->n--;
			renames->from[i] = renames->from[renames->n];
			renames->to[i] = renames->to[renames->n];
			moved = true;
		}
		if (!moved)
		{
			char	   *name = psprintf("dbsync_aside_%d", ++aside);

			while (has_name(before, name) || has_name(after, name))
				name = psprintf("dbsync_aside_%d", ++aside);
			rename_column(difference, renames->from[0], name);
			renames->from[0] = name;
		}
	}
}

static void
find_renamed(DbsyncDifference *difference, const DbsyncTableShape *before,
			 const DbsyncTableShape *after)
{
	Renames		renames = {0};

	renames.from = palloc(sizeof(char *) * Max(after->ncolumns, 1));
	renames.to = palloc(sizeof(char *) * Max(after->ncolumns, 1));
	for (int i = 0; i < after->ncolumns; i++)
	{
		int			was = dbsync_shape_find_column(before, after->numbers[i]);

		if (was < 0 || strcmp(before->columns[was], after->columns[i]) == 0 || dbsync_shape_column_is_gone(after, i))
			continue;
		difference->taken |= has_name(before, after->columns[i]) || has_name(after, before->columns[was]);
		renames.from[renames.n] = before->columns[was];
		renames.to[renames.n++] = after->columns[i];
	}
	order_renames(difference, before, after, &renames);
}

static void
set_type(DbsyncChange *change, const DbsyncTableShape *shape, int column)
{
	change->type = shape->types[column];
	change->typmod = shape->typmods[column];
	change->collation = shape->collations[column];
}

static bool
same_type(const DbsyncTableShape *before, int was, const DbsyncTableShape *after, int is)
{
	return before->types[was] == after->types[is] && before->typmods[was] == after->typmods[is] &&
		before->collations[was] == after->collations[is];
}

static void
find_retyped(DbsyncDifference *difference, const DbsyncTableShape *before,
			 const DbsyncTableShape *after)
{
	for (int i = 0; i < after->ncolumns; i++)
	{
		int			was = dbsync_shape_find_column(before, after->numbers[i]);
		DbsyncChange *change;

		if (was < 0 || same_type(before, was, after, i) || dbsync_shape_column_is_gone(after, i))
			continue;
		change = add_change(difference, DBSYNC_CHANGE_TYPE, after->columns[i]);
		set_type(change, after, i);
		if (!dbsync_shape_column_is_gone(before, was))
		{
			change->old_type = before->types[was];
			change->old_typmod = before->typmods[was];
		}
		change->value = after->defaults[i];
	}
}

static const char *
missing_value(const DbsyncTurn *turn, AttrNumber number)
{
	const char *value = NULL;
	ListCell   *lc;

	foreach(lc, turn->missing)
	{
		const DbsyncMissing *missing = lfirst(lc);

		if (missing->number == number)
			value = missing->value;
	}
	return value;
}

static void
find_added(DbsyncDifference *difference, const DbsyncTableShape *before,
		   const DbsyncTableShape *after, const DbsyncTurn *turn)
{
	for (int i = 0; i < after->ncolumns; i++)
	{
		DbsyncChange *change;

		if (dbsync_shape_find_column(before, after->numbers[i]) >= 0 || dbsync_shape_column_is_gone(after, i))
			continue;
		change = add_change(difference, DBSYNC_CHANGE_ADD, after->columns[i]);
		set_type(change, after, i);
		change->not_null = after->not_null[i];
		change->value = after->defaults[i];
		change->missing = missing_value(turn, after->numbers[i]);
	}
}

static void
find_defaults(DbsyncDifference *difference, const DbsyncTableShape *before, const DbsyncTableShape *after)
{
	for (int i = 0; i < after->ncolumns; i++)
	{
		int			was = dbsync_shape_find_column(before, after->numbers[i]);

		if (was >= 0 && !dbsync_text_is_same(before->defaults[was], after->defaults[i]) && !dbsync_shape_column_is_gone(after, i))
			add_change(difference, DBSYNC_CHANGE_DEFAULT, after->columns[i])->value = after->defaults[i];
	}
}

static void
find_nulls(DbsyncDifference *difference, const DbsyncTableShape *before, const DbsyncTableShape *after,
		   bool not_null)
{
	for (int i = 0; i < after->ncolumns; i++)
	{
		int			was = dbsync_shape_find_column(before, after->numbers[i]);

		if (was >= 0 && before->not_null[was] != not_null && after->not_null[i] == not_null && !dbsync_shape_column_is_gone(after, i))
			add_change(difference, DBSYNC_CHANGE_NOT_NULL, after->columns[i])->not_null = not_null;
	}
}

static bool
is_key_column(const DbsyncTableShape *shape, AttrNumber number)
{
	for (int k = 0; k < shape->nkeys; k++)
	{
		if (shape->numbers[shape->keys[k]] == number)
			return true;
	}
	return false;
}

/* Is the key one of other columns?  The target may have them in any order. */
static bool
compare_keys(DbsyncDifference *difference, const DbsyncTableShape *before, const DbsyncTableShape *after)
{
	bool		same = before->nkeys == after->nkeys;
	bool		ordered = same;

	for (int k = 0; k < before->nkeys && same; k++)
	{
		int			was = before->keys[k];
		int			is = after->keys[k];

		same = is_key_column(after, before->numbers[was]);
		ordered = ordered && before->numbers[was] == after->numbers[is] && same_type(before, was, after, is) &&
			before->key_before[k] == after->key_before[k] &&
			before->key_collations[k] == after->key_collations[k];
	}
	difference->key = !ordered;
	return !same;
}

/* Its columns that are left, by the names that they have now. */
static void
add_key(DbsyncDifference *difference, const DbsyncTableShape *before, const DbsyncTableShape *after)
{
	DbsyncChange *change = add_change(difference, DBSYNC_CHANGE_KEY, NULL);

	change->keys = palloc(sizeof(char *) * Max(before->nkeys, 1));
	for (int k = 0; k < before->nkeys; k++)
	{
		int			is = dbsync_shape_find_column(after, before->numbers[before->keys[k]]);

		/* an index goes with any of its columns */
		if (is < 0)
		{
			change->nkeys = 0;
			return;
		}
		change->keys[change->nkeys++] = after->columns[is];
	}
}

DbsyncDifference
dbsync_difference(const DbsyncTableShape *before, const DbsyncTableShape *after,
				  const DbsyncTurn *turn)
{
	DbsyncDifference difference = {0};
	bool		other_key = compare_keys(&difference, before, after);

	find_dropped(&difference, before, after);
	find_renamed(&difference, before, after);
	find_retyped(&difference, before, after);
	find_added(&difference, before, after, turn);
	find_defaults(&difference, before, after);
	/* a column can be null when no key has it any more, and must not be before one has */
	find_nulls(&difference, before, after, true);
	if (other_key)
		add_key(&difference, before, after);
	find_nulls(&difference, before, after, false);
	return difference;
}

List *
dbsync_difference_added(const DbsyncTableShape *before, const DbsyncTableShape *shape,
						const DbsyncTableShape *later, const DbsyncTurn *turn)
{
	List	   *added = NIL;
	DbsyncDifference difference = {0};
	ListCell   *lc;

	find_added(&difference, before, shape, turn);
	foreach(lc, difference.changes)
	{
		DbsyncChange *change = lfirst(lc);

		for (int i = 0; i < shape->ncolumns; i++)
		{
			int			is = dbsync_shape_find_column(later, shape->numbers[i]);

			if (is < 0 || strcmp(shape->columns[i], change->column) != 0)
				continue;
			change->column = later->columns[is];
			added = lappend(added, change);
			break;
		}
	}
	return added;
}

/* Of two types: those whose texts are taken for what a cast gives. */
static bool
reads_alike(Oid before, Oid after)
{
	switch (before)
	{
		case INT2OID:
			return after == INT4OID || after == INT8OID || after == NUMERICOID;
		case INT4OID:
			return after == INT8OID || after == NUMERICOID;
		case INT8OID:
			return after == NUMERICOID;
		case TEXTOID:
			return after == VARCHAROID;
		case VARCHAROID:
			return after == TEXTOID;
		case DATEOID:
			return after == TIMESTAMPOID;
		default:
			return false;
	}
}

bool
dbsync_difference_reads(const DbsyncTableShape *shape, const DbsyncTableShape *later)
{
	/* the index by which they would be looked up is to be gone already */
	if (shape->nkeys > 0 && later->nkeys == 0)
		return false;
	for (int k = 0; k < shape->nkeys; k++)
	{
		if (dbsync_shape_find_column(later, shape->numbers[shape->keys[k]]) < 0)
			return false;
	}
	for (int i = 0; i < shape->ncolumns; i++)
	{
		int			is = dbsync_shape_find_column(later, shape->numbers[i]);

		if (is >= 0 && shape->types[i] != later->types[is] && !reads_alike(shape->types[i], later->types[is]))
			return false;
	}
	return true;
}
