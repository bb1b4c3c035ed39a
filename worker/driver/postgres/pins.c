/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/pins.c
 *	  PostgreSQL driver: settings pinned for each transaction, or for the session.
 *
 * Every transaction on the target begins with the same two statements: BEGIN
 * with its isolation level written out, and one SELECT that pins whatever a
 * role, a database or a server may have set otherwise and that would change
 * what our rows mean.  Pins are local to the transaction, so that behind a
 * pooler nothing leaks to others.  (Prepared statements and staging tables do
 * belong to the session: a pooler has to keep sessions together.)  Where no
 * pooler is between us and the server the session is ours alone and is pinned
 * once: two dozen settings would take longer than a batch of one row.  There a
 * small batch also does without BEGIN and COMMIT (dbsync_postgres_begin_short()).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/pins.h"
#include "worker/driver/postgres/step.h"

typedef struct Pin
{
	const char *name;
	const char *value;			/* SQL expression */
	int			since;			/* server version */
} Pin;

static const Pin pins[] = {
	/* first, because a wait below would be under the wrong one */
	{"lock_timeout", "'" POSTGRES_LOCK_TIMEOUT "'", 0},
	{"statement_timeout", "'0'", 0},
	{"idle_in_transaction_session_timeout", "'0'", 0},
	{"transaction_timeout", "'0'", 170000},
	/* what BEGIN says, for transactions that do without one */
	{"default_transaction_isolation", "'read committed'", 0},
	{"default_transaction_read_only", "'off'", 0},
	{"default_transaction_deferrable", "'off'", 0},
	/* what values look like; the source writes them under the same */
	{"DateStyle", "'ISO, YMD'", 0},
	{"IntervalStyle", "'postgres'", 0},
	{"TimeZone", "'UTC'", 0},
	{"extra_float_digits", "'3'", 0},
	{"bytea_output", "'hex'", 0},
	{"lc_monetary", "'C'", 0},
	{"xmloption", "'content'", 0},
	{"array_nulls", "'on'", 0},
	{"standard_conforming_strings", "'on'", 0},
	/* names are qualified; rows hidden from us would be an error */
	{"search_path", "''", 0},
	{"row_security", "'off'", 0},
	/* the ledger's form is compared as the server tells it */
	{"quote_all_identifiers", "'off'", 0},
	/* notices would be taken for errors during COPY */
	{"client_min_messages", "'error'", 0},
	/* compiling takes longer than our statements gain by it */
	{"jit", "'off'", 0},
	/* a crash takes data and ledger back together; confirm() waits */
	{"synchronous_commit", "$1", 0},
	/* if dbsync captures there too, what we write must not be taken for made there */
	{"dbsync.applying", "'on'", 0},
	/* parameters count on being in this order */
};

/* where it came from, if we may say so; dbsync_postgres_look() sees to it that we need not */
#define ORIGIN_PIN		", pg_catalog.set_config('dbsync.origin', $2, %s)"

/* what we send is in it; once more when code there has changed it (dbsync_postgres_begin_short()) */
#define ENCODING_PIN	", pg_catalog.set_config('client_encoding', '%s', %s)"

/* no trigger fires that the source has fired already */
#define REPLICA_PIN		", pg_catalog.set_config('session_replication_role', 'replica', %s)"

/* those that are the same in every transaction, or those that are not, or all */
static char *
pins_sql(PostgresTarget *target, bool constant, bool varying, const char *is_local)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < lengthof(pins); i++)
	{
		bool		varies = pins[i].value[0] == '$';

		if ((varies ? varying : constant) && target->base.identity.version >= pins[i].since)
			appendStringInfo(&buf, "%spg_catalog.set_config('%s', %s, %s)",
							 buf.len > 0 ? ", " : "SELECT ", pins[i].name, pins[i].value, is_local);
	}
	if (varying)
		appendStringInfo(&buf, ENCODING_PIN, GetDatabaseEncodingName(), is_local);
	if (varying && target->sets_origin)
		appendStringInfo(&buf, ORIGIN_PIN, is_local);
	if (constant && target->replica_role)
		appendStringInfo(&buf, REPLICA_PIN, is_local);
	return buf.data;
}

/*
 * Between batches we are idle by right.  A server that looks whether its client is still
 * there ends a long statement of a worker that was killed, which would keep the next one
 * waiting at the fence.
 */
bool
dbsync_postgres_set_session(PostgresTarget *target)
{
	static const struct
	{
		const char *name;
		const char *value;
		int			since;
	}			settings[] = {
		{"idle_session_timeout", "0", 140000},
		{"client_connection_check_interval", "5s", 140000},
	};

	for (int i = 0; target->direct && i < lengthof(settings); i++)
	{
		const char *values[2] = {settings[i].name, settings[i].value};

		if (target->base.identity.version >= settings[i].since &&
			dbsync_postgres_query(target, "SELECT pg_catalog.set_config($1, $2, false)",
								  2, values, POSTGRES_ANY_ROWS) == NULL &&
			target->broken)
			return false;
	}
	memset(&target->base.fault, 0, sizeof(DbsyncFault));
	return true;
}

bool
dbsync_postgres_pin(PostgresTarget *target)
{
	MemoryContext old = MemoryContextSwitchTo(target->base.context);

	target->pinned = target->direct;
	target->pins = target->pinned ? pins_sql(target, false, true, "false")
		: pins_sql(target, true, true, "true");
	MemoryContextSwitchTo(old);
	return !target->pinned ||
		dbsync_postgres_query(target, pins_sql(target, true, false, "false"), 0, NULL,
							  POSTGRES_ANY_ROWS) != NULL;
}
