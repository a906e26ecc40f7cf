"""Runs of schedules on request, the newest file, and what remains of a deleted schedule."""

import contextlib
import email.utils
import gzip
import os
import time

import pytest
from api import MINIMAL, expect_error
from clients import each_way
from schedule_calls import (  # noqa: F401
    EVERY, ask, create, finish_run, latest, mine, run, runs, service, show, temporary,
)

pytestmark = pytest.mark.contract


@pytest.mark.each_way
def test_run(either):
    with temporary(either, enabled=False) as schedule:
        assert runs(either, schedule) == {"total_num": 0, "data_list": []}
        before = time.time() * 1000
        status = finish_run(either, schedule)
        assert "expire_time" not in status, "the schedule keeps the file"
        page = runs(either, schedule)
        assert page["total_num"] == 1
        (entry,) = page["data_list"]
        assert entry == {"occurrence_time": entry["occurrence_time"], "state": "success",
                         "task_id": status["task_id"], "reason": None}
        assert abs(entry["occurrence_time"] - before) < 60000
        assert show(either, schedule) == {**schedule, "last_run": {
            "occurrence_time": entry["occurrence_time"], "task_id": status["task_id"], "task_status": "success"}}


def test_the_newest_run_is_first(mine):  # noqa: F811
    with temporary(mine) as schedule:
        tasks = [finish_run(mine, schedule)["task_id"] for _ in range(4)]
        tasks.reverse()

        def page(query):
            answer = runs(mine, schedule, query)
            assert answer["total_num"] == 4
            return [entry["task_id"] for entry in answer["data_list"]]
        assert page("") == tasks
        assert page("?limit=2") == tasks[:2]
        assert page("?limit=2&offset=1") == tasks[1:3]
        assert page("?offset=4") == []
        times = [entry["occurrence_time"] for entry in runs(mine, schedule)["data_list"]]
        assert times == sorted(times, reverse=True)
        assert show(mine, schedule)["last_run"]["task_id"] == tasks[0]


def test_run_ignores_a_body_and_needs_no_type(mine):  # noqa: F811
    with temporary(mine) as schedule:
        for body, kind in ((b"{", "application/json"), (b"x", "text/plain"), (b"{}", "application/json")):
            response = mine.schedules("POST", f"/{schedule['schedule_id']}/run", body, {"Content-Type": kind})
            assert response.status == 200, f"{response}"
            mine.wait(response.json()["task_id"])


def test_only_prefer_delays_the_answer_of_run(start):
    """A create waits for its task here, because an export thread is free."""
    service = start("schedules_held", options={"server.wait_ms": 60000})
    api = service.api()
    schedule = create(api)
    task = run(api, schedule, Prefer="wait=30")
    assert api.status(task).json()["task_status"] == "success", "the answer came after the end of the task"
    with contextlib.closing(service.site.connect()) as blocker, blocker:
        blocker.cursor().execute("LOCK TABLE waybill.container")
        before = time.monotonic()
        task = run(api, schedule)
        assert time.monotonic() - before < 30, "run waited"
        entry = runs(api, schedule, "?limit=1")["data_list"][0]
        assert (entry["state"], entry["task_id"], entry["reason"]) == ("running", task, None)
        assert show(api, schedule)["last_run"]["task_status"] == "running"
        blocker.rollback()
        assert api.wait(task)["task_status"] == "success"


def test_nothing_is_latest_while_the_first_run_is_unfinished(stalled):
    api = stalled.api()
    schedule = create(api)
    run(api, schedule)
    expect_error(latest(api, schedule), 404, "HSS.0011")


def test_the_range_of_a_run_ends_at_its_time(service, mine):  # noqa: F811
    with temporary(mine, request={"create_time": {"last": "P7D"}, **MINIMAL}) as schedule:
        assert schedule["request"]["create_time"] == {"last": "P7D"}
        task = finish_run(mine, schedule)["task_id"]
        ((request,),) = service.site.sql("SELECT request FROM waybill.export_task WHERE task_id = %s", task)
        end = runs(mine, schedule)["data_list"][0]["occurrence_time"]
        assert request == {"create_time": {"start_time": end - 7 * 86400000, "end_time": end}, **MINIMAL}


