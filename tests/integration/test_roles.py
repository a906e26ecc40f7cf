"""The service role can read the inventory and the tokens, and write tasks; nothing else. The worker role can run tasks
and schedules, and cannot read the inventory. The loader role can write the inventory; nothing else."""

import psycopg2
import pytest

TABLES = {
    "container": {"SELECT"},
    "credential": {"SELECT"},
    "schema_migration": {"SELECT"},
    "export_task": {"SELECT", "INSERT", "DELETE"},
    "idempotency_key": {"SELECT", "INSERT", "UPDATE"},
    "counter": {"SELECT", "INSERT", "UPDATE"},
    "task_tally": {"SELECT"},
    "inventory_profile": {"SELECT"},
    "inventory_label": {"SELECT"},
    "inventory_load": {"SELECT"},
    "export_schedule": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "schedule_run": {"SELECT", "INSERT", "UPDATE"},
    "notification": {"DELETE"},
}
WORKER_TABLES = {
    "credential": {"SELECT"},
    "export_task": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "discarded_file": {"SELECT", "DELETE"},
    "counter": {"SELECT", "INSERT", "UPDATE"},
    "task_tally": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "idempotency_key": {"SELECT", "UPDATE", "DELETE"},
    "ended_tally": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "export_schedule": {"SELECT", "UPDATE"},
    "schedule_run": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "notification": {"SELECT", "INSERT", "UPDATE", "DELETE"},
}
COLUMNS = {
    ("credential", "last_use_time", "UPDATE"), ("export_task", "kept", "UPDATE"),
    ("export_task", "expire_time", "UPDATE"), ("notification", "schedule_id", "SELECT"),
    ("notification", "receiver", "UPDATE"),
}
LOADER_TABLES = {
    "container": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "inventory_load": {"SELECT", "INSERT", "UPDATE"},
    "image_report": {"SELECT", "INSERT", "UPDATE"},
    "inventory_label": {"SELECT"},
}
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
ROLE = "waybill_service"
LOADER = "waybill_loader"
WORKER = "waybill_worker"


def held_privileges(site, role):
    """Returns {table: privileges} of a role, without the tables on which it has none."""
    relations = site.sql(
        "SELECT c.oid, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
        " AND c.relkind IN ('r', 'v', 'm', 'p', 'f')")
    held = {name: {privilege for privilege in PRIVILEGES
                   if site.sql("SELECT has_table_privilege(%s, %s::oid, %s)", role, oid, privilege)[0][0]}
            for oid, name in relations}
    return {name: privileges for name, privileges in held.items() if privileges}


@pytest.mark.parametrize("role, tables", [(ROLE, TABLES), (WORKER, WORKER_TABLES), (LOADER, LOADER_TABLES)])
def test_tables(hostile, role, tables):
    assert held_privileges(hostile.site, role) == tables


@pytest.mark.parametrize("role, columns", [(ROLE, COLUMNS), (WORKER, set()), (LOADER, set())])
def test_columns(hostile, role, columns):
    """Privileges on single columns of a table."""
    found = hostile.site.sql(
        "SELECT relname, attname, privilege_type FROM pg_attribute JOIN pg_class ON oid = attrelid, aclexplode(attacl)"
        " WHERE grantee = %s::regrole", role)
    assert set(found) == columns


@pytest.mark.parametrize("role, functions", [
    (ROLE, {"unfinished_tasks", "running_exports", "gauges"}),
    (WORKER, {"unfinished_tasks", "running_exports", "inventory_census"}),
    (LOADER, {"inventory_analyze", "inventory_tidy"}),
])
def test_functions_that_run_as_the_owner(hostile, role, functions):
    """A trigger function is one of them: a role that may execute it can call it for a table of its own."""
    found = hostile.site.sql("SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'waybill'::regnamespace"
                             " AND has_function_privilege(%s, oid, 'EXECUTE')", role)
    assert {name for name, in found} == functions


