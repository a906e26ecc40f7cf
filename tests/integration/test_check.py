"""`waybill check`: one line for each prerequisite, advice if it is missing, and an exit status."""

import contextlib
import os
import re

import pytest
from deadline import wait_until
from faults import fleet  # noqa: F401
from service import MIGRATIONS, Site

SUBJECTS = ["configuration", "database", "schema", "privileges", "clock", "inventory", "rows", "values", "owner",
            "schedules", "scheduler", "tzdata", "notifications", "keys", "keystone", "files", "socket"]
LINE = re.compile(r"(ok|warning|failed|skipped) +([a-z]+) +(\S.*)")


@pytest.fixture
def site(scratch, postgres, request):
    name = "check_" + re.sub("[^a-z0-9]+", "_", request.node.name.lower())[-40:]
    made = Site(postgres, os.path.join(scratch, name))
    os.chmod(made.files, 0o750)
    yield made
    made.close()


def check(site, *arguments, status=0):
    """Returns its lines as {subject: (finding, text)}."""
    done = site.waybill("check", "--sql-dir", MIGRATIONS, *arguments)
    found = [LINE.fullmatch(line) for line in done.stdout.splitlines()]
    assert all(found), f"{done}"
    assert [line[2] for line in found] == SUBJECTS, f"{done}"
    assert done.returncode == status, f"{done}"
    failed = sum(line[1] == "failed" for line in found)
    assert done.stderr == (f"waybill: {failed} of these checks failed\n" if failed else ""), f"{done}"
    assert (failed > 0) == (status != 0)
    return {line[2]: (line[1], line[3]) for line in found}


def expect(found, finding, subject, *mentions):
    """Checks that a subject has this finding, and all others are ok, or skipped for the socket."""
    assert found[subject][0] == finding, f"{found}"
    assert all(mention in found[subject][1] for mention in mentions), f"{found[subject]}"
    others = {name: line for name, line in found.items() if name != subject}
    skipped = {"socket"} if found["rows"][0] == "ok" else {"socket", "rows", "values"}
    assert all(line[0] == ("skipped" if name in skipped else "ok") for name, line in others.items()), f"{others}"
    assert found["rows"][0] == "ok" or subject == "inventory", f"{found}"


def test_every_check_succeeds(site):
    found = check(site)
    expect(found, "skipped", "socket", "--socket PATH|HOST:PORT")
    assert found["configuration"][1] == site.config
    assert "PostgreSQL 1" in found["database"][1] and "waybill_service" in found["database"][1]
    assert found["schema"][1].endswith(max(os.listdir(MIGRATIONS)))
    assert "waybill.container" in found["inventory"][1]
    assert "waybill_owner" in found["owner"][1]
    assert found["schedules"][1] == "0 enabled" and found["scheduler"][1] == "no schedule is overdue"
    assert found["notifications"][1] == "off: [notify] hosts is empty"
    assert found["keys"][1].startswith(f"off: {site.key_file} does not exist")
    assert found["keystone"][1] == "off: [access] provider is none"
    assert site.files in found["files"][1] and "GiB left" in found["files"][1]


def test_usage(site):
    for arguments in (["--sokcet", "x"], ["all"], ["--socket"]):
        done = site.waybill("check", *arguments)
        assert done.returncode == 2 and done.stdout == "", f"{done}"


def test_a_configuration_that_can_not_be_read(site):
    with open(site.config, "a", encoding="utf-8") as config:
        config.write("unknown = 1\n")
    done = site.waybill("check")
    assert done.returncode == 1 and done.stdout == "" and site.config in done.stderr, f"{done}"


def test_a_password_that_all_can_read(site):
    conninfo = site.postgres.conninfo(site.database, "waybill_service") + " password=Xyzzy42"
    site.write_config({"database.conninfo": conninfo})
    os.chmod(site.config, 0o644)
    found = check(site)
    expect(found, "warning", "configuration", "chmod o-r")
    assert "Xyzzy42" not in str(found)
    os.chmod(site.config, 0o640)
    expect(check(site), "ok", "configuration")


