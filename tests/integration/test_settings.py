"""Settings of role and database that change the meaning or results of SQL: the service resets them in its sessions."""

import concurrent.futures
import csv
import io

import inventory
import pytest
from api import MINIMAL, Judge, expect_error
from deadline import wait_until
from faults import BODY
from service import MIGRATIONS, Direct

# The role's setting, and the setting of a session of the service. Those about the query timeout depend on PATIENCE.
HOSTILE = {
    "search_path": ("public", '""'),
    "standard_conforming_strings": ("off", "on"),
    "transform_null_equals": ("on", "off"),
    "timezone_abbreviations": ("India", "Default"),
    "DateStyle": ("German, DMY", "ISO, YMD"),
    "IntervalStyle": ("sql_standard", "postgres"),
    "TimeZone": ("Asia/Kolkata", "UTC"),
    "bytea_output": ("escape", "hex"),
    "extra_float_digits": ("-15", "1"),
    "default_transaction_isolation": ("serializable", "read committed"),
    "default_transaction_read_only": ("on", "off"),
    "default_transaction_deferrable": ("on", "off"),
    "row_security": ("off", "on"),
    "gin_fuzzy_search_limit": ("1", "0"),
    "statement_timeout": ("1h", "30s"),
    "lock_timeout": ("1ms", "0"),
    "idle_in_transaction_session_timeout": ("1h", "7500ms"),
    "idle_session_timeout": ("1min", "0"),
    "client_connection_check_interval": ("0", "1s"),
    "exit_on_error": ("on", "off"),
    "client_min_messages": ("debug1", "warning"),
    "client_encoding": ("LATIN1", "UTF8"),
    "synchronous_commit": ("off", "on"),
    "jit": ("on", "off"),
}
# Exports have a timeout of their own.
OF_EXPORTS = {"statement_timeout": "905s", "idle_in_transaction_session_timeout": "226250ms"}
# Sessions that serve requests record their settings with the first task; those of exports export them.
PROBES = """
CREATE SCHEMA probe;
CREATE TABLE probe.setting (name text PRIMARY KEY, value text);
CREATE FUNCTION probe.record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO probe.setting SELECT name, pg_catalog.current_setting(name) FROM pg_catalog.unnest(TG_ARGV) AS name
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER record AFTER INSERT ON waybill.export_task FOR EACH STATEMENT EXECUTE FUNCTION probe.record({names});
CREATE VIEW probe.container AS SELECT 'demo' AS project_id, '0' AS enterprise_project_id, name AS container_id,
    pg_catalog.current_setting(name) AS container_name FROM pg_catalog.unnest(ARRAY[{names}]) AS name;
GRANT USAGE ON SCHEMA probe TO waybill_service;
GRANT SELECT ON probe.container TO waybill_service;
"""


def set_for(site, role, settings):
    for name, value in settings.items():
        site.sql(f"ALTER ROLE {role} IN DATABASE {site.database} SET {name} = '{value}'")


def be_hostile(site):
    for role in ("waybill_service", "waybill_owner"):
        set_for(site, role, {name: hostile for name, (hostile, _) in HOSTILE.items()})


def add_probes(site):
    site.sql(PROBES.replace("{names}", ", ".join(f"'{name}'" for name in HOSTILE)))


@pytest.fixture(scope="module")
def probed(start):
    def prepare(site):
        add_probes(site)
        be_hostile(site)
    return start("probed", options={"inventory.relation": "probe.container"}, prepare=prepare)


@pytest.fixture(scope="module")
def sessions(probed):
    """Returns the settings of a session that serves requests, and of one that exports."""
    headers = [["container_id", "name"], ["container_name", "value"]]
    data, _ = probed.api().export({"export_headers": headers})
    exported = list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))[1:]
    return dict(probed.site.sql("SELECT * FROM probe.setting")), dict(exported)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_session_has_its_own(sessions, name):
    of_requests, of_exports = sessions
    expected = HOSTILE[name][1]
    assert of_requests[name] == expected
    assert of_exports[name] == OF_EXPORTS.get(name, expected)


# Settings of the planner, and their values in a session that exports unless the administrator has set others.
OF_PLANNER = {"random_page_cost": "1.1", "max_parallel_workers_per_gather": "0"}


def planner_of_exports(site):
    done = site.waybill("export", "--project", "demo", "--column", "container_id", "--column", "container_name")
    assert done.returncode == 0, f"{done}"
    return dict(list(csv.reader(io.StringIO(done.stdout)))[1:])


def test_the_planner_of_exports(start):
    """A value that the administrator has set stays, also if it is the same as PostgreSQL's default."""
    site = start("planner", options={"inventory.relation": "probe.container"}).site
    site.sql(PROBES.replace("{names}", ", ".join(f"'{name}'" for name in OF_PLANNER)))
    assert planner_of_exports(site) == OF_PLANNER
    set_for(site, "waybill_service", {"random_page_cost": "4"})
    assert planner_of_exports(site) == {**OF_PLANNER, "random_page_cost": "4"}
    set_for(site, "waybill_service", {"random_page_cost": "1.5", "max_parallel_workers_per_gather": "3"})
    assert planner_of_exports(site) == {"random_page_cost": "1.5", "max_parallel_workers_per_gather": "3"}


