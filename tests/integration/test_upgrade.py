"""A database of an older version, with tasks in it, is upgraded and continues to work."""

import itertools
import os
import shutil

import inventory
import pytest
from api import MINIMAL, Judge
from deadline import wait_until
from service import MIGRATIONS, Service, Site
from tallies import expect_exact

numbers = itertools.count()
TASK = ("INSERT INTO waybill.export_task"
        " (project_id, enterprise_project_id, export_size, request, request_id, state, lease, lease_expire_time,"
        "  attempts, file_id, file_size, sha256, error_code, error_msg, finish_time, expire_time)"
        " VALUES (%s, '0', 100, %s::jsonb, 'r', %s, %s::uuid, %s::timestamptz, %s, %s::uuid, %s, %s, %s, %s,"
        "         %s::timestamptz, %s::timestamptz) RETURNING task_id::text")
FILE_ID = "0f6f2f5c-6c3c-4a7e-9a52-0d2f4f1f8a11"
REQUEST = '{"export_headers": [["container_id", "Id"]]}'


def test_tasks_of_the_first_release(scratch, postgres, tmp_path):
    for name in sorted(os.listdir(MIGRATIONS))[:3]:
        shutil.copy(os.path.join(MIGRATIONS, name), tmp_path)
    site = Site(postgres, os.path.join(scratch, "upgrade"), migrations=str(tmp_path))

    def add(state, lease=None, lease_end=None, attempts=0, file=None, error=None, ended=False):
        size, digest = (2, b"x" * 32) if file else (None, None)
        times = ("now", "2036-01-01Z" if file else None) if ended else (None, None)
        return site.sql(TASK, inventory.PROJECT, REQUEST, state, lease, lease_end, attempts, file, size, digest,
                        error, error, *times)[0][0]

    queued = add("queued")
    dead = add("running", "1f6f2f5c-6c3c-4a7e-9a52-0d2f4f1f8a22", "2026-01-01Z", 1)
    failed = add("failure", error="HSS.0041", ended=True)
    done = add("success", file=FILE_ID, ended=True)
    with open(os.path.join(site.files, FILE_ID), "w", encoding="ascii") as file:
        file.write("hi")

    assert site.migrate().split() == [word for name in sorted(os.listdir(MIGRATIONS))[3:] for word in ("applied", name)]
    expect_exact(site.sql)
    service = Service(site)
    api = service.api()
    try:
        assert api.download(FILE_ID).body == b"hi"
        for task_id in (queued, dead):
            assert api.wait(task_id)["task_status"] == "success"
        assert api.status(failed).json()["error_code"] == "HSS.0041"
        assert api.status(done).json()["task_status"] == "success"
        assert api.finished(MINIMAL)
    finally:
        service.stop()
        site.close()


@pytest.fixture
def before_0008(scratch, postgres, tmp_path):
    """A site with a hostile inventory in the table that migration 0008 replaces."""
    for name in sorted(os.listdir(MIGRATIONS))[:7]:
        shutil.copy(os.path.join(MIGRATIONS, name), tmp_path)
    site = Site(postgres, os.path.join(scratch, f"upgrade_{next(numbers)}"), migrations=str(tmp_path))
    inventory.load(site.superuser, inventory.hostile())
    yield site
    site.close()


