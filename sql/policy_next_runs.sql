-- When rounds begin by the clock, held against a plain search, minute by minute.
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';

-- The numbers that a field of five means; no names of months and days here.
CREATE FUNCTION pg_temp.numbers(field text, lowest int, highest int) RETURNS int[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(DISTINCT n) FROM regexp_split_to_table(field, ',') piece
    CROSS JOIN LATERAL (SELECT split_part(piece, '/', 1) AS span, coalesce(nullif(split_part(piece, '/', 2), ''), '1')::int AS step) p
    CROSS JOIN LATERAL generate_series(
        CASE WHEN span = '*' THEN lowest ELSE split_part(span, '-', 1)::int END,
        CASE WHEN span = '*' THEN highest WHEN span LIKE '%-%' THEN split_part(span, '-', 2)::int ELSE span::int END, step) n
$$;

-- All times behind "from" and up to "to" at which a line of a crontab is due: each moment of the
-- time is looked at, with what the clocks have left out just before; where the hour is restricted
-- nothing counts that they have shown already.
CREATE FUNCTION pg_temp.plain_search(cron text, zone text, "from" timestamptz, "to" timestamptz, step interval) RETURNS SETOF timestamptz
    LANGUAGE plpgsql AS $$
DECLARE
    f text[] := regexp_split_to_array(cron, '\s+');
    minutes int[] := pg_temp.numbers(f[1], 0, 59);
    hours int[] := pg_temp.numbers(f[2], 0, 23);
    days int[] := pg_temp.numbers(f[3], 1, 31);
    months int[] := pg_temp.numbers(f[4], 1, 12);
    weekdays int[] := pg_temp.numbers(f[5], 0, 6);
BEGIN
    RETURN QUERY
    SELECT w.t FROM (
        SELECT m.t, m.wall, max(m.wall) OVER (ORDER BY m.t ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS latest
        FROM (SELECT t, t AT TIME ZONE zone AS wall FROM generate_series("from" - interval '6 hours', "to", step) t) m) w
    WHERE w.t > "from" AND EXISTS (
        SELECT FROM generate_series(CASE WHEN f[2] LIKE '*%' THEN w.wall ELSE w.latest + step END, w.wall, step) s (wall)
        WHERE extract(minute FROM s.wall)::int = ANY (minutes) AND extract(hour FROM s.wall)::int = ANY (hours)
          AND extract(month FROM s.wall)::int = ANY (months)
          AND CASE WHEN f[3] LIKE '*%' OR f[5] LIKE '*%'
                THEN extract(day FROM s.wall)::int = ANY (days)
                    AND (extract(dow FROM s.wall)::int = ANY (weekdays) OR extract(isodow FROM s.wall)::int = ANY (weekdays))
                ELSE extract(day FROM s.wall)::int = ANY (days)
                    OR extract(dow FROM s.wall)::int = ANY (weekdays) OR extract(isodow FROM s.wall)::int = ANY (weekdays) END);
END $$;

CREATE FUNCTION pg_temp.compare(cron text, zone text, "from" timestamptz, "to" timestamptz, step interval DEFAULT '1 min',
    OUT runs bigint, OUT differ bigint) LANGUAGE sql AS $$
    SELECT count(*), count(*) FILTER (WHERE p.t IS DISTINCT FROM r.next_run)
    FROM (SELECT t, row_number() OVER (ORDER BY t) AS n FROM pg_temp.plain_search(cron, zone, "from", "to", step) t) p
    FULL JOIN (SELECT next_run, row_number() OVER (ORDER BY next_run) AS n
               FROM dbsync.next_runs('cron ' || cron, zone, "from", 1000) WHERE next_run <= "to") r USING (n)
$$;

-- Clocks are put forward and back: by an hour, in Lord Howe by half of one, in Havana at midnight, in Samoa by a day,
-- in Casablanca the other way round; and some never.
CREATE TEMPORARY TABLE place (zone text, day date, what text);
INSERT INTO place VALUES
('Europe/Berlin', '2026-03-29', 'forward'), ('Europe/Berlin', '2026-10-25', 'back'),
('America/New_York', '2026-03-08', 'forward'), ('America/New_York', '2026-11-01', 'back'),
('Australia/Lord_Howe', '2026-10-04', 'forward'), ('Australia/Lord_Howe', '2026-04-05', 'back'),
('Pacific/Apia', '2011-12-30', 'a day left out'),
('America/Havana', '2019-03-10', 'forward at midnight'), ('America/Havana', '2019-11-03', 'back'),
('Africa/Casablanca', '2019-05-05', 'back in spring'), ('Africa/Casablanca', '2019-06-09', 'forward'),
('Asia/Kathmandu', '2026-03-29', 'never'), ('UTC', '2026-03-29', 'never'), ('Etc/GMT+12', '2026-03-29', 'never');
CREATE TEMPORARY TABLE line (cron text);
INSERT INTO line VALUES ('30 2 * * *'), ('0 2 * * *'), ('0 3 * * *'), ('*/20 1-3 * * *'), ('*/30 * * * *'), ('15 * * * *'), ('15 */2 * * *'), ('5 0,2 * * 0'), ('59 23 * * *'), ('10 0 29,30 * 1');
SELECT zone, what, sum(c.runs) AS runs, sum(c.differ) AS differ
FROM place CROSS JOIN line CROSS JOIN LATERAL pg_temp.compare(cron, zone, day, day + 2) c
GROUP BY zone, what ORDER BY zone, what;

-- The same from the middle of the hour that comes twice: what has been is not there again.
SELECT start, sum(c.runs) AS runs, sum(c.differ) AS differ
FROM (VALUES ('2026-10-25 00:10+00'::timestamptz), ('2026-10-25 00:30+00'), ('2026-10-25 00:59:59.5+00'), ('2026-10-25 01:00+00'), ('2026-10-25 01:29:30+00'), ('2026-10-25 01:30+00')) s (start)
CROSS JOIN line CROSS JOIN LATERAL pg_temp.compare(cron, 'Europe/Berlin', date_trunc('minute', start), start + interval '1 day') c
GROUP BY start ORDER BY start;

-- Years: leap ones, the one that is none, and days of the week; hour by hour, at which they are due.
SELECT cron, zone, c.*
FROM (VALUES ('0 0 29 2 *', 'UTC', '2024-01-01', '2033-01-01'), ('0 0 29 2 *', 'UTC', '2096-01-01', '2105-01-01'), ('0 0 29 2 *', 'UTC', '1996-01-01', '2005-01-01'),
    ('0 12 31 * *', 'Europe/Berlin', '2026-01-01', '2029-01-01'), ('0 0 13 * 5', 'UTC', '2026-01-01', '2027-01-01'),
    ('0 0 */10 * 5', 'UTC', '2026-01-01', '2028-01-01'), ('0 0 13 * */5', 'UTC', '2026-01-01', '2028-01-01'),
    ('0 0 * * 6-7', 'Asia/Tokyo', '2026-01-01', '2027-01-01'), ('0 6 1 */3 *', 'America/New_York', '2026-01-01', '2030-01-01'),
    ('0 0 1 1 *', 'Pacific/Auckland', '1950-06-01', '1960-06-01')) s (cron, zone, begins, ends)
CROSS JOIN LATERAL pg_temp.compare(cron, zone, begins::timestamptz, ends::timestamptz, '1 hour') c;

-- By eye.
SELECT * FROM dbsync.next_runs('cron 30 2 * * *', 'Europe/Berlin', '2026-03-28 00:00+01', 3);
SELECT * FROM dbsync.next_runs('cron 30 2 * * *', 'Europe/Berlin', '2026-10-24 00:00+02', 3);
SELECT * FROM dbsync.next_runs('cron 0 0 29 2 0', 'UTC', '2026-02-20', 3);
SELECT * FROM dbsync.next_runs('cron 0 0 29 2 */7', 'UTC', '2026-02-20', 3);
SELECT * FROM dbsync.next_runs('cron @weekly', 'Europe/Berlin', '2026-02-20', 2);
SELECT * FROM dbsync.next_runs('cron @hourly', 'Asia/Kathmandu', '2026-02-20', 2);
SELECT * FROM dbsync.next_runs('cron 0 0 * * Fri-Sun', NULL, '2026-02-20', 4);
SELECT * FROM dbsync.next_runs('interval 90 min', 'Europe/Berlin', '2026-03-29 00:00+01', 3);
SELECT * FROM dbsync.next_runs('interval 1 day or cron 0 12 * * *', NULL, '2026-03-29', 4);
SELECT * FROM dbsync.next_runs('rows 5 or age 1 min', NULL, '2026-03-29', 4);
SELECT * FROM dbsync.next_runs('manual');
SELECT * FROM dbsync.next_runs('immediate');

-- Hours: what falls outside comes when they begin, once.
SELECT * FROM dbsync.next_runs('cron 0 2 * * * during 20:00-22:00', NULL, '2026-03-29', 2);
SELECT * FROM dbsync.next_runs('cron 0 * * * * during Mon-Fri 20:00-22:00', NULL, '2026-03-26 12:00', 5);
SELECT * FROM dbsync.next_runs('interval 1 h during Sat 22:30-01:30', 'Europe/Berlin', '2026-03-27 12:00', 4);
SELECT * FROM dbsync.next_runs('immediate during Mon-Fri 20:00-06:00, Sat-Sun 00:00-24:00', 'Europe/Berlin', '2026-03-26 12:00', 4);
SELECT * FROM dbsync.next_runs('immediate during 00:00-24:00', 'Europe/Berlin', '2026-03-26 12:00', 4);
-- Hours that the clocks leave out are not there that day; those that come twice are there twice.
SELECT * FROM dbsync.next_runs('immediate during 02:10-02:50', 'Europe/Berlin', '2026-03-28 12:00', 2);
SELECT * FROM dbsync.next_runs('immediate during 02:10-02:50', 'Europe/Berlin', '2026-10-24 12:00', 3);
SELECT * FROM dbsync.next_runs('immediate during Sun 02:10-02:50', 'Europe/Berlin', '2026-03-28 12:00', 2);

-- Bad arguments.
SELECT * FROM dbsync.next_runs('cron 0 0 30 2 *');
SELECT * FROM dbsync.next_runs('cron @daily', 'Europe/Berlim');
SELECT * FROM dbsync.next_runs('cron @daily', n => 0);
SELECT * FROM dbsync.next_runs('cron @daily', n => 1001);
SELECT * FROM dbsync.next_runs('cron @daily', after => 'infinity');
SELECT * FROM dbsync.next_runs('cron @daily', after => NULL);
SELECT * FROM dbsync.next_runs(NULL);
SELECT count(*) FROM dbsync.next_runs('cron @daily', after => '294270-01-01');
SELECT * FROM dbsync.next_runs('interval 3650 days', NULL, '294276-12-01');
SELECT * FROM dbsync.next_runs('cron @daily', NULL, '4713-01-01 BC', 2);
