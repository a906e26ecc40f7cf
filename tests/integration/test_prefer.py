"""How long a response waits: Prefer on create and on status."""

import threading

import pytest
from api import MINIMAL, expect_error
from deadline import OwnClock, timed, wait_until
from faults import ASYNC, BODY, add_gate, closed_gate, fleet  # noqa: F401
from service import Direct

PATIENT = {"server.wait_ms": 60000, "inventory.relation": "faults.container"}
AT_ONCE = 5  # seconds: less than any unintended wait, and than the time between two rechecks


@pytest.fixture(scope="module")
def unhurried(start):
    """A service that runs no task, and would wait for long where it must not wait at all."""
    return start("unhurried", options={"export.threads": 0, "server.wait_ms": 60000})


@pytest.mark.parametrize("prefer, seconds", [
    ("wait=1", 1), ("WAIT=1", 1), ('wait="1"', 1), ("wait = 1", 1), ("foo, wait=1", 1), ("foo=bar; x=y, wait=1", 1),
    ("wait=1; x=y", 1), ("wait=0", 0), ("respond-async", 0), ("respond-async, wait=0", 0), (None, 0), ("wait", 0),
    ("wait=", 0), ("wait=abc", 0), ("wait=-1", 0), ("wait=1.5", 0), ("wait=1s", 0), ("wait=0x1", 0), ("nowait=50", 0),
    ("foo", 0), ("", 0), (";;;", 0), (",,,", 0), ('"', 0), ('wait="', 0), ("=", 0), ("wait==50", 0), ("x" * 5000, 0),
])
def test_a_create_waits(unhurried, prefer, seconds):
    api = unhurried.api()
    response, took, own = timed(lambda: api.create(MINIMAL, headers={"Prefer": prefer}))
    assert response.status == 200, f"{response}"
    assert seconds <= took + 0.05 and own < seconds + AT_ONCE, f"Prefer: {prefer} took {took} seconds"
    assert api.status(response.json()["task_id"]).json()["task_status"] == "running"


@pytest.mark.parametrize("prefer, seconds", [("wait=1", 1), ("wait=0", 0), (None, 0), ("wait=abc", 0),
                                             ("respond-async", 0)])
def test_a_status_waits(unhurried, prefer, seconds):
    api = unhurried.api()
    task_id = api.create_task(MINIMAL)
    response, took, own = timed(lambda: api.status(task_id, headers={"Prefer": prefer}))
    assert response.status == 200 and response.json()["task_status"] == "running", f"{response}"
    assert seconds <= took + 0.05 and own < seconds + AT_ONCE, f"Prefer: {prefer} took {took} seconds"


@pytest.mark.parametrize("prefer", ["wait=60", "wait=99999", "wait=99999999999999999999"])
def test_a_task_is_ready_when_the_wait_ends(hostile, prefer):
    api = hostile.api()
    task_id = api.create_task(MINIMAL, headers={"Prefer": prefer})
    status = api.status(task_id).json()
    assert status["task_status"] == "success", f"{status}"


def test_without_preference_a_small_export_is_ready_with_its_id(start):
    service = start("patient", options={"server.wait_ms": 60000, "export.threads": 1})
    api = service.api()
    # The only thread is free again when a create is answered, and so is ready for the next.
    for _ in range(200):
        status = api.status(api.create_task(MINIMAL)).json()
        assert status["task_status"] == "success", f"{status}"
    for prefer in ("foo", "wait=abc", "wait"):
        status = api.status(api.create_task(MINIMAL, headers={"Prefer": prefer})).json()
        assert status["task_status"] == "success", f"ignored Prefer: {prefer}: {status}"


def test_without_preference_the_id_comes_at_once_while_the_threads_are_busy(fleet):  # noqa: F811
    made = fleet("busy", {**PATIENT, "export.threads": 1}, p1=1)
    add_gate(made.site, 1)
    made.start()
    api = made.api()
    with closed_gate(made.site):
        api.create_task(MINIMAL, headers=ASYNC)
        made.wait_for_query(1)
        for _ in range(3):
            response, _, own = timed(lambda: api.create(MINIMAL))
            assert response.status == 200 and own < AT_ONCE, f"{response} took {own} seconds"


def expect_no_answer(api, answers, but=0):
    """Checks that no create is answered beyond this number: an answer that is not held comes before these."""
    for _ in range(20):
        assert api.request("GET", "/healthz").status == 200
    assert len(answers) == but, f"{len(answers)} creates are answered"


