/*-------------------------------------------------------------------------
 *
 * worker/run/pins.c
 *	  The settings of a worker's own session.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/guc.h"

#include "extension/owner.h"
#include "worker/run/pins.h"

#include "extension/compat.h"

/*
 * The text form of values must not depend on anybody's taste.  The driver does
 * the same on its side.
 */
void
dbsync_pin_settings(void)
{
	static const char *const pins[][2] = {
		{"search_path", DBSYNC_SAFE_PATH},
		{"datestyle", "ISO, YMD"},
		{"intervalstyle", "postgres"},
		{"timezone", "UTC"},
		{"extra_float_digits", "3"},
		{"bytea_output", "hex"},
		{"lc_monetary", "C"},
		{"xmloption", "content"},
		{"array_nulls", "on"},
		{"quote_all_identifiers", "off"},
		{"standard_conforming_strings", "on"},
		{"row_security", "off"},
		{"statement_timeout", "0"},
		/* whoever waits longer tries again later; see dbsync_query_attempt() */
		{"lock_timeout", "1s"},
		{"idle_in_transaction_session_timeout", "0"},
		DBSYNC_TRANSACTION_TIMEOUT_PIN_COMPAT
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"session_replication_role", "origin"},
		{"default_tablespace", ""},
		/* waiting for synchronous standbys must not be left to chance */
		{"synchronous_commit", "on"},
		{"jit", "off"},
		/* for folding; a cut is a good deal more than the default holds */
		{"work_mem", "32MB"},
	};

	for (int i = 0; i < lengthof(pins); i++)
		SetConfigOption(pins[i][0], pins[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	/* send functions convert; the driver says what encoding we speak */
	SetConfigOption("client_encoding", GetDatabaseEncodingName(), PGC_SUSET, PGC_S_OVERRIDE);
}
