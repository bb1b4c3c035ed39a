/*-------------------------------------------------------------------------
 *
 * worker/bundle/contents_types.c
 *	  contents.json: what types of columns look like, written and read: labels of enums,
 *	  attributes of composite types.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_attribute.h"

#include "worker/bundle/contents.h"

/* --- out --- */

static void
put_enum(StringInfo out, const DbsyncEnum *type)
{
	dbsync_json_item(out);
	appendStringInfoChar(out, '{');
	dbsync_json_put_string(out, "type", type->type_name);
	dbsync_json_key(out, "labels");
	appendStringInfoChar(out, '[');
	for (int i = 0; i < type->nlabels; i++)
	{
		dbsync_json_item(out);
		appendStringInfoChar(out, '{');
		dbsync_json_put_string(out, "name", type->labels[i].name);
		dbsync_extras_put_words(out, "former", type->labels[i].former);
		appendStringInfoChar(out, '}');
	}
	appendStringInfoString(out, "]}");
}

static void
put_place(StringInfo out, const DbsyncRowPlace *place)
{
	ListCell   *lc;

	dbsync_json_item(out);
	appendStringInfoChar(out, '{');
	dbsync_json_put_string(out, "schema", place->schema);
	dbsync_json_put_string(out, "table", place->table);
	dbsync_json_put_string(out, "column", place->column);
	dbsync_json_key(out, "path");
	appendStringInfoChar(out, '[');
	foreach(lc, place->path)
	{
		dbsync_json_item(out);
		appendStringInfo(out, "%d", lfirst_int(lc));
	}
	appendStringInfoString(out, "]}");
}

static void
put_row_type(StringInfo out, const DbsyncRowType *type)
{
	ListCell   *lc;

	dbsync_json_item(out);
	appendStringInfoChar(out, '{');
	dbsync_json_put_string(out, "type", type->type_name);
	dbsync_json_put_bool(out, "unchanged", type->unchanged);
	dbsync_json_key(out, "attributes");
	appendStringInfoChar(out, '[');
	for (int i = 0; i < type->nattributes; i++)
	{
		const DbsyncAttribute *attribute = &type->attributes[i];

		dbsync_json_item(out);
		appendStringInfoChar(out, '{');
		dbsync_json_put_string(out, "name", attribute->name);
		dbsync_extras_put_words(out, "former", attribute->former);
		dbsync_json_put_string(out, "type", attribute->type_name);
		dbsync_json_put_int(out, "oid", dbsync_extras_same_everywhere(attribute->type));
		dbsync_json_put_int(out, "typmod", attribute->typmod);
		dbsync_json_put_int(out, "collation", dbsync_extras_same_everywhere(attribute->collation));
		appendStringInfoChar(out, '}');
	}
	appendStringInfoChar(out, ']');
	dbsync_json_key(out, "places");
	appendStringInfoChar(out, '[');
	foreach(lc, type->places)
		put_place(out, lfirst(lc));
	appendStringInfoString(out, "]}");
}

void
dbsync_types_write(StringInfo out, const DbsyncBundleStep *step)
{
	ListCell   *lc;

	dbsync_json_key(out, "enums");
	appendStringInfoChar(out, '[');
	foreach(lc, step->enums)
		put_enum(out, lfirst(lc));
	appendStringInfoChar(out, ']');
	dbsync_json_key(out, "row_types");
	appendStringInfoChar(out, '[');
	foreach(lc, step->row_types)
		put_row_type(out, lfirst(lc));
	appendStringInfoChar(out, ']');
}

/* --- in --- */

static void
read_label_member(DbsyncJson *json, const char *key, void *arg)
{
	DbsyncLabel *label = arg;

	if (strcmp(key, "name") == 0)
		label->name = dbsync_json_string(json);
	else if (strcmp(key, "former") == 0)
		dbsync_json_array(json, dbsync_extras_read_word, &label->former);
	else
		dbsync_json_skip(json);
}

static void
read_label(DbsyncJson *json, void *arg)
{
	DbsyncEnum *type = arg;
	DbsyncLabel *label;

	type->labels = dbsync_json_grow(type->labels, type->nlabels, sizeof(DbsyncLabel));
	label = &type->labels[type->nlabels++];
	memset(label, 0, sizeof(DbsyncLabel));
	dbsync_json_object(json, read_label_member, label);
	if (label->name == NULL)
		dbsync_json_wrong(json, "a label has no name");
}

static void
read_enum_member(DbsyncJson *json, const char *key, void *arg)
{
	DbsyncEnum *type = arg;

	if (strcmp(key, "type") == 0)
		type->type_name = dbsync_json_string(json);
	else if (strcmp(key, "labels") == 0)
		dbsync_json_array(json, read_label, type);
	else
		dbsync_json_skip(json);
}

