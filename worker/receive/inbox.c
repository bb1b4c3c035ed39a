/*-------------------------------------------------------------------------
 *
 * worker/receive/inbox.c
 *	  What lies in a receiver's folders, for people; and what they give it, before it is written down.
 *
 * It is looked at as it is, by the session that asks: the receiver's process need not be there.  What it would make of a file is
 * found by proving it, so large files take a while.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "worker/bundle/folder.h"
#include "worker/bundle/reader.h"
#include "worker/bundle/sign.h"
#include "worker/receive/attach.h"
#include "worker/receive/look.h"
#include "worker/receive/receive.h"
#include "worker/receive/receiver_config.h"

PG_FUNCTION_INFO_V1(dbsync_receiver_inbox);
PG_FUNCTION_INFO_V1(dbsync_receiver_receipt);
PG_FUNCTION_INFO_V1(dbsync_is_public_key);
PG_FUNCTION_INFO_V1(dbsync_folder_problem_of);
PG_FUNCTION_INFO_V1(dbsync_inbox_problem_of);

/* of the reason why a file was refused */
#define REASON_LIMIT	4096
#define RECEIPT_LIMIT	65536

/* what is asked */
typedef struct Asked
{
	ReturnSetInfo *rsinfo;
	List	   *keys;
	bool		any_subscription;
	pg_uuid_t	subscription;
	int64		chain;
	int64		number;
	const int64 *chains;		/* that are known */
	int			nchains;
	int64		settle_after;
} Asked;

static void
put(const Asked *asked, const char *file, const DbsyncBundleHead *head, int64 chain, int64 number, int64 bytes,
	const char *state, const char *note)
{
	Datum		values[8] = {0};
	bool		nulls[8] = {0};

	values[0] = CStringGetTextDatum(file);
	values[1] = Int64GetDatum(chain);
	values[2] = Int64GetDatum(number);
	nulls[1] = nulls[2] = chain == 0;
	if (head != NULL)
	{
		values[3] = Int64GetDatum(head->batch);
		values[4] = Int32GetDatum(head->part);
	}
	nulls[3] = nulls[4] = head == NULL;
	values[5] = Int64GetDatum(bytes);
	values[6] = CStringGetTextDatum(state);
	nulls[7] = note == NULL;
	if (note != NULL)
		values[7] = CStringGetTextDatum(note);
	tuplestore_putvalues(asked->rsinfo->setResult, asked->rsinfo->setDesc, values, nulls);
}

static const char *
state_of(const Asked *asked, const DbsyncBundleHead *head)
{
	if (!asked->any_subscription && memcmp(&head->subscription, &asked->subscription, sizeof(pg_uuid_t)) != 0)
		return "foreign";
	if (head->chain < asked->chain)
		return dbsync_receiver_is_among(asked->chains, asked->nchains, head->chain) ? "duplicate" : "older chain";
	return head->chain == asked->chain && head->number <= asked->number ? "duplicate" : "new";
}

static const char *
verdict_text(DbsyncBundleVerdict verdict)
{
	switch (verdict)
	{
		case DBSYNC_BUNDLE_PARTIAL:
			return "partial";
		case DBSYNC_BUNDLE_UNSIGNED:
			return "unsigned";
		case DBSYNC_BUNDLE_TOO_NEW:
			return "too new";
		default:
			return "bad";
	}
}

/* What was written to just now may yet be right, in whatever order its bytes come: the receiver waits, too. */
static bool
may_become_right(const Asked *asked, DbsyncBundleVerdict verdict, const struct stat *st)
{
	return verdict == DBSYNC_BUNDLE_BAD && time_t_to_timestamptz(st->st_mtime) + asked->settle_after > GetCurrentTimestamp();
}

static void
put_arrived(const Asked *asked, const char *folder, const char *name)
{
	char	   *path = psprintf("%s/%s", folder, name);
	DbsyncLook	look;
	DbsyncBundleReader *reader;
	DbsyncBundleVerdict verdict;
	const char *reason = NULL;

	if (!dbsync_look(path, &look))
	{
		put(asked, name, NULL, 0, 0, 0, "left alone", "it is no regular file");
		return;
	}
	if (!look.ours)
	{
		put(asked, name, NULL, 0, 0, look.st.st_size, "left alone", "it does not begin like a bundle");
		return;
	}
	reader = dbsync_bundle_open(path, asked->keys, &verdict, &reason);
	if (reader == NULL)
	{
		put(asked, name, NULL, 0, 0, look.st.st_size,
			may_become_right(asked, verdict, &look.st) ? "partial" : verdict_text(verdict), reason);
		return;
	}
	put(asked, name, dbsync_bundle_head(reader), dbsync_bundle_head(reader)->chain, dbsync_bundle_head(reader)->number,
		look.st.st_size, state_of(asked, dbsync_bundle_head(reader)),
		psprintf("subscription \"%s\", %s", dbsync_bundle_head(reader)->subscription_name,
				 DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&dbsync_bundle_head(reader)->subscription)))));
	dbsync_bundle_close(reader);
}

