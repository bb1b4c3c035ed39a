/*-------------------------------------------------------------------------
 *
 * worker/run/policy_text.h
 *	  The text of a policy as it is read, and what is wrong with it.
 *
 * Readers take what they want from the place where the text stands and move it on; one that
 * finds something else calls dbsync_policy_wrong() and returns false, and so do all that
 * have called it.  Nothing is allocated, and no error is raised: worker, SQL functions and
 * status each make of a fault what they need.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RUN_POLICY_TEXT_H
#define DBSYNC_WORKER_RUN_POLICY_TEXT_H

typedef struct DbsyncPolicyText
{
	const char *whole;
	const char *at;				/* not read yet */
	/* what is wrong: the first thing that was found */
	const char *wrong;			/* where; NULL: nothing */
	int			wrong_length;	/* in bytes; 0: the text ends there */
	const char *expected;		/* in words */
	const char *example;		/* a policy that is right there */
} DbsyncPolicyText;

/* a piece of the text */
typedef struct DbsyncWord
{
	const char *start;
	int			length;
} DbsyncWord;

/* Pass over white space; false: nothing is left. */
extern bool dbsync_policy_skip(DbsyncPolicyText *text);

/* The next word, up to white space or one of "ends", without taking it. */
extern DbsyncWord dbsync_policy_peek(DbsyncPolicyText *text, const char *ends);

/* It is taken. */
extern void dbsync_policy_take(DbsyncPolicyText *text, DbsyncWord word);

/* Is it this word, in whatever case? */
extern bool dbsync_policy_is(DbsyncWord word, const char *name);

/* Which of these names it is, or begins with three letters at least of; -1: none. */
extern int	dbsync_policy_name(DbsyncWord word, const char *const *names, int n);

/* Digits alone, at most nine: a number; -1: it is none. */
extern int	dbsync_policy_number(DbsyncWord word);

/* Always false. */
extern bool dbsync_policy_wrong(DbsyncPolicyText *text, DbsyncWord word, const char *expected, const char *example);

#endif							/* DBSYNC_WORKER_RUN_POLICY_TEXT_H */
