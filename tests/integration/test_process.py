"""The process: how it starts, how it ends, and that several share the work."""

import os
import threading

import inventory
import oracle
import pytest
from api import MINIMAL
from deadline import wait_until
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
    """After kill -9 the path is still there: the next start takes it over."""
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
        assert second.process.wait(timeout=60) != 0
        assert path in second.log_text()
    finally:
        second.kill()
    service.api().finished(MINIMAL)


def test_sigterm_while_a_request_waits(start):
    """The answer that is under way is given: the task it names is there."""
    service = start("terminated", options={"export.threads": 0, "server.grace": 5})
    api = service.api()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(api.create(MINIMAL, headers={"Prefer": "wait=60"})))
    thread.start()
    wait_until(lambda: service.site.tasks() == 1, "the task is there")
    service.stop()
    thread.join()
    assert answers[0].status == 200, f"{answers}"
    task_id = answers[0].json()["task_id"]
    assert service.site.sql("SELECT task_id::text, state FROM waybill.export_task") == [(task_id, "queued")]


def test_sigterm_while_exports_run(big):
    """Each task ends, here or in the process that comes next, and no part of a file is left."""
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
            # What one process made the other serves.
            assert apis[1 - number % 2].download(status["file_id"]).body == expected
    finally:
        other.stop()
