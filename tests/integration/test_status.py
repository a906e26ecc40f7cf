"""The status of a task, field by field."""

import re
import uuid
from urllib.parse import quote

import inventory
import pytest
from api import HEADERS, MINIMAL, expect_error
from calls import without_link
from deadline import timed
from faults import ASYNC

HOUR = 3600 * 1000
ALWAYS = {"task_id", "task_name", "task_status", "progress", "create_time"}
IN_THE_END = {"file_id", "file_name", "exported_rows", "truncated", "file_size", "sha256", "finish_time", "expire_time"}


def now(site):
    """Returns milliseconds since 1970 by the clock of PostgreSQL, which sets all times of tasks."""
    return site.sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")[0][0]


@pytest.mark.each_way
def test_success(either):
    before = now(either.site)
    task_id = either.create_task(MINIMAL)
    status = either.wait(task_id)
    after = now(either.site)
    assert ALWAYS | IN_THE_END <= set(status), f"{status}"
    assert not {"error_code", "error_msg"} & set(status), f"{status}"
    assert (status["task_id"], status["task_status"], status["progress"]) == (task_id, "success", 100), f"{status}"
    assert re.fullmatch(r"container_\d{13}_export_task", status["task_name"]), f"{status}"
    assert re.fullmatch(r"container_\d{13}_export\.csv", status["file_name"]), f"{status}"
    assert re.findall(r"\d{13}", status["task_name"]) == re.findall(r"\d{13}", status["file_name"]), f"{status}"
    assert 1 <= len(status["file_id"]) <= 64 and status["file_id"] != task_id, f"{status}"
    assert re.fullmatch(r"[0-9a-f]{64}", status["sha256"]), f"{status}"
    assert status["truncated"] is False, f"{status}"
    for field in ("progress", "exported_rows", "file_size", "create_time", "finish_time", "expire_time"):
        assert type(status[field]) is int, f"{field} of {status}"
    assert before <= status["create_time"] <= status["finish_time"] <= after, f"{status}"
    assert status["expire_time"] - status["finish_time"] == 168 * HOUR, f"{status}"


@pytest.mark.each_way
def test_the_headers_of_the_answer(either):
    response = either.status(either.create_task(MINIMAL))
    assert response.headers["content-type"].split(";")[0] == "application/json", f"{response}"


def test_unfinished(stalled):
    api = stalled.api()
    status = api.status(api.create_task(MINIMAL)).json()
    assert ALWAYS <= set(status), f"{status}"
    assert not {"file_id", "file_name", "sha256", "file_size", "error_code", "error_msg",
                "finish_time"} & set(status), f"{status}"
    assert status["task_status"] == "running" and 0 <= status["progress"] < 100, f"{status}"


def test_a_task_under_way_counts_as_running(stalled):
    api = stalled.api()
    task_id = api.create_task(MINIMAL)
    stalled.site.sql(
        "UPDATE waybill.export_task SET state = 'running', attempts = 1, lease = gen_random_uuid(), progress = 40,"
        " lease_expire_time = now() + interval '1 hour' WHERE task_id = %s", task_id)
    status = api.status(task_id).json()
    assert (status["task_status"], status["progress"]) == ("running", 40), f"{status}"


@pytest.mark.parametrize("size, truncated", [(-1, True), (0, False), (1, False)])
def test_truncated(api, hostile, size, truncated):
    rows = hostile.site.sql("SELECT count(*) FROM waybill.container"
                            " WHERE project_id = 'demo' AND enterprise_project_id = '0'")[0][0]
    data, status = api.export({"export_headers": [["risky", "Risky"]]}, f"?export_size={rows + size}")
    assert (status["exported_rows"], status["truncated"]) == (min(rows, rows + size), truncated), f"{status}"
    assert data.count(b"\r\n") == status["exported_rows"] + 1


def test_nothing_found(either):
    data, status = either.export({"container_name": "no such container", "export_headers": HEADERS})
    assert data == b'"Id"\r\n'
    assert (status["exported_rows"], status["truncated"], status["file_size"]) == (0, False, 6), f"{status}"


