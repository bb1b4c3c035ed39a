/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/sequence.c
 *	  PostgreSQL driver: sequences that are kept ahead of the source's.
 *
 * setval() is not undone by a rollback, and nothing that looks at a sequence keeps others from
 * moving it.  So a sequence is looked up, compared and set by one statement, and two batches that
 * would set one sequence are kept apart by an advisory lock: compared, and then set to less
 * than the other had set it to meanwhile, it would go back.  The statement is the last before COMMIT:
 * by then a batch waits for nothing any more that another one has, and has the lock for a moment.
 * Anybody who may log in can take such a lock for longer; nobody is waited for longer than that.
 *
 * It raises nothing where the sequence is missing or the right to it, as that would take the batch
 * with it: all of that is looked at in the statement, and is in its answer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/sequence.h"
#include "worker/driver/postgres/step.h"

/* the answer says what was found by the numbers of DbsyncSequenceFound */
StaticAssertDecl(DBSYNC_SEQUENCE_AHEAD == 1 && DBSYNC_SEQUENCE_MISSING == 2 &&
				 DBSYNC_SEQUENCE_FORBIDDEN == 3 && DBSYNC_SEQUENCE_OTHER_WAY == 4 &&
				 DBSYNC_SEQUENCE_EXHAUSTED == 5,
				 "the statement says these numbers");

/* before the oid of the sequence, in the key of the advisory lock: "dbsq" */
#define LOCK_CLASS "1684172657"

/* so often it is tried, with a pause of so many seconds in between */
#define LOCK_TRIES "50"
#define LOCK_PAUSE "0.02"

#define NPARAMETERS 9

/* by its name, or by the column that it belongs to: of several, the one of an identity column */
#define FOUND_SQL \
	"SELECT c.oid, n.nspname, c.relname, q.seqmin, q.seqmax, q.seqincrement," \
	" has_sequence_privilege(c.oid, 'UPDATE') AND has_sequence_privilege(c.oid, 'SELECT, USAGE') AS allowed" \
	" FROM (SELECT r.oid AS sequence, 'n' AS deptype FROM pg_class r JOIN pg_namespace m ON m.oid = r.relnamespace" \
	"  WHERE CAST($3 AS name) IS NULL AND m.nspname = $1 AND r.relname = $2" \
	"  UNION ALL" \
	"  SELECT d.objid, d.deptype FROM pg_class r JOIN pg_namespace m ON m.oid = r.relnamespace" \
	"  JOIN pg_attribute a ON a.attrelid = r.oid AND a.attname = CAST($3 AS name) AND a.attnum > 0" \
	"  JOIN pg_depend d ON d.classid = CAST('pg_class' AS regclass) AND d.objsubid = 0" \
	"   AND d.refclassid = CAST('pg_class' AS regclass) AND d.refobjid = r.oid AND d.refobjsubid = a.attnum" \
	"   AND d.deptype IN ('a', 'i')" \
	"  WHERE m.nspname = $1 AND r.relname = $2) f" \
	" JOIN pg_class c ON c.oid = f.sequence AND c.relkind = 'S' JOIN pg_namespace n ON n.oid = c.relnamespace" \
	" JOIN pg_sequence q ON q.seqrelid = c.oid ORDER BY f.deptype = 'i' DESC, c.oid LIMIT 1"

/* numbers as they are to be computed with: no sum of two leaves its range */
#define WANTED_SQL \
	"SELECT CAST($4 AS numeric) AS here, CAST($5 AS numeric) AS goal," \
	" CAST($7 AS numeric) - CAST($6 AS numeric) + 1 AS size," \
	" CAST($8 AS boolean) AS cycles, CASE WHEN CAST($9 AS boolean) THEN -1 ELSE 1 END AS way"

#define TRY_LOCK "pg_try_advisory_xact_lock(" LOCK_CLASS " * 4294967296 + CAST(f.oid AS bigint))"

#define LOCKED_SQL \
	"SELECT f.*, (WITH RECURSIVE tried (n, had) AS (" \
	"   SELECT 1, " TRY_LOCK " UNION ALL" \
	"   SELECT n + 1, " TRY_LOCK " FROM tried, LATERAL pg_sleep(" LOCK_PAUSE " + 0 * n) WHERE NOT had AND n < " LOCK_TRIES ")" \
	"  SELECT bool_or(had) FROM tried) AS had" \
	" FROM found f, wanted w WHERE f.allowed AND sign(f.seqincrement) = w.way"

