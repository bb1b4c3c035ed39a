/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/check_options.c
 *	  SQLite driver: the check of options that modules share, under a name of this one's.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/driver/sqlite/check_options.h"

#include "worker/driver/module/options.c"
