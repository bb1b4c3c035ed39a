-- What capture makes of partitioned tables: each change once, under the root's name, as the root has its columns.
\set QUIET on
\i sql/include/capture.sql
create table p(id int not null, k int not null, v text, primary key (id,k)) partition by list (k);
create table p1 partition of p for values in (1);
create table p2 (v text, junk int, k int not null, id int not null);
alter table p2 drop junk;
alter table p attach partition p2 for values in (2);
create table p3 partition of p for values in (3,4) partition by range (id);
create table p3a partition of p3 for values from (0) to (100);
create table p3b partition of p3 default;
select capture_test.begin('p');
SELECT p.relid::regclass, p.parent::regclass, p.leaf, p.bound FROM dbsync.partition p ORDER BY p.relid;
select tgrelid::regclass, regexp_replace(tgname, '\d+', 'N') AS trigger, tgenabled, tgparentid<>0 AS clone from pg_trigger where tgname like 'dbsync%' order by 1,2;
insert into p values (1,1,'a'),(2,2,'b'),(3,3,'c'),(300,4,'d');
insert into p2 (id,k,v) values (22,2,'bb');
insert into p3 values (5,3,'e');
update p set v=v||'x';
update p set k=2 where id=1;
update p2 set v='leaf' where id=22;
delete from p where id=3;
select * from capture_test.log('p');
select capture_test.verdict('p');
merge into p using (values (2,1)) s(id,k) on p.id=s.id when matched then update set k=s.k;
merge into p using (values (2,2),(77,1)) s(id,k) on p.id=s.id when matched then update set k=s.k when not matched then insert values (s.id,s.k,'z');
select capture_test.verdict('p');
copy p from stdin;
40	1	cc
41	2	dd
\.
copy p2 from stdin;
ff	2	50
\.
select capture_test.verdict('p');
select tableoid::regclass,* from p;
create table p5 partition of p for values in (5);
insert into p values (6,5,'new');
create table p6 (id int not null, k int not null, v text);
insert into p6 values (1,6,'old'),(2,6,'old');
alter table p attach partition p6 for values in (6);
select capture_test.verdict('p');
select tgrelid::regclass, count(*) from pg_trigger where tgname like 'dbsync%' group by 1 order by 1;
truncate p5;
select kind, bound from dbsync.turn;
alter table p detach partition p6;
drop table p5;
begin; drop table p3; rollback;
drop table p3;
select kind, bound from dbsync.turn order by xid, no;
select tgrelid::regclass, count(*) from pg_trigger where tgname like 'dbsync%' group by 1 order by 1;
truncate p2; truncate p;
select * from capture_test.log('p') order by tx desc limit 5;
alter table p add c int default 5;
insert into p values (1,1,'q',6);
select kind, bound, missing from dbsync.turn order by xid, no;
alter table p1 disable trigger all;
alter table p disable trigger all;
-- what scripts that load data do, of the root and of a partition: ours stay what they are
alter table p enable trigger all;
alter table p2 enable trigger all;
alter table p2 enable trigger user;
insert into p values (2,2,'q',7),(3,1,'q',8);
select capture_test.verdict('p');
select tgrelid::regclass, regexp_replace(tgname, '\d+', 'N') AS trigger, tgenabled from pg_trigger where tgname like 'dbsync%' and tgenabled not in ('A') order by 1,2;
SELECT format('DROP TRIGGER dbsync_%s_insert ON p1', id) AS drop FROM dbsync.captured_table WHERE relid = 'p'::regclass \gset
\set VERBOSITY sqlstate
:drop;
\set VERBOSITY default
ALTER TABLE p1 SET UNLOGGED;
create unlogged table pu partition of p for values in (99);
SELECT capture_test.end('p');
SET client_min_messages = warning;
DROP SCHEMA capture_test CASCADE;
