"""What a token may do with some permissions: each operation with each set of permissions."""

import itertools
import re
import uuid

import inventory
import pytest
from api import MINIMAL, Api, expect_error
from calls import expect_removed, listed, remove
from openapi import Description
from schedule_calls import create, definition, latest, run, runs, show

OPERATIONS = Description().operations
NAMES = ("create", "read", "schedule")
# The sets of permissions of which each operation needs one, as in the message.
NEEDED = {
    "createContainerExportTask": "create",
    "showExportTask": "read",
    "showLatestExportTaskByType": "read",
    "deleteExportTask": "create",
    "listExportTasks": "read",
    "listContainers": "read",
    "downloadExportFile": "read",
    "headExportFile": "read",
    "createExportSchedule": "schedule",
    "listExportSchedules": "read or schedule",
    "showExportSchedule": "read or schedule",
    "replaceExportSchedule": "schedule",
    "deleteExportSchedule": "schedule",
    "runExportSchedule": "create,schedule",
    "listExportScheduleRuns": "read or schedule",
    "downloadLatestExportFile": "read",
    "headLatestExportFile": "read",
}
SETS = [",".join(names) for count in (1, 2, 3) for names in itertools.combinations(NAMES, count)]
MESSAGE = "the caller's credentials must have the permissions for this operation"


@pytest.fixture(scope="module")
def service(start):
    return start("permissions")


@pytest.fixture(scope="module")
def caller(service):
    """Returns a caller whose token has these permissions; None: those of a token that is created without the option."""
    made = {}

    def get(given):
        if given not in made:
            option = () if given is None else ("--permission", given)
            done = service.site.waybill("token", "create", "--project", inventory.PROJECT, *option)
            assert done.returncode == 0, f"{done}"
            made[given] = done.stdout.strip()
        return Api(service.site, service.client, inventory.PROJECT, made[given])
    return get


def has_id(operation):
    return re.search(r"\{(task|file|schedule)_id\}", operation.path) or ("query", "task_id") in operation.parameters


def ask(api, operation, project=inventory.PROJECT, query=""):
    """Sends a request for something that does not exist, or with a body that is refused."""
    new = str(uuid.uuid4())
    path = re.sub(r"\{(\w+)\}", lambda match: project if match[1] == "project_id" else new, operation.path)
    if ("query", "task_id") in operation.parameters:
        query += ("&" if query else "?") + f"task_id={new}"
    return api.request(operation.method, path + query, {"Content-Type": "application/json"},
                       b"{}" if operation.body else None)


def suffices(given, needed):
    return any(set(one.split(",")) <= set(given.split(",")) for one in needed.split(" or "))


def expect_refused(response, operation, *mentions):
    operation.judge(response)
    if operation.method == "HEAD":
        assert response.status == 403, f"{response}"
    else:
        expect_error(response, 403, "HSS.0013", *mentions)


def test_every_operation_is_listed():
    assert set(NEEDED) == {name for name, operation in OPERATIONS.items() if not operation.open}


@pytest.mark.parametrize("given", SETS)
@pytest.mark.parametrize("name", NEEDED)
def test_each_operation(caller, name, given):
    operation = OPERATIONS[name]
    response = ask(caller(given), operation)
    if suffices(given, NEEDED[name]):
        allowed = 400 if operation.body else 404 if has_id(operation) else 200
        assert response.status == allowed, f"{response}"
    else:
        expect_refused(response, operation, f"{MESSAGE}, {NEEDED[name]}, got {given}")


@pytest.mark.parametrize("name", NEEDED)
def test_the_order_of_the_checks(caller, name):
    """The query and the project come before the permissions, and the enterprise project after them."""
    operation = OPERATIONS[name]
    lacking = caller(next(given for given in SETS if not suffices(given, NEEDED[name])))
    response = ask(lacking, operation, inventory.NEIGHBOUR, "?x=1")
    assert response.status == 400, f"{response}"
    expect_refused(ask(lacking, operation, inventory.NEIGHBOUR), operation, "project_id must be the project")
    if "enterprise_project_id" in operation.query():
        response = ask(lacking, operation, query="?enterprise_project_id=not%20granted")
        expect_refused(response, operation, MESSAGE)


def test_the_permissions_of_a_new_token(service, caller):
    """All, unless the command names some, in any order. The list has them in one order."""
    for given in (None, "schedule,read,create", *SETS):
        caller(given)
    lines = [line.split("\t") for line in service.site.waybill("token", "list").stdout.splitlines()]
    assert lines[0][4] == "PERMISSIONS"
    found = {permissions for _, _, project, _, permissions, *_ in lines[1:] if project == inventory.PROJECT}
    assert found == set(SETS)
    for given in (None, "schedule,read,create"):
        for name, operation in OPERATIONS.items():
            assert operation.open or ask(caller(given), operation).status != 403, name


# ---- What callers with one permission do together ----

def test_a_task(caller):
    """It is created by one caller and read by another."""
    creator, reader, scheduler = (caller(name) for name in NAMES)
    task_id = creator.create_task(MINIMAL, headers={"Prefer": "wait=30"})
    status = reader.wait(task_id)
    assert status["task_status"] == "success", f"{status}"
    for method in ("GET", "HEAD"):
        assert reader.download(status["file_id"], method=method).status == 200
        for other in (creator, scheduler):
            assert other.download(status["file_id"], method=method).status == 403
    assert task_id in [task["task_id"] for task in listed(reader)[1]]
    for other in (creator, scheduler):
        expect_error(other.status(task_id), 403, "HSS.0013", "permissions for this operation, read, got")
    for other in (reader, scheduler):
        expect_error(remove(other, task_id), 403, "HSS.0013", "permissions for this operation, create, got")
        expect_error(other.create(MINIMAL), 403, "HSS.0013", "permissions for this operation, create, got")
    expect_removed(remove(creator, task_id))


def test_a_schedule(caller):
    creator, reader, scheduler, runner = (caller(name) for name in (*NAMES, "create,schedule"))
    schedule = create(scheduler)
    path = f"/{schedule['schedule_id']}"
    for api in (reader, scheduler):
        assert show(api, schedule) == schedule and runs(api, schedule)["total_num"] == 0
        assert api.schedules("GET").json()["total_num"] == 1
    for api in (creator, reader):
        for response in (api.schedules("POST", "", definition()), api.schedules("PUT", path, definition()),
                         api.schedules("DELETE", path)):
            expect_error(response, 403, "HSS.0013", "permissions for this operation, schedule, got")
    for api in (creator, reader, scheduler):
        expect_error(api.schedules("POST", path + "/run"), 403, "HSS.0013", "operation, create,schedule, got")
    reader.wait(run(runner, schedule))
    assert latest(reader, schedule).status == latest(reader, schedule, method="HEAD").status == 200
    for api in (creator, scheduler, runner):
        assert latest(api, schedule).status == latest(api, schedule, method="HEAD").status == 403
    assert scheduler.schedules("DELETE", path).status == 204


def test_a_request_that_is_refused_changes_nothing(service, caller):
    before = service.site.tasks(), service.site.sql("SELECT count(*) FROM waybill.export_schedule")
    for api in (caller("read"), caller("schedule")):
        api.create(MINIMAL, headers={"Idempotency-Key": "k"})
    for api in (caller("create"), caller("read")):
        api.schedules("POST", "", definition())
    assert before == (service.site.tasks(), service.site.sql("SELECT count(*) FROM waybill.export_schedule"))
    assert service.site.sql("SELECT count(*) FROM waybill.idempotency_key") == [(0,)]
