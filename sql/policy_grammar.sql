-- Texts of policies: those that are read, and what is said of those that are not.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE FUNCTION pg_temp.judge(policy text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
    state text;
BEGIN
    PERFORM dbsync_internal.check_policy(policy);
    RETURN 'is read';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, state = RETURNED_SQLSTATE;
    -- what is given as an example must be right itself
    PERFORM dbsync_internal.check_policy(substring(hint FROM '"(.*)"'));
    RETURN CASE WHEN state <> '22023' THEN state || ' ' ELSE '' END || detail;
END $$;

CREATE TEMPORARY TABLE good (no int GENERATED ALWAYS AS IDENTITY, policy text);
INSERT INTO good (policy) VALUES
('immediate'), ('IMMEDIATE'), (' immediate '), (E'\timmediate\n'), ('manual'), ('Manual'), (' manual  '),
('interval 30 s'), ('interval 30s'), ('interval 1 min'), ('interval 1.5 hours'), ('interval 1 h 30 min'), ('interval 1h 30min 5s'),
('interval 10 ms'), ('interval 0.01 s'), ('interval 3650 days'), ('interval 2 weeks'), ('INTERVAL 5 Minutes'), ('interval 10000 us'),
('interval 1 sec'), ('interval 90 secs'), ('interval 1 hr'), ('interval 2 hrs'), ('interval 1 w'), ('interval 500 milliseconds'),
('rows 1'), ('rows 10000'), ('rows 999999999'), ('Rows 5'), ('rows 007'),
('bytes 1'), ('bytes 64 MB'), ('bytes 64MB'), ('bytes 1.5 GB'), ('bytes 100 kB'), ('bytes 100 kb'), ('bytes 1000 bytes'), ('bytes 1000000 B'), ('bytes 2 TB'),
('age 1 min'), ('age 10 s'), ('age 1 day'), ('idle 5 min'), ('idle 1 s'),
('cron * * * * *'), ('cron 0 2 * * *'), ('cron 0 2 * * 1-5'), ('cron 0 2 * * Mon-Fri'), ('cron 0 2 * * mon,WED,fri'), ('cron 0 2 * * Monday'),
('cron */15 * * * *'), ('cron 0-30/10 8-18 * * *'), ('cron 0 0 29 2 *'), ('cron 0 0 31 * *'), ('cron 0 0 31 1,3 *'), ('cron 0 0 30 2 1'),
('cron 0 0 1 1 *'), ('cron 0 0 1 Jan *'), ('cron 0 0 1 jan-mar *'), ('cron 0 0 1 January,July *'), ('cron 5,10,15 1,2,3 1,2,3 1,2,3 1,2,3'),
('cron 0 0 * * 7'), ('cron 0 0 * * 0'), ('cron 0 0 * * 5-7'), ('cron 0 0 * * Fri-Sun'), ('cron 0 0 * * 0-7'), ('cron 0 0 */2 * *'), ('cron 0 0 * * */2'),
('cron 59 23 31 12 6'), ('cron *,5 * * * *'), ('cron 0 0 * */3 *'), ('cron */59 */23 */31 */12 */7'), ('cron   0   2   *   *   *  '), ('CRON 0 2 * * *'),
('cron @hourly'), ('cron @daily'), ('cron @midnight'), ('cron @weekly'), ('cron @monthly'), ('cron @yearly'), ('cron @annually'), ('cron @Daily'),
('rows 10000 or age 1 min'), ('rows 10000 OR bytes 64 MB or age 1 min or idle 5 min'), ('immediate or rows 5'), ('rows 5 or rows 10'),
('cron 0 2 * * 1 or rows 5'), ('cron 0 2 * * 1 or cron 0 14 * * *'), ('interval 30 s or cron @daily'), ('interval 1 min 30 s or rows 5'), ('bytes 5 or rows 5'),
('immediate during 20:00-06:00'), ('immediate during 00:00-24:00'), ('immediate during 20:00-00:00'), ('immediate during 8:00-9:30'),
('immediate during Mon-Fri 20:00-06:00'), ('immediate during Mon 20:00-06:00'), ('immediate during Fri-Mon 20:00-06:00'), ('immediate during Sunday 1:00-2:00'),
('interval 30 s during Mon-Fri 20:00-06:00, Sat-Sun 00:00-24:00'), ('rows 5 during Mon - Fri 20:00 - 06:00 , Sat 01:00-02:00,Sun 01:00-02:00'),
('cron 0 2 * * * during 20:00-06:00'), ('rows 10000 or age 1 min DURING mon-fri 20:00-06:00'), ('immediate during 23:59-00:00'), ('immediate during Mon-Sun 00:00-23:59');
SELECT count(*) AS good, count(*) FILTER (WHERE pg_temp.judge(policy) = 'is read') AS are_read FROM good;
SELECT no, policy, pg_temp.judge(policy) FROM good WHERE pg_temp.judge(policy) <> 'is read' ORDER BY no;

CREATE TEMPORARY TABLE bad (no int GENERATED ALWAYS AS IDENTITY, policy text);
INSERT INTO bad (policy) VALUES
(''), ('   '), ('at once'), ('immediately'), ('never'), ('manual or rows 5'), ('manual during 20:00-06:00'), ('rows 5 or manual'), ('or'), ('or rows 5'),
('rows 5 or'), ('rows 5 or or rows 6'), ('rows 5 and age 1 min'), ('rows 5, age 1 min'), ('immediate immediate'), ('immediate;'), ('during 20:00-06:00'),
('interval'), ('interval 30'), ('interval s'), ('interval 30 parsecs'), ('interval 30 or rows 5'), ('interval 0 s'), ('interval -5 s'), ('interval 1 month'), ('interval 1 year'),
('interval 5 ms'), ('interval 3651 days'), ('interval 99999999999999999999 s'), ('interval 1e3 s'), ('interval 1. s'), ('interval .5 s'), ('interval 1:30'), ('interval infinity'),
('interval 30 s 20'), ('interval 30 s; 20 s'), ('interval ''30 s'''), ('interval 1..5 s'), ('interval 30 ss'), ('interval 1000000000000000 weeks'),
('rows'), ('rows many'), ('rows 0'), ('rows -1'), ('rows 1.5'), ('rows 1000000000'), ('rows 10 000'), ('rows 10k'), ('rows 5 age 1 min'), ('rows +5'),
('bytes'), ('bytes 0'), ('bytes -1'), ('bytes 64 parsecs'), ('bytes MB'), ('bytes 64MBs'), ('bytes 1 PB'), ('bytes 999999999 TB'), ('bytes 0.5'),
('age'), ('age 0 s'), ('age old'), ('idle'), ('idle 0'), ('idle 5'), ('idle never'),
('cron'), ('cron 0'), ('cron 0 2'), ('cron 0 2 *'), ('cron 0 2 * *'), ('cron 0 2 * * or rows 5'), ('cron 0 2 * * * *'), ('cron 0 2 * * * 2026'), ('cron 60 * * * *'), ('cron * 24 * * *'),
('cron * * 0 * *'), ('cron * * 32 * *'), ('cron * * * 0 *'), ('cron * * * 13 *'), ('cron * * * * 8'), ('cron -1 * * * *'), ('cron 5-1 * * * *'), ('cron * * * * Fri-Mon'), ('cron * * * Foo *'),
('cron * * * * Foo'), ('cron Mon * * * *'), ('cron */0 * * * *'), ('cron */60 * * * *'), ('cron 5/10 * * * *'), ('cron */ * * * *'), ('cron , * * * *'), ('cron 1, 2 * * *'), ('cron 1,,2 * * * *'),
('cron 1-2-3 * * * *'), ('cron 1- * * * *'), ('cron *5 * * * *'), ('cron ** * * * *'), ('cron ? * * * *'), ('cron L * * * *'), ('cron * * * * Mon#1'), ('cron 0 0 30 2 *'), ('cron 0 0 31 4,6,9,11 *'),
('cron 0 0 30-31 2 *'), ('cron 0 0 31 feb *'), ('cron @reboot'), ('cron @'), ('cron @daily 5'), ('cron @every 5 min'), ('cron 1000000000 * * * *'), ('cron 0 0 * * Mondays'),
('immediate during'), ('immediate during 20:00'), ('immediate during 20:00-'), ('immediate during 20:00-20:00'), ('immediate during 25:00-26:00'), ('immediate during 20:60-21:00'), ('immediate during 24:00-25:00'),
('immediate during 24:00-06:00'), ('immediate during 20-06'), ('immediate during 20:0-06:00'), ('immediate during 8pm-6am'), ('immediate during Mon'), ('immediate during Mon-'), ('immediate during Mon-Foo 20:00-06:00'),
('immediate during Monday-Fri'), ('immediate during 20:00-06:00 or rows 5'), ('immediate during 20:00-06:00,'), ('immediate during 20:00-06:00, '), ('immediate during 20:00-06:00 Sat 01:00-02:00'), ('immediate during , 20:00-06:00'),
('immediate during 20:00-06:00-07:00'), ('immediate during 020:00-06:00'), ('immediate during 00:00-24:01'), ('immediate during Mon,Tue 20:00-06:00'), ('immediate during 20:00:00-06:00:00'), ('immediate during 20:00 to 06:00'),
('eternal'), ('rows 5 or  eternal'), ('immediate during summer 20:00-06:00'), ('cron 1 , 2 * * *');
SELECT count(*) AS bad, count(*) FILTER (WHERE pg_temp.judge(policy) <> 'is read') AS are_refused FROM bad;
SELECT no, policy, pg_temp.judge(policy) AS is_wrong FROM bad ORDER BY no;

-- Longer than anybody needs, and more of a kind than there is room for.
SELECT dbsync_internal.check_policy('immediate' || repeat(' ', 992));
SELECT dbsync_internal.check_policy('immediate' || repeat(' ', 991));
SELECT dbsync_internal.check_policy('cron @daily' || repeat(' or cron @daily', 15));
SELECT dbsync_internal.check_policy('cron @daily' || repeat(' or cron @daily', 16));
SELECT dbsync_internal.check_policy('immediate during 01:00-02:00' || repeat(', 01:00-02:00', 31));
SELECT dbsync_internal.check_policy('immediate during 01:00-02:00' || repeat(', 01:00-02:00', 32));

-- Where they are given, the text and the place in it are in the message.
\set VERBOSITY default
SELECT dbsync.create_target('policy_target', format('postgresql://?host=%s&port=%s&dbname=%s',
    split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database()));
SELECT dbsync.create_subscription('s', 'policy_target', policy => 'rows 5 or age 1 minuet');
SELECT dbsync.create_subscription('s', 'policy_target', time_zone => 'Europe/Berlim');
SELECT dbsync.create_subscription('s', 'policy_target', time_zone => '');
-- Numbers and intervals are counted to the east by SET, as names of zones to the west.
SELECT dbsync.create_subscription('s', 'policy_target', time_zone => '5.5');
SELECT dbsync.create_subscription('s', 'policy_target', time_zone => 'INTERVAL -08:00');
SELECT dbsync.create_subscription('s', 'policy_target', policy => 'Rows  5', time_zone => 'Europe/Berlin');
SELECT dbsync.alter_subscription('s', policy => 'cron 0 2 * *');
SELECT dbsync.alter_subscription('s', time_zone => repeat('Europe/', 100));
-- The text is kept as it was given.
SELECT policy, time_zone, last_run FROM dbsync.subscription;
SELECT dbsync.alter_subscription('s', policy => 'age 5 s', time_zone => 'Asia/Kathmandu');
SELECT policy, time_zone, last_run IS NOT NULL AS counts_from_here FROM dbsync.subscription;
SELECT policy, next_run, waits_for FROM dbsync.status;
SELECT dbsync.run_now('s');
SELECT dbsync.run_now('t');
SELECT dbsync.drop_subscription('s');
SELECT dbsync.drop_target('policy_target');
