"""The log as JSON and as text: one event per line, whatever a caller sends, and an export is found by its request."""

import datetime
import json
import os
import re
import subprocess
import uuid

import pytest
from api import MINIMAL
from calls import expect_removed, page, remove
from deadline import DEADLINE, wait_until
from faults import ASYNC, BODY, add_gate, closed_gate, fill, fleet  # noqa: F401
from fcgi import PARAMS, STDIN, Connection, begin, pairs, records
from service import BUILD, LOG_LINE, Direct, environment, is_json_line, worker

# Text that may break a line.
HOSTILE = ('"', "\\", '\\"', '","level":"error', "\n", "\r\n", "\t", "\x01", "\x1b[2J", "\x7f", "\x85", "\u2028",
           "\u202e", "😀", "\ufeff", "a b=c", "{}", "'", "\\u0000", "x=\"y\" event=fake")


def lines(process):
    """Returns the log so far. It must have one event per line."""
    with open(process.log, "rb") as log:
        text = log.read()
    assert text.endswith(b"\n"), f"no end of a line: {text[-200:]!r}"
    found = text.decode("utf-8")[:-1].split("\n")
    odd = [line for line in found if not is_json_line(line)]
    assert not odd, f"{odd[:3]}"
    return [json.loads(line) for line in found]


def request_line(process, request_id):
    """Returns the only line of a request."""
    found = [line for line in lines(process) if line["event"] == "request" and line["request_id"] == request_id]
    assert len(found) == 1, f"{found}"
    return found[0]


@pytest.fixture(scope="module")
def service(start):
    made = start("logs", options={"log.format": "json", "log.level": "debug"})
    fill(made.site, p1=20)
    return made


@pytest.fixture
def api(service):
    return service.api("p1")


def expect_request(service, response, operation, **fields):
    """Checks the line of a request: the operation and the response."""
    line = request_line(service.process, response.headers["x-request-id"])
    fields = {"operation": operation, "status": response.status, **fields}
    assert {name: line.get(name) for name in fields} == fields, f"{line}"
    assert type(line["status"]) is int and type(line["ms"]) is int and 0 <= line["ms"] < 60000, f"{line}"
    assert line["level"] == ("error" if response.status >= 500 else "info"), f"{line}"
    if response.status >= 400:
        assert line["error"] and line["reason"] == response.json()["error_msg"], f"{line}"
    else:
        assert not {"error", "reason"} & set(line), f"{line}"


def test_each_operation(service, api):
    response = api.create(BODY)
    task_id = response.json()["task_id"]
    expect_request(service, response, "create", task_id=task_id, project_id="p1")
    status = api.wait(task_id)
    expect_request(service, api.status(task_id), "status", task_id=task_id, project_id="p1")
    expect_request(service, page(api), "list", project_id="p1")
    expect_request(service, api.download(status["file_id"]), "download", project_id="p1")
    expect_request(service, api.create({}), "create", project_id="p1", error="parameter", task_id=None)
    expect_request(service, api.create(headers={"X-Auth-Token": "x"}), "create", error="identity")
    expect_request(service, api.status(uuid.uuid4()), "status", error="not_found")
    response = remove(api, task_id)
    expect_removed(response)
    expect_request(service, response, "remove", task_id=task_id, project_id="p1")
    expect_request(service, service.client.request("GET", "/healthz"), "health", project_id=None)
    expect_request(service, service.client.request("GET", "/metrics"), "metrics")
    expect_request(service, service.client.request("GET", "/nowhere"), "none", error="no_api")
    expect_request(service, service.client.request("PUT", "/metrics"), "none", error="method")


def test_an_export_is_found_by_its_request(service, api):
    response = api.create(BODY, headers=ASYNC)
    task_id = response.json()["task_id"]
    status = api.wait(task_id)
    request_id = response.headers["x-request-id"]

    def of_export():
        found = [line for line in lines(service.process) if line.get("task_id") == task_id]
        return [line for line in found if line["event"] != "request"]
    wait_until(lambda: any(line["event"] == "export succeeded" for line in of_export()), "its end is logged")
    for line in of_export():
        assert line["request_id"] == request_id and line["project_id"] == "p1", f"{line}"
    end = of_export()[-1]
    expected = {"level": "info", "rows": 20, "bytes": status["file_size"], "attempt": 1}
    assert {name: end.get(name) for name in expected} == expected and type(end["ms"]) is int, f"{end}"


