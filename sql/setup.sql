-- Prepares a database for Waybill. Run this script once as a superuser, connected to that database:
--
--     psql -d waybill -f sql/setup.sql
--
-- The script creates the roles and the schema. `waybill migrate` then creates the tables as waybill_owner.
-- Running the script again changes nothing. Configure how the roles log in (password, peer, certificate) with
-- ALTER ROLE and pg_hba.conf. waybill_worker does not log in: sessions of waybill_service become it with SET ROLE.
--
-- If operating system users log in under their own names (peer), two variables name login roles that become members
-- of the two roles and have no other privileges. An existing login role keeps its privileges:
--
--     psql -d waybill -v service_login=waybill -v owner_login=root -f sql/setup.sql
--
-- waybill_owner must own the objects that owner_login creates. Set this in the configuration:
--
--     owner_conninfo = dbname=waybill options=-crole=waybill_owner

\set ON_ERROR_STOP on

SELECT 'CREATE ROLE waybill_owner LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'waybill_owner')
\gexec

SELECT 'CREATE ROLE waybill_loader LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'waybill_loader')
\gexec

SELECT 'CREATE ROLE waybill_service LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'waybill_service')
\gexec

SELECT 'CREATE ROLE waybill_worker NOLOGIN'
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'waybill_worker')
\gexec

-- waybill_service may become waybill_worker, but has none of its privileges before it does. In PostgreSQL 15, a role
-- has an attribute for that. Later versions have an option of the membership, whose default is the attribute.
SELECT 'ALTER ROLE waybill_service NOINHERIT'
WHERE EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'waybill_service' AND rolinherit)
\gexec

SELECT 'GRANT waybill_worker TO waybill_service'
       || CASE WHEN pg_catalog.current_setting('server_version_num')::integer >= 160000
               THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members AS m
                  WHERE roleid = 'waybill_worker'::regrole AND member = 'waybill_service'::regrole
                  AND coalesce(pg_catalog.to_jsonb(m) ->> 'inherit_option', 'false') = 'false'
                  AND coalesce(pg_catalog.to_jsonb(m) ->> 'set_option', 'true') = 'true')
\gexec

-- The owner needs CREATE on the database, because the migrations create the extension pg_trgm. A load needs TEMPORARY.
-- `waybill migrate` grants the other privileges of waybill_service and waybill_loader. This script runs as a
-- superuser, so it must not call functions of the schema: waybill_owner can replace them.
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
GRANT CONNECT, CREATE ON DATABASE :"DBNAME" TO waybill_owner;
GRANT CONNECT ON DATABASE :"DBNAME" TO waybill_service;
GRANT CONNECT, TEMPORARY ON DATABASE :"DBNAME" TO waybill_loader;
GRANT TEMPORARY ON DATABASE :"DBNAME" TO waybill_owner;

CREATE SCHEMA IF NOT EXISTS waybill AUTHORIZATION waybill_owner;

\if :{?service_login}
    SELECT pg_catalog.format('CREATE ROLE %I LOGIN', :'service_login'::name)
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = :'service_login'::name)
    \gexec
    SELECT pg_catalog.format('GRANT waybill_service TO %I', :'service_login'::name)
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members
                      WHERE roleid = 'waybill_service'::regrole
                      AND pg_catalog.pg_get_userbyid(member) = :'service_login'::name)
    AND :'service_login' <> 'waybill_service'
    \gexec
\endif

\if :{?owner_login}
    SELECT pg_catalog.format('CREATE ROLE %I LOGIN', :'owner_login'::name)
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = :'owner_login'::name)
    \gexec
    SELECT pg_catalog.format('GRANT waybill_owner TO %I', :'owner_login'::name)
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members
                      WHERE roleid = 'waybill_owner'::regrole
                      AND pg_catalog.pg_get_userbyid(member) = :'owner_login'::name)
    AND :'owner_login' <> 'waybill_owner'
    \gexec
\endif
