/*-------------------------------------------------------------------------
 *
 * worker/verify/differences.c
 *	  Comparing rows that seem to differ, column by column, and writing down what does.
 *
 * Lists are compared by bytes.  Keys that are equal and written otherwise (1.0 and 1.00) are in them as a row that is
 * missing and one too many: they are looked up by the key's own "=", and turn out to be one row.  A key that is there
 * twice, which a target without a unique index can have, is one row and one too many.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/subscription.h"
#include "worker/target_compare.h"
#include "worker/verify/compare.h"
#include "worker/verify/guard.h"
#include "worker/verify/here.h"
#include "worker/verify/outcome.h"
#include "worker/verify/own_key.h"

/* rows that are fetched at a time, and bytes of each end's; a row that is longer than its part of them comes alone */
#define GROUP_ROWS		100
#define GROUP_BYTES		(16 * 1024 * 1024)

/* of one that is longer than this only the key is shown */
#define ROW_BYTES		(48 * 1024 * 1024)

/* a row at one end */
typedef struct Side
{
	bool		found;
	char	   *row;			/* NULL: it is too long */
} Side;

/* a group of candidates with their rows */
typedef struct Group
{
	int			n;
	int			bytes;			/* that a row may have */
	DbsyncCandidate *candidates[GROUP_ROWS];
	Side		here[GROUP_ROWS];
	Side		there[GROUP_ROWS];
	char	   *keys[GROUP_ROWS];	/* of rows here, as the target writes them */
	bool		is_one[GROUP_ROWS]; /* an extra row is one of ours, its key written otherwise */
	bool		too_long[GROUP_ROWS];	/* one of its rows is */
	int			at[GROUP_ROWS]; /* which of them is looked up by the n-th key */
	MemoryContext context;
} Group;

bool
dbsync_compare_is_kept(const DbsyncVerify *v, DbsyncCandidateKind kind)
{
	int			operations = v->table->operations;

	switch (kind)
	{
		case DBSYNC_CANDIDATE_MISSING:
			return (operations & DBSYNC_SENDS_INSERT) == 0;
		case DBSYNC_CANDIDATE_DIFFERENT:
			return (operations & DBSYNC_SENDS_UPDATE) == 0;
		default:
			return v->keeps;
	}
}

static void
keep_here(DbsyncVerify *v, int number, bool found, void *arg)
{
	Group	   *group = arg;
	int			i = group->at[number];
	const char *row;

	group->here[i].found = found;
	if (!found)
		return;
	row = dbsync_imager_row(v->imager);
	if (strlen(row) <= (size_t) group->bytes)
		group->here[i].row = MemoryContextStrdup(group->context, row);
	else
		group->too_long[i] = true;
	group->keys[i] = MemoryContextStrdup(group->context, dbsync_imager_key(v->imager));
}

static bool
is_equal(int n, char *const *here, char *const *there)
{
	for (int i = 0; i < n; i++)
	{
		if ((here[i] == NULL) != (there[i] == NULL) || (here[i] != NULL && strcmp(here[i], there[i]) != 0))
			return false;
	}
	return true;
}

static char **
key_of(const DbsyncVerify *v, const Group *group, int i)
{
	return dbsync_image_values(group->candidates[i]->image, v->spec.nkeys);
}

/* Of the row whose image that is. */
static char **
key_of_row(const DbsyncVerify *v, const char *image)
{
	char	  **values = dbsync_image_values(image, v->spec.ncolumns);
	char	  **key = palloc(sizeof(char *) * v->spec.nkeys);

	for (int k = 0; k < v->spec.nkeys; k++)
		key[k] = values[v->spec.keys[k]];
	return key;
}

/* None of the target's rows is equal to NULL, or to what its types cannot read. */
static bool
can_be_there(DbsyncVerify *v, char *const *key)
{
	for (int k = 0; k < v->spec.nkeys; k++)
	{
		if (key[k] == NULL || !dbsync_imager_reads(v->imager, v->spec.keys[k], key[k]))
			return false;
	}
	return true;
}

/* The source's rows, by its own text of the keys; one that it cannot have is not looked for. */
static void
find_here(DbsyncVerify *v, Group *group)
{
	List	   *keys = NIL;

	for (int i = 0; i < group->n; i++)
	{
		char	  **key = key_of(v, group, i);
		char	  **own = dbsync_own_key_of(v, key);

		if (own == NULL && group->candidates[i]->kind == DBSYNC_CANDIDATE_EXTRA)
			continue;
		group->at[list_length(keys)] = i;
		keys = lappend(keys, own ? own : key);
	}
	dbsync_here_find(v, keys, keep_here, group);
}

