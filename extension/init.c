/*-------------------------------------------------------------------------
 *
 * extension/init.c
 *	  Loading of the module: each room sets itself up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "extension/capture/trigger.h"
#include "extension/settings.h"
#include "extension/shmem.h"
#include "worker/run/launcher.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	dbsync_settings_define();
	dbsync_shmem_init();
	dbsync_capture_init();
	dbsync_launcher_register();
}