def test_an_inventory_of_an_older_version(before_0008):
    """Its rows, and what the site has added, are there after the migration. Filters find the rows."""
    site = before_0008
    site.sql("ALTER TABLE waybill.container ADD note text")
    site.sql("UPDATE waybill.container SET note = 'of ' || container_id WHERE container_id < 'm'")
    site.sql("GRANT INSERT, DELETE ON waybill.container TO pg_monitor WITH GRANT OPTION")
    site.sql("GRANT UPDATE ON waybill.container TO PUBLIC")
    site.sql("GRANT SELECT (container_id, note), UPDATE (note) ON waybill.container TO pg_signal_backend")
    every = f"SELECT {', '.join(inventory.COLUMNS)}, note FROM waybill.container ORDER BY project_id, container_id"
    before = site.sql(every)
    site.migrate()
    assert site.sql(every) == before
    assert site.sql("SELECT DISTINCT source, risks_reported FROM waybill.container") == [("", False)]
    assert site.sql("SELECT has_table_privilege('pg_monitor', 'waybill.container', 'INSERT WITH GRANT OPTION'),"
                    " has_table_privilege('pg_monitor', 'waybill.container', 'DELETE'),"
                    " has_table_privilege('waybill_service', 'waybill.container', 'UPDATE'),"
                    " has_table_privilege('waybill_service', 'waybill.container', 'SELECT'),"
                    " has_table_privilege('waybill_service', 'waybill.container', 'INSERT')"
                    ) == [(True, True, True, True, False)]
    assert site.sql("SELECT column_name, privilege_type FROM information_schema.column_privileges"
                    " WHERE grantee = 'pg_signal_backend' AND table_schema = 'waybill' ORDER BY 1, 2"
                    ) == [("container_id", "SELECT"), ("note", "SELECT"), ("note", "UPDATE")]
    service = Service(site)
    try:
        judge = Judge(inventory.fetch(site.superuser))
        headers = [["container_id", "Id"]]
        for filters in ({"container_name": "*nginx*"}, {"status": "Running"}, {"memory_limit": "1Gi"}, {}):
            assert judge.check(service.api(), {**filters, "export_headers": headers}, None) > 0
    finally:
        service.stop()


def test_a_reader_of_the_site(before_0008, postgres):
    """A role that could read the inventory before the migration can export from it after the migration."""
    site = before_0008
    postgres.run('CREATE ROLE "Reader" LOGIN', f'GRANT CONNECT ON DATABASE "{site.database}" TO "Reader"')
    site.sql('GRANT USAGE ON SCHEMA waybill TO "Reader"; GRANT SELECT ON waybill.container TO "Reader"')
    site.migrate()
    site.write_config({"inventory.conninfo": postgres.conninfo(site.database, "Reader")})
    done = site.waybill("export", "--project", inventory.PROJECT, "--filter=status=Running", "--filter=image_name=*n*")
    assert done.returncode == 0 and done.stdout.count("\n") > 2, f"{done}"


def test_a_view_of_the_site_stops_the_upgrade(before_0008):
    """Nothing changes. It succeeds once the view is dropped."""
    site = before_0008
    site.sql("CREATE VIEW public.mine AS SELECT * FROM waybill.container")
    count = site.sql("SELECT count(*) FROM public.mine")
    done = site.waybill("migrate", "--sql-dir", MIGRATIONS)
    assert done.returncode == 1 and "container_before_0008" in done.stderr, f"{done}"
    assert site.sql("SELECT count(*) FROM waybill.container") == count
    site.sql("DROP VIEW public.mine")
    assert site.migrate().startswith("applied 0008")
    assert site.sql("SELECT count(*) FROM waybill.container") == count


def test_the_loader_role_comes_after_the_migration(before_0008):
    """The setup script creates the role. It does not call a function that waybill_owner can replace."""
    site = before_0008
    site.migrate()
    privileges = ("SELECT has_table_privilege('waybill_loader', 'waybill.container', 'DELETE'),"
                  " has_table_privilege('waybill_loader', 'waybill.inventory_load', 'INSERT'),"
                  " has_function_privilege('waybill_loader', 'waybill.inventory_tidy(text)', 'EXECUTE')")
    site.sql("REVOKE ALL ON waybill.container, waybill.inventory_load FROM waybill_loader")
    site.sql("REVOKE ALL ON FUNCTION waybill.inventory_analyze, waybill.inventory_tidy FROM waybill_loader")
    site.postgres.psql(site.database, os.path.join(os.path.dirname(MIGRATIONS), "setup.sql"))
    assert site.sql(privileges) == [(False, False, False)]
    site.migrate()
    assert site.sql(privileges) == [(True, True, True)]