/* Of several rows of one key the one that says more: of an extra one another than ours, else ours if it is among them. */
static bool
is_better(const Group *group, int i, const char *image)
{
	const char *here = group->here[i].row;
	bool		same = here != NULL && image != NULL && strcmp(here, image) == 0;

	return !group->there[i].found || same != (group->candidates[i]->kind == DBSYNC_CANDIDATE_EXTRA);
}

static void
find_rows(DbsyncVerify *v, Group *group)
{
	DbsyncReadRequest request = {.what = DBSYNC_READ_ROWS, .longest = group->bytes};
	DbsyncReadRow row;
	int			numbers[GROUP_ROWS];

	for (int i = 0; i < group->n; i++)
	{
		char	  **key = key_of(v, group, i);

		if (!can_be_there(v, key))
			continue;
		numbers[list_length(request.keys)] = i;
		request.keys = lappend(request.keys, key);
	}
	if (request.keys != NIL)
		dbsync_target_read_ask(v->work->target, v->handle, &request);
	find_here(v, group);
	while (request.keys != NIL && dbsync_target_read_next(v->work->target, &row))
	{
		int			i;

		if (row.number < 0 || row.number >= list_length(request.keys))
			continue;
		i = numbers[row.number];
		group->too_long[i] |= row.image == NULL;
		if (!is_better(group, i, row.image))
			continue;
		group->there[i].found = true;
		group->there[i].row = row.image ? pstrdup(row.image) : NULL;
	}
}

/* It comes once more, alone. */
static bool
is_put_off(const Group *group, int i)
{
	return group->too_long[i] && group->bytes < ROW_BYTES;
}

/*
 * The source may have a row of a key that is equal to an extra one's, and written otherwise (1.0 and 1.00).  They are one row if the
 * target takes the two for the same, and has none that is written as ours: that would be ours, and the other
 * there besides.
 */
static void
find_twins(DbsyncVerify *v, Group *group)
{
	DbsyncReadRequest request = {.what = DBSYNC_READ_ROWS, .longest = group->bytes};
	bool		has_own[GROUP_ROWS] = {0};
	DbsyncReadRow row;

	for (int i = 0; i < group->n; i++)
	{
		char	  **own;

		if (group->candidates[i]->kind != DBSYNC_CANDIDATE_EXTRA || !group->here[i].found || is_put_off(group, i))
			continue;
		own = dbsync_image_values(group->keys[i], v->spec.nkeys);
		if (is_equal(v->spec.nkeys, own, key_of(v, group, i)) || !can_be_there(v, own))
			continue;
		group->at[list_length(request.keys)] = i;
		request.keys = lappend(request.keys, own);
	}
	if (request.keys == NIL)
		return;
	dbsync_target_read_ask(v->work->target, v->handle, &request);
	while (dbsync_target_read_next(v->work->target, &row))
	{
		int			i;
		char	  **key;

		if (row.number < 0 || row.number >= list_length(request.keys))
			continue;
		i = group->at[row.number];
		group->too_long[i] |= row.image == NULL;
		if (row.image == NULL)
			continue;
		key = key_of_row(v, row.image);
		if (is_equal(v->spec.nkeys, key, list_nth(request.keys, row.number)))
			has_own[i] = true;
		else if (is_equal(v->spec.nkeys, key, key_of(v, group, i)))
			group->is_one[i] = true;
	}
	for (int i = 0; i < list_length(request.keys); i++)
	{
		bool	   *is_one = &group->is_one[group->at[i]];

		*is_one = *is_one && !has_own[group->at[i]];
		/* asked for its key, the source shows the other row */
		if (!*is_one && v->repairs && !is_put_off(group, group->at[i]))
			v->found.foreign++;
	}
}

/* Rows without a key are all there is to be seen. */
static void
take_rows(Group *group)
{
	for (int i = 0; i < group->n; i++)
	{
		DbsyncCandidate *candidate = group->candidates[i];
		Side	   *side = candidate->kind == DBSYNC_CANDIDATE_MISSING ? &group->here[i] : &group->there[i];

		side->found = true;
		side->row = candidate->image;
	}
}

/* It counts as something else than it was taken for, or as nothing. */
static void
recount(DbsyncVerify *v, const DbsyncCandidate *candidate, int n)
{
	DbsyncFindings *found = &v->found;

	if (candidate->parked)
	{
		found->parked += n;
		return;
	}
	found->missing += candidate->kind == DBSYNC_CANDIDATE_MISSING ? n : 0;
	found->extra += candidate->kind == DBSYNC_CANDIDATE_EXTRA ? n : 0;
	found->different += candidate->kind == DBSYNC_CANDIDATE_DIFFERENT ? n : 0;
}

static char *
key_json(const DbsyncVerify *v, const DbsyncCandidate *candidate)
{
	const char **names = palloc(sizeof(char *) * Max(v->spec.nkeys, 1));

	for (int k = 0; k < v->spec.nkeys; k++)
		names[k] = v->spec.columns[v->spec.keys[k]].name;
	return dbsync_outcome_json(v->spec.nkeys, names,
							   (const char *const *) dbsync_image_values(candidate->image, v->spec.nkeys));
}

