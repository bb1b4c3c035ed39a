/*-------------------------------------------------------------------------
 *
 * worker/driver/file/types.c
 *	  File driver: labels of enums, attributes of composite types.
 *
 * Types are named, as their oids mean nothing there.  Receivers are told once a connection, and again when something is
 * another: of a composite type also where a table's values have it, as the receiver's target may have it there by another
 * name.  That is told with the first rows of that table, so that the target has followed ahead of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/hsearch.h"

#include "worker/driver/file/internal.h"

static DbsyncEnum *
copy_enum(const DbsyncEnum *from)
{
	DbsyncEnum *copied = palloc0(sizeof(DbsyncEnum));
	ListCell   *lc;

	copied->type_name = dbsync_file_type_name(from->type, -1);
	copied->nlabels = from->nlabels;
	copied->labels = palloc0(sizeof(DbsyncLabel) * Max(from->nlabels, 1));
	for (int i = 0; i < from->nlabels; i++)
	{
		copied->labels[i].name = pstrdup(from->labels[i].name);
		foreach(lc, from->labels[i].former)
			copied->labels[i].former = lappend(copied->labels[i].former, pstrdup(lfirst(lc)));
	}
	return copied;
}

static bool
same_labels(const DbsyncEnum *a, const DbsyncEnum *b)
{
	if (a->nlabels != b->nlabels)
		return false;
	for (int i = 0; i < a->nlabels; i++)
	{
		if (strcmp(a->labels[i].name, b->labels[i].name) != 0 ||
			list_length(a->labels[i].former) != list_length(b->labels[i].former))
			return false;
	}
	return true;
}

/* We are told with each batch: what is known already is compared in the caller's context, and leaves nothing in the connection's. */
static void
note_enum(FileTarget *target, const DbsyncEnum *from)
{
	DbsyncEnum *wanted = copy_enum(from);
	MemoryContext old;
	ListCell   *lc;

	foreach(lc, target->enums)
	{
		DbsyncEnum *known = lfirst(lc);

		if (strcmp(known->type_name, wanted->type_name) != 0)
			continue;
		if (same_labels(known, wanted))
			return;
		target->enums = foreach_delete_current(target->enums, lc);
		target->enums_due = list_delete_ptr(target->enums_due, known);
	}
	old = MemoryContextSwitchTo(target->base.context);
	wanted = copy_enum(from);
	target->enums = lappend(target->enums, wanted);
	target->enums_due = lappend(target->enums_due, wanted);
	MemoryContextSwitchTo(old);
}

/* But for its places. */
static DbsyncRowType *
copy_row_type(const DbsyncRowType *from)
{
	DbsyncRowType *copied = palloc0(sizeof(DbsyncRowType));
	ListCell   *lc;

	copied->type = from->type;
	copied->type_name = dbsync_file_type_name(from->type, -1);
	copied->unchanged = from->unchanged;
	copied->nattributes = from->nattributes;
	copied->attributes = palloc0(sizeof(DbsyncAttribute) * Max(from->nattributes, 1));
	for (int i = 0; i < from->nattributes; i++)
	{
		const DbsyncAttribute *attribute = &from->attributes[i];
		DbsyncAttribute *own = &copied->attributes[i];

		*own = *attribute;
		own->former = NIL;
		foreach(lc, attribute->former)
			own->former = lappend(own->former, pstrdup(lfirst(lc)));
		/* the type of one that was dropped may be gone, too */
		if (attribute->name == NULL)
			own->type = InvalidOid;
		else
		{
			own->name = pstrdup(attribute->name);
			own->type_name = dbsync_file_type_name(attribute->type, attribute->typmod);
		}
	}
	return copied;
}

/* The same type, by the same name, with the same attributes. */
static bool
same_row_type(const DbsyncRowType *a, const DbsyncRowType *b)
{
	if (a->unchanged != b->unchanged || a->nattributes != b->nattributes || strcmp(a->type_name, b->type_name) != 0)
		return false;
	for (int i = 0; i < a->nattributes; i++)
	{
		const char *name = a->attributes[i].name;
		const char *other = b->attributes[i].name;

		if ((name == NULL) != (other == NULL) || (name != NULL && strcmp(name, other) != 0) ||
			list_length(a->attributes[i].former) != list_length(b->attributes[i].former))
			return false;
	}
	return true;
}

/* What receivers are to be told of the type next; it gets places, and shares the rest with what is known. */
static DbsyncRowType *
row_type_due(FileTarget *target, const DbsyncRowType *known)
{
	DbsyncRowType *due;
	ListCell   *lc;

	foreach(lc, target->row_types_due)
	{
		due = lfirst(lc);
		if (due->attributes == known->attributes)
			return due;
		/* as it was */
		if (due->type == known->type)
			target->row_types_due = foreach_delete_current(target->row_types_due, lc);
	}
	due = palloc(sizeof(DbsyncRowType));
	*due = *known;
	due->places = NIL;
	target->row_types_due = lappend(target->row_types_due, due);
	return due;
}