static void
put_cached(const Asked *asked, const char *folder, const char *name)
{
	char	   *path = psprintf("%s/%s", folder, name);
	long long	chain;
	long long	number;
	struct stat st;
	DbsyncBundleReader *reader;
	DbsyncBundleVerdict verdict;
	const char *reason = NULL;
	bool		applied;

	if (sscanf(name, "%lld-%lld.tar", &chain, &number) != 2 || lstat(path, &st) != 0)
		return;
	applied = chain < asked->chain || (chain == asked->chain && number <= asked->number);
	reader = dbsync_bundle_open(path, asked->keys, &verdict, &reason);
	put(asked, name, reader ? dbsync_bundle_head(reader) : NULL, chain, number, st.st_size,
		reader == NULL ? verdict_text(verdict) : applied ? "applied" : "cached", reason);
	if (reader != NULL)
		dbsync_bundle_close(reader);
}

static void
put_rejected(const Asked *asked, const char *folder, const char *name)
{
	char	   *path = psprintf("%s/%s", folder, name);
	struct stat st;
	size_t		length;
	char	   *reason;

	if (strlen(name) > 4 && strcmp(name + strlen(name) - 4, ".txt") == 0)
		return;
	if (lstat(path, &st) != 0)
		return;
	reason = dbsync_folder_read(psprintf("%s.txt", path), REASON_LIMIT, &length);
	if (reason != NULL && length > 0 && reason[length - 1] == '\n')
		reason = pnstrdup(reason, length - 1);
	put(asked, name, NULL, 0, 0, st.st_size, "rejected", reason);
}

typedef void (*PutFile) (const Asked *asked, const char *folder, const char *name);

/* Others take files away as we look; and one that may not be read is none of ours yet. */
static void
put_what_failed(const Asked *asked, const char *name, MemoryContext context)
{
	ErrorData  *edata;

	MemoryContextSwitchTo(context);
	edata = CopyErrorData();
	if (edata->sqlerrcode != ERRCODE_UNDEFINED_FILE && edata->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE)
		PG_RE_THROW();
	FlushErrorState();
	if (edata->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE)
		put(asked, name, NULL, 0, 0, 0, "left alone", edata->message);
}

static void
try_file(const Asked *asked, const char *folder, const char *name, PutFile put_file)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		put_file(asked, folder, name);
	}
	PG_CATCH();
	{
		put_what_failed(asked, name, context);
	}
	PG_END_TRY();
}

static void
put_folder(const Asked *asked, const char *folder, PutFile put_file)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "dbsync inbox", ALLOCSET_DEFAULT_SIZES);
	List	   *names = dbsync_folder_list(folder);
	ListCell   *lc;

	foreach(lc, names)
	{
		MemoryContext old = MemoryContextSwitchTo(scratch);

		CHECK_FOR_INTERRUPTS();
		try_file(asked, folder, lfirst(lc), put_file);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
	}
	MemoryContextDelete(scratch);
}

/* (root, inbox, public keys, subscription or null, chain, number, chains that are known, settle_after) */
Datum
dbsync_receiver_inbox(PG_FUNCTION_ARGS)
{
	Asked		asked = {0};
	char	   *root = text_to_cstring(PG_GETARG_TEXT_PP(0));

	InitMaterializedSRF(fcinfo, 0);
	asked.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	asked.keys = dbsync_receiver_keys(CurrentMemoryContext, PG_GETARG_DATUM(2));
	asked.any_subscription = PG_ARGISNULL(3);
	asked.chain = PG_GETARG_INT64(4);
	asked.number = PG_GETARG_INT64(5);
	asked.chains = dbsync_receiver_chains(CurrentMemoryContext, PG_GETARG_DATUM(6), &asked.nchains);
	asked.settle_after = PG_GETARG_INT64(7);
	if (!asked.any_subscription)
		asked.subscription = *PG_GETARG_UUID_P(3);
	put_folder(&asked, text_to_cstring(PG_GETARG_TEXT_PP(1)), put_arrived);
	if (!asked.any_subscription)
		put_folder(&asked, psprintf("%s/cache/%s", root,
									DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&asked.subscription)))),
				   put_cached);
	put_folder(&asked, psprintf("%s/rejected", root), put_rejected);
	return (Datum) 0;
}

/* (root, subscription, the receiver's uuid): the receipt that was written last */
Datum
dbsync_receiver_receipt(PG_FUNCTION_ARGS)
{
	char	   *root = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *subscription = DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(1)));
	char	   *uid = DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(2)));
	size_t		length;
	char	   *receipt = dbsync_folder_read(psprintf("%s/receipts/%s-%.8s.receipt", root, subscription, uid),
											 RECEIPT_LIMIT, &length);

	if (receipt == NULL)
		PG_RETURN_NULL();
	while (length > 0 && receipt[length - 1] == '\n')
		length--;
	PG_RETURN_TEXT_P(cstring_to_text_with_len(receipt, length));
}

Datum
dbsync_is_public_key(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(dbsync_sign_read_public(text_to_cstring(PG_GETARG_TEXT_PP(0))) != NULL);
}

Datum
dbsync_folder_problem_of(PG_FUNCTION_ARGS)
{
	const char *problem = dbsync_receiver_root_problem(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}

Datum
dbsync_inbox_problem_of(PG_FUNCTION_ARGS)
{
	const char *problem = dbsync_receiver_inbox_problem(text_to_cstring(PG_GETARG_TEXT_PP(0)), text_to_cstring(PG_GETARG_TEXT_PP(1)));

	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}
