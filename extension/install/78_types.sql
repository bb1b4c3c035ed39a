-- The table of types: what a column becomes at each kind of target.

CREATE FUNCTION dbsync.target_types() RETURNS TABLE (
    type text, standard text, dialect text, declaration text, key_declaration text,
    form text, travels_as text, refuses text, send_as text)
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_target_types';
COMMENT ON FUNCTION dbsync.target_types() IS 'what the view dbsync.types shows';

CREATE VIEW dbsync.types WITH (security_barrier) AS
    SELECT * FROM dbsync.target_types();
COMMENT ON VIEW dbsync.types IS 'what a column becomes at a target: one row per type of PostgreSQL and dialect of SQL';
COMMENT ON COLUMN dbsync.types.type IS 'type of the column at the source; domains count as the types that they are of';
COMMENT ON COLUMN dbsync.types.standard IS 'type of the SQL standard that stands for it (UUID, JSON and BITS are ours); null: there is none, and the column is refused where the target is not PostgreSQL';
COMMENT ON COLUMN dbsync.types.dialect IS 'whose SQL the target speaks: postgres, mysql (MariaDB, too), sqlite';
COMMENT ON COLUMN dbsync.types.declaration IS 'how the column is declared there; null: it is refused';
COMMENT ON COLUMN dbsync.types.key_declaration IS 'how it is declared as part of the key; null: it may not be';
COMMENT ON COLUMN dbsync.types.form IS 'how a value is written, whatever the settings of either end';
COMMENT ON COLUMN dbsync.types.travels_as IS 'what the target is handed: text or binary as PostgreSQL makes it; a number or a string, as text; hex, two digits for each byte; or the value itself: bytes, int64, double';
COMMENT ON COLUMN dbsync.types.refuses IS 'values that there is no room for: they are refused by row, not bent; null: none';
COMMENT ON COLUMN dbsync.types.send_as IS 'what a column that is refused can be sent as: columns => ARRAY[''name::type AS name'']; null: it is not refused';
