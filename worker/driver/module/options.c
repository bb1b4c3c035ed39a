/*-------------------------------------------------------------------------
 *
 * worker/driver/module/options.c
 *	  Modules: checking the options of a foreign server or user mapping by the driver's table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "worker/driver/module/options.h"

static int
place_of(Oid catalog)
{
	if (catalog == ForeignServerRelationId)
		return DBSYNC_OPTION_SERVER;
	return catalog == UserMappingRelationId ? DBSYNC_OPTION_MAPPING : 0;
}

static const DbsyncOption *
find_option(const DbsyncOption *known, const char *name, int place)
{
	for (; known->name != NULL; known++)
	{
		if (strcmp(known->name, name) == 0 && (known->where & place) != 0)
			return known;
	}
	return NULL;
}

static void
refuse_unknown(const DbsyncOption *known, const char *name, int place)
{
	StringInfoData valid;

	initStringInfo(&valid);
	for (; known->name != NULL; known++)
	{
		if ((known->where & place) != 0)
			appendStringInfo(&valid, "%s%s", valid.len > 0 ? ", " : "", known->name);
	}
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 valid.len > 0
			 ? errhint("Valid options in this context are: %s", valid.data)
			 : errhint("There are no valid options in this context.")));
}

List *
MODULE_CHECK_OPTIONS(Datum options, Oid catalog, const DbsyncOption *known)
{
	List	   *given = untransformRelOptions(options);
	int			place = place_of(catalog);
	ListCell   *lc;

	foreach(lc, given)
	{
		const char *name = lfirst_node(DefElem, lc)->defname;
		const DbsyncOption *option = find_option(known, name, place);

		if (option == NULL)
			refuse_unknown(known, name, place);
		else if (option->superuser != NULL && !superuser())
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("option \"%s\" is superuser-only", name),
					 errdetail_internal("%s", option->superuser)));
	}
	return given;
}