def test_a_failed_export(fleet):  # noqa: F811
    made = fleet("logs_failed", {"log.format": "json", "inventory.relation": "faults.container"}, p1=20)
    add_gate(made.site, 10)
    process = made.start()
    made.site.sql("DROP SCHEMA faults CASCADE")
    response = made.api().create(BODY, headers=ASYNC)
    task_id = response.json()["task_id"]
    status = made.api().wait(task_id)
    wait_until(lambda: any(line["event"] == "export failed" for line in lines(process)), "its end is logged")
    line, = (line for line in lines(process) if line["event"] == "export failed")
    expected = {"level": "error", "task_id": task_id, "request_id": response.headers["x-request-id"],
                "project_id": "p1", "reason": status["error_msg"]}
    assert {name: line.get(name) for name in expected} == expected, f"{line}"
    assert "faults" in line["detail"], f"the operator sees more than the caller: {line}"


@pytest.mark.parametrize("text", HOSTILE + ("".join(HOSTILE), "\x01" * 256, "😀" * 256, '"' * 256), ids=ascii)
def test_a_project_of_any_text(service, text):
    """The log has it unchanged and readable, however long it is."""
    api = service.api(text)
    response = api.create(MINIMAL)
    assert response.status == 200, f"{response}"
    assert request_line(service.process, response.headers["x-request-id"])["project_id"] == text
    api.wait(response.json()["task_id"])


def raw(process, **params):
    """Sends a request whose parameters are bytes that no web server would pass on."""
    params = {**process.client.params("GET", "/v5/p1/export-tasks", {"X-Auth-Token": "x"}), **params}
    with Connection(process.socket_path) as connection:
        connection.send(begin(), records(PARAMS, pairs(params)), records(STDIN, b""))
        out, _, status = connection.answer()
    assert status == 0 and re.match(rb"Status: [24]", out), f"{out[:300]}"
    return out


BYTES = (b"\xff\xfe", b"\xc3", b"\xc3(", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\x80" * 3000,
         b'"\n{"time":"', b"\n2026-01-01T00:00:00.000Z error event=fake\n", b"\r", b"\x1b]0;x\x07", b"\\" * 3000,
         b"\x00x", b"x" * 5000, "\x85\u2028😀".encode(), b'x" y=1')


def test_bytes_that_are_not_text(service):
    """Invalid bytes in the path, the query, the method or the headers: each request is still one whole line."""
    before = len(lines(service.process))
    api = service.api("p1")
    count = 0
    for data in BYTES:
        for params in (
                {"REQUEST_URI": b"/v5/" + data + b"/export-tasks"}, {"REQUEST_URI": b"/" + data},
                {"REQUEST_URI": b"/v5/p1/export-task/" + data}, {"REQUEST_URI": b"/v5/p1/export-tasks?" + data},
                {"REQUEST_URI": b"/v5/p1/export-tasks?limit=" + data}, {"REQUEST_METHOD": data},
                {"HTTP_X_AUTH_TOKEN": data}, {"CONTENT_TYPE": data, "REQUEST_METHOD": b"POST",
                                              "REQUEST_URI": b"/v5/p1/container/export-task"}):
            token = {} if "HTTP_X_AUTH_TOKEN" in params else {"HTTP_X_AUTH_TOKEN": api.token}
            raw(service.process, **token, **params)
            count += 1
    served = [line for line in lines(service.process)[before:] if line["event"] == "request"]
    assert len(served) == count, f"{len(served)} lines for {count} requests"
    assert {line["level"] for line in served} == {"info"} and "fake" not in {line["event"] for line in served}
    with open(service.process.log, "rb") as log:
        longest = max(len(line) for line in log)
    assert longest <= 4096, f"a line of {longest} bytes is not written as one"


def test_bodies_that_do_harm(service, api):
    for text in HOSTILE:
        for body in ({"export_headers": [["container_id", text * 300]]}, {text: 1, **MINIMAL},
                     {"status": text, **MINIMAL}, {"export_headers": [[text, "x"]]}):
            response = api.create(body)
            assert response.status == 400, f"{response}"
            line = request_line(service.process, response.headers["x-request-id"])
            assert line["error"] == "parameter" and line["reason"], f"{line}"


def test_events_of_a_process(fleet):  # noqa: F811
    made = fleet("logs_life", {"log.format": "json"}, p1=20)
    process = made.start("one")
    status = made.api("one").finished(BODY)
    # The export thread logs after the commit that makes the status visible.
    wait_until(lambda: "export succeeded" in [line["event"] for line in lines(process)], "the end is logged")
    made.stop()
    made.site.sql("UPDATE waybill.export_task SET expire_time = now() - interval '1 hour'")
    events = [line["event"] for line in lines(process)]
    assert events[0] == "started" and events[-2:] == ["stopping", "stopped"], f"{events}"
    assert lines(process)[0]["listen"] == process.socket_path and lines(process)[0]["version"], f"{lines(process)[0]}"
    process = made.start("two")
    wait_until(lambda: status["file_id"] not in os.listdir(made.site.files), "the file is removed")
    wait_until(lambda: any(line["event"] == "housekeeping" for line in lines(process)), "that is logged")
    line, = (line for line in lines(process) if line["event"] == "housekeeping")
    assert (line["files_expired"], line["tasks_purged"], line["files_removed"]) == (1, 0, 1), f"{line}"


