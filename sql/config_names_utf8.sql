-- Configuration files: names and values outside ASCII, as far as 63 bytes go.
SELECT getdatabaseencoding() <> 'UTF8' AS other_encoding \gset
\if :other_encoding
\quit
\endif
\set SHOW_CONTEXT never
SET client_encoding = 'UTF8';
SET client_min_messages = warning;
CREATE SCHEMA "Größe 表";
CREATE TABLE "Größe 表"."naïve 表" ("Schlüssel ключ" int PRIMARY KEY, "wert ø" text);
SELECT line, action, object, statement FROM dbsync.load_config(format($$[dbsync]
version = 1
[target Zürich]
host = host.invalid
[subscription %s]  ; 31 letters of two bytes
target = zürich
[table %1$s / "Größe 表".U&"na\00efve \8868"]
columns = "Schlüssel ключ", upper("wert ø") AS größe
filter = "wert ø" <> 'ключ; # 表'
$$, repeat('ü', 31)));
SELECT dbsync.dump_config() AS dumped \gset
\pset format unaligned
\echo :dumped
SELECT * FROM dbsync.load_config(:'dumped', prune => true);
SELECT * FROM dbsync.load_config(format(E'[dbsync]\nversion = 1\n[subscription %s]', repeat('ü', 32)));
SELECT * FROM dbsync.load_config(format(E'[dbsync]\nversion = 1\n[subscription %s]\ntarget = zürich\nfiltér = x', repeat('ü', 31)));
SELECT line, action FROM dbsync.load_config(E'[dbsync]\nversion = 1', prune => true);
DROP SCHEMA "Größe 表" CASCADE;
