/*-------------------------------------------------------------------------
 *
 * worker/drivers.c
 *	  Which drivers there are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "worker/driver/file/driver.h"
#include "worker/driver/postgres/session.h"
#include "worker/drivers.h"

/* drivers that are part of this library */
static const DbsyncDriver *const built_in[] = {
	&dbsync_postgres_driver,
	&dbsync_file_driver,
};

/* Does it have what its features promise, and what all must have? */
static bool
is_whole(const DbsyncDriver *driver)
{
	bool		all = driver->open && driver->close && driver->table_open && driver->begin &&
		driver->truncate && driver->rows_begin && driver->rows_put && driver->rows_end &&
		driver->hurry && driver->commit;
	bool		ledger = driver->ledger_read && driver->ledger_read_parts &&
		driver->ledger_create && driver->ledger_forget && driver->ledger_move &&
		driver->ledger_write_parts && driver->ledger_forget_parts && driver->confirm;

	return all &&
		(ledger || !(driver->features & DBSYNC_FEATURE_LEDGER)) &&
		(driver->table_has_rows || !(driver->features & DBSYNC_FEATURE_READ_BACK)) &&
		(driver->table_takes_unchanged || !(driver->features & DBSYNC_FEATURE_PATCH)) &&
		((driver->table_takes_several && driver->fence) ||
		 !(driver->features & DBSYNC_FEATURE_SEVERAL)) &&
		((driver->table_change && driver->types_follow && driver->table_lacks) ||
		 !(driver->features & DBSYNC_FEATURE_CHANGE)) &&
		(driver->table_missing || !(driver->features & DBSYNC_FEATURE_COUNT)) &&
		(driver->sequences_advance || !(driver->features & DBSYNC_FEATURE_SEQUENCES)) &&
		((driver->create_sql && driver->table_create && driver->index_sql && driver->index_create &&
		  driver->table_complete) || !(driver->features & DBSYNC_FEATURE_CREATE)) &&
		(driver->read_sequence || !(driver->features & DBSYNC_FEATURE_COMPARE) ||
		 !(driver->features & DBSYNC_FEATURE_SEQUENCES)) &&
		((driver->read_begin && driver->read_ask && driver->read_next && driver->read_end && driver->read_is_in_way) ||
		 !(driver->features & DBSYNC_FEATURE_COMPARE)) &&
		(driver->read_parked || !(driver->features & DBSYNC_FEATURE_COMPARE) ||
		 !(driver->features & DBSYNC_FEATURE_QUARANTINE)) &&
		(driver->rows_clear || !(driver->features & DBSYNC_FEATURE_CLEAR)) &&
		((driver->quarantine_read && driver->quarantine_free && driver->doubt) ||
		 !(driver->features & DBSYNC_FEATURE_QUARANTINE)) &&
		((driver->foreign_keys && driver->rows_together) || !(driver->features & DBSYNC_FEATURE_FOREIGN_KEYS));
}

static void
check_driver(const DbsyncDriver *driver)
{
	/* what follows the version may lie elsewhere in another one */
	if (driver->version != DBSYNC_DRIVER_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a driver was made for version %d of dbsync's contract", driver->version),
				 errdetail("This is version %d.", DBSYNC_DRIVER_VERSION),
				 errhint("Build the driver's library against this dbsync.")));
	if (!is_whole(driver))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("driver \"%s\" lacks a function that goes with its features", driver->name)));
	if ((driver->features & DBSYNC_FEATURES_NEEDED) != DBSYNC_FEATURES_NEEDED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("driver \"%s\" cannot be used yet", driver->name),
				 errdetail("Its targets keep no ledger, or cannot be read back.")));
}

/* Can it be asked who it is? */
static void
check_speaks(const DbsyncDriver *driver)
{
	if (driver == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("there is no driver where a library has announced one")));
	/* of another version, not even the name is where it should be */
	if (driver->version != DBSYNC_DRIVER_VERSION)
		check_driver(driver);
	if (driver->name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a driver has no name")));
}

const DbsyncDriver *
dbsync_target_driver(const char *wrapper)
{
	const DbsyncDriver *found = NULL;
	const DbsyncDriverLink *link;

	for (int i = 0; i < lengthof(built_in); i++)
	{
		if (strcmp(built_in[i]->name, wrapper) == 0)
		{
			check_driver(built_in[i]);
			return built_in[i];
		}
	}
	link = *(DbsyncDriverLink **) find_rendezvous_variable(DBSYNC_DRIVERS_VARIABLE);
	for (; link != NULL; link = link->next)
	{
		check_speaks(link->driver);
		if (strcmp(link->driver->name, wrapper) != 0)
			continue;
		/* which of them would be asked hung on the order in which they were loaded */
		if (found != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("there are two drivers \"%s\"", wrapper),
					 errhint("Leave one of their libraries out of shared_preload_libraries.")));
		check_driver(link->driver);
		found = link->driver;
	}
	return found;
}

bool
dbsync_target_option_lends_account(const char *wrapper, const char *keyword)
{
	const DbsyncDriver *driver = dbsync_target_driver(wrapper);

	return driver != NULL && driver->option_lends_account != NULL &&
		driver->option_lends_account(keyword);
}