def test_too_many_unfinished_tasks(start):
    api = start("schedules_limit", options={"export.threads": 0, "limits.unfinished_tasks": 2}).api()
    schedule = create(api)
    run(api, schedule), run(api, schedule)
    response = api.schedules("POST", f"/{schedule['schedule_id']}/run")
    expect_error(response, 429, "APIGW.0308", "limit of 2 unfinished")
    assert "retry-after" in response.headers
    assert runs(api, schedule)["total_num"] == 2


# ---- The newest file ----

def test_nothing_before_the_first_success(mine):  # noqa: F811
    with temporary(mine) as schedule:
        for method in ("GET", "HEAD"):
            assert latest(mine, schedule, method).status == 404
        expect_error(latest(mine, schedule), 404, "HSS.0011", "no successful run")


@pytest.fixture(scope="module")
def filed(api):
    """A schedule that has run, and the status of its task."""
    with temporary(api) as schedule:
        yield schedule, finish_run(api, schedule)


@pytest.mark.each_way
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_latest_is_like_a_download(either, filed, method):
    schedule, status = filed
    response = latest(either, schedule, method)
    download = either.download(status["file_id"], method=method)
    assert response.status == download.status == 200 and response.body == download.body, f"{response}"
    assert (len(response.body) > 0) == (method == "GET")
    ignored = {"x-request-id", "date", "cache-control", "x-task-id", "keep-alive", "connection", "server"}
    assert {name: value for name, value in response.headers.items() if name not in ignored} \
        == {name: value for name, value in download.headers.items() if name not in ignored}
    assert response.headers["x-task-id"] == status["task_id"], f"{response}"
    assert response.headers["cache-control"] == "private, no-cache", f"{response}"
    modified = email.utils.parsedate_to_datetime(response.headers["last-modified"]).timestamp()
    assert modified == status["finish_time"] // 1000


@pytest.mark.parametrize("text, first, last", [each_way("bytes=0-9", 0, 10), each_way("bytes=-7", -7, None),
                                               ("bytes=5-", 5, None)])
def test_ranges(either, filed, text, first, last):
    schedule, status = filed
    whole = latest(either, schedule).body
    response = latest(either, schedule, Range=text)
    assert (response.status, response.body) == (206, whole[first:last]), f"{response}"
    assert response.headers["content-range"].endswith(f"/{status['file_size']}")
    assert response.headers["x-task-id"] == status["task_id"]


@pytest.mark.each_way
def test_conditions_and_bad_ranges(either, filed):
    schedule, status = filed
    etag = f'"{status["sha256"]}"'
    for method in ("GET", "HEAD"):
        response = latest(either, schedule, method, If_None_Match=etag)
        assert (response.status, response.body) == (304, b""), f"{response}"
        assert response.headers["etag"] == etag and response.headers["x-task-id"] == status["task_id"]
        assert latest(either, schedule, method, If_None_Match='"other"').status == 200
    response = latest(either, schedule, Range="bytes=99999999-")
    expect_error(response, 416, "HSS.0001", "Range")
    assert response.headers["content-range"] == f"bytes */{status['file_size']}"
    assert latest(either, schedule, Range="bytes=0-1", If_Range='"other"').status == 200


@pytest.mark.parametrize("query, status", [
    ("?enterprise_project_id=0", 200), ("?enterprise_project_id=all_granted_eps", 200),
    ("?enterprise_project_id=ep-a", 404), ("?enterprise_project_id=", 400),
])
def test_the_enterprise_project_of_latest(api, filed, query, status):
    schedule, _ = filed
    assert latest(api, schedule, query=query).status == status


