/*-------------------------------------------------------------------------
 *
 * worker/bundle/names.c
 *	  What members are called, and the folder that they are in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "worker/bundle/names.h"

/* bytes of the subscription's name that a folder has */
#define NAME_BYTES	40

const char *
dbsync_names_suffix(bool zipped, bool sealed)
{
	if (zipped)
		return sealed ? ".copy.zst.cms" : ".copy.zst";
	return sealed ? ".copy.cms" : ".copy";
}

char *
dbsync_names_folder(const char *name, const pg_uuid_t *subscription, int64 chain, int64 number)
{
	char		safe[NAME_BYTES + 1];
	const unsigned char *id = subscription->data;

	strlcpy(safe, name, sizeof(safe));
	for (char *p = safe; *p; p++)
	{
		if (!((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '-'))
			*p = '_';
	}
	return psprintf("%s-%02x%02x%02x%02x-" INT64_FORMAT "-%012lld", safe, id[0], id[1], id[2], id[3],
					chain, (long long) number);
}

char *
dbsync_names_word(const char *name)
{
	StringInfoData buf;
	/* what is in no encoding need not be UTF-8 */
	const char *utf8 = GetDatabaseEncoding() == PG_SQL_ASCII ? name : pg_server_to_any(name, strlen(name), PG_UTF8);

	initStringInfo(&buf);
	for (const char *p = utf8; *p; p++)
	{
		if ((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || strchr("_.-", *p))
			appendStringInfoChar(&buf, *p);
		else
			appendStringInfo(&buf, "%%%02X", (unsigned char) *p);
	}
	return buf.data;
}
