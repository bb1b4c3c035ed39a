-- The ledger of dbsync in an SQLite file.  dbsync makes it by itself, in the same
-- words (worker/driver/sqlite/ledger.c); this is for whoever makes the file, or reads it.
-- One row per subscription that writes to the file (id = subscription), and
-- one per table of it, written in the same transaction as the data: do not touch.

CREATE TABLE IF NOT EXISTS dbsync_position (
    id TEXT NOT NULL PRIMARY KEY,   -- the subscription, or the attachment of a table to it
    subscription TEXT NOT NULL,
    name TEXT,                      -- of the subscription
    system_identifier INTEGER,      -- cluster of the source
    database_oid INTEGER,           -- database of the source
    timeline INTEGER,
    lsn TEXT,                       -- WAL of the source that was on its disk before the last commit here
    server_start INTEGER,           -- start of the source server that wrote last: microseconds since 2000
    batch INTEGER,                  -- counts the commits of this subscription
    "after" TEXT,                   -- snapshot of the source: what is visible in it has been applied; table: only while it is held
    upto TEXT,                      -- snapshot of a window that is being worked off; applied up to closing
    closing TEXT,                   -- closing LSN reached within the window
    closing_xid INTEGER,            -- transaction reached at that closing LSN
    identities TEXT,                -- databases that this one has been
    live INTEGER,                   -- table: its first copy is complete
    boundary TEXT,                  -- table: key of the last row copied, as COPY writes it
    "rows" INTEGER,                 -- table: rows copied
    checksum INTEGER NOT NULL,      -- over the row but for name, batch and updated: one that was edited is refused
    relation TEXT,                  -- table: which one here
    updated TEXT                    -- when, in UTC
);
