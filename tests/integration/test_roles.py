"""The service role can read the inventory and the tokens, and write tasks; nothing else."""

import psycopg2
import pytest

TABLES = {
    "container": {"SELECT"},
    "access_token": {"SELECT"},
    "schema_migration": {"SELECT"},
    "export_task": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "discarded_file": {"SELECT", "INSERT", "DELETE"},
    "counter": {"SELECT", "INSERT", "UPDATE"},
    "task_tally": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "ended_tally": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "inventory_profile": {"SELECT"},
    "inventory_label": {"SELECT"},
    "inventory_load": {"SELECT"},
    "export_schedule": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "schedule_run": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "notification": {"SELECT", "INSERT", "UPDATE", "DELETE"},
}
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
ROLE = "waybill_service"


def test_tables(hostile):
    relations = hostile.site.sql(
        "SELECT c.oid, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
        " AND c.relkind IN ('r', 'v', 'm', 'p', 'f')")
    assert {name for _, name in relations} >= set(TABLES)
    for oid, name in relations:
        held = {privilege for privilege in PRIVILEGES
                if hostile.site.sql("SELECT has_table_privilege(%s, %s::oid, %s)", ROLE, oid, privilege)[0][0]}
        assert held == TABLES.get(name, set()), f"{name}: {held}"


def test_sequences(hostile):
    held = hostile.site.sql(
        "SELECT sequencename FROM pg_sequences WHERE has_sequence_privilege("
        "%s, format('%%I.%%I', schemaname, sequencename), 'USAGE, SELECT, UPDATE')", ROLE)
    assert held == []


def test_database_and_schemas(hostile):
    database = {privilege: hostile.site.sql("SELECT has_database_privilege(%s, current_database(), %s)", ROLE,
                                            privilege)[0][0]
                for privilege in ("CONNECT", "CREATE", "TEMPORARY")}
    assert database == {"CONNECT": True, "CREATE": False, "TEMPORARY": False}
    schemas = hostile.site.sql("SELECT nspname FROM pg_namespace WHERE has_schema_privilege(%s, oid, 'CREATE')", ROLE)
    assert schemas == []
    assert hostile.site.sql("SELECT has_schema_privilege(%s, 'waybill', 'USAGE')", ROLE) == [(True,)]


@pytest.mark.parametrize("role", ["waybill_service", "waybill_owner"])
def test_no_role_is_more_than_a_login(hostile, role):
    attributes = hostile.site.sql(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = %s",
        role)
    assert attributes == [(False,) * 5]
    assert hostile.site.sql("SELECT count(*) FROM pg_auth_members WHERE member = %s::regrole", role) == [(0,)]


def test_the_service_owns_nothing(hostile):
    assert hostile.site.sql("SELECT count(*) FROM pg_class WHERE relowner = %s::regrole", ROLE) == [(0,)]


@pytest.mark.parametrize("statement", [
    "CREATE TABLE waybill.x (a int)", "CREATE TABLE public.x (a int)", "CREATE TEMPORARY TABLE x (a int)",
    "CREATE SCHEMA x", "DELETE FROM waybill.container", "UPDATE waybill.container SET status = 'Running'",
    "TRUNCATE waybill.container", "INSERT INTO waybill.container (project_id, container_id) VALUES ('x', 'x')",
    "DROP TABLE waybill.container", "ALTER TABLE waybill.export_task ADD x int", "TRUNCATE waybill.export_task",
    "UPDATE waybill.access_token SET revoke_time = NULL",
    "INSERT INTO waybill.access_token (token_sha256, project_id) VALUES (sha256('x'), 'demo')",
    "DELETE FROM waybill.access_token", "CREATE FUNCTION waybill.quantity_key(int) RETURNS int LANGUAGE sql RETURN 1",
    "SET ROLE waybill_owner", "COPY waybill.container TO PROGRAM 'true'",
])
def test_what_the_service_may_not_do(hostile, statement):
    connection = hostile.site.connect("waybill_service")
    try:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            connection.cursor().execute(statement)
    finally:
        connection.close()


def test_strangers_may_not_connect(hostile):
    hostile.site.sql("CREATE ROLE stranger LOGIN")
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        hostile.site.connect("stranger").close()
