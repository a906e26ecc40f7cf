"""Row level security: no row of another tenant comes out, even if the queries of the service lack their conditions."""

import contextlib
import io
import itertools
import os
import shutil
import subprocess
import threading

import psycopg2
import pytest
from api import Api, expect_error
from build import built_with_sanitizers
from deadline import wait_until
from faults import HERE
from service import Direct, Site

PROJECTS = ("alpha", "beta")
ENTERPRISE_PROJECTS = ("0", "ep-a", "ep-b")
BODY = {"export_headers": [["container_id", "Id"]]}
ALL = "?enterprise_project_id=all_granted_eps"
TASK = ("INSERT INTO waybill.export_task (project_id, enterprise_project_id, enterprise_projects, export_size, request,"
        " request_id) VALUES (%s, %s, %s, 10, '{}', 'r') RETURNING task_id::text")
TABLES = ("container", "export_task", "task_tally", "inventory_load", "idempotency_key")
numbers = itertools.count()


def fill(site):
    """Adds a container for each project and enterprise project, whose id is their names."""
    for project in PROJECTS:
        for enterprise_project in ENTERPRISE_PROJECTS:
            site.sql("INSERT INTO waybill.container (project_id, enterprise_project_id, container_id, status, pod_name)"
                     " VALUES (%s, %s, %s, 'Running', 'pod')", project, enterprise_project,
                     f"{project} {enterprise_project}")
        site.sql("INSERT INTO waybill.inventory_load VALUES (%s, now())", project)


def containers(project, *enterprise_projects):
    return [f"{project} {name}" for name in enterprise_projects or ENTERPRISE_PROJECTS]


# The policies, in SQL.

@pytest.fixture(scope="module")
def site(scratch, postgres):
    made = Site(postgres, os.path.join(scratch, "row_security"))
    fill(made)
    for project in PROJECTS:
        made.sql(TASK, project, "all_granted_eps", None)
        for granted in (["0"], ["ep-a"], ["ep-a", "ep-b"]):
            made.sql(TASK, project, granted[0], granted)
    yield made
    made.close()


@contextlib.contextmanager
def transaction(site, project=None, enterprise_projects=None, user="waybill_service"):
    """A transaction with this scope, which is rolled back."""
    connection = site.connect(user)
    connection.autocommit = False
    try:
        cursor = connection.cursor()
        for name, value in (("project_id", project), ("enterprise_projects", enterprise_projects)):
            if value is not None:
                cursor.execute(f"SELECT set_config('waybill.{name}', %s, true)", [value])
        yield cursor
    finally:
        connection.close()


def column(cursor, statement, *values):
    cursor.execute(statement, values or None)
    return [value for value, in cursor]


def visible(cursor):
    """Returns the ids of the containers, and the enterprise projects of the tasks and of their tallies."""
    tasks = column(cursor, "SELECT project_id || ' ' || coalesce(enterprise_projects::text, 'all')"
                           " FROM waybill.export_task ORDER BY 1")
    tallies = column(cursor, "SELECT project_id || ' ' || coalesce(enterprise_projects::text, 'all')"
                             " FROM waybill.task_tally ORDER BY 1")
    assert tasks == tallies, f"{tasks}, {tallies}"
    return column(cursor, "SELECT container_id FROM waybill.container ORDER BY 1"), tasks


