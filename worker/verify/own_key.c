/*-------------------------------------------------------------------------
 *
 * worker/verify/own_key.c
 *	  Keys as the target writes them, and as the source does.
 *
 * A text is taken for a key of the source's only if the source, asked for that key, would have sent this very text: so neither 7.5 nor
 * 007 is 7.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "parser/parse_coerce.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "extension/owner.h"
#include "worker/subscription.h"
#include "worker/verify/own_key.h"

typedef struct Type
{
	FmgrInfo	input;
	Oid			ioparam;
	int32		typmod;
	FmgrInfo	output;
} Type;

/* a column of the key */
typedef struct Column
{
	Type		here;
	Type		there;
	bool		converted;		/* the target's type writes values in its own way */
	bool		has_cast;		/* from its type to ours; */
	FmgrInfo	cast;			/* fn_oid 0: values are the same */
} Column;

struct DbsyncOwnKey
{
	Column	   *columns;
	MemoryContext context;		/* for one key */
};

static void
prepare_type(Type *type, Oid oid, int32 typmod)
{
	Oid			function;
	bool		varlena;

	getTypeInputInfo(oid, &function, &type->ioparam);
	fmgr_info(function, &type->input);
	getTypeOutputInfo(oid, &function, &varlena);
	fmgr_info(function, &type->output);
	type->typmod = typmod;
}

static void
prepare_cast(Column *column, Oid here, Oid there)
{
	Oid			function;

	switch (find_coercion_pathway(here, there, COERCION_EXPLICIT, &function))
	{
		case COERCION_PATH_FUNC:
			column->has_cast = true;
			fmgr_info(function, &column->cast);
			break;
		case COERCION_PATH_RELABELTYPE:
			column->has_cast = true;
			break;
		default:
			break;
	}
}

DbsyncOwnKey *
dbsync_own_key_create(const DbsyncVerify *v)
{
	DbsyncOwnKey *own = palloc0(sizeof(DbsyncOwnKey));

	own->columns = palloc0(sizeof(Column) * Max(v->spec.nkeys, 1));
	own->context = AllocSetContextCreate(CurrentMemoryContext, "dbsync own key", ALLOCSET_SMALL_SIZES);
	for (int k = 0; k < v->spec.nkeys; k++)
	{
		Column	   *column = &own->columns[k];
		int			at = v->spec.keys[k];

		prepare_type(&column->here, v->spec.columns[at].type, -1);
		column->converted = OidIsValid(v->form.types[at]);
		if (!column->converted)
			continue;
		prepare_type(&column->there, v->form.types[at], v->form.typmods[at]);
		prepare_cast(column, v->spec.columns[at].type, v->form.types[at]);
	}
	return own;
}

static Datum
read_value(Type *type, const char *text)
{
	return InputFunctionCall(&type->input, unconstify(char *, text), type->ioparam, type->typmod);
}

static char *
write_there(Column *column, const char *text)
{
	return OutputFunctionCall(&column->there.output, read_value(&column->there, text));
}

/* NULL as well: it is no text of the type's. */
static char *
try(char *(*way) (Column *column, const char *text), Column *column, const char *text)
{
	MemoryContext context = CurrentMemoryContext;
	char	   *volatile own = NULL;

	PG_TRY();
	{
		own = way(column, text);
	}
	PG_CATCH();
	{
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	return own;
}

/* What the target has where the source has this; of what it cannot have, images have the source's text. */
static const char *
sent_for(Column *column, const char *text)
{
	const char *written = column->converted ? try(write_there, column, text) : NULL;

	return written ? written : text;
}

/* NULL: that is another value. */
static char *
checked(Column *column, Datum value, const char *text)
{
	char	   *own = OutputFunctionCall(&column->here.output, value);

	return strcmp(sent_for(column, own), text) == 0 ? own : NULL;
}

/* Casts take the value, a length and whether they were asked for, or the first of these. */
static Datum
cast(Column *column, Datum value)
{
	if (!OidIsValid(column->cast.fn_oid))
		return value;
	switch (column->cast.fn_nargs)
	{
		case 1:
			return FunctionCall1(&column->cast, value);
		case 2:
			return FunctionCall2(&column->cast, value, Int32GetDatum(-1));
		default:
			return FunctionCall3(&column->cast, value, Int32GetDatum(-1), BoolGetDatum(true));
	}
}

static char *
read_plain(Column *column, const char *text)
{
	return checked(column, read_value(&column->here, text), text);
}

static char *
read_cast(Column *column, const char *text)
{
	if (!column->has_cast)
		return NULL;
	return checked(column, cast(column, read_value(&column->there, text)), text);
}

char **
dbsync_own_key_of(const DbsyncVerify *v, char *const *key)
{
	DbsyncOwnKey *own = v->own_key;
	char	  **values = palloc(sizeof(char *) * Max(v->spec.nkeys, 1));
	MemoryContext old = MemoryContextSwitchTo(own->context);
	bool		is_one = true;
	DbsyncOwner saved;

	dbsync_owner_begin(&saved, dbsync_table_owner(v->table));
	for (int k = 0; k < v->spec.nkeys && is_one; k++)
	{
		/* that of a target may be null */
		char	   *value = key[k] ? try(read_plain, &own->columns[k], key[k]) : NULL;

		if (value == NULL && key[k] != NULL && own->columns[k].converted)
			value = try(read_cast, &own->columns[k], key[k]);
		is_one = value != NULL;
		if (is_one)
			values[k] = MemoryContextStrdup(old, value);
	}
	dbsync_owner_end(&saved);
	MemoryContextSwitchTo(old);
	MemoryContextReset(own->context);
	return is_one ? values : NULL;
}
