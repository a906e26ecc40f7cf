"""The order of the checks: of two faults the earlier one is reported. Each request here has all faults from one check
on, so each test is about two neighbours."""

import pytest
from api import expect_error

pytestmark = pytest.mark.usefixtures("ledger")

LARGE = b"{" + b" " * (1 << 20)


@pytest.fixture(scope="module")
def full(start):
    """A service where project demo has reached the limit of unfinished tasks."""
    service = start("full", options={"export.threads": 0, "limits.unfinished_tasks": 1})
    service.api().create_task()
    return service


def ask(service, method="POST", path="container/export-task", project="demo", token="mine", query="",
        content_type="application/json", body=LARGE):
    api = service.api()
    api.token = {"mine": api.token, "none": None}[token]
    api.project = project
    return api.request(method, api.path(path) + query, {"Content-Type": content_type}, body)


ALL = {"token": "none", "query": "?export_size=0", "project": "other", "content_type": "text/plain", "body": LARGE}


def without(*faults):
    return {fault: value for fault, value in ALL.items() if fault not in faults}


@pytest.mark.parametrize("request_, status, code", [
    ({**ALL, "path": "container/nothing"}, 404, "APIGW.0101"),
    ({**ALL, "method": "PUT"}, 405, "APIGW.0101"),
    (ALL, 401, "APIGW.0301"),
    (without("token"), 400, "HSS.0001"),
    ({**without("token", "query"), "project": "p" * 257}, 400, "HSS.0001"),
    (without("token", "query"), 403, "HSS.0013"),
    (without("token", "query", "project"), 415, "HSS.0002"),
    (without("token", "query", "project", "content_type"), 413, "HSS.0002"),
    ({"body": b"{"}, 400, "HSS.0002"),
    ({"body": b"{}"}, 400, "HSS.0001"),
    ({"body": b'{"export_headers": [["risky", "Risky"]]}'}, 429, "APIGW.0308"),
], ids=["route", "method", "identity", "query", "path", "grants", "type", "size", "json", "rules", "limits"])
def test_order(full, request_, status, code):
    expect_error(ask(full, **request_), status, code)
    assert full.site.tasks() == 1


def test_an_enterprise_project_not_granted_comes_before_the_body(hostile):
    api = hostile.api(enterprise_projects=("ep-a",))
    expect_error(api.create(b"{", "?enterprise_project_id=ep-b"), 403, "HSS.0013")
    expect_error(api.create(b"{", "?enterprise_project_id=ep-a"), 400, "HSS.0002")