@pytest.mark.parametrize("enterprise_projects, seen, tasks", [
    ("all", ENTERPRISE_PROJECTS, ["all", "{0}", "{ep-a,ep-b}", "{ep-a}"]),
    ("{0}", ["0"], ["{0}"]),
    ("{ep-a}", ["ep-a"], ["{ep-a}"]),
    ("{ep-a,ep-b}", ["ep-a", "ep-b"], ["{ep-a,ep-b}", "{ep-a}"]),
    ('{"0","ep-a","ep-b"}', ENTERPRISE_PROJECTS, ["{0}", "{ep-a,ep-b}", "{ep-a}"]),
    ("{ep-a,NULL}", ["ep-a"], ["{ep-a}"]),
    ("{{ep-a},{ep-b}}", ["ep-a", "ep-b"], ["{ep-a,ep-b}", "{ep-a}"]),
    ("{all}", [], []), ('{"all"}', [], []), ("{}", [], []), ("{NULL}", [], []), ("{EP-A}", [], []),
    ("", [], []), ("ALL", [], []), ("All ", [], []), (" all", [], []), ("ep-a", [], []), ("NULL", [], []),
    ("[1:1]={ep-a}", [], []), (" {ep-a}", [], []), (None, [], []),
], ids=str)
def test_a_scope(site, enterprise_projects, seen, tasks):
    with transaction(site, "alpha", enterprise_projects) as cursor:
        assert visible(cursor) == ([f"alpha {name}" for name in seen], [f"alpha {name}" for name in tasks])
        assert column(cursor, "SELECT project_id FROM waybill.inventory_load") == ["alpha"]


@pytest.mark.parametrize("project", [None, "", "gamma", "ALPHA", "alpha ", "%", "{alpha}", "{alpha,beta}", "all", "*",
                                     "alpha,beta"], ids=str)
def test_no_project_or_another(site, project):
    with transaction(site, project, "all") as cursor:
        assert visible(cursor) == ([], [])
        assert column(cursor, "SELECT project_id FROM waybill.inventory_load") == []
        assert column(cursor, "SELECT waybill.unfinished_tasks(9)") == [0]


def test_an_array_that_is_malformed(site):
    with transaction(site, "alpha", "{ep-a") as cursor, pytest.raises(psycopg2.DataError):
        cursor.execute("SELECT FROM waybill.container")


def test_a_row_with_an_empty_project(site):
    """The empty setting is no scope."""
    site.sql("INSERT INTO waybill.container (project_id, container_id) VALUES ('', 'x')")
    with transaction(site, "", "all") as cursor:
        assert visible(cursor) == ([], [])
    site.sql("DELETE FROM waybill.container WHERE project_id = ''")


def test_the_end_of_a_transaction(site):
    connection = site.connect("waybill_service")
    try:
        cursor = connection.cursor()
        for end in ("COMMIT", "ROLLBACK"):
            cursor.execute("BEGIN; SET LOCAL waybill.project_id = 'alpha';"
                           " SET LOCAL waybill.enterprise_projects = 'all'")
            assert len(visible(cursor)[0]) == len(ENTERPRISE_PROJECTS)
            cursor.execute(end)
            assert visible(cursor) == ([], [])
    finally:
        connection.close()


def test_tasks_of_others_are_not_created(site):
    for project, granted, is_allowed in (("alpha", ["ep-a"], True), ("alpha", ["ep-b"], False), ("alpha", None, False),
                                         ("alpha", ["ep-a", "ep-b"], False), ("beta", ["ep-a"], False)):
        with transaction(site, "alpha", "{ep-a}") as cursor:
            refusal = contextlib.nullcontext() if is_allowed else pytest.raises(
                psycopg2.errors.InsufficientPrivilege, match='row-level security policy "scope"')
            with refusal:
                cursor.execute(TASK, [project, "ep-a", granted])


def test_tasks_of_others_are_not_changed(site):
    """Those of the scope are. The tally of a removed task follows, although the role may not write it."""
    with transaction(site, "alpha", "{ep-a}") as cursor:
        for statement in ("UPDATE waybill.export_task SET kept = true", "DELETE FROM waybill.export_task"):
            assert column(cursor, statement + " RETURNING project_id || enterprise_projects::text") == ["alpha{ep-a}"]
        assert column(cursor, "SELECT sum(tasks) FROM waybill.task_tally") == [0]


def test_unfinished_tasks_are_those_of_the_whole_project(site):
    with transaction(site, "alpha", "{ep-a}") as cursor:
        assert [column(cursor, f"SELECT waybill.unfinished_tasks({most})") for most in (9, 2)] == [[4], [2]]
        assert column(cursor, "SELECT count(*) FROM waybill.export_task") == [1]


