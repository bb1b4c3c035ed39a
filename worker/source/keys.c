/*-------------------------------------------------------------------------
 *
 * worker/source/keys.c
 *	  Keys of captured tables: their order, and their text.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/lsyscache.h"

#include "extension/owner.h"
#include "worker/source/keys.h"
#include "worker/table.h"

SortSupport
dbsync_keys_order(const DbsyncTable *table)
{
	SortSupport order = palloc0(sizeof(SortSupportData) * table->nkeys);

	dbsync_owner_check();
	for (int k = 0; k < table->nkeys; k++)
	{
		order[k].ssup_cxt = CurrentMemoryContext;
		order[k].ssup_collation = table->key_collations[k];
		PrepareSortSupportFromOrderingOp(table->key_before[k], &order[k]);
	}
	return order;
}

int
dbsync_keys_compare(const DbsyncTable *table, SortSupport order, const Datum *a, const Datum *b)
{
	int			result = 0;

	for (int k = 0; result == 0 && k < table->nkeys; k++)
		result = ApplySortComparator(a[k], false, b[k], false, &order[k]);
	return result;
}

Datum *
dbsync_keys_read(const DbsyncTable *table, char *const *text)
{
	Datum	   *key = palloc(sizeof(Datum) * table->nkeys);

	dbsync_owner_check();
	for (int k = 0; k < table->nkeys; k++)
	{
		Oid			function;
		Oid			ioparam;

		/* a domain's own CHECK may be younger than the row; those within others count */
		getTypeInputInfo(getBaseType(table->key_types[k]), &function, &ioparam);
		key[k] = OidInputFunctionCall(function, text[k], ioparam, -1);
	}
	return key;
}