@pytest.fixture
def before_0012(scratch, private_postgres, tmp_path):
    """A site with an inventory and a task, before the migration that needs the role waybill_worker, and without it."""
    for name in sorted(os.listdir(MIGRATIONS)):
        if name < "0012":
            shutil.copy(os.path.join(MIGRATIONS, name), tmp_path)
    site = Site(private_postgres, os.path.join(scratch, f"upgrade_{next(numbers)}"), migrations=str(tmp_path))
    inventory.load(site.superuser, inventory.hostile())
    site.sql("INSERT INTO waybill.export_task (project_id, enterprise_project_id, export_size, request, request_id)"
             " VALUES (%s, '0', 100, %s, 'r')", inventory.PROJECT, REQUEST)
    private_postgres.run("ALTER ROLE waybill_worker RENAME TO waybill_worker_of_the_template")
    yield site
    site.close()


def test_the_worker_role_is_missing(before_0012):
    """The migration says what to do, and changes nothing. It succeeds once the setup script has made the role."""
    site = before_0012
    site.sql("CREATE VIEW public.mine AS SELECT * FROM waybill.container")
    rows = inventory.fetch(site.superuser)
    done = site.waybill("migrate", "--sql-dir", MIGRATIONS)
    assert done.returncode == 1 and "run setup.sql again, then waybill migrate" in done.stderr, f"{done}"
    assert site.sql("SELECT count(*) FROM pg_policy") == [(0,)] and inventory.fetch(site.superuser) == rows
    assert site.sql("SELECT has_table_privilege('waybill_service', 'waybill.export_task', 'UPDATE')") == [(True,)]

    site.sql("CREATE ROLE waybill_worker")  # of which the service is no member
    assert site.waybill("migrate", "--sql-dir", MIGRATIONS).returncode == 1
    site.postgres.psql(site.database, os.path.join(os.path.dirname(MIGRATIONS), "setup.sql"))
    assert site.migrate() == "applied 0012_row_security.sql\napplied 0013_speed.sql\n"
    assert inventory.fetch(site.superuser) == rows
    assert site.sql("SELECT count(*) FROM public.mine") == [(len(rows),)]
    for key in ("profile", "label"):
        assert site.sql(f"SELECT count(*) FROM waybill.container AS c WHERE NOT EXISTS (SELECT FROM"
                        f" waybill.inventory_{key} AS i WHERE i.project_id = c.project_id AND i.key = c.{key}_key)"
                        ) == [(0,)]
    service = Service(site)
    try:
        wait_until(lambda: site.unfinished() == 0, "the task from before ends")
        judge = Judge(inventory.fetch(site.superuser))
        for filters in ({"container_name": "*nginx*"}, {"status": "Running"}, {"memory_limit": "1Gi"}, {}):
            assert judge.check(service.api(), {**filters, "export_headers": [["container_id", "Id"]]}, None) > 0
    finally:
        service.stop()


def test_policies_of_the_site(before_0012):
    """They still restrict its roles. Those of the service are added to them."""
    site = before_0012
    site.postgres.run("CREATE ROLE clerk")
    site.sql("GRANT USAGE ON SCHEMA waybill TO clerk; GRANT SELECT ON waybill.container TO clerk;"
             "ALTER TABLE waybill.container ENABLE ROW LEVEL SECURITY;"
             f"CREATE POLICY one ON waybill.container TO clerk USING (project_id = '{inventory.NEIGHBOUR}');"
             "CREATE POLICY every ON waybill.container TO waybill_service USING (true)")
    site.postgres.psql(site.database, os.path.join(os.path.dirname(MIGRATIONS), "setup.sql"))
    site.migrate()
    seen = "SELECT DISTINCT project_id FROM waybill.container"
    site.sql("SET ROLE clerk")
    assert site.sql(seen) == [(inventory.NEIGHBOUR,)]
    site.sql(f"SET ROLE waybill_service; SET waybill.project_id = '{inventory.PROJECT}';"
             " SET waybill.enterprise_projects = 'all'")
    assert site.sql(seen) == [(inventory.PROJECT,)]
    site.sql("RESET ROLE")