def test_partitions_cannot_be_read(site):
    """Their policies would not be those of the table."""
    for number in range(16):
        for table in ("container", "inventory_profile", "inventory_label"):
            with transaction(site, "alpha", "all") as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(f"SELECT FROM waybill.{table}_{number}")


def test_every_table_has_its_policies(site):
    found = site.sql("SELECT relname, array_agg(polname || ' ' || polpermissive ORDER BY polname) FROM pg_policy"
                     " JOIN pg_class ON pg_class.oid = polrelid WHERE relrowsecurity GROUP BY 1 ORDER BY 1")
    assert found == [(table, ["grants true", "scope false"]) for table in sorted(TABLES)]


@pytest.mark.parametrize("inherits", ["INHERIT", "NOINHERIT"])
def test_a_login_of_the_service(site, postgres, inherits):
    """It sees no more than the role, and becomes waybill_worker only if it says so."""
    login = f"login_{inherits.lower()}"
    postgres.run(f"CREATE ROLE {login} LOGIN {inherits} IN ROLE waybill_service",
                 f"GRANT CONNECT ON DATABASE {site.database} TO {login}")
    with transaction(site, "alpha", "{ep-a}", login) as cursor:
        if inherits == "NOINHERIT":
            cursor.execute("SET ROLE waybill_service")
        assert visible(cursor) == (["alpha ep-a"], ["alpha {ep-a}"])
        assert column(cursor, "SELECT pg_has_role('waybill_worker', 'USAGE')") == [False]
        cursor.execute("SET ROLE waybill_worker")
        assert column(cursor, "SELECT count(*) FROM waybill.export_task") == [8]
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("SELECT FROM waybill.container")


def test_roles_that_keep_what_they_were_granted(site, postgres):
    postgres.run("CREATE ROLE reporter LOGIN", f"GRANT CONNECT ON DATABASE {site.database} TO reporter")
    site.sql("GRANT USAGE ON SCHEMA waybill TO reporter; GRANT SELECT ON waybill.container, waybill.export_task"
             " TO reporter")
    for user in ("waybill_owner", "waybill_loader", "reporter"):
        with transaction(site, user=user) as cursor:
            assert column(cursor, "SELECT container_id FROM waybill.container ORDER BY 1") == [
                *containers("alpha"), *containers("beta")]
    with transaction(site, user="waybill_loader") as cursor:
        cursor.execute("UPDATE waybill.container SET status = 'Paused'; DELETE FROM waybill.container;"
                       " INSERT INTO waybill.container (project_id, container_id) VALUES ('gamma', 'x')")
    with transaction(site, user="reporter") as cursor:
        assert column(cursor, "SELECT count(*) FROM waybill.export_task") == [8]


@pytest.mark.parametrize("user, is_allowed", [("waybill_owner", True), ("waybill_loader", False)])
def test_who_may_copy_into_the_inventory(site, user, is_allowed):
    """PostgreSQL supports COPY to a table only where no policies apply."""
    with transaction(site, user=user) as cursor:
        refusal = contextlib.nullcontext() if is_allowed else pytest.raises(psycopg2.errors.FeatureNotSupported)
        with refusal:
            cursor.copy_expert("COPY waybill.container (project_id, container_id) FROM STDIN", io.StringIO("p\tc\n"))


# The service, whose queries have lost their conditions.

@pytest.fixture(scope="module")
def library(scratch):
    if built_with_sanitizers():
        pytest.skip("a sanitizer must be loaded first")
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    path = os.path.join(scratch, "rewrite.so")
    subprocess.run([compiler, "-std=gnu11", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", path,
                    os.path.join(HERE, "rewrite.c"), "-ldl"], check=True)
    return path