@pytest.mark.parametrize("name", ["text", "regclass"])
def test_types_of_the_loader_do_not_run_as_the_owner(hostile, name):
    """It can create temporary types, whose checks run wherever a function uses them."""
    connection = hostile.site.connect(LOADER)
    connection.autocommit = False
    try:
        cursor = connection.cursor()
        cursor.execute(f"CREATE FUNCTION pg_temp.refuse(pg_catalog.{name}) RETURNS boolean LANGUAGE plpgsql AS"
                       " $$ BEGIN RAISE 'as %', current_user; END $$")
        cursor.execute(f"CREATE DOMAIN pg_temp.{name} AS pg_catalog.{name} CHECK (pg_temp.refuse(VALUE))")
        cursor.execute("INSERT INTO waybill.container (project_id, container_id) VALUES ('loader', 'a')")
        cursor.execute("SELECT waybill.inventory_analyze('loader'), waybill.inventory_tidy('loader')")
    finally:
        connection.close()


def test_sequences(hostile):
    held = hostile.site.sql(
        "SELECT sequencename FROM pg_sequences WHERE has_sequence_privilege("
        "%s, format('%%I.%%I', schemaname, sequencename), 'USAGE, SELECT, UPDATE')", ROLE)
    assert held == []


@pytest.mark.parametrize("role, connect, temporary", [
    (ROLE, True, False), (WORKER, False, False), (LOADER, True, True),
])
def test_database_and_schemas(hostile, role, connect, temporary):
    database = {privilege: hostile.site.sql("SELECT has_database_privilege(%s, current_database(), %s)", role,
                                            privilege)[0][0]
                for privilege in ("CONNECT", "CREATE", "TEMPORARY")}
    assert database == {"CONNECT": connect, "CREATE": False, "TEMPORARY": temporary}
    schemas = hostile.site.sql("SELECT nspname FROM pg_namespace WHERE has_schema_privilege(%s, oid, 'CREATE')"
                               " AND NOT pg_is_other_temp_schema(oid)", role)
    assert schemas == []
    assert hostile.site.sql("SELECT has_schema_privilege(%s, 'waybill', 'USAGE')", role) == [(True,)]


@pytest.mark.parametrize("role, memberships", [
    (ROLE, [(WORKER,)]), (WORKER, []), (LOADER, []), ("waybill_owner", []),
])
def test_no_role_is_more_than_a_login(hostile, role, memberships):
    attributes = hostile.site.sql(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = %s",
        role)
    assert attributes == [(False,) * 5]
    assert hostile.site.sql("SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole AND NOT"
                            " admin_option", role) == memberships


def test_only_a_session_of_the_service_becomes_the_worker(hostile):
    assert hostile.site.sql("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", WORKER) == [(False,)]
    assert hostile.site.sql("SELECT pg_has_role(%s, %s, 'MEMBER'), pg_has_role(%s, %s, 'USAGE')", ROLE, WORKER, ROLE,
                            WORKER) == [(True, False)]


def test_the_service_owns_nothing(hostile):
    assert hostile.site.sql("SELECT count(*) FROM pg_class WHERE relowner = %s::regrole", ROLE) == [(0,)]


@pytest.mark.parametrize("statement", [
    "CREATE TABLE waybill.x (a int)", "CREATE TABLE public.x (a int)", "CREATE TEMPORARY TABLE x (a int)",
    "CREATE SCHEMA x", "DELETE FROM waybill.container", "UPDATE waybill.container SET status = 'Running'",
    "TRUNCATE waybill.container", "INSERT INTO waybill.container (project_id, container_id) VALUES ('x', 'x')",
    "DROP TABLE waybill.container", "ALTER TABLE waybill.export_task ADD x int", "TRUNCATE waybill.export_task",
    "UPDATE waybill.credential SET revoke_time = NULL",
    "INSERT INTO waybill.credential (token_sha256, project_id) VALUES (sha256('x'), 'demo')",
    "DELETE FROM waybill.credential", "UPDATE waybill.export_task SET project_id = 'demo'",
    "SELECT body FROM waybill.notification", "SELECT waybill.inventory_census()", "SELECT FROM waybill.ended_tally",
    "INSERT INTO waybill.task_tally VALUES ('demo', '0', NULL, 1)", "DELETE FROM waybill.discarded_file",
    "CREATE FUNCTION waybill.quantity_key(int) RETURNS int LANGUAGE sql RETURN 1",
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