/*
 * Where it is.  One that has never been used does not tell where it would begin, and so gives
 * its first value.
 */
#define PRESENT_SQL \
	"SELECT l.oid, CAST(coalesce(pg_sequence_last_value(l.oid), nextval(l.oid)) AS numeric) AS present, w.*," \
	" CAST(l.seqincrement AS numeric) AS step," \
	" CAST(CASE WHEN w.way > 0 THEN l.seqmin ELSE l.seqmax END AS numeric) AS first," \
	" CAST(CASE WHEN w.way > 0 THEN l.seqmax ELSE l.seqmin END AS numeric) AS last" \
	" FROM locked l, wanted w WHERE l.had IS NOT NULL"

/* how far x is ahead of "here" in a range that goes round */
#define DISTANCE(x) "mod(mod((" x " - here) * way, size) + size, size)"

/*
 * How many of its own steps it lacks until the next value is beyond the goal: none where it is
 * ahead.  In a range that goes round they may lead back.  mod() and div() are exact, a quotient
 * is not.
 */
#define LACKING_SQL \
	"SELECT p.*, CASE WHEN CASE WHEN cycles THEN " DISTANCE("present") " >= " DISTANCE("goal") \
	"   AND " DISTANCE("present") " < size / 2" \
	"  ELSE (present - goal) * way >= 0 END THEN 0" \
	" ELSE div(goal - present, step)" \
	"  - CASE WHEN mod(goal - present, step) <> 0 AND sign(goal - present) <> sign(step) THEN 1 ELSE 0 END END AS steps" \
	" FROM present p"

#define MOVED_SQL \
	"SELECT l.*, present + step * least(greatest(steps, div(first - present, step)), div(last - present, step)) AS moved" \
	" FROM lacking l"

/* it gives none of the values up to there */
#define COVERED "moved + step - way"

const char *
dbsync_postgres_sequence_sql(void)
{
	return "WITH found AS MATERIALIZED (" FOUND_SQL "),"
		" wanted AS MATERIALIZED (" WANTED_SQL "),"
		" locked AS MATERIALIZED (" LOCKED_SQL "),"
		" present AS MATERIALIZED (" PRESENT_SQL "),"
		" lacking AS MATERIALIZED (" LACKING_SQL "),"
		" moved AS MATERIALIZED (" MOVED_SQL ")"
		" SELECT CASE WHEN f.oid IS NULL THEN 2 WHEN NOT f.allowed THEN 3 WHEN m.oid IS NULL THEN 4"
		"  WHEN NOT m.cycles AND (" COVERED " - m.goal) * m.way < 0 THEN 5 ELSE 1 END,"
		" CAST(f.nspname AS text), CAST(f.relname AS text),"
		" CASE WHEN m.moved <> m.present THEN setval(m.oid, CAST(m.moved AS bigint)) ELSE CAST(m.present AS bigint) END,"
		" CAST(greatest(least(" COVERED ", 9223372036854775807), -9223372036854775808) AS bigint)"
		" FROM (VALUES (true)) one (row) LEFT JOIN found f ON true LEFT JOIN moved m ON true";
}

bool
dbsync_postgres_sequences_advance(DbsyncTarget *base, List *sequences)
{
	PostgresTarget *target = (PostgresTarget *) base;

	target->sequences = sequences;
	return true;
}

bool
dbsync_postgres_sequences_queue(PostgresTarget *target)
{
	ListCell   *lc;

	target->nsequences = 0;
	foreach(lc, target->sequences)
	{
		const DbsyncSequenceGoal *goal = lfirst(lc);
		const char *values[NPARAMETERS];

		values[0] = goal->schema;
		values[1] = goal->relation;
		values[2] = goal->column;
		values[3] = psprintf(INT64_FORMAT, goal->here);
		values[4] = psprintf(INT64_FORMAT, goal->goal);
		values[5] = psprintf(INT64_FORMAT, goal->min);
		values[6] = psprintf(INT64_FORMAT, goal->max);
		values[7] = goal->cycles ? "true" : "false";
		values[8] = goal->descending ? "true" : "false";
		if (!dbsync_postgres_queue_fixed(target, POSTGRES_SEQUENCE, NPARAMETERS, values))
			return false;
	}
	return true;
}
