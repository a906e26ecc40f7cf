"""Every caller, with a token and with an access key, by every operation by every target, as the tables of
docs/security.md say."""

import datetime
import itertools
import json
import os
import re
import uuid

import pytest
import yaml
from api import MINIMAL, Api
from schedule_calls import definition, finish_run
from service import TOP
from signing import SignedApi, create_key

A, B = "matrix a", "matrix b"
GRANTS = {  # the columns of the first table
    "A": (A, None, None), "A, only e1": (A, "e1", None), "A, read": (A, None, "read"),
    "A, schedule": (A, None, "schedule"), "B": (B, None, None), "expired": (A, None, None), "revoked": (A, None, None),
}
OWNERS = {"e1": "e1", "e2": "e2", "all enterprise projects": "all_granted_eps"}
KINDS = ("token", "access key")
OF_B = "a task, file or schedule of project B"


def tables():
    """Returns the tables of the document, each as a dictionary: first cell to the other cells by their headers."""
    with open(os.path.join(TOP, "docs", "security.md"), encoding="utf-8") as document:
        blocks = re.findall(r"(?:^\|.*\n)+", document.read(), re.M)
    found = []
    for block in blocks:
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        found.append({row[0]: dict(zip(rows[0][1:], row[1:])) for row in rows[2:]})
    return found


OPERATIONS, TARGETS = tables()[:2]


class Target:
    """What a request is aimed at: a path in a project, with the IDs of a task, a file and a schedule, and the
    enterprise project that it asks for."""

    def __init__(self, project=A, task_id=None, file_id=None, schedule_id=None, enterprise_project=None):
        self.project = project
        self.ids = {"task_id": task_id, "file_id": file_id, "schedule_id": schedule_id}
        self.enterprise_project = enterprise_project


def send(caller, operation, target):
    """Sends the request of an operation, which has the form of the first column: `METHOD path`."""
    method, path = operation.strip("`").split(" ")
    query = {}
    if target.enterprise_project is not None and "schedules" not in path:
        query["enterprise_project_id"] = target.enterprise_project
    body = None
    if method == "POST" and path.endswith("export-task"):
        body = MINIMAL
    elif method == "PUT" or path.endswith("export-schedules") and method == "POST":
        body = definition(enterprise_project_id=target.enterprise_project or "e1")
    path, _, more = path.format(**target.ids).partition("?")
    query = "&".join([*filter(None, [more]), *(f"{name}={value}" for name, value in query.items())])
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if method == "POST":
        headers["Prefer"] = "respond-async"
    path = Api(caller.site, caller.client, target.project, None).path(path) + (query and "?" + query)
    response = caller.request(method, path, headers, None if body is None else json.dumps(body).encode())
    if response.status == 200 and operation.startswith("`POST container/export-task"):
        caller.site.accepted += 1
    return response


class World:
    """Two projects with tasks, files and schedules, and the callers of the table."""

    def __init__(self, service):
        self.service = service
        self.owners = {project: service.api(project) for project in (A, B)}
        self.callers = {kind: {name: self.make(kind, name) for name in GRANTS} for kind in KINDS}
        now = datetime.datetime.now(datetime.timezone.utc)
        for column in ("expire_time", "revoke_time"):
            service.site.sql(f"UPDATE waybill.credential SET {column} = %s WHERE name = %s", now, column)
        self.kept = {target: self.fresh(target) for target in TARGETS if target.startswith("a task, file")}

    def make(self, kind, name):
        project, enterprise_project, permission = GRANTS[name]
        site, client = self.service.site, self.service.client
        options = ["--name", {"expired": "expire_time", "revoked": "revoke_time"}.get(name, "")]
        options += ["--enterprise-project", enterprise_project] if enterprise_project else []
        options += ["--permission", permission] if permission else []
        if kind == "access key":
            return SignedApi(site, client, project, create_key(site, project, *options))
        done = site.waybill("token", "create", "--project", project, *options)
        assert done.returncode == 0, f"{done}"
        token = done.stdout.strip()
        site.tokens[token] = token  # which the log must not contain
        return Api(site, client, project, token)

    def fresh(self, name):
        """Makes a finished task with a file, and a schedule with a finished run, for a target of the second table."""
        owner = name.rpartition(" of ")[2]
        project = B if owner == "project B" else A
        enterprise_project = OWNERS.get(owner, "e1")
        api = self.owners[project]
        status = api.finished(MINIMAL, f"?enterprise_project_id={enterprise_project}")
        schedule = api.schedules("POST", "", definition(enterprise_project_id=enterprise_project)).json()
        finish_run(api, schedule)
        return Target(A, status["task_id"], status["file_id"], schedule["schedule_id"])

    def target(self, name, keep):
        """Returns a target of the second table; a new one unless `keep`."""
        nowhere = str(uuid.uuid4())
        if name.startswith("a task, file"):
            return self.kept[name] if keep else self.fresh(name)
        if name == "an ID that does not exist":
            return Target(A, nowhere, nowhere, nowhere)
        if name == "an ID that is no UUID":
            return Target(A, "x", "x", "x")
        if name == "the path names project B":
            return Target(B, nowhere, nowhere, nowhere, "e1")
        asked = re.fullmatch("`enterprise_project_id` is `?([a-z0-9_]+)`?(.*)", name)
        return Target(A, enterprise_project=None if asked[1] == "absent" else asked[1])

    def expect_kept(self, name):
        """Checks that everything of a target is still there."""
        target = self.kept[name]
        api = self.owners[B if name.endswith("project B") else A]
        assert api.status(target.ids["task_id"]).json()["task_status"] == "success"
        assert api.download(target.ids["file_id"]).status == 200
        assert api.schedules("GET", f"/{target.ids['schedule_id']}").json()["enabled"] is True


