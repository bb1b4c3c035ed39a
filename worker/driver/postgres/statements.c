/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/statements.c
 *	  PostgreSQL driver: the text of the statements that every connection has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "worker/driver/postgres/change.h"
#include "worker/driver/postgres/columns.h"
#include "worker/driver/postgres/guard.h"
#include "worker/driver/postgres/key.h"
#include "worker/driver/postgres/led_to.h"
#include "worker/driver/postgres/ledger.h"
#include "worker/driver/postgres/look.h"
#include "worker/driver/postgres/sequence.h"
#include "worker/driver/postgres/statements.h"

static const char *
sql_of(PostgresTarget *target, PostgresFixed fixed)
{
	switch (fixed)
	{
		case POSTGRES_BEGIN:
			/* the session's defaults do not matter, nor does read only */
			return "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE NOT DEFERRABLE";
		case POSTGRES_BLOCK:
			return "BEGIN";
		case POSTGRES_PINS:
			return target->pins;
		case POSTGRES_FENCE:
			return dbsync_postgres_fence_sql();
		case POSTGRES_WHOLE_FENCE:
			return dbsync_postgres_whole_fence_sql();
		case POSTGRES_BUNDLE_FENCE:
			return dbsync_postgres_bundle_fence_sql();
		case POSTGRES_CONFIRM:
			return dbsync_postgres_confirm_sql();
		case POSTGRES_POSITION:
			return dbsync_postgres_position_sql();
		case POSTGRES_PART:
			return dbsync_postgres_part_sql();
		case POSTGRES_FORGET_PART:
			return "DELETE FROM dbsync_ledger.position WHERE id = $1 AND id <> subscription";
		case POSTGRES_SAME_FACTS:
			return dbsync_postgres_same_facts_sql();
		case POSTGRES_SAME_BARE_TABLE:
			return dbsync_postgres_same_bare_table_sql(target);
		case POSTGRES_SAME_TABLE:
			return dbsync_postgres_same_table_sql(target);
		case POSTGRES_COMMIT:
			return "COMMIT";
		case POSTGRES_LOOK_AT_TABLE:
			return dbsync_postgres_look_at_table_sql();
		case POSTGRES_LOOK_AT_FACTS:
			return dbsync_postgres_look_at_facts_sql();
		case POSTGRES_LOOK_AT_COLUMNS:
			return dbsync_postgres_look_at_columns_sql();
		case POSTGRES_LOOK_AT_KEY:
			return dbsync_postgres_look_at_key_sql();
		case POSTGRES_LOOK_AT_CHANGED:
			return dbsync_postgres_look_at_changed_sql();
		case POSTGRES_LOOK_AT_LED_TO:
			return dbsync_postgres_look_at_led_to_sql();
		case POSTGRES_SEQUENCE:
			return dbsync_postgres_sequence_sql();
		case POSTGRES_NFIXED:
			break;
	}
	return NULL;
}

void
dbsync_postgres_write_statements(PostgresTarget *target)
{
	MemoryContext old = MemoryContextSwitchTo(target->base.context);

	for (int i = 0; i < POSTGRES_NFIXED; i++)
		target->fixed_sql[i] = sql_of(target, i);
	MemoryContextSwitchTo(old);
}