def test_an_enterprise_project_that_is_not_granted(hostile, filed):
    schedule, _ = filed
    narrow = hostile.api(enterprise_projects=("0",))
    assert latest(narrow, schedule, query="?enterprise_project_id=0").status == 200
    expect_error(latest(narrow, schedule, query="?enterprise_project_id=ep-a"), 403, "HSS.0013")


def test_gzip(mine):  # noqa: F811
    with temporary(mine) as schedule:
        status = finish_run(mine, schedule)
        plain, packed = latest(mine, schedule), latest(mine, schedule, Accept_Encoding="gzip")
        assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
        assert gzip.decompress(packed.body) == plain.body
        assert packed.headers["etag"] == f'"{status["sha256"]}-gzip"'
        assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"


def test_latest_moves_only_on_success(start):
    service = start("schedules_failing")
    api = service.api()
    schedule = create(api)
    first = finish_run(api, schedule)
    second = finish_run(api, schedule)
    assert latest(api, schedule).headers["x-task-id"] == second["task_id"] != first["task_id"]
    service.site.sql("ALTER TABLE waybill.container RENAME TO away")
    failed = api.wait(run(api, schedule))
    assert failed["task_status"] == "failure"
    service.site.sql("ALTER TABLE waybill.away RENAME TO container")
    assert latest(api, schedule).headers["x-task-id"] == second["task_id"]
    entry = runs(api, schedule)["data_list"][0]
    assert (entry["state"], entry["task_id"], entry["reason"]) == ("failure", failed["task_id"], failed["error_msg"])
    assert show(api, schedule)["last_run"]["task_status"] == "failure"


def test_latest_without_its_file(service, mine):  # noqa: F811
    """The file was deleted by hand: the response is the same as that of the download."""
    with temporary(mine) as schedule:
        status = finish_run(mine, schedule)
        os.unlink(os.path.join(service.site.files, status["file_id"]))
        expected = expect_error(mine.download(status["file_id"]), 404, "HSS.0011")["error_msg"]
        assert expect_error(latest(mine, schedule), 404, "HSS.0011")["error_msg"] == expected


def test_latest_of_a_removed_task(mine):  # noqa: F811
    with temporary(mine) as schedule:
        first, second = finish_run(mine, schedule), finish_run(mine, schedule)
        assert mine.request("DELETE", mine.path(f"export-task/{second['task_id']}")).status == 204
        assert latest(mine, schedule).headers["x-task-id"] == first["task_id"]
        assert mine.request("DELETE", mine.path(f"export-task/{first['task_id']}")).status == 204
        expect_error(latest(mine, schedule), 404, "HSS.0011")


# ---- Delete ----

@pytest.mark.each_way
def test_delete(either):
    schedule = create(either)
    status = finish_run(either, schedule)
    response = either.schedules("DELETE", f"/{schedule['schedule_id']}")
    assert (response.status, response.body) == (204, b""), f"{response}"
    for method, path in EVERY:
        expect_error(ask(either, schedule["schedule_id"], method, path), 404, "HSS.0011")
    # The task stays, and its file expires like any other.
    task = either.status(status["task_id"]).json()
    assert task["task_status"] == "success" and task["expire_time"] > time.time() * 1000
    assert either.download(status["file_id"]).status == 200


def test_delete_while_a_run_is_unfinished(start):
    service = start("schedules_deleted", options={"export.threads": 0})
    api = service.api()
    schedule = create(api)
    task = run(api, schedule)
    assert api.schedules("DELETE", f"/{schedule['schedule_id']}").status == 204
    assert api.status(task).json()["task_status"] == "running"


def test_a_run_appears_in_the_list_of_tasks(mine):  # noqa: F811
    with temporary(mine) as schedule:
        task = finish_run(mine, schedule)
        listed = mine.request("GET", mine.path("export-tasks?limit=200")).json()["data_list"]
        assert task in listed