def test_a_short_query_timeout_leaves_transactions_time(probed):
    """A quarter of the timeout would end a transaction between two statements on a busy server."""
    site = probed.site
    config = site.write_config({"database.query_timeout_ms": 400, "export.threads": 0}, "short.conf")
    site.sql("DELETE FROM probe.setting")
    process = Direct(site, "short", config=config)
    try:
        api = probed.api(client=process.client)
        wait_until(lambda: api.create(MINIMAL).status == 200, "a task is accepted")
    finally:
        process.stop()
    found = dict(site.sql("SELECT * FROM probe.setting"))
    assert found["statement_timeout"] == "400ms" and found["idle_in_transaction_session_timeout"] == "1s"


@pytest.fixture(scope="module")
def disturbed(start):
    """A service with all of the settings at the same time."""
    return start("disturbed", inventory.hostile(), {"limits.unfinished_tasks": 5}, be_hostile)


def test_the_service_behaves(disturbed):
    site, api = disturbed.site, disturbed.api()
    judge = Judge(inventory.hostile())
    for body in ({}, {"image_name": "*nginx*"}, {"pod_name": "*\\*"}, {"memory_limit": "1Gi"},
                 {"create_time": {"start_time": 0}}):
        assert judge.check(api, {**BODY, **body}) > 0, f"{body}"
    before = api.finished()
    listed = api.request("GET", api.path("export-tasks?limit=1")).json()
    assert listed["total_num"] > 1 and listed["data_list"] == [before]
    assert api.download(before["file_id"]).status == 200

    removed = api.finished()
    assert api.request("DELETE", api.path(f"export-task/{removed['task_id']}")).status == 204
    expect_error(api.status(removed["task_id"]), 404, "HSS.0011")
    site.sql("UPDATE waybill.export_task SET expire_time = now() WHERE task_id = %s", before["task_id"])
    done = site.waybill("task", "purge")
    assert done.returncode == 0, f"{done}"
    expect_error(api.download(before["file_id"]), 410, "HSS.0011")
    wait_until(lambda: site.sql("SELECT count(*) FROM waybill.discarded_file") == [(0,)], "the files are removed")


def test_the_commands_behave(disturbed):
    site = disturbed.site
    assert site.migrate() == ""
    assert site.waybill("token", "list").returncode == 0
    done = site.waybill("check", "--sql-dir", MIGRATIONS)
    assert done.returncode == 0, f"{done}"


def test_counters_keep_their_digits(disturbed):
    disturbed.site.sql("INSERT INTO waybill.counter VALUES"
                       " ('waybill_exports_total{outcome=\"digits\"}', 123456789012)")
    text = disturbed.client.request("GET", "/metrics").body.decode()
    assert "\nwaybill_exports_total{outcome=\"digits\"} 123456789012\n" in text, f"{text}"


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_the_limit_on_tasks_holds(start, isolation):
    """Each create sees the tasks that were committed before it, and does not fail because of those beside it."""
    limit, callers = 5, 12
    name = isolation.replace(" ", "_")
    service = start(f"limit_{name}", options={
        "limits.unfinished_tasks": limit, "export.threads": 0, "database.pool_size": callers},
        prepare=lambda site: set_for(site, "waybill_service", {"default_transaction_isolation": isolation}))
    site, api = service.site, service.api()
    with concurrent.futures.ThreadPoolExecutor(callers) as pool:
        statuses = [create.result().status for create in [pool.submit(api.create) for _ in range(callers)]]
    assert set(statuses) <= {200, 429} and statuses.count(200) >= limit, f"{statuses}"
    assert site.unfinished() == statuses.count(200)
    assert api.create().status == 429


def test_triggers_that_do_not_run(start):
    """Files that a task gives up would not be recorded. Only a superuser can fix it, and check reports it."""
    service = start("replica")
    site, api = service.site, service.api()
    status = api.finished()
    set_for(site, "waybill_service", {"session_replication_role": "replica"})
    site.sql("SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_activity WHERE usename = 'waybill_service'"
             " AND datname = current_database()")
    expect_error(api.status(status["task_id"]), 500, "HSS.0041")
    assert service.client.request("GET", "/healthz/ready").status == 503
    assert "session_replication_role is 'replica'" in service.process.log_text()
    done = site.waybill("check", "--sql-dir", MIGRATIONS)
    assert done.returncode == 1 and "session_replication_role" in done.stdout, f"{done}"

    site.sql(f"ALTER ROLE waybill_service IN DATABASE {site.database} RESET session_replication_role")
    wait_until(lambda: api.status(status["task_id"]).status == 200, "the service works again")
