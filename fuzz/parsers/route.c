/*-------------------------------------------------------------------------
 *
 * fuzz/parsers/route.c
 *	  Routes as text: from a setting that anybody can set, from headers, from ledgers.
 *
 *-------------------------------------------------------------------------
 */
#include "extension/route.c"

#include "fuzz/parsers/shim.h"

void
fuzz_one(const char *data, Size size)
{
	int			length = dbsync_route_length(data);
	List	   *places = dbsync_route_places(data);
	ListCell   *lc;

	fuzz_check(dbsync_route_same(data, data));
	if (length == 0)
		return;
	fuzz_check(length <= DBSYNC_ROUTE_MAX && list_length(places) == length);
	fuzz_check(strlen(data) < DBSYNC_ROUTE_MAX * (DBSYNC_ROUTE_PLACE_MAX + 1));
	fuzz_check(dbsync_route_has_any(data, places));
	foreach(lc, places)
	{
		fuzz_check(dbsync_route_length(lfirst(lc)) == 1);
		fuzz_check(dbsync_route_has(data, lfirst(lc)));
	}
	for (Size i = 0; i < size && data[i]; i++)
		fuzz_check(data[i] == ' ' || data[i] == '/' || (data[i] >= '0' && data[i] <= '9'));
}
