"""How long an answer waits: Prefer on create and on status."""

import threading
import time

import pytest
from api import MINIMAL
from faults import ASYNC, add_gate, closed_gate, fleet  # noqa: F401
from service import Direct


def timed(call):
    start = time.monotonic()
    response = call()
    return response, time.monotonic() - start


# Of a service that runs no task an answer must wait as long as it was told to; how much longer
# it takes is the machine's business, so only a limit far away says "at once".
AT_ONCE = 25


@pytest.mark.parametrize("prefer, seconds", [
    ("wait=1", 1), ("WAIT=1", 1), ('wait="1"', 1), ("wait = 1", 1), ("foo, wait=1", 1), ("foo=bar; x=y, wait=1", 1),
    ("wait=1; x=y", 1), ("wait=0", 0), ("respond-async", 0), ("respond-async, wait=0", 0), (None, 0), ("wait", 0),
    ("wait=", 0), ("wait=abc", 0), ("wait=-1", 0), ("wait=1.5", 0), ("wait=1s", 0), ("wait=0x1", 0), ("nowait=50", 0),
    ("foo", 0), ("", 0), (";;;", 0), (",,,", 0), ('"', 0), ('wait="', 0), ("=", 0), ("wait==50", 0), ("x" * 5000, 0),
])
def test_a_create_waits(stalled, prefer, seconds):
    api = stalled.api()
    response, took = timed(lambda: api.create(MINIMAL, headers={"Prefer": prefer}))
    assert response.status == 200, f"{response}"
    assert seconds <= took + 0.05 and took < seconds + AT_ONCE, f"Prefer: {prefer} took {took} seconds"
    assert api.status(response.json()["task_id"]).json()["task_status"] == "running"


@pytest.mark.parametrize("prefer, seconds", [("wait=1", 1), ("wait=0", 0), (None, 0), ("wait=abc", 0),
                                             ("respond-async", 0)])
def test_a_status_waits(stalled, prefer, seconds):
    api = stalled.api()
    task_id = api.create_task(MINIMAL)
    response, took = timed(lambda: api.status(task_id, headers={"Prefer": prefer}))
    assert response.status == 200 and response.json()["task_status"] == "running", f"{response}"
    assert seconds <= took + 0.05 and took < seconds + AT_ONCE, f"Prefer: {prefer} took {took} seconds"


@pytest.mark.parametrize("prefer", ["wait=60", "wait=99999", "wait=99999999999999999999"])
def test_a_task_is_ready_when_the_wait_ends(hostile, prefer):
    api = hostile.api()
    task_id = api.create_task(MINIMAL, headers={"Prefer": prefer})
    status = api.status(task_id).json()
    assert status["task_status"] == "success", f"{status}"


def test_without_preference_a_small_export_is_ready_with_its_id(start):
    service = start("patient", options={"server.wait_ms": 60000, "export.threads": 1})
    api = service.api()
    # The one thread is free again when the answer to one create is there, and so for the next.
    for _ in range(200):
        status = api.status(api.create_task(MINIMAL)).json()
        assert status["task_status"] == "success", f"{status}"
    for prefer in ("foo", "wait=abc", "wait"):
        status = api.status(api.create_task(MINIMAL, headers={"Prefer": prefer})).json()
        assert status["task_status"] == "success", f"ignored Prefer: {prefer}: {status}"


def test_without_preference_the_id_comes_at_once_while_the_threads_are_busy(fleet):  # noqa: F811
    made = fleet("busy", {"server.wait_ms": 60000, "export.threads": 1, "inventory.relation": "faults.container"}, p1=1)
    add_gate(made.site, 1)
    made.start()
    api = made.api()
    with closed_gate(made.site):
        api.create_task(MINIMAL, headers=ASYNC)
        made.wait_for_query(1)
        for _ in range(3):
            response, took = timed(lambda: api.create(MINIMAL))
            assert response.status == 200 and took < AT_ONCE, f"{response} took {took} seconds"


def test_without_patience_the_id_comes_at_once(start):
    service = start("impatient", options={"server.wait_ms": 0})
    service.api().finished(MINIMAL)


def test_a_wait_ends_when_another_process_ends_the_task(stalled):
    """The waits of one process are told of the exports of another."""
    api = stalled.api()
    task_id = api.create_task(MINIMAL)
    answers = []

    def wait(call):
        answers.append(timed(call))

    waiting = [
        threading.Thread(target=wait, args=[lambda: api.status(task_id, headers={"Prefer": "wait=60"})]),
        threading.Thread(target=wait, args=[lambda: api.create(MINIMAL, headers={"Prefer": "wait=60"})]),
    ]
    for thread in waiting:
        thread.start()
    stalled.site.write_config({})
    worker = Direct(stalled.site, "worker")
    try:
        for thread in waiting:
            thread.join()
    finally:
        worker.stop()
        stalled.site.write_config({"export.threads": 0})
    for response, took in answers:
        assert response.status == 200 and took < 55, f"{response} after {took} seconds"
    assert [response.json().get("task_status") for response,
            _ in answers if "task_status" in response.json()] == ["success"]
