/*-------------------------------------------------------------------------
 *
 * fuzz/parsers/uri.c
 *	  Addresses of targets, as create_target() takes them apart.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/driver/postgres/address.c"
#include "worker/driver/postgres/options.c"

#include "fuzz/parsers/shim.h"

void
fuzz_one(const char *data, Size size)
{
	PQconninfoOption *options;

	may_hold_secret(data);
	options = parse(data);
	for (PQconninfoOption *option = options; option->keyword; option++)
	{
		bool		server = is_valid_option(option->keyword, ForeignServerRelationId);
		bool		mapping = is_valid_option(option->keyword, UserMappingRelationId);

		fuzz_check(option->val == NULL || strlen(option->val) <= size);
		fuzz_check((server || mapping) == dbsync_postgres_is_libpq_option(option->keyword));
	}
	PQconninfoFree(options);
}