def test_a_key_file(site):
    site.make_keys()
    assert check(site)["keys"] == ("ok", site.key_file)
    site.waybill("key", "rotate")
    assert check(site)["keys"] == ("ok", site.key_file)
    os.chmod(site.key_file, 0o644)
    expect(check(site), "warning", "keys", site.key_file, "chmod o-rwx")


def test_a_key_file_that_is_malformed(site):
    with open(site.key_file, "w", encoding="ascii") as file:
        file.write("0123456789abcdef 1 Xyzzy42\n")
    os.chmod(site.key_file, 0o640)
    found = check(site, status=1)
    expect(found, "failed", "keys", "the file has not the form", "[access] key_file")
    assert "Xyzzy42" not in str(found)


def test_a_key_file_that_can_not_be_read(site):
    """Unlike a file that does not exist. Root can read every file, but not a file as a directory."""
    path = os.path.join(site.config, "access.key")
    site.write_config({"access.key_file": path})
    expect(check(site, status=1), "failed", "keys", f"{path}: Not a directory", "[access] key_file")


def test_no_database(site):
    site.write_config({"database.conninfo": "host=/no/such/directory dbname=x password=Xyzzy42",
                       "inventory.conninfo": site.postgres.conninfo(site.database, "waybill_service")})
    found = check(site, status=1)
    assert found["database"][0] == "failed" and "[database] conninfo" in found["database"][1], f"{found}"
    for name in ("schema", "privileges", "clock", "schedules", "scheduler"):
        assert found[name] == ("skipped", "there is no connection to the database"), f"{found}"
    assert found["inventory"][0] == found["owner"][0] == found["files"][0] == found["tzdata"][0] == "ok", f"{found}"
    assert "Xyzzy42" not in str(found)


def test_a_schema_that_is_not_there(site):
    site.sql("DROP SCHEMA waybill CASCADE")
    found = check(site, status=1)
    assert found["schema"][0] == found["privileges"][0] == found["schedules"][0] == "failed", f"{found}"
    assert "waybill migrate" in found["schema"][1] and "waybill migrate" in found["schedules"][1]
    assert found["scheduler"][0] == "skipped", f"{found}"


def test_a_schema_that_is_old(site):
    site.sql("DELETE FROM waybill.schema_migration WHERE name LIKE '0004%%' OR name LIKE '0005%%'")
    expect(check(site, status=1), "failed", "schema", "0004_durability.sql", "waybill migrate")


def test_a_schema_that_is_newer(site):
    site.sql("INSERT INTO waybill.schema_migration (name) VALUES ('9998_later.sql'), ('9999_last.sql')")
    expect(check(site), "warning", "schema", "9999_last.sql", "newer version")


def test_a_missing_privilege(site):
    site.sql("REVOKE DELETE ON waybill.export_task FROM waybill_service")
    expect(check(site, status=1), "failed", "privileges", "DELETE on waybill.export_task", "waybill_service")


def test_a_missing_privilege_on_columns(site):
    site.sql("REVOKE UPDATE (kept, expire_time) ON waybill.export_task FROM waybill_service")
    expect(check(site, status=1), "failed", "privileges", "UPDATE on waybill.export_task", "waybill_service")


@pytest.mark.parametrize("privilege", ["DELETE", "EXECUTE"])
def test_a_missing_privilege_of_the_worker(site, privilege):
    site.sql("REVOKE DELETE ON waybill.notification FROM waybill_worker" if privilege == "DELETE" else
             "REVOKE EXECUTE ON FUNCTION waybill.unfinished_tasks FROM waybill_worker")
    expect(check(site, status=1), "failed", "privileges", f"waybill_worker lacks {privilege} on waybill.")


def test_the_rows_of_all_projects_are_counted(site):
    """The role of the service sees only one project at a time."""
    site.sql("INSERT INTO waybill.container (project_id, container_id, enterprise_project_id, status)"
             " SELECT 'p' || i % 2, i, i % 2, 'odd' FROM generate_series(1, 5) AS i")
    done = site.waybill("check", "--sql-dir", MIGRATIONS)
    assert "project p1, enterprise project 1: 3" in done.stdout, f"{done}"
    assert "project p0, enterprise project 0: 2" in done.stdout and '"odd" (5 rows)' in done.stdout, f"{done}"
    site.sql("REVOKE EXECUTE ON FUNCTION waybill.inventory_census FROM waybill_worker")
    done = site.waybill("check", "--sql-dir", MIGRATIONS)
    assert done.returncode == 1 and "the rows cannot be counted" in done.stdout, f"{done}"


