/*-------------------------------------------------------------------------
 *
 * worker/types/json_form.c
 *	  JSON as it travels, and arrays as JSON.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "worker/types/json_form.h"

int
dbsync_json_depth(const char *text, int length)
{
	int			depth = 0;
	int			deepest = 0;
	bool		inside = false; /* a string */

	for (int i = 0; i < length; i++)
	{
		if (inside && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			inside = !inside;
		else if (!inside && (text[i] == '{' || text[i] == '['))
		{
			depth++;
			deepest = Max(deepest, depth);
		}
		else if (!inside && (text[i] == '}' || text[i] == ']'))
			depth--;
	}
	return deepest;
}

char *
dbsync_json_of_array(Datum array)
{
	ArrayType  *value = DatumGetArrayTypeP(array);

	for (int i = 0; i < ARR_NDIM(value); i++)
	{
		if (ARR_LBOUND(value)[i] != 1)
			return NULL;
	}
	return TextDatumGetCString(OidFunctionCall1(F_ARRAY_TO_JSON_ANYARRAY, PointerGetDatum(value)));
}