VIEW = """
CREATE VIEW public.walled WITH (security_barrier) AS
SELECT * FROM waybill.container
WHERE project_id::text = (SELECT current_setting('waybill.project_id', true))
AND ((SELECT current_setting('waybill.enterprise_projects', true)) = 'all'
     OR enterprise_project_id::text = ANY ((SELECT waybill.scope_enterprise_projects())::text[]));
CREATE VIEW public.open AS SELECT * FROM waybill.container;
GRANT SELECT ON public.walled, public.open TO waybill_service;
"""


class Broken:
    """A service without conditions on the project, which connects as this role, and its callers."""

    def __init__(self, postgres, scratch, library, role, relation="waybill.container"):
        self.site = Site(postgres, os.path.join(scratch, f"broken_{role}_{next(numbers)}"))
        fill(self.site)
        self.site.sql(VIEW)
        self.site.write_config({"database.conninfo": postgres.conninfo(self.site.database, role),
                                "inventory.relation": relation})
        self.process = Direct(self.site, variables={"LD_PRELOAD": library})

    def api(self, project, enterprise_projects=None):
        return Api(self.site, self.process.client, project, self.site.token(project, enterprise_projects))

    def close(self):
        self.process.stop()
        self.site.close()


@pytest.fixture(scope="module", params=["waybill_service", "postgres"])
def broken(request, postgres, scratch, library):
    """As the role of the service, and as a control, as one to which the policies do not apply."""
    service = Broken(postgres, scratch, library, request.param)
    service.is_walled = request.param == "waybill_service"
    yield service
    service.close()


@pytest.mark.parametrize("view, is_walled", [("public.walled", True), ("public.open", False)])
def test_a_view_of_the_site(postgres, scratch, library, view, is_walled):
    """It can have the wall (see waybill-inventory(7)), but does not by itself."""
    service = Broken(postgres, scratch, library, "waybill_service", view)
    try:
        for project, granted, own in CALLERS:
            data, _ = service.api(project, granted).export(BODY, ALL)
            assert data.decode().count("\r\n") - 1 == (len(own) if is_walled else len(EVERYTHING))
    finally:
        service.close()


# The callers, and what each may see of the containers.
CALLERS = [("alpha", None, containers("alpha")), ("alpha", ("ep-a",), containers("alpha", "ep-a")),
           ("beta", ("0", "ep-b"), containers("beta", "0", "ep-b"))]
EVERYTHING = sorted(containers("alpha") + containers("beta"))


@pytest.mark.parametrize("project, granted, own", CALLERS)
def test_an_export_has_only_own_rows(broken, project, granted, own):
    for filters in ({}, {"status": "Running"}, {"pod_name": "*o*"}):
        data, _ = broken.api(project, granted).export({**BODY, **filters}, ALL)
        rows = [line.strip('"') for line in data.decode().split("\r\n")[1:-1]]
        assert rows == (own if broken.is_walled else EVERYTHING)


@pytest.mark.parametrize("project, granted, own", CALLERS)
def test_a_list_of_containers_has_only_own_rows(broken, project, granted, own):
    api = broken.api(project, granted)
    for filters in ("", "&pod_name=*o*"):
        response = api.request("GET", api.path("container/kubernetes") + ALL + filters)
        page = response.json()
        found = sorted(container["id"] for container in page["data_list"])
        assert found == (own if broken.is_walled else EVERYTHING), f"{page}"
        assert page["total_num"] == len(found)


@pytest.fixture(scope="module")
def tasks(broken):
    """A task of each caller, and one of the whole of alpha that alpha's caller of ep-a may not see."""
    return [(broken.api(project, granted), broken.api(project, granted).finished(BODY, ALL))
            for project, granted, _ in CALLERS]


def pairs(tasks, is_foreign):
    """Returns pairs of a caller and a task of another: of another project, or of more than the caller's grants."""
    whole, part, other = tasks
    own = [(api, status) for api, status in tasks] + [(whole[0], part[1])]
    foreign = [(whole[0], other[1]), (part[0], whole[1]), (part[0], other[1]), (other[0], whole[1]),
               (other[0], part[1])]
    return foreign if is_foreign else own