static const char *const kinds[] = {
	[DBSYNC_CANDIDATE_MISSING] = "missing",
	[DBSYNC_CANDIDATE_EXTRA] = "extra",
	[DBSYNC_CANDIDATE_DIFFERENT] = "different",
};

/* As it is shown; of one that is too long, the key. */
static const char *
row_json(const DbsyncVerify *v, const DbsyncCandidate *candidate, char *const *values)
{
	const char **names;

	if (values == NULL)
		return key_json(v, candidate);
	names = palloc(sizeof(char *) * Max(v->spec.ncolumns, 1));
	for (int i = 0; i < v->spec.ncolumns; i++)
		names[i] = v->spec.columns[i].name;
	return dbsync_outcome_json(v->spec.ncolumns, names, (const char *const *) values);
}

static void
judge(DbsyncVerify *v, const Group *group, int i)
{
	const DbsyncCandidate *candidate = group->candidates[i];
	const Side *here = &group->here[i];
	const Side *there = &group->there[i];
	int			n = v->spec.ncolumns;
	char	  **ours = here->row ? dbsync_image_values(here->row, n) : NULL;
	char	  **theirs = there->row ? dbsync_image_values(there->row, n) : NULL;
	DbsyncDifference difference = {.count = candidate->count,.parked = candidate->parked};
	bool		extra = candidate->kind == DBSYNC_CANDIDATE_EXTRA;
	bool		both = here->found && there->found && !extra;

	/* a row that is here under a key that is written otherwise is a candidate itself */
	if (group->is_one[i] || (both && ours != NULL && theirs != NULL && is_equal(n, ours, theirs)))
	{
		recount(v, candidate, -1);
		return;
	}
	difference.kind = kinds[both ? DBSYNC_CANDIDATE_DIFFERENT : candidate->kind];
	if (both && candidate->kind != DBSYNC_CANDIDATE_DIFFERENT && !candidate->parked)
	{
		recount(v, candidate, -1);
		if (dbsync_compare_is_kept(v, DBSYNC_CANDIDATE_DIFFERENT))
		{
			v->found.kept++;
			return;
		}
		v->found.different++;
	}
	if (here->found && !extra)
		difference.here = row_json(v, candidate, ours);
	if (there->found)
		difference.there = row_json(v, candidate, theirs);
	if (v->spec.nkeys > 0)
		difference.key = key_json(v, candidate);
	dbsync_outcome_differs(v, &difference);
}

static void
reset(Group *group)
{
	MemoryContextReset(group->context);
	memset(group->here, 0, sizeof(group->here));
	memset(group->there, 0, sizeof(group->there));
	memset(group->keys, 0, sizeof(group->keys));
	memset(group->is_one, 0, sizeof(group->is_one));
	memset(group->too_long, 0, sizeof(group->too_long));
	group->n = 0;
}

/* Those that are too long to come with others are returned, in CurrentMemoryContext. */
static List *
judge_group(DbsyncVerify *v, Group *group, int bytes)
{
	MemoryContext old = MemoryContextSwitchTo(group->context);
	List	   *alone = NIL;

	group->bytes = bytes;
	if (v->spec.nkeys > 0)
	{
		find_rows(v, group);
		find_twins(v, group);
	}
	else
		take_rows(group);
	for (int i = 0; i < group->n; i++)
	{
		if (is_put_off(group, i))
		{
			MemoryContextSwitchTo(old);
			alone = lappend(alone, group->candidates[i]);
			MemoryContextSwitchTo(group->context);
		}
		else
			judge(v, group, i);
	}
	MemoryContextSwitchTo(old);
	reset(group);
	return alone;
}

void
dbsync_compare_rows(DbsyncVerify *v, List *candidates)
{
	Group	   *group = palloc0(sizeof(Group));
	List	   *alone = NIL;
	ListCell   *lc;

	strlcpy(v->progress.phase, "looking at rows", sizeof(v->progress.phase));
	group->context = AllocSetContextCreate(CurrentMemoryContext, "dbsync differences", ALLOCSET_DEFAULT_SIZES);
	foreach(lc, candidates)
	{
		group->candidates[group->n++] = lfirst(lc);
		if (group->n == GROUP_ROWS || lnext(candidates, lc) == NULL)
		{
			dbsync_guard_look(v);
			alone = list_concat(alone, judge_group(v, group, GROUP_BYTES / GROUP_ROWS));
		}
	}
	foreach(lc, alone)
	{
		dbsync_guard_look(v);
		group->candidates[group->n++] = lfirst(lc);
		(void) judge_group(v, group, ROW_BYTES);
	}
	MemoryContextDelete(group->context);
}
