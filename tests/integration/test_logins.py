"""Logins that setup.sql makes for system users: they serve and migrate, with the privileges of a role and no more."""

import os

import psycopg2
import pytest

from service import TOP, Service, Site

SETUP = os.path.join(TOP, "sql", "setup.sql")
SERVICE, OWNER = "site_service", "site_owner"
# If the quoting were wrong, psql would run it.
ODD = "o'neil \"x\" \\; DROP ROLE waybill_service; $$ %I -- "


@pytest.fixture(scope="module")
def site(scratch, postgres):
    """A database that was prepared with logins. The owner's login has created the schema."""
    made = Site(postgres, os.path.join(scratch, "logins"))
    made.sql("DROP SCHEMA waybill CASCADE")
    postgres.psql("logins", SETUP, service_login=SERVICE, owner_login=OWNER)
    made.config = made.write_config({
        "database.conninfo": postgres.conninfo("logins", SERVICE),
        "database.owner_conninfo": postgres.conninfo("logins", OWNER) + " options=-crole=waybill_owner",
    })
    made.migrate()
    yield made
    made.close()


def roles(site):
    """Returns everything about the roles and their members."""
    return (site.sql("SELECT to_jsonb(r) FROM pg_roles r ORDER BY oid"),
            site.sql("SELECT roleid::text, member::text, admin_option FROM pg_auth_members ORDER BY 1, 2"))


def memberships(site, name):
    return site.sql("SELECT pg_get_userbyid(roleid)::text, admin_option FROM pg_auth_members"
                    " WHERE pg_get_userbyid(member) = %s", name)


def test_they_serve(site):
    service = Service(site)
    try:
        assert service.api().finished()
        users = site.sql("SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'logins'"
                         " AND pid <> pg_backend_pid()")
        assert users == [(SERVICE,)]
    finally:
        service.stop()


def test_what_they_made_is_the_role_s(site):
    owners = site.sql(
        "SELECT DISTINCT pg_get_userbyid(relowner)::text FROM pg_class WHERE relnamespace = 'waybill'::regnamespace"
        " UNION SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = 'waybill'")
    assert owners == [("waybill_owner",)]


@pytest.mark.parametrize("login, role", [(SERVICE, "waybill_service"), (OWNER, "waybill_owner")])
def test_they_have_the_privileges_of_the_role(site, login, role):
    attributes = ("SELECT rolcanlogin, rolinherit, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
                  " FROM pg_roles WHERE rolname = %s")
    assert site.sql(attributes, login) == [(True, True, False, False, False, False, False)]
    assert memberships(site, login) == [(role, False)]
    assert memberships(site, role) == ([("waybill_worker", False)] if login == SERVICE else [])
    granted = site.sql(
        "SELECT relname::text FROM pg_class, aclexplode(relacl) acl WHERE grantee = %s::regrole"
        " UNION ALL SELECT nspname::text FROM pg_namespace, aclexplode(nspacl) acl WHERE grantee = %s::regrole"
        " UNION ALL SELECT datname::text FROM pg_database, aclexplode(datacl) acl WHERE grantee = %s::regrole",
        login, login, login)
    assert granted == []


@pytest.mark.parametrize("statement", [
    "SET ROLE waybill_owner", "CREATE TABLE waybill.x (a int)", "DELETE FROM waybill.container",
    "UPDATE waybill.credential SET revoke_time = NULL", "GRANT waybill_service TO site_owner",
])
def test_what_the_service_s_login_may_not_do(site, statement):
    connection = site.connect(SERVICE)
    try:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            connection.cursor().execute(statement)
    finally:
        connection.close()


def test_again_nothing_changes(site, postgres):
    before = roles(site)
    assert SERVICE in str(before)
    said = postgres.psql("logins", SETUP, service_login=SERVICE, owner_login=OWNER)
    assert roles(site) == before
    assert "already a member" not in said


def test_without_the_variables_nobody_is_made(site, postgres):
    before = roles(site)
    postgres.psql("logins", SETUP)
    assert roles(site) == before


def test_a_login_that_exists_keeps_what_it_has(site, postgres):
    site.sql("CREATE ROLE clerk NOLOGIN CREATEDB")
    before = site.sql("SELECT to_jsonb(r) FROM pg_roles r WHERE rolname = 'clerk'")
    postgres.psql("logins", SETUP, service_login="clerk")
    assert site.sql("SELECT to_jsonb(r) FROM pg_roles r WHERE rolname = 'clerk'") == before
    assert memberships(site, "clerk") == [("waybill_service", False)]


def test_the_roles_themselves_are_no_new_logins(site, postgres):
    before = roles(site)
    postgres.psql("logins", SETUP, service_login="waybill_service", owner_login="waybill_owner")
    assert roles(site) == before


@pytest.mark.parametrize("variable, role", [("service_login", "waybill_service"), ("owner_login", "waybill_owner")])
def test_any_name_is_a_name_and_no_more(site, postgres, variable, role):
    name = f"{ODD}{variable[0]}"
    postgres.psql("logins", SETUP, **{variable: name})
    assert memberships(site, name) == [(role, False)]
    postgres.psql("logins", SETUP, **{variable: name})
    assert memberships(site, name) == [(role, False)]
