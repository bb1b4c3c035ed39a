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

/* rows that are fetched at a time */
#define GROUP_ROWS		100

/* a group of candidates with their rows; NULL: not there */
typedef struct Group
{
	int			n;
	DbsyncCandidate *candidates[GROUP_ROWS];
	char	   *here[GROUP_ROWS];
	char	   *there[GROUP_ROWS];
	bool		is_one[GROUP_ROWS]; /* an extra row is one of ours, its key written otherwise */
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

	if (found)
		group->here[group->at[number]] = MemoryContextStrdup(group->context, dbsync_imager_row(v->imager));
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

static bool
has_null(int n, char *const *values)
{
	for (int i = 0; i < n; i++)
	{
		if (values[i] == NULL)
			return true;
	}
	return false;
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
	bool		same = group->here[i] != NULL && strcmp(group->here[i], image) == 0;

	return group->there[i] == NULL || same != (group->candidates[i]->kind == DBSYNC_CANDIDATE_EXTRA);
}

static void
find_rows(DbsyncVerify *v, Group *group)
{
	DbsyncReadRequest request = {.what = DBSYNC_READ_ROWS};
	DbsyncReadRow row;
	int			numbers[GROUP_ROWS];

	for (int i = 0; i < group->n; i++)
	{
		char	  **key = key_of(v, group, i);

		/* none is equal to it */
		if (has_null(v->spec.nkeys, key))
			continue;
		numbers[list_length(request.keys)] = i;
		request.keys = lappend(request.keys, key);
	}
	if (request.keys != NIL)
		dbsync_target_read_ask(v->work->target, v->handle, &request);
	find_here(v, group);
	while (request.keys != NIL && dbsync_target_read_next(v->work->target, &row))
	{
		if (row.number >= 0 && row.number < list_length(request.keys) && is_better(group, numbers[row.number], row.image))
			group->there[numbers[row.number]] = pstrdup(row.image);
	}
}

/*
 * The source may have a row of a key that is equal to an extra one's, and written otherwise (1.0 and 1.00).  They are one row if the
 * target takes the two for the same, and has none that is written as ours: that would be ours, and the other
 * there besides.
 */
static void
find_twins(DbsyncVerify *v, Group *group)
{
	DbsyncReadRequest request = {.what = DBSYNC_READ_ROWS};
	bool		has_own[GROUP_ROWS] = {0};
	DbsyncReadRow row;

	for (int i = 0; i < group->n; i++)
	{
		char	  **own;

		if (group->candidates[i]->kind != DBSYNC_CANDIDATE_EXTRA || group->here[i] == NULL)
			continue;
		own = key_of_row(v, group->here[i]);
		if (is_equal(v->spec.nkeys, own, key_of(v, group, i)))
			continue;
		group->at[list_length(request.keys)] = i;
		request.keys = lappend(request.keys, own);
	}
	if (request.keys == NIL)
		return;
	dbsync_target_read_ask(v->work->target, v->handle, &request);
	while (dbsync_target_read_next(v->work->target, &row))
	{
		int			i = group->at[row.number];
		char	  **key = key_of_row(v, row.image);

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
		if (!*is_one && v->repairs)
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

		if (candidate->kind == DBSYNC_CANDIDATE_MISSING)
			group->here[i] = candidate->image;
		else
			group->there[i] = candidate->image;
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
		names[k] = v->spec.columns[v->spec.keys[k]];
	return dbsync_outcome_json(v->spec.nkeys, names,
							   (const char *const *) dbsync_image_values(candidate->image, v->spec.nkeys));
}

static const char *const kinds[] = {
	[DBSYNC_CANDIDATE_MISSING] = "missing",
	[DBSYNC_CANDIDATE_EXTRA] = "extra",
	[DBSYNC_CANDIDATE_DIFFERENT] = "different",
};

static void
judge(DbsyncVerify *v, const Group *group, int i)
{
	const DbsyncCandidate *candidate = group->candidates[i];
	int			n = v->spec.ncolumns;
	char	  **here = group->here[i] ? dbsync_image_values(group->here[i], n) : NULL;
	char	  **there = group->there[i] ? dbsync_image_values(group->there[i], n) : NULL;
	DbsyncDifference difference = {.count = candidate->count,.parked = candidate->parked};
	bool		extra = candidate->kind == DBSYNC_CANDIDATE_EXTRA;
	bool		both = here != NULL && there != NULL && !extra;

	/* a row that is here under a key that is written otherwise is a candidate itself */
	if (group->is_one[i] || (both && is_equal(n, here, there)))
	{
		recount(v, candidate, -1);
		return;
	}
	difference.kind = kinds[both ? DBSYNC_CANDIDATE_DIFFERENT : candidate->kind];
	if (both && candidate->kind != DBSYNC_CANDIDATE_DIFFERENT && !candidate->parked)
	{
		recount(v, candidate, -1);
		v->found.different++;
	}
	if (here != NULL && !extra)
		difference.here = dbsync_outcome_json(n, v->spec.columns, (const char *const *) here);
	if (there != NULL)
		difference.there = dbsync_outcome_json(n, v->spec.columns, (const char *const *) there);
	if (v->spec.nkeys > 0)
		difference.key = key_json(v, candidate);
	dbsync_outcome_differs(v, &difference);
}

static void
judge_group(DbsyncVerify *v, Group *group)
{
	MemoryContext old = MemoryContextSwitchTo(group->context);

	if (v->spec.nkeys > 0)
	{
		find_rows(v, group);
		find_twins(v, group);
	}
	else
		take_rows(group);
	for (int i = 0; i < group->n; i++)
		judge(v, group, i);
	MemoryContextSwitchTo(old);
	MemoryContextReset(group->context);
	memset(group->here, 0, sizeof(group->here));
	memset(group->there, 0, sizeof(group->there));
	memset(group->is_one, 0, sizeof(group->is_one));
	group->n = 0;
}

void
dbsync_compare_rows(DbsyncVerify *v, List *candidates)
{
	Group	   *group = palloc0(sizeof(Group));
	ListCell   *lc;

	strlcpy(v->progress.phase, "looking at rows", sizeof(v->progress.phase));
	group->context = AllocSetContextCreate(CurrentMemoryContext, "dbsync differences", ALLOCSET_DEFAULT_SIZES);
	foreach(lc, candidates)
	{
		group->candidates[group->n++] = lfirst(lc);
		if (group->n == GROUP_ROWS || lnext(candidates, lc) == NULL)
		{
			dbsync_guard_look(v);
			judge_group(v, group);
		}
	}
	MemoryContextDelete(group->context);
}