@pytest.mark.parametrize("table", ["inventory_profile", "inventory_label"])
def test_combinations_that_cannot_be_read(site, table):
    """An export with filters would fail."""
    site.sql(f"REVOKE SELECT ON waybill.{table} FROM waybill_service")
    expect(check(site, status=1), "failed", "inventory", f"permission denied for table {table}", "privileges")


def test_a_role_that_may_do_more(site):
    site.write_config({"database.conninfo": site.postgres.conninfo(site.database, "waybill_owner")})
    found = check(site, status=1)
    assert found["privileges"][0] == "failed" and "permission denied to set role" in found["privileges"][1], f"{found}"
    site.write_config({"database.conninfo": site.postgres.conninfo(site.database, "postgres")})
    expect(check(site), "warning", "privileges", "postgres", "all projects", "waybill_service")


def test_a_view_that_lacks_a_column(site):
    columns = site.sql("SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute WHERE attrelid ="
                       " 'waybill.container'::regclass AND attnum > 0 AND attname <> 'memory_limit'")[0][0]
    site.sql(f"CREATE VIEW waybill.mine AS SELECT {columns} FROM waybill.container")
    site.sql("GRANT SELECT ON waybill.mine TO waybill_service")
    site.write_config({"inventory.relation": "waybill.mine"})
    expect(check(site, status=1), "failed", "inventory", "memory_limit is missing")
    site.sql("DROP VIEW waybill.mine; CREATE VIEW waybill.mine AS SELECT * FROM waybill.container")
    found = check(site, "--no-counts", status=1)
    assert found["inventory"] == ("failed", "waybill.mine cannot be read: grant the privilege SELECT on it to the role"
                                  " of the service"), f"{found}"
    site.sql("GRANT SELECT ON waybill.mine TO waybill_service")
    expect(check(site), "ok", "inventory", "waybill.mine")


def test_an_inventory_elsewhere_that_can_not_be_reached(site):
    site.write_config({"inventory.conninfo": "host=/no/such/directory,/nor/this dbname=x"})
    expect(check(site, status=1), "failed", "inventory", "[inventory] conninfo")


def test_no_owner(site):
    site.write_config({"database.owner_conninfo": ""})
    expect(check(site), "warning", "owner", "waybill_service", "owner_conninfo")
    site.write_config({"database.owner_conninfo": "host=/no/such/directory dbname=x"})
    expect(check(site), "warning", "owner", "owner_conninfo")


def add_schedules(site, names, state):
    """Makes schedules whose columns enabled, next_run_time and pause_reason have these values."""
    site.sql("INSERT INTO waybill.export_schedule (project_id, name, rule, time_zone, start_time, keep, request,"
             " enterprise_project_id, export_size, create_time, pending_from, enabled, next_run_time, pause_reason)"
             f" SELECT 'p', name, '', 'UTC', now(), 1, '{{}}', '0', 1, now(), now(), {state} FROM unnest(%s) AS name",
             list(names))


def test_schedules_that_the_service_has_paused(site):
    add_schedules(site, "ab", "true, now() + interval '1 hour', NULL")
    expect(check(site), "ok", "schedules", "2 enabled")
    site.sql("UPDATE waybill.export_schedule SET enabled = false, next_run_time = NULL")
    expect(check(site), "ok", "schedules", "0 enabled")
    add_schedules(site, "fedc", "false, NULL, 'no ' || name || E'\\n'")
    expect(check(site), "warning", "schedules", "waybill schedule resume", "the service has paused: 4 (c of project p:"
           " no c\\x0a; d of project p: no d\\x0a; e of project p: no e\\x0a): change")


def test_a_long_reason_of_a_pause(site):
    add_schedules(site, "ab", "false, NULL, repeat('ä', 1000)")
    expect(check(site), "warning", "schedules", "the service has paused: 2 (a of project p: ä", "ä): change")