def test_a_worker(fleet):  # noqa: F811
    made = fleet("logs_worker", {"log.format": "json", "export.threads": 0}, p1=20)
    made.start("front")
    response = made.api("front").create(BODY, headers=ASYNC)
    made.site.write_config({"log.format": "json"})
    process = worker(made.site)
    try:
        made.api("front").wait(response.json()["task_id"])
    finally:
        process.stop()
    ends = [line for line in lines(process) if line["event"] == "export succeeded"]
    assert [line["request_id"] for line in ends] == [response.headers["x-request-id"]], f"{lines(process)}"


def test_a_requeued_export(fleet):  # noqa: F811
    made = fleet("logs_back", {"log.format": "json", "server.grace": 1, "inventory.relation": "faults.container"},
                 p1=20)
    add_gate(made.site, 10)
    process = made.start()
    with closed_gate(made.site):
        response = made.api().create(BODY, headers=ASYNC)
        made.wait_for_query()
        made.stop()
    line, = (line for line in lines(process) if line["event"] == "export requeued")
    assert line["level"] == "warning" and line["request_id"] == response.headers["x-request-id"], f"{line}"


def test_a_start_that_fails(service):
    """Once the log format is known, the failure is logged in that format."""
    done = subprocess.run(
        [os.path.join(BUILD, "waybill.fcgi"), "--config", service.site.config, "--listen", service.process.socket_path],
        env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 1 and not done.stdout, f"{done}"
    assert is_json_line(done.stderr.rstrip("\n")) and json.loads(done.stderr)["event"] == "not started", f"{done}"


@pytest.mark.parametrize("value", ["xml", "JSON", "", "json,text"])
def test_an_unknown_format(tmp_path, value):
    config = tmp_path / "waybill.conf"
    config.write_text(f"[log]\nformat = {value}\n")
    done = subprocess.run([os.path.join(BUILD, "waybill.fcgi"), "--config", str(config)], env=environment(),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode != 0 and "format" in done.stderr and f"{config}:2" in done.stderr, f"{done}"


def test_levels(fleet):  # noqa: F811
    made = fleet("logs_error", {"log.format": "json", "log.level": "error"}, p1=20)
    process = made.start()
    made.api().finished(BODY)
    made.api().create({})
    made.site.sql("ALTER TABLE waybill.export_task RENAME TO away")
    assert made.api().status(uuid.uuid4()).status == 500
    made.site.sql("ALTER TABLE waybill.away RENAME TO export_task")
    assert {line["level"] for line in lines(process)} == {"error"}
    assert [line["status"] for line in lines(process) if line["event"] == "request"] == [500]


@pytest.mark.parametrize("zone", ["UTC0", "EAST-9", "WEST+9:30"])
def test_the_times(service, zone):
    """Times are in UTC, whatever the time zone of the process. Other zones here differ by at least half an hour."""
    process = Direct(service.site, "zone_" + zone[:4], variables={"TZ": zone})
    try:
        response = process.client.request("GET", "/healthz")
        text = request_line(process, response.headers["x-request-id"])["time"]
    finally:
        process.stop()
    logged = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    apart = abs(datetime.datetime.now(datetime.timezone.utc) - logged)
    assert apart < datetime.timedelta(minutes=15), f"{text} is {apart} off"


def test_text_is_as_it_was(fleet):  # noqa: F811
    """The default format, with the same events and fields."""
    made = fleet("logs_text", p1=20)
    process = made.start()
    response = made.api().create(BODY)
    task_id = response.json()["task_id"]
    made.api().wait(task_id)
    for project in ('a b="c"\n\x7f\x85', "😀"):
        made.api(project=project).finished(MINIMAL)
    raw(process, REQUEST_URI=b'/v5/\xff"\n/x')
    request_id = response.headers["x-request-id"]
    wait_until(lambda: "export succeeded" in process.log_text(), "the end is logged")
    found = process.log_text().rstrip("\n").split("\n")
    odd = [line for line in found if not LOG_LINE.fullmatch(line)]
    assert not odd, f"{odd}"
    assert any(re.search(rf" info event=request request_id={request_id} operation=create project_id=p1"
                         rf" task_id={task_id} status=200 ms=\d+$", line) for line in found), f"{found}"
    assert any(re.search(rf' info event="export succeeded" task_id={task_id} request_id={request_id}'
                         r" project_id=p1 attempt=1 rows=20 bytes=\d+ ms=\d+$", line) for line in found), f"{found}"
    assert any(r'project_id="a b=\"c\"\x0a\x7f\xc2\x85"' in line for line in found), f"{found}"
    assert any("project_id=😀" in line for line in found), f"{found}"
