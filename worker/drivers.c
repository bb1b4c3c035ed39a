/*-------------------------------------------------------------------------
 *
 * worker/drivers.c
 *	  Which drivers there are, and what their options are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/file/driver.h"
#include "worker/driver/postgres/session.h"
#include "worker/drivers.h"
#include "worker/modules.h"

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
check_driver(const DbsyncDriver *driver, const char *wrapper)
{
	/* what follows the version may lie elsewhere in another one */
	if (driver->version != DBSYNC_DRIVER_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("driver \"%s\" was built for another dbsync", wrapper),
				 errdetail("It has version %d of the contract, and this dbsync version %d.",
						   driver->version, DBSYNC_DRIVER_VERSION),
				 errhint("Build the driver's library together with this dbsync, and install both.")));
	if (driver->name == NULL || strcmp(driver->name, wrapper) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the driver of foreign data wrapper \"%s\" has another name", wrapper)));
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

const DbsyncDriver *
dbsync_target_driver(const char *wrapper)
{
	const DbsyncDriver *driver = NULL;

	for (int i = 0; i < lengthof(built_in); i++)
	{
		if (strcmp(built_in[i]->name, wrapper) == 0)
			driver = built_in[i];
	}
	if (driver == NULL)
		driver = dbsync_module_driver(wrapper);
	if (driver != NULL)
		check_driver(driver, wrapper);
	return driver;
}

const DbsyncDriver *
dbsync_target_driver_needed(const char *wrapper)
{
	const DbsyncDriver *driver = dbsync_target_driver(wrapper);

	if (driver == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("foreign data wrapper \"%s\" is none of dbsync's", wrapper)));
	return driver;
}

const DbsyncOption *
dbsync_driver_option(const DbsyncDriver *driver, const char *name)
{
	if (driver->options == NULL)
		return NULL;
	for (const DbsyncOption *option = driver->options(); option->name != NULL; option++)
	{
		if (strcmp(option->name, name) == 0)
			return option;
	}
	return NULL;
}

bool
dbsync_driver_is_secret_of_any(const char *name)
{
	for (int i = 0; i < lengthof(built_in); i++)
	{
		const DbsyncOption *option = dbsync_driver_option(built_in[i], name);

		if (option != NULL && option->secret)
			return true;
	}
	return false;
}

static bool
has_scheme(const DbsyncAddress *address, const char *scheme)
{
	for (const char *const *known = address->schemes; *known != NULL; known++)
	{
		if (strcmp(*known, scheme) == 0)
			return true;
	}
	return false;
}

const char *
dbsync_driver_wrapper_of_scheme(const char *scheme, const char **package)
{
	const char *wrapper;

	*package = NULL;
	for (int i = 0; i < lengthof(built_in); i++)
	{
		if (has_scheme(built_in[i]->address, scheme))
			return built_in[i]->name;
	}
	if (dbsync_module_of_scheme(scheme, &wrapper, package))
		return wrapper;
	return psprintf("dbsync_%s", scheme);
}