/* The type as receivers know it, or are told of it next.  One that has become another is known by another address. */
static const DbsyncRowType *
know_row_type(FileTarget *target, const DbsyncRowType *from)
{
	DbsyncRowType *wanted = copy_row_type(from);
	MemoryContext old;
	ListCell   *lc;

	foreach(lc, target->row_types)
	{
		DbsyncRowType *known = lfirst(lc);

		if (known->type != wanted->type)
			continue;
		if (same_row_type(known, wanted))
			return known;
		target->row_types = foreach_delete_current(target->row_types, lc);
	}
	old = MemoryContextSwitchTo(target->base.context);
	wanted = copy_row_type(from);
	target->row_types = lappend(target->row_types, wanted);
	(void) row_type_due(target, wanted);
	MemoryContextSwitchTo(old);
	return wanted;
}

/* where a table has values of a type, as receivers know it, or are told of it next */
typedef struct ToldPlaces
{
	struct
	{
		Oid			type;
		char		schema[NAMEDATALEN];
		char		table[NAMEDATALEN];
	}			key;
	const DbsyncRowType *of;	/* the type as it was known then; NULL: never told */
	List	   *places;			/* of DbsyncRowPlace */
} ToldPlaces;

static ToldPlaces *
told_places(FileTarget *target, Oid type, const DbsyncRowPlace *place)
{
	ToldPlaces	key = {0};
	ToldPlaces *told;
	bool		found;

	if (target->places == NULL)
	{
		HASHCTL		control = {0};

		control.keysize = sizeof(key.key);
		control.entrysize = sizeof(ToldPlaces);
		control.hcxt = target->base.context;
		target->places = hash_create("dbsync places of types", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	key.key.type = type;
	strlcpy(key.key.schema, place->schema, NAMEDATALEN);
	strlcpy(key.key.table, place->table, NAMEDATALEN);
	told = hash_search(target->places, &key.key, HASH_ENTER, &found);
	if (!found)
	{
		told->of = NULL;
		told->places = NIL;
	}
	return told;
}

static List *
copy_places(List *from)
{
	List	   *places = NIL;
	ListCell   *lc;

	foreach(lc, from)
	{
		DbsyncRowPlace *place = palloc(sizeof(DbsyncRowPlace));

		*place = *(const DbsyncRowPlace *) lfirst(lc);
		place->schema = pstrdup(place->schema);
		place->table = pstrdup(place->table);
		place->column = pstrdup(place->column);
		place->path = list_copy(place->path);
		places = lappend(places, place);
	}
	return places;
}

/* Both of one table. */
static bool
same_places(List *a, List *b)
{
	ListCell   *la;
	ListCell   *lb;

	if (list_length(a) != list_length(b))
		return false;
	forboth(la, a, lb, b)
	{
		const DbsyncRowPlace *place = lfirst(la);
		const DbsyncRowPlace *other = lfirst(lb);

		if (strcmp(place->column, other->column) != 0 || !equal(place->path, other->path))
			return false;
	}
	return true;
}

/* A table's places come together: it has a column by another name, or types around it have other attributes. */
static void
note_row_type(FileTarget *target, const DbsyncRowType *from)
{
	const DbsyncRowType *known = know_row_type(target, from);
	MemoryContext old;
	ToldPlaces *told;
	DbsyncRowType *due;
	ListCell   *lc;

	if (from->places == NIL)
		return;
	told = told_places(target, from->type, linitial(from->places));
	if (told->of == known && same_places(told->places, from->places))
		return;
	old = MemoryContextSwitchTo(target->base.context);
	due = row_type_due(target, known);
	if (told->of == known)
	{
		foreach(lc, due->places)
		{
			if (list_member_ptr(told->places, lfirst(lc)))
				due->places = foreach_delete_current(due->places, lc);
		}
	}
	told->of = known;
	told->places = copy_places(from->places);
	due->places = list_concat(due->places, told->places);
	MemoryContextSwitchTo(old);
}

void
dbsync_file_types_tell(FileTarget *target)
{
	DbsyncBundleStep *step;
	MemoryContext old;

	if (target->enums_due == NIL && target->row_types_due == NIL)
		return;
	step = dbsync_file_writing_step(target, DBSYNC_BUNDLE_TYPES);
	old = MemoryContextSwitchTo(target->batch->file.context);
	step->enums = list_copy(target->enums_due);
	step->row_types = list_copy(target->row_types_due);
	MemoryContextSwitchTo(old);
	list_free(target->enums_due);
	list_free(target->row_types_due);
	target->enums_due = target->row_types_due = NIL;
}

static bool
follow_types(FileTarget *target, List *enums, List *row_types)
{
	ListCell   *lc;

	foreach(lc, enums)
		note_enum(target, lfirst(lc));
	foreach(lc, row_types)
		note_row_type(target, lfirst(lc));
	/* else with the next batch */
	if (target->batch != NULL)
		dbsync_file_types_tell(target);
	return true;
}

bool
dbsync_file_types_follow(DbsyncTarget *base, List *enums, List *row_types, bool make)
{
	FileTarget *target = (FileTarget *) base;

	DBSYNC_FILE_GUARDED(target, follow_types(target, enums, row_types));
}
