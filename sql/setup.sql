-- Prepares a database for Waybill. Run it once, as a superuser, connected to that database:
--
--     psql -d waybill -f sql/setup.sql
--
-- It makes the two roles and the schema; `waybill migrate` then does the rest as waybill_owner.
-- Running it again changes nothing. How the roles log in (password, peer, certificate) is the
-- site's to say: ALTER ROLE and pg_hba.conf.
--
-- Where users of the system log in under their own names (peer), two variables name logins that
-- have the rights of a role, and no others. A login that exists already keeps those that it has:
--
--     psql -d waybill -v service_login=waybill -v owner_login=root -f sql/setup.sql
--
-- What owner_login makes must be the role's: owner_conninfo = dbname=waybill options=-crole=waybill_owner

\set ON_ERROR_STOP on

SELECT 'CREATE ROLE waybill_owner LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'waybill_owner')
\gexec

SELECT 'CREATE ROLE waybill_service LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'waybill_service')
\gexec

-- The owner may add to the database (the migrations need the extension pg_trgm); the service role
-- may connect, and gets each further right by name in a migration.
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
GRANT CONNECT, CREATE ON DATABASE :"DBNAME" TO waybill_owner;
GRANT CONNECT ON DATABASE :"DBNAME" TO waybill_service;

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