def test_of_a_burst_one_create_waits_for_each_idle_thread(fleet):  # noqa: F811
    """The others are answered as soon as no thread is idle."""
    made = fleet("burst", {**PATIENT, "export.threads": 2}, p1=1)
    add_gate(made.site, 1)
    made.start()
    api = made.api()  # in advance, because making a token starts a program
    answers = []

    def create():
        task_id = api.create_task(MINIMAL)
        answers.append((task_id, api.status(task_id).json()["task_status"]))

    with closed_gate(made.site) as open_gate, OwnClock() as clock:
        burst = [threading.Thread(target=create) for _ in range(8)]
        began = clock.now()
        for thread in burst:
            thread.start()
        wait_until(lambda: len(answers) >= 6, "six creates are answered")
        own = clock.now() - began
        made.wait_for_query(2)
        expect_no_answer(api, answers, but=6)
        assert own < AT_ONCE, f"six creates were answered after {own} seconds"
        assert {status for _, status in answers} == {"running"}, f"{answers}"
        open_gate()
        for thread in burst:
            thread.join()
    assert len(answers) == 8 and [status for _, status in answers[6:]] == ["success"] * 2, f"{answers}"


@pytest.mark.parametrize("prefer", ["wait=0", "respond-async", "respond-async, wait=0", "wait=0, respond-async"])
def test_without_a_wait_the_id_comes_at_once_though_a_thread_is_idle(fleet, prefer):  # noqa: F811
    made = fleet("idle_" + "".join(filter(str.isalnum, prefer)), {**PATIENT, "export.threads": 1}, p1=1)
    add_gate(made.site, 1)
    made.start()
    with closed_gate(made.site):
        response, _, own = timed(lambda: made.api().create(MINIMAL, headers={"Prefer": prefer}))
        assert response.status == 200 and own < AT_ONCE, f"{response} took {own} seconds"
        made.wait_for_query()


def test_a_create_that_is_refused_takes_no_thread(fleet):  # noqa: F811
    """Refused at the limit of its project, it leaves the idle thread to the next create, which waits for its export."""
    options = {**PATIENT, "export.threads": 1, "limits.unfinished_tasks": 1}
    made = fleet("refused", p1=1, p2=20)
    add_gate(made.site, 10)
    made.start_front(options)
    made.api("front", "p1").create_task(BODY)
    made.site.sql("UPDATE waybill.export_task SET state = 'running', attempts = 1, lease = gen_random_uuid(),"
                  " lease_expire_time = now() + interval '1 hour'")
    made.start("back")
    for _ in range(5):
        expect_error(made.api("back", "p1").create(BODY), 429, "APIGW.0308")
    created = []
    waiting = threading.Thread(target=lambda: created.append(made.api("back", "p2").create_task(BODY)))
    with closed_gate(made.site) as open_gate:
        waiting.start()
        made.wait_for_query()
        for _ in range(20):  # a response that does not wait comes before these
            assert made.api("back").client.request("GET", "/healthz").status == 200
        assert created == []
        open_gate()
        waiting.join()
    assert made.api("back", "p2").status(created[0]).json()["task_status"] == "success"


def test_without_patience_the_id_comes_at_once(start):
    service = start("impatient", options={"server.wait_ms": 0})
    service.api().finished(MINIMAL)


def test_a_wait_ends_when_another_process_ends_the_task(start):
    """The waits of one process are notified of the exports of another."""
    stalled = start("prefer_stalled", options={"export.threads": 0})
    api = stalled.api()
    task_id = api.create_task(MINIMAL)
    answers = []

    def wait(call):
        answers.append(call())

    waiting = [
        threading.Thread(target=wait, args=[lambda: api.status(task_id, headers={"Prefer": "wait=60"})]),
        threading.Thread(target=wait, args=[lambda: api.create(MINIMAL, headers={"Prefer": "wait=60"})]),
    ]
    for thread in waiting:
        thread.start()
    stalled.site.write_config({})
    worker = Direct(stalled.site, "worker")
    try:
        wait_until(lambda: not stalled.site.unfinished(), "the other process ends all tasks")
        _, _, own = timed(lambda: [thread.join() for thread in waiting])
    finally:
        worker.stop()
    assert own < AT_ONCE, f"answered {own} seconds after the end"
    assert [response.status for response in answers] == [200, 200], f"{answers}"
    assert [response.json()["task_status"] for response in answers if "task_status" in response.json()] == ["success"]