def test_no_scheduler(site):
    def check_in_time():
        """None if the schedules have become overdue meanwhile."""
        site.sql("UPDATE waybill.export_schedule SET next_run_time = now() - interval '50 seconds'")
        found = check(site)
        late, = site.sql("SELECT max(now() - next_run_time) > interval '1 minute' FROM waybill.export_schedule")[0]
        return None if late else found
    add_schedules(site, "ab", "true, now(), NULL")
    expect(wait_until(check_in_time, "a check takes less than ten seconds"), "ok", "scheduler",
           "no schedule is overdue")
    site.sql("UPDATE waybill.export_schedule SET next_run_time ="
             " now() - CASE name WHEN 'a' THEN interval '1 hour' ELSE interval '0' END")
    found = check(site)
    expect(found, "warning", "scheduler", "overdue schedules: 1, the first for 3", "waybill worker")
    assert 3600 <= int(re.findall(r"the first for (\d+) seconds", found["scheduler"][1])[0]) < 4200
    site.sql("UPDATE waybill.export_schedule SET next_run_time = now() - interval '2 hours' WHERE name = 'b'")
    found = check(site)
    expect(found, "warning", "scheduler", "overdue schedules: 2, the first for ")
    assert 7200 <= int(re.findall(r"the first for (\d+) seconds", found["scheduler"][1])[0]) < 7800


def test_the_hosts_of_notifications(site):
    site.write_config({"notify.hosts": "a.example.com, b.example.com:8443"})
    expect(check(site), "ok", "notifications", "to a.example.com", "b.example.com:8443")
    site.write_config({"notify.hosts": "a.example.com", "notify.allow_http": "on"})
    expect(check(site), "warning", "notifications", "to a.example.com", "[notify] allow_http")
    site.write_config({"notify.allow_http": "on"})
    expect(check(site), "ok", "notifications", "off")


def test_a_directory_that_is_missing(site):
    os.rename(site.files, site.files + ".away")
    expect(check(site, status=1), "failed", "files", site.files, "create the directory")


def test_a_directory_that_all_can_see(site):
    os.chmod(site.files, 0o755)
    expect(check(site), "warning", "files", "755", "chmod o-rwx")


def test_a_search_path_of_the_site(site):
    """It has no effect: the checks call the functions of PostgreSQL itself."""
    site.sql("CREATE FUNCTION waybill.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
             " RETURN pg_catalog.clock_timestamp() - interval '1 minute'")
    site.sql(f"ALTER DATABASE {site.database} SET search_path = waybill, pg_catalog")
    expect(check(site), "ok", "clock")


def test_the_socket(fleet):  # noqa: F811
    made = fleet("check_socket")
    os.chmod(made.site.files, 0o750)
    process = made.start("one")
    found = check(made.site, "--socket", process.socket_path)
    assert found["socket"][0] == "ok" and process.socket_path in found["socket"][1] and "660" in found["socket"][1]
    made.site.write_config({"server.listen": process.socket_path})
    assert check(made.site)["socket"][0] == "ok"

    os.rename(made.site.files, made.site.files + ".away")
    found = check(made.site, status=1)
    assert found["socket"][0] == "failed" and "not ready (503)" in found["socket"][1], f"{found}"
    os.rename(made.site.files + ".away", made.site.files)

    process.stop()
    found = check(made.site, "--socket", process.socket_path, status=1)
    assert found["socket"][0] == "failed" and "start waybill.fcgi" in found["socket"][1], f"{found}"


@pytest.mark.parametrize("address, mention", [
    ("/no/such/socket", "No such file"), ("127.0.0.1:1", "refused"), ("nonsense", "HOST:PORT"),
    ("/" + "x" * 200, "too long"),
])
def test_a_socket_that_is_not_there(site, address, mention):
    expect(check(site, "--socket", address, status=1), "failed", "socket", mention)


def test_a_socket_that_speaks_something_else(site):
    """PostgreSQL's own socket."""
    with contextlib.suppress(IndexError):
        directory = re.search("host=(\\S+)", site.postgres.conninfo(site.database, "waybill_service"))[1]
    path = next(os.path.join(directory, name) for name in os.listdir(directory) if name.startswith(".s.PGSQL")
                and not name.endswith(".lock"))
    expect(check(site, "--socket", path, status=1), "failed", "socket", "no valid FastCGI response")
