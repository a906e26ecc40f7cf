"""What a caller may see: its own project, the granted enterprise projects, nothing of a neighbour."""

import uuid

import inventory
import pytest
from api import MINIMAL, Judge, expect_error

pytestmark = pytest.mark.usefixtures("ledger")

A, B, AB = ("ep-a",), ("ep-b",), ("ep-a", "ep-b")
BODY = {"export_headers": [["container_id", "Id"], ["container_name", "Name"]]}


@pytest.fixture(scope="module")
def judge(hostile):
    return Judge(inventory.fetch(hostile.site.superuser))


@pytest.mark.parametrize("path", ["container/export-task", "export-task/{}", "download/{}"])
def test_another_project(either, path):
    method, body = ("POST", b"{}") if path.startswith("container") else ("GET", None)
    for project in (inventory.NEIGHBOUR, "Demo", "demo ", "nowhere"):
        either_path = f"/v5/{project.replace(' ', '%20')}/{path.format(uuid.uuid4())}"
        expect_error(either.request(method, either_path, {"Content-Type": "application/json"}, body), 403, "HSS.0013",
                     f'project_id must be the project of the caller\'s credentials, got "{project}"')


@pytest.mark.parametrize("granted, query, accepted", [
    (None, "", True),
    (None, "?enterprise_project_id=anything", True),
    (None, "?enterprise_project_id=all_granted_eps", True),
    (A, "", False),
    (A, "?enterprise_project_id=0", False),
    (A, "?enterprise_project_id=ep-a", True),
    (A, "?enterprise_project_id=ep-b", False),
    (A, "?enterprise_project_id=Ep-A", False),
    (A, "?enterprise_project_id=ep-a,ep-b", False),
    (A, "?enterprise_project_id=all_granted_eps", True),
    (AB, "?enterprise_project_id=ep-b", True),
    (("0",), "", True),
    (("0", "ep-a"), "", True),
])
def test_enterprise_projects(hostile, granted, query, accepted):
    response = hostile.api(enterprise_projects=granted).create(MINIMAL, query)
    if accepted:
        assert response.status == 200, f"{response}"
    else:
        given = query.partition("=")[2] or "0"
        expect_error(response, 403, "HSS.0013", "enterprise_project_id must be granted", "all_granted_eps",
                     f'got "{given}"')


@pytest.mark.parametrize("granted", [None, A, AB, ("0",), ("0", "Ep-A"), ("nothing-there",)])
def test_all_granted_exports_just_those(hostile, judge, granted):
    matching = judge.check(hostile.api(enterprise_projects=granted), BODY, None, granted)
    assert (matching == 0) == (granted == ("nothing-there",))


@pytest.mark.parametrize("enterprise_project", [*inventory.ENTERPRISE_PROJECTS, "nothing-there"])
def test_one_enterprise_project(api, judge, enterprise_project):
    judge.check(api, BODY, enterprise_project)


def test_the_neighbour_gets_its_own(hostile, judge):
    assert judge.check(hostile.api(inventory.NEIGHBOUR), BODY, None) > 0


@pytest.mark.parametrize("project", ["Demo", "demo ", "%", "_emo"])
def test_a_project_is_no_pattern(hostile, judge, project):
    assert 0 < judge.check(hostile.api(project), BODY, None) <= 3


@pytest.fixture(scope="module", params=["0", "ep-a", "all as a", "all as ab", "all"])
def task(request, hostile):
    """A finished task: its scope (None: all), the enterprise_project_id it was made with, and its status."""
    granted = {"all as a": A, "all as ab": AB}.get(request.param)
    given = request.param if not request.param.startswith("all") else "all_granted_eps"
    status = hostile.api(enterprise_projects=granted).finished(MINIMAL, f"?enterprise_project_id={given}")
    return granted if given == "all_granted_eps" else (given,), given, status


@pytest.mark.parametrize("granted", [None, ("0",), A, B, AB, ("ep-a", "ep-b", "0"), inventory.ENTERPRISE_PROJECTS])
def test_visibility_of_a_task(hostile, task, granted):
    scope, given, status = task
    api = hostile.api(enterprise_projects=granted)
    visible = granted is None or (scope is not None and set(scope) <= set(granted))
    for ask, identity in ((api.status, status["task_id"]), (api.download, status["file_id"])):
        for wanted in (None, "all_granted_eps", "0", "ep-a", "ep-b"):
            response = ask(identity, f"?enterprise_project_id={wanted}" if wanted else "")
            if wanted not in (None, "all_granted_eps") and granted is not None and wanted not in granted:
                expect_error(response, 403, "HSS.0013")
            elif visible and wanted in (None, "all_granted_eps", given):
                assert response.status == 200, f"{wanted}: {response}"
            else:
                expect_error(response, 404, "HSS.0011")


def test_the_task_of_another_tenant_does_not_exist(either, hostile):
    foreign = hostile.api(inventory.NEIGHBOUR).finished(MINIMAL)
    for ask, identity in ((either.status, foreign["task_id"]), (either.download, foreign["file_id"])):
        unknown = str(uuid.uuid4())
        theirs, nobodys = (expect_error(ask(id_), 404, "HSS.0011", "in this project, or it is not visible to you")
                           ["error_msg"].replace(id_, "ID") for id_ in (identity, unknown))
        assert theirs == nobodys


@pytest.mark.parametrize("identity", [
    "test", "0", "%20", "x" * 65, "x" * 300, "*", "00000000-0000-0000-0000-000000000000",
    "00000000-0000-0000-0000-00000000000g", "%F0%9F%98%80", "'%20OR%20true--", "x%0d%0aX-Injected:%20y",
])
@pytest.mark.parametrize("path", ["export-task", "download"])
def test_invalid_ids_are_not_found(api, path, identity):
    expect_error(api.request("GET", api.path(f"{path}/{identity}")), 404, "HSS.0011")
