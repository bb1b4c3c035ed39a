/*-------------------------------------------------------------------------
 *
 * worker/driver/row_file.c
 *	  Rows that wait, in a temporary file: however many and large they are, they take no memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/buffile.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "worker/driver/row_file.h"

struct DbsyncRowFile
{
	BufFile    *file;
	DbsyncFilePlace end;
};

/* Whoever reads rows may have a resource owner of his own, which ends before they are read here. */
DbsyncRowFile *
dbsync_row_file_create(void)
{
	DbsyncRowFile *file = palloc0(sizeof(DbsyncRowFile));
	ResourceOwner saved = CurrentResourceOwner;

	CurrentResourceOwner = TopTransactionResourceOwner;
	file->file = BufFileCreateTemp(false);
	CurrentResourceOwner = saved;
	return file;
}

void
dbsync_row_file_close(DbsyncRowFile *file)
{
	BufFileClose(file->file);
	pfree(file);
}

static void
go_to(DbsyncRowFile *file, DbsyncFilePlace place)
{
	if (BufFileSeek(file->file, place.file, place.offset, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not go to a row that waits in a temporary file: %m")));
}

static void
read_exactly(DbsyncRowFile *file, void *to, size_t size)
{
	if (BufFileRead(file->file, to, size) != size)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read a row that waits in a temporary file")));
}

/* A length of -1 is that of no value. */
DbsyncFilePlace
dbsync_row_file_put(DbsyncRowFile *file, const DbsyncRow *row, int ncolumns)
{
	DbsyncFilePlace place = file->end;

	go_to(file, place);
	for (int i = 0; i < ncolumns; i++)
	{
		int			length = row->values[i] ? row->lengths[i] : -1;

		BufFileWrite(file->file, &length, sizeof(length));
		if (length > 0)
			BufFileWrite(file->file, unconstify(char *, row->values[i]), length);
	}
	BufFileTell(file->file, &file->end.file, &file->end.offset);
	return place;
}

void
dbsync_row_file_get(DbsyncRowFile *file, DbsyncFilePlace place, DbsyncRow *row, int ncolumns)
{
	row->values = palloc0(sizeof(char *) * Max(ncolumns, 1));
	row->lengths = palloc0(sizeof(int) * Max(ncolumns, 1));
	go_to(file, place);
	for (int i = 0; i < ncolumns; i++)
	{
		int			length;
		char	   *value;

		read_exactly(file, &length, sizeof(length));
		if (length < 0)
			continue;
		value = MemoryContextAllocHuge(CurrentMemoryContext, (Size) length + 1);
		read_exactly(file, value, length);
		value[length] = '\0';
		row->values[i] = value;
		row->lengths[i] = length;
	}
}
