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
#include "worker/shape.h"

SortSupport
dbsync_keys_order(const DbsyncTableShape *shape)
{
	SortSupport order = palloc0(sizeof(SortSupportData) * shape->nkeys);

	dbsync_owner_check();
	for (int k = 0; k < shape->nkeys; k++)
	{
		order[k].ssup_cxt = CurrentMemoryContext;
		order[k].ssup_collation = shape->key_collations[k];
		PrepareSortSupportFromOrderingOp(shape->key_before[k], &order[k]);
	}
	return order;
}

int
dbsync_keys_compare(const DbsyncTableShape *shape, SortSupport order, const Datum *a, const Datum *b)
{
	int			result = 0;

	for (int k = 0; result == 0 && k < shape->nkeys; k++)
		result = ApplySortComparator(a[k], false, b[k], false, &order[k]);
	return result;
}

Datum *
dbsync_keys_read(const DbsyncTableShape *shape, char *const *text)
{
	Datum	   *key = palloc(sizeof(Datum) * shape->nkeys);

	dbsync_owner_check();
	for (int k = 0; k < shape->nkeys; k++)
	{
		Oid			function;
		Oid			ioparam;

		/* the type below a domain, whose own CHECK may be younger than the row */
		getTypeInputInfo(shape->types[shape->keys[k]], &function, &ioparam);
		key[k] = OidInputFunctionCall(function, text[k], ioparam, -1);
	}
	return key;
}