def test_the_status_of_a_foreign_task(broken, tasks):
    for api, status in pairs(tasks, False):
        assert api.status(status["task_id"]).json() == status
    for api, status in pairs(tasks, True):
        for headers in ({}, {"Prefer": "wait=1"}):
            response = api.status(status["task_id"], headers=headers)
            if broken.is_walled:
                expect_error(response, 404, "HSS.0011")
            else:
                assert response.json() == status


def test_a_foreign_file(broken, tasks):
    for api, status in pairs(tasks, False):
        assert api.download(status["file_id"]).status == 200
    for api, status in pairs(tasks, True):
        response = api.download(status["file_id"])
        assert response.status == (404 if broken.is_walled else 200), f"{response}"


def test_a_list_of_tasks(broken, tasks):
    whole, part, other = (status["task_id"] for _, status in tasks)
    for (api, _), own in zip(tasks, ({whole, part}, {part}, {other})):
        page = api.request("GET", api.path("export-tasks?limit=200")).json()
        found = {status["task_id"] for status in page["data_list"]}
        assert own <= found, f"{page}"
        if broken.is_walled:
            mine = {task_id for task_id, in broken.site.sql(
                "SELECT task_id::text FROM waybill.export_task WHERE project_id = %s", api.project)}
            assert found <= mine and page["total_num"] == len(found), f"{page}"
            assert api is not tasks[1][0] or whole not in found
        else:
            assert {whole, part, other} <= found, f"{page}"


def test_a_foreign_task_is_not_removed(broken, tasks):
    """Runs last, because the control removes the tasks."""
    for api, status in pairs(tasks, True):
        response = api.request("DELETE", api.path(f"export-task/{status['task_id']}"))
        if broken.is_walled:
            expect_error(response, 404, "HSS.0011")
        else:
            assert response.status in (204, 404), f"{response}"
    left = {task_id for task_id, in broken.site.sql("SELECT task_id::text FROM waybill.export_task")}
    assert all((status["task_id"] in left) == broken.is_walled for _, status in tasks)


# The service as it is.

