/*-------------------------------------------------------------------------
 *
 * extension/selection/pins.c
 *	  The settings under which selections are read, and written down.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"

#include "extension/owner.h"
#include "extension/selection/pins.h"

void
dbsync_selection_set(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

void
dbsync_selection_pin_text(void)
{
	dbsync_selection_set("search_path", DBSYNC_SAFE_PATH);
	dbsync_selection_set("DateStyle", "ISO, YMD");
	dbsync_selection_set("IntervalStyle", "postgres");
	dbsync_selection_set("TimeZone", "UTC");
	dbsync_selection_set("extra_float_digits", "3");
	dbsync_selection_set("bytea_output", "hex");
	dbsync_selection_set("standard_conforming_strings", "on");
	dbsync_selection_set("array_nulls", "on");
	dbsync_selection_set("xmloption", "content");
	dbsync_selection_set("lc_monetary", "C");
	/* tables that are looked into have all of their rows, or it is an error */
	dbsync_selection_set("row_security", "off");
}