@pytest.fixture(scope="module")
def world(start):
    return World(start("matrix"))


def fits(operation, target):
    """Whether a target is one of an operation."""
    names_one = "_id}" in operation
    if target.startswith("`enterprise_project_id`"):
        if names_one or operation == "`GET container/export-schedules`":
            return False
        is_list = operation == "`GET export-tasks`"
        is_schedule = "export-schedules" in operation
        return not (target.endswith("from a list") and not is_list or target.endswith("means 0") and (is_list
                                                                                                      or is_schedule))
    return names_one or target.startswith("the path")


CELLS = [(caller, operation, target) for caller, operation, target in itertools.product(GRANTS, OPERATIONS, TARGETS)
         if fits(operation, target)]


def expected(caller, operation, target):
    allowed = OPERATIONS[operation][caller]
    if allowed != "yes":
        # The path of project B is that of B's own project.
        if caller != "B" or not target.startswith("the path"):
            return int(allowed)
        return 404 if "_id}" in operation else "yes"
    decided = TARGETS[target]["only e1" if caller == "A, only e1" else "all of A"]
    return decided if decided == "yes" else int(decided)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("caller, operation, target", CELLS, ids=[" ".join(cell) for cell in CELLS])
def test_cell(world, kind, caller, operation, target):
    outcome = expected(caller, operation, target)
    changes = not operation.startswith(("`GET", "`HEAD"))
    response = send(world.callers[kind][caller], operation, world.target(target, keep=outcome != "yes" or not changes))
    if outcome == "yes":
        assert response.status in (200, 204), f"{response}"
        return
    assert response.status == outcome, f"{response}"
    if not operation.startswith("`HEAD"):
        assert response.json()["error_code"] == {401: "APIGW.0301", 403: "HSS.0013", 404: "HSS.0011"}[outcome]
    if changes and target in world.kept:
        world.expect_kept(target)


@pytest.mark.parametrize("operation", [operation for operation in OPERATIONS if "_id}" in operation])
def test_what_may_not_be_seen_is_as_what_does_not_exist(world, operation):
    """The responses differ only in the ID that they repeat."""
    caller = world.callers["token"]["A, only e1"]
    bodies = set()
    for name in ("a task, file or schedule of e2", OF_B, "an ID that does not exist"):
        target = world.target(name, keep=True)
        response = send(caller, operation, target)
        assert response.status == 404, f"{response}"
        text = response.body.decode()
        for identifier in (*target.ids.values(), response.headers["x-request-id"]):
            text = text.replace(identifier, "ID")
        bodies.add(text)
    assert len(bodies) == 1, f"{bodies}"


def test_every_operation_has_a_row(world):
    """The paths of docs/openapi.yaml that need credentials are the rows of the first table."""
    with open(os.path.join(TOP, "docs", "openapi.yaml"), encoding="utf-8") as description:
        paths = yaml.safe_load(description)["paths"]
    described = {f"{method.upper()} {path.removeprefix('/v5/{project_id}/')}"
                 for path, operations in paths.items() if path.startswith("/v5/")
                 for method in operations if method in ("get", "head", "post", "put", "delete")}
    rows = {operation.strip("`").partition("?")[0] for operation in OPERATIONS}
    assert described == rows


@pytest.mark.parametrize("caller, visible", [
    ("A, only e1", ["a task, file or schedule of e1"]), ("B", [OF_B]),
    ("A", [name for name in TARGETS if name.startswith("a task, file") and name != OF_B]),
])
def test_lists_contain_only_what_is_granted(world, caller, visible):
    api = world.callers["token"][caller]
    listed = api.request("GET", api.path("export-tasks?limit=200")).json()
    seen = {status["task_id"] for status in listed["data_list"]}
    for name, target in world.kept.items():
        assert (target.ids["task_id"] in seen) == (name in visible), name
    listed = api.request("GET", api.path("container/export-schedules?limit=200")).json()
    seen = {schedule["schedule_id"] for schedule in listed["data_list"]}
    for name, target in world.kept.items():
        assert (target.ids["schedule_id"] in seen) == (name in visible), name
