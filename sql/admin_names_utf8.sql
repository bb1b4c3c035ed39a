-- Names outside ASCII, as far as 63 bytes go.
SELECT getdatabaseencoding() <> 'UTF8' AS other_encoding \gset
\if :other_encoding
\quit
\endif
\set SHOW_CONTEXT never
SET client_encoding = 'UTF8';
CREATE SCHEMA "Größe 表";
CREATE TABLE "Größe 表"."naïve 表" ("Schlüssel ключ" int PRIMARY KEY, "wert ø" text);
SELECT dbsync.create_target('Ziel ü', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription('Abo ü', 'Ziel ü', ARRAY['"Größe 表"."naïve 表"']);
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
INSERT INTO "Größe 表"."naïve 表" VALUES (1, 'Wert 値');
SELECT op, key, "row" FROM dbsync.changes('"Größe 表"."naïve 表"');
SELECT subscription, "table", target_table FROM dbsync.table_status;
-- 32 letters of two bytes are too many, 31 are not
SELECT dbsync.alter_subscription('Abo ü', new_name => repeat('ü', 32));
SELECT dbsync.alter_subscription('Abo ü', new_name => repeat('ü', 31));
SELECT dbsync.drop_subscription(repeat('ü', 31));
SELECT dbsync.drop_target('Ziel ü');
DROP TABLE "Größe 表"."naïve 表";
DROP SCHEMA "Größe 表";