static void
read_enum(DbsyncJson *json, void *arg)
{
	DbsyncBundleStep *step = arg;
	DbsyncEnum *type = palloc0(sizeof(DbsyncEnum));

	dbsync_json_object(json, read_enum_member, type);
	if (type->type_name == NULL)
		dbsync_json_wrong(json, "an enum has no name");
	step->enums = lappend(step->enums, type);
}

static void
read_attribute_member(DbsyncJson *json, const char *key, void *arg)
{
	DbsyncAttribute *attribute = arg;

	if (strcmp(key, "name") == 0)
		attribute->name = dbsync_json_string(json);
	else if (strcmp(key, "former") == 0)
		dbsync_json_array(json, dbsync_extras_read_word, &attribute->former);
	else if (strcmp(key, "type") == 0)
		attribute->type_name = dbsync_json_string(json);
	else if (strcmp(key, "oid") == 0)
		attribute->type = dbsync_extras_same_everywhere((Oid) dbsync_json_int(json, 0, PG_UINT32_MAX));
	else if (strcmp(key, "typmod") == 0)
		attribute->typmod = (int32) dbsync_json_int(json, -1, PG_INT32_MAX);
	else if (strcmp(key, "collation") == 0)
		attribute->collation = dbsync_extras_same_everywhere((Oid) dbsync_json_int(json, 0, PG_UINT32_MAX));
	else
		dbsync_json_skip(json);
}

static void
read_attribute(DbsyncJson *json, void *arg)
{
	DbsyncRowType *type = arg;
	DbsyncAttribute *attribute;

	/* as PostgreSQL's own limit, dropped ones counted */
	if (type->nattributes >= MaxAttrNumber)
	{
		dbsync_json_wrong(json, "a type has too many attributes");
		return;
	}
	type->attributes = dbsync_json_grow(type->attributes, type->nattributes, sizeof(DbsyncAttribute));
	attribute = &type->attributes[type->nattributes++];
	memset(attribute, 0, sizeof(DbsyncAttribute));
	attribute->typmod = -1;
	dbsync_json_object(json, read_attribute_member, attribute);
	/* one that was dropped has neither name nor, perhaps, a type any more */
	if (attribute->name != NULL && attribute->type_name == NULL && !OidIsValid(attribute->type))
		dbsync_json_wrong(json, "an attribute has no type");
}

static void
read_path(DbsyncJson *json, void *arg)
{
	DbsyncRowPlace *place = arg;

	place->path = lappend_int(place->path, (int) dbsync_json_int(json, 1, MaxAttrNumber));
}

static void
read_place_member(DbsyncJson *json, const char *key, void *arg)
{
	DbsyncRowPlace *place = arg;

	if (strcmp(key, "schema") == 0)
		place->schema = dbsync_json_string(json);
	else if (strcmp(key, "table") == 0)
		place->table = dbsync_json_string(json);
	else if (strcmp(key, "column") == 0)
		place->column = dbsync_json_string(json);
	else if (strcmp(key, "path") == 0)
		dbsync_json_array(json, read_path, place);
	else
		dbsync_json_skip(json);
}

static void
read_place(DbsyncJson *json, void *arg)
{
	DbsyncRowType *type = arg;
	DbsyncRowPlace *place = palloc0(sizeof(DbsyncRowPlace));

	dbsync_json_object(json, read_place_member, place);
	if (place->schema == NULL || place->table == NULL || place->column == NULL)
		dbsync_json_wrong(json, "a place of a composite type has no name");
	type->places = lappend(type->places, place);
}

static void
read_row_type_member(DbsyncJson *json, const char *key, void *arg)
{
	DbsyncRowType *type = arg;

	if (strcmp(key, "type") == 0)
		type->type_name = dbsync_json_string(json);
	else if (strcmp(key, "attributes") == 0)
		dbsync_json_array(json, read_attribute, type);
	else if (strcmp(key, "unchanged") == 0)
		type->unchanged = dbsync_json_bool(json);
	else if (strcmp(key, "places") == 0)
		dbsync_json_array(json, read_place, type);
	else
		dbsync_json_skip(json);
}

static void
read_row_type(DbsyncJson *json, void *arg)
{
	DbsyncBundleStep *step = arg;
	DbsyncRowType *type = palloc0(sizeof(DbsyncRowType));

	dbsync_json_object(json, read_row_type_member, type);
	if (type->type_name == NULL)
		dbsync_json_wrong(json, "a composite type has no name");
	step->row_types = lappend(step->row_types, type);
}

bool
dbsync_types_read(DbsyncJson *json, const char *key, DbsyncBundleStep *step)
{
	if (strcmp(key, "enums") == 0)
		dbsync_json_array(json, read_enum, step);
	else if (strcmp(key, "row_types") == 0)
		dbsync_json_array(json, read_row_type, step);
	else
		return false;
	return true;
}