def test_failure(start):
    """The inventory is gone: the task fails, and the service continues."""
    service = start("failing", options={"inventory.relation": "waybill.gone"})
    service.site.sql("CREATE VIEW waybill.gone AS SELECT * FROM waybill.container")
    service.site.sql("GRANT SELECT ON waybill.gone TO waybill_service")
    api = service.api()
    api.finished(MINIMAL)
    service.site.sql("DROP VIEW waybill.gone")
    status = api.wait(api.create_task(MINIMAL))
    assert ALWAYS | {"error_code", "error_msg", "finish_time"} <= set(status), f"{status}"
    assert not {"file_id", "file_name", "sha256"} & set(status), f"{status}"
    assert status["task_status"] == "failure" and status["error_code"].startswith("HSS."), f"{status}"
    assert "gone" not in status["error_msg"] and "relation" not in status["error_msg"], f"{status}"
    service.site.sql("CREATE VIEW waybill.gone AS SELECT * FROM waybill.container")
    service.site.sql("GRANT SELECT ON waybill.gone TO waybill_service")
    api.finished(MINIMAL)


@pytest.mark.each_way
def test_by_query(either):
    """The same answer as by path, whatever the type."""
    task_id = either.create_task(MINIMAL)
    status = without_link(either.wait(task_id))
    for query in ("", "&export_task_type=cluster", "&enterprise_project_id=0",
                  "&export_task_type=%E5%AE%B9&enterprise_project_id=all_granted_eps"):
        response = either.status_by_query(task_id, query)
        assert (response.status, without_link(response.json())) == (200, status), f"{query}: {response}"
        assert set(response.headers) == set(either.status(task_id).headers), f"{response}"


@pytest.mark.parametrize("query, mentions", [
    ("", ("task_id is required in the query, got none",)), ("?export_task_type=x", ("task_id is required",)),
    ("?task_id=", ("task_id must be 1 to 64 characters long, got 0",)), ("?task_id", ("task_id must be 1 to 64",)),
    ("?task_id=" + "x" * 65, ("task_id must be 1 to 64 characters long, got 65",)),
    ("?task_id=x&export_task_type=", ("export_task_type must be 1 to 256 characters long, got 0",)),
    ("?task_id=x&export_task_type=" + "x" * 257, ("export_task_type must be 1 to 256 characters long, got 257",)),
    ("?task_id=x&enterprise_project_id=", ("enterprise_project_id must be",)),
    ("?task_id=x&task_id=x", ("task_id",)), ("?task_id=x&limit=1", ("limit",)),
])
def test_by_invalid_query(api, query, mentions):
    expect_error(api.request("GET", api.path("export-task") + query), 400, "HSS.0001", *mentions)


@pytest.mark.parametrize("task_id", [str(uuid.uuid4()), "x", "x" * 64, "長" * 64, "'; --", "a/b"],
                         ids=["unknown", "x", "long", "wide", "quote", "path"])
def test_by_query_of_no_task(api, task_id):
    known, other = (expect_error(response, 404, "HSS.0011", "task_id: no such task")
                    for response in (api.status_by_query(task_id), api.status(quote(task_id, safe=""))))
    assert known["error_msg"] == other["error_msg"]


def test_by_query_what_the_caller_may_not_see(hostile):
    api, stranger, some = hostile.api(), hostile.api(inventory.NEIGHBOUR), hostile.api(enterprise_projects=("ep-a",))
    task_id = api.create_task(MINIMAL)
    for caller in (stranger, some):
        expect_error(caller.status_by_query(task_id), 404, "HSS.0011", task_id)
    expect_error(some.status_by_query(task_id, "&enterprise_project_id=0"), 403, "HSS.0013", "enterprise_project_id")
    expect_error(api.status_by_query(task_id, "&enterprise_project_id=ep-a"), 404, "HSS.0011", task_id)
    stranger.project = api.project
    expect_error(stranger.status_by_query(task_id), 403, "HSS.0013", "project_id")


def test_by_query_waits(stalled, api):
    task_id = stalled.api().create_task(MINIMAL)
    response, took, _ = timed(lambda: stalled.api().status_by_query(task_id, headers={"Prefer": "wait=1"}))
    assert response.json()["task_status"] == "running" and took >= 1 - 0.05, f"{response} took {took} seconds"
    task_id = api.create_task(MINIMAL, headers=ASYNC)
    assert api.status_by_query(task_id, headers={"Prefer": "wait=60"}).json()["task_status"] == "success"


def test_by_query_is_logged_as_status(start):
    service = start("by_query")
    task_id = service.api().create_task(MINIMAL)
    assert service.api().status_by_query(task_id).status == 200
    log = service.process.log_text()
    assert f"operation=status project_id=demo task_id={task_id} status=200" in log, log


@pytest.mark.each_way
def test_unknown(either):
    task_id = str(uuid.uuid4())
    expect_error(either.status(task_id), 404, "HSS.0011", task_id)
