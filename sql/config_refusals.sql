-- Configuration files: what is refused, with its line and what was probably meant; nothing is
-- applied then.
\set SHOW_CONTEXT never
CREATE SCHEMA config;
CREATE TABLE config.t (id int PRIMARY KEY, v text);
CREATE VIEW config.a_view AS TABLE config.t;
CREATE SEQUENCE config.s;
CREATE FOREIGN DATA WRAPPER config_fdw;
CREATE SERVER config_other FOREIGN DATA WRAPPER config_fdw;
-- loads these lines below a head, and a target before what they say
CREATE FUNCTION config.load(lines text, head text DEFAULT E'[dbsync]\nversion=1\n[target config]\nhost=host.invalid\n') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
    detail text;
BEGIN
    RETURN QUERY SELECT concat_ws(' | ', l.line, l.action, l.object) FROM dbsync.load_config(head || lines) l;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT, detail = PG_EXCEPTION_DETAIL;
    RETURN NEXT concat_ws(' | ', sqlstate, sqlerrm, nullif(detail, ''), regexp_replace(hint, '(Keys of .\w+.: ).*', '\1…'));
END $$;

-- no configuration at all
SELECT * FROM dbsync.load_config();
SELECT * FROM dbsync.load_config('x', file => '/x');
SELECT * FROM dbsync.load_config('[dbsync]', dry_run => NULL);
SELECT * FROM dbsync.load_config(repeat('#', 10 * 1024 * 1024 + 1));
SELECT * FROM config.load('', '');
SELECT * FROM config.load('', E'# nothing\n\n');
SELECT * FROM config.load('', '[dbsync]');
SELECT * FROM config.load('', E'[dbsync]\nversion = 2');
SELECT * FROM config.load('', E'[target config]\nhost = x');
SELECT * FROM config.load('', E'version = 1\n[dbsync]');

-- lines that are none
SELECT * FROM config.load('what');
SELECT * FROM config.load('= x');
SELECT * FROM config.load('[');
SELECT * FROM config.load('[]');
SELECT * FROM config.load('[ ]');
SELECT * FROM config.load('[target x');
SELECT * FROM config.load('[target x] y');
SELECT * FROM config.load('  dbname = x', E'[dbsync]\nversion = 1\n[target config]\n# indented\n');
SELECT * FROM config.load('  [target x]');
SELECT * FROM config.load(E'dbname = a\n  |b');
SELECT * FROM config.load(E'dbname = |a\n  b');

-- sections
SELECT * FROM config.load('[tabel config / config.t]');
SELECT * FROM config.load('[x]');
SELECT * FROM config.load('[target]');
SELECT * FROM config.load('[target a b]');
SELECT * FROM config.load('[target a.b]');
SELECT * FROM config.load('[target "a]');
SELECT * FROM config.load('[target U&"\00"]');
SELECT * FROM config.load('[target U&"\d800"]');
SELECT * FROM config.load('[target U&"\0000"]');
SELECT * FROM config.load(format('[target %s]', repeat('x', 64)));
SELECT * FROM config.load('[dbsync x]');
SELECT * FROM config.load('[table a]');
SELECT * FROM config.load('[table a / t]');
SELECT * FROM config.load('[table a / b.c.d]');
SELECT * FROM config.load('[table a / b.c / d]');
SELECT * FROM config.load('[TARGET Config]');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\n[table X / config."t"]');

-- keys
SELECT * FROM config.load('HOST = x');
SELECT * FROM config.load('hots = x');
SELECT * FROM config.load('zzzzzzzzzzzzzzzz = x');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\npolcy = immediate');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\ntables = config.t');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\nfliter = true');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\nfilter = true\nFilter = false');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\noptions = {}');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\noptions.a = 1\nOptions.a = 2');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\noptions.a = {');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\nfilter.a = 1');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[sequence x / config.s]\ntarget = s');
SELECT * FROM config.load('', E'[dbsync]\nversion = 1\nx = 2');

-- values
SELECT * FROM config.load(E'[subscription x]\ntarget=config\nstarted = maybe');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\nstarted =');
SELECT * FROM config.load(E'[subscription x]\ntarget=a b');
SELECT * FROM config.load(E'[subscription x]\ntarget=a.b');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\nschemas = config,');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\nschemas = {config');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\nschemas = config\nexcept_tables = t');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\nschemas = config\nexcept_tables = {t}');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\ntarget_table = a.b.c');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\ncolumns = id, left(v, 1 AS v');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\ncolumns = id, ''v');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\ncolumns = id,, v');
SELECT * FROM config.load('driver = dbsync_nowhere');
SELECT * FROM config.load('driver = dbsync_postgers');
SELECT * FROM config.load('uri = gopher://x');
SELECT * FROM config.load('uri = postgresql://me:topsecret@host:a:b/x');
SELECT * FROM config.load('driver = postgresql://me:topsecret@host/x');
SELECT * FROM config.load(E'[subscription x]\ntarget=postgresql://me:topsecret@host/x');
SELECT * FROM config.load('password = topsecret ; not written');
SELECT * FROM config.load(E'password = topsecret\npassword_file = /x');
SELECT * FROM config.load('password_file = nowhere');
SELECT * FROM config.load('password_file = /nowhere/at/all');
SELECT * FROM config.load('port = topsecret');

-- what functions refuse, with the line of it
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n\non_partition_drop = maybe');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\nddl = no');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n\npolicy = rows 5 or age 1 minuet');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\npolicy = cron 0 0 30 2 *');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\ntime_zone = Europe/Berlim');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\nbacklog_limit = much');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\npolicy = rows 5\nverify_policy = rows 5');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\npolicy = rows 5\nverify_policy = cron 0 3 * * 9');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\non_error = pass');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\nschemas = nowhere');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\nexcept_tables = config.t');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\nfilter = nothing > 1');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\nfilter = v <> ''a'' # b');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\ncolumns = id, v # b');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\n# how\nexisting_rows = maybe');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.a_view]');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\ncapture = magic');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\ncapture = keys\noptions.scan = daily');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\ncapture = timestamp\noptions.column = w');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.t]\ncapture = shadow\noptions.exact = yes');

-- what is not there
SELECT * FROM config.load(E'[subscription x]\ndbname = x');
SELECT * FROM config.load(E'[subscription x]');
SELECT * FROM config.load(E'[subscription x]\ntarget = nowhere');
SELECT * FROM config.load(E'[table x / config.t]');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / config.nothing]');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[table x / nowhere.t]');
SELECT * FROM config.load(E'[subscription x]\ntarget=config\n[sequence x / config.t]');
SELECT * FROM config.load(E'[target config_other]');

-- nothing was applied of any of them
SELECT (SELECT count(*) FROM dbsync.subscription), (SELECT count(*) FROM pg_user_mappings), (SELECT count(*) FROM dbsync.captured_table);
DROP SCHEMA config CASCADE;
DROP FOREIGN DATA WRAPPER config_fdw CASCADE;
