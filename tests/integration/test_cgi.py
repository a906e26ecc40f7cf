"""Plain CGI: each request is a separate process, which runs exports itself because no other process does."""

import os
import socket
import subprocess

import pytest
from api import MINIMAL, Api
from clients import DirectClient, parse
from deadline import DEADLINE, timed
from faults import ASYNC, fleet  # noqa: F401
from service import BUILD, environment

ROWS = 20
SLACK = 5  # seconds, without delays of a busy machine; exceeded only if there is a bug
INSERT = ("INSERT INTO waybill.export_task (project_id, enterprise_project_id, enterprise_projects, export_size,"
          " request, request_id, state, lease, lease_expire_time, attempts)"
          " VALUES ('p1', '0', '{0}', 100, '{\"export_headers\": [[\"container_id\", \"Id\"]]}', 'r', %s, %s::uuid,"
          " now() + %s::interval, %s) RETURNING task_id::text")
LEASE_ID = "1f6f2f5c-6c3c-4a7e-9a52-0d2f4f1f8a22"


class CgiClient(DirectClient):
    """Runs waybill.fcgi for each request as a web server runs a CGI program."""

    def __init__(self, site):
        super().__init__(None)
        self.config = site.config

    def request(self, method, target, headers=(), body=None, arguments=()):
        params = self.params(method, target, headers, None if body is None else len(body))
        done = subprocess.run([os.path.join(BUILD, "waybill.fcgi"), *arguments], input=body or b"", capture_output=True,
                              env=environment(WAYBILL_CONFIG=self.config, **params), timeout=DEADLINE, check=True)
        return parse(done.stdout)


@pytest.fixture
def api(fleet):  # noqa: F811
    made = fleet("cgi" + os.urandom(4).hex(), {"limits.running_exports": 1}, p1=ROWS)
    return Api(made.site, CgiClient(made.site), "p1", made.site.token("p1"))


def state(api, task_id):
    return api.site.sql("SELECT state, attempts FROM waybill.export_task WHERE task_id = %s", task_id)


@pytest.mark.parametrize("headers", [{}, ASYNC], ids=["wait", "respond-async"])
def test_a_create_runs_its_export(api, headers):
    task_id = api.create_task(MINIMAL, headers=headers)
    assert state(api, task_id) == [("success", 1)], "it has ended when its id is returned"
    status = api.status(task_id).json()
    assert api.download(status["file_id"]).body.count(b"\r\n") == ROWS + 1
    assert api.request("DELETE", api.path(f"export-task/{task_id}")).status == 204
    assert os.listdir(api.site.files) == []


def test_a_repeated_create(api):
    """It finds the task of the first one, even after the task was removed."""
    headers = {"Idempotency-Key": "k"}
    task_id = api.create_task(MINIMAL, headers=headers)
    assert api.create_task(MINIMAL, headers=headers) == task_id and state(api, task_id) == [("success", 1)]
    assert api.request("DELETE", api.path(f"export-task/{task_id}")).status == 204
    assert api.create_task(MINIMAL, headers=headers) == task_id and api.site.tasks() == 0


def test_a_request_to_run_a_schedule_runs_its_export(api):
    fields = {"name": "n", "rule": "FREQ=DAILY", "start_time": 4000000000000, "request": MINIMAL}
    path = "/" + api.schedules("POST", "", fields).json()["schedule_id"]
    task_id = api.schedules("POST", path + "/run").json()["task_id"]
    assert state(api, task_id) == [("success", 1)], "it has ended when its id is returned"
    assert api.schedules("GET", path + "/latest").body.count(b"\r\n") == ROWS + 1


@pytest.mark.parametrize("row", [("queued", None, None, 0), ("running", LEASE_ID, "-1 s", 1)],
                         ids=["left in the queue", "left by a process that died"])
def test_a_status_request_runs_the_task(api, row):
    task_id, = api.site.sql(INSERT, *row)[0]
    status = api.status(task_id).json()
    assert status["task_status"] == "success" and status["exported_rows"] == ROWS, f"{status}"
    assert state(api, task_id) == [("success", row[3] + 1)]


def test_a_task_of_another_process_is_left_alone(api):
    """Only one export runs at a time: the second task waits, but its id is returned."""
    running, = api.site.sql(INSERT, "running", LEASE_ID, "1 hour", 1)[0]
    queued = api.create_task(MINIMAL, headers={"Prefer": "wait=1"})
    assert state(api, queued) == [("queued", 0)]
    assert api.status(running).json()["task_status"] == "running"
    assert state(api, running) == [("running", 1)]
    api.site.sql("UPDATE waybill.export_task SET lease_expire_time = now() - interval '1 s' WHERE task_id = %s",
                 running)
    assert [api.status(task_id).json()["task_status"] for task_id in (running, queued)] == ["success"] * 2


def test_a_create_waits_for_a_task_that_it_may_not_run(api):
    """For [server] wait_ms, 2000 by default: a program without threads has none that is busy."""
    api.site.sql(INSERT, "running", LEASE_ID, "1 hour", 1)
    queued, took, own = timed(lambda: api.create_task(MINIMAL))
    assert took >= 2 and own < 2 + SLACK, f"it took {took} seconds"
    assert state(api, queued) == [("queued", 0)]


def test_each_process_adds_to_the_counters(api):
    for _ in range(3):
        api.create_task(MINIMAL)
    lines = api.client.request("GET", "/metrics").body.decode().splitlines()
    assert 'waybill_http_requests_total{operation="create",status="200"} 3' in lines
    assert f"waybill_exported_rows_total {3 * ROWS}" in lines


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["--config", "/nowhere"], ["--listen", "/nowhere/x"],
                                       ["export_size"], ["-x"]], ids=str)
def test_a_query_is_no_argument(api, arguments):
    """A web server passes a query without = as arguments."""
    response = api.client.request("GET", "/healthz/live?" + "+".join(arguments), arguments=arguments)
    assert response.status == 400 and response.json()["error_code"] == "HSS.0001", f"{response}"


def test_an_unneeded_body_is_read(api):
    """Otherwise a web server that uses one socket for the body and the response might lose the response."""
    body = b"{" + b" " * (3 << 20)
    ours, theirs = socket.socketpair()
    params = api.client.params("POST", "/v5/p1/nothing", {}, len(body))
    with ours, subprocess.Popen([os.path.join(BUILD, "waybill.fcgi")], stdin=theirs, stdout=theirs,
                                env=environment(WAYBILL_CONFIG=api.site.config, **params)) as program:
        theirs.close()
        ours.sendall(body)
        assert program.wait(timeout=DEADLINE) == 0
        answer = b"".join(iter(lambda: ours.recv(65536), b""))
    assert parse(answer).status == 404, f"{answer}"
