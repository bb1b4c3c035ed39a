/*-------------------------------------------------------------------------
 *
 * worker/verify/differences.c
 *	  Comparing rows that seem to differ, column by column, and writing down what does.
 *
 * Lists are compared by bytes.  Keys that are equal and written otherwise (1.0 and 1.00) are in them as a row that is
 * missing and one too many: they are looked up here by the key's own "=", and turn out to be one row.
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

/* rows that are fetched at a time */
#define GROUP_ROWS		100

/* a group of candidates with their rows; NULL: not there */
typedef struct Group
{
	int			n;
	DbsyncCandidate *candidates[GROUP_ROWS];
	char	   *here[GROUP_ROWS];
	char	   *there[GROUP_ROWS];
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
		group->here[number] = MemoryContextStrdup(group->context, dbsync_imager_row(v->imager));
}

static void
find_rows(DbsyncVerify *v, Group *group)
{
	DbsyncReadRequest request = {.what = DBSYNC_READ_ROWS};
	DbsyncReadRow row;
	List	   *keys = NIL;

	for (int i = 0; i < group->n; i++)
		keys = lappend(keys, dbsync_image_values(group->candidates[i]->image, v->spec.nkeys));
	request.keys = keys;
	dbsync_target_read_ask(v->work->target, v->handle, &request);
	dbsync_here_find(v, keys, keep_here, group);
	while (dbsync_target_read_next(v->work->target, &row))
	{
		if (row.number >= 0 && row.number < group->n && group->there[row.number] == NULL)
			group->there[row.number] = pstrdup(row.image);
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

/* It counts as something else than it was taken for, or as nothing. */
static void
recount(DbsyncVerify *v, const DbsyncCandidate *candidate, int n)
{
	DbsyncFindings *found = &v->found;

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
	DbsyncDifference difference = {.count = candidate->count};
	bool		both = here != NULL && there != NULL;

	/* a row that is here under a key that is written otherwise is a candidate itself */
	if (both && (candidate->kind == DBSYNC_CANDIDATE_EXTRA || is_equal(n, here, there)))
	{
		recount(v, candidate, -1);
		return;
	}
	difference.kind = kinds[both ? DBSYNC_CANDIDATE_DIFFERENT : candidate->kind];
	if (both && candidate->kind != DBSYNC_CANDIDATE_DIFFERENT)
	{
		recount(v, candidate, -1);
		v->found.different++;
	}
	if (here != NULL)
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
		find_rows(v, group);
	else
		take_rows(group);
	for (int i = 0; i < group->n; i++)
		judge(v, group, i);
	MemoryContextSwitchTo(old);
	MemoryContextReset(group->context);
	memset(group->here, 0, sizeof(group->here));
	memset(group->there, 0, sizeof(group->there));
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
