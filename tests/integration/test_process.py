"""The process: how it starts, how it ends, and how several share the work."""

import json
import os
import threading

import fcgi
import inventory
import oracle
import pytest
from api import MINIMAL
from clients import parse
from deadline import DEADLINE, wait_until
from faults import BODY, expect_right_file, fleet, stop_and_continue  # noqa: F401
from service import BUILD, Direct, Process


@pytest.fixture
def service(start, request):
    return start("process_" + request.node.name[5:40])


def test_sigterm_while_idle(service):
    service.stop()


def test_started_with_its_socket_as_descriptor_0(service):
    process = Direct(service.site, "descriptor", by_descriptor=True)
    try:
        assert process.client.request("GET", "/healthz").status == 200
        assert service.api(client=process.client).finished(MINIMAL)
    finally:
        process.stop()


def test_a_socket_that_a_dead_process_left(service):
    """After kill -9 the path still exists: the next start replaces it."""
    service.api().finished(MINIMAL)
    service.process.kill()
    assert os.path.exists(service.process.socket_path)
    service.process = Direct(service.site)
    service.api().finished(MINIMAL)


def test_a_socket_that_is_in_use_is_left_alone(service):
    path = service.process.socket_path
    command = [os.path.join(BUILD, "waybill.fcgi"), "--config", service.site.config, "--listen", path]
    second = Process("second", service.site.directory, command)
    try:
        assert second.process.wait(timeout=DEADLINE) != 0
        assert path in second.log_text()
    finally:
        second.kill()
    service.api().finished(MINIMAL)


def test_a_process_that_ends_leaves_the_path_of_the_next_one(service):
    """The next one starts as soon as it can. Here, each removal of a file takes two seconds."""
    service.process.stop()
    slow = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "inject=unlink:delay_enter=2000000"]
    service.process = Direct(service.site, prefix=slow)
    path = service.process.socket_path
    command = [os.path.join(BUILD, "waybill.fcgi"), "--config", service.site.config, "--listen", path]
    service.process.begin_to_stop()
    answers = False
    while not answers:
        following = Process("following", service.site.directory, command)
        wait_until(lambda: following.process.poll() is not None or "event=started" in following.log_text(),
                   "the next process has started or has been refused")
        answers = following.process.poll() is None
    try:
        service.process.process.wait(timeout=DEADLINE)
        assert service.process.client.request("GET", "/healthz/live").status == 200
    finally:
        following.stop()
    service.process = Direct(service.site)


def test_sigterm_while_a_request_waits(start):
    """The pending response is sent: the task that it names exists."""
    service = start("terminated", options={"export.threads": 0, "server.grace": 5})
    api = service.api()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(api.create(MINIMAL, headers={"Prefer": "wait=60"})))
    thread.start()
    wait_until(lambda: service.site.tasks() == 1, "the task exists")
    service.stop()
    thread.join()
    assert answers[0].status == 200, f"{answers}"
    task_id = answers[0].json()["task_id"]
    assert service.site.sql("SELECT task_id::text, state FROM waybill.export_task") == [(task_id, "queued")]


def test_sigterm_while_exports_run(big):
    """Each task ends, here or in the next process, and no partial file is left."""
    api = big.api("big")
    ids = [["container_id", "Id"]]
    tasks = [api.create_task({"export_headers": ids}, headers={"Prefer": "respond-async"}) for _ in range(6)]
    big.process.stop()
    big.process = Direct(big.site)
    statuses = [api.wait(task) for task in tasks]
    assert [status["task_status"] for status in statuses] == ["success"] * 6, f"{statuses}"
    assert {status["exported_rows"] for status in statuses} == {100000}
    rows = big.site.sql("SELECT file_id::text FROM waybill.export_task WHERE state = 'success'")
    published = {file_id for file_id, in rows}
    assert set(os.listdir(big.site.files)) == published


def test_two_processes_share_a_queue(start):
    service = start("shared", inventory.hostile())
    other = Direct(service.site, "other")
    try:
        apis = [service.api(), service.api(client=other.client)]
        rows = inventory.fetch(service.site.superuser)
        body = {"container_name": "*n*", "export_headers": [["container_id", "Id"], ["image_name", "Image"]]}
        expected = oracle.csv(oracle.select(rows, body), body["export_headers"])
        tasks = [apis[number % 2].create_task(body, headers={"Prefer": "respond-async"}) for number in range(40)]
        for number, task in enumerate(tasks):
            status = apis[number % 2].wait(task)
            # Each process serves the files of the other.
            assert apis[1 - number % 2].download(status["file_id"]).body == expected
    finally:
        other.stop()


def wait_until_taken_up(api):
    """A connection made earlier has been accepted when more requests than there are threads have been answered."""
    for _ in range(16):
        assert api.client.request("GET", "/healthz/live").status == 200


@pytest.mark.parametrize("point", ["begin", "params", "body"])
def test_a_request_that_comes_while_the_process_is_stopped(start, point):
    """A debugger or a paused container stops a process: it handles the rest of the request when it continues."""
    service = start("process_stopped_at_" + point)
    api = service.api()
    body = json.dumps(MINIMAL).encode()
    params = fcgi.pairs(api.client.params("POST", api.path("container/export-task"),
                                          {"X-Auth-Token": api.token, "Content-Type": "application/json"}, len(body)))
    request = fcgi.begin() + fcgi.records(fcgi.PARAMS, params) + fcgi.records(fcgi.STDIN, body)
    sent = {"begin": 4, "params": 100, "body": len(request) - len(body)}[point]
    for _ in range(5):
        with fcgi.Connection(service.process.socket_path) as connection:
            connection.send(request[:sent])
            wait_until_taken_up(api)
            stop_and_continue(service.process)
            connection.send(request[sent:])
            response = parse(connection.answer()[0])
        assert response.status == 200, f"{response}"
        assert api.wait(response.json()["task_id"])["task_status"] == "success"


def test_a_download_that_goes_on_after_the_process_was_stopped(fleet):  # noqa: F811
    """The web server reads nothing in the meantime."""
    made = fleet("process_download", p1=10000)
    process = made.start()
    api = made.api()
    status = api.finished(BODY)
    assert status["file_size"] > 1 << 20
    params = api.client.params("GET", api.path("download/" + status["file_id"]), {"X-Auth-Token": api.token})
    for _ in range(5):
        with fcgi.Connection(process.socket_path) as connection:
            connection.send(fcgi.begin(), fcgi.records(fcgi.PARAMS, fcgi.pairs(params)), fcgi.record(fcgi.STDIN))
            wait_until_taken_up(api)
            stop_and_continue(process)
            response = parse(connection.answer()[0])
        assert response.status == 200 and len(response.body) == status["file_size"], f"{response}"
    expect_right_file(api, status, 10000)
