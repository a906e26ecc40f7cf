-- Prepares a database for Waybill. Run it once, as a superuser, connected to that database:
--
--     psql -d waybill -f sql/setup.sql
--
-- It makes the two roles and the schema; `waybill migrate` then does the rest as waybill_owner.
-- Running it again changes nothing. How the roles log in (password, peer, certificate) is the
-- site's to say: ALTER ROLE and pg_hba.conf.

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