@pytest.fixture(scope="module")
def service(start):
    """One connection serves all requests. It has settings of the role that would open everything."""
    def prepare(site):
        fill(site)
        for name, value in (("project_id", "beta"), ("enterprise_projects", "all")):
            site.sql(f"ALTER ROLE waybill_service IN DATABASE {site.database} SET waybill.{name} = '{value}'")
        site.sql("CREATE TABLE public.seen (project_id text, setting text, granted text)")
        site.sql("CREATE FUNCTION public.look() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
                 " INSERT INTO public.seen VALUES (NEW.project_id, current_setting('waybill.project_id'),"
                 " current_setting('waybill.enterprise_projects')); RETURN NULL; END $$;"
                 "CREATE TRIGGER look AFTER INSERT ON waybill.export_task FOR EACH ROW EXECUTE FUNCTION public.look()")
        site.sql("CREATE TABLE public.seen_without (role name, setting text, granted text)")
        site.sql("CREATE FUNCTION public.look_without() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                 " INSERT INTO public.seen_without VALUES (current_user, current_setting('waybill.project_id'),"
                 " current_setting('waybill.enterprise_projects')); RETURN NULL; END $$;"
                 "CREATE TRIGGER look AFTER INSERT ON waybill.counter EXECUTE FUNCTION public.look_without();"
                 "GRANT INSERT ON public.seen_without TO waybill_service, waybill_worker")
    return start("scopes", options={"database.pool_size": 1}, prepare=prepare)


def test_a_statement_never_has_the_scope_of_an_earlier_request(service):
    """Callers of all kinds take turns on one connection, and at the same time."""
    site = service.site
    apis = [(service.api(project, granted), own) for project, granted, own in CALLERS]
    outcomes = []

    def work(api, own):
        try:
            for _ in range(10):
                response = api.request("GET", api.path("container/kubernetes") + ALL)
                ids = [container["id"] for container in response.json()["data_list"]]
                task_id = api.create_task(BODY, ALL)
                listed = api.request("GET", api.path("export-tasks?limit=200")).json()["data_list"]
                outcomes.append(ids == own and task_id in {status["task_id"] for status in listed})
        except Exception as error:  # a thread's failure is this test's
            outcomes.append(repr(error))
    threads = [threading.Thread(target=work, args=pair) for pair in apis]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [True] * 30
    assert set(site.sql("SELECT * FROM public.seen")) == {
        ("alpha", "alpha", "all"), ("alpha", "alpha", '{"ep-a"}'), ("beta", "beta", '{"0","ep-b"}')}
    wait_until(lambda: site.unfinished() == 0, "all tasks end")


def test_a_statement_of_no_caller_has_no_scope(service):
    """Not even that of the role. GET /metrics adds to the counters, after requests on the same connection."""
    api, seen = service.api("alpha"), "SELECT DISTINCT * FROM public.seen_without WHERE role = 'waybill_service'"
    for _ in range(3):
        assert api.request("GET", api.path("export-tasks")).status == 200
        assert service.client.request("GET", "/metrics").status == 200
    assert service.site.sql(seen) == [("waybill_service", "", "")]
    with transaction(service.site) as cursor:  # a session of somebody else has the settings of the role
        assert visible(cursor)[0] == containers("beta")


def test_metrics_count_the_tasks_of_all_projects(service):
    for project in PROJECTS:
        service.api(project).finished(BODY)
    count = service.site.sql("SELECT count(*) FROM waybill.export_task WHERE state = 'success'")[0][0]
    text = service.client.request("GET", "/metrics").body.decode()
    assert f'\nwaybill_tasks{{state="success"}} {count}\n' in text, f"{text}"


def test_the_limit_counts_tasks_that_the_caller_may_not_see(start):
    service = start("scope_limit", options={"export.threads": 0, "limits.unfinished_tasks": 2})
    for granted in (None, ("ep-b",)):
        assert service.api("alpha", granted).create(BODY, ALL).status == 200
    expect_error(service.api("alpha", ("ep-a",)).create(BODY, ALL), 429, "APIGW.0308", "limit of 2")
    assert service.api("beta", ("ep-a",)).create(BODY, ALL).status == 200


def test_a_schedule_that_once_exported_more(service):
    """A caller who sees it may remove it, and with it what its older runs have kept, without seeing these tasks."""
    site, whole, part = service.site, service.api("alpha"), service.api("alpha", ("ep-a",))
    definition = {"name": "narrowed", "rule": "FREQ=YEARLY", "request": BODY, "keep": 5, "enabled": False}
    made = whole.schedules("POST", "", {**definition, "enterprise_project_id": "all_granted_eps"}).json()
    path = "/" + made["schedule_id"]
    old = [whole.schedules("POST", path + "/run", headers={"Prefer": "wait=30"}).json()["task_id"] for _ in range(3)]
    narrowed = {**definition, "enterprise_project_id": "ep-a"}
    assert whole.schedules("PUT", path, narrowed).status == 200

    expect_error(part.status(old[0]), 404, "HSS.0011")
    assert part.schedules("PUT", path, {**narrowed, "keep": 1}).status == 200
    kept = "SELECT count(*) FROM waybill.export_task WHERE task_id::text = ANY (%s) AND expire_time IS NULL"
    assert site.sql(kept, old) == [(1,)]
    run = part.schedules("POST", path + "/run", headers={"Prefer": "wait=30"}).json()["task_id"]
    assert part.wait(run)["exported_rows"] == 1
    assert part.schedules("DELETE", path).status == 204
    assert site.sql("SELECT count(*) FROM waybill.export_task WHERE kept AND task_id::text = ANY (%s)",
                    [*old, run]) == [(0,)]
