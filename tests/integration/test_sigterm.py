"""The end of a process in the middle of an export, by SIGTERM or SIGKILL."""

import os
import signal

import fcgi
from clients import parse
from deadline import OwnClock, wait_until
from faults import ASYNC, BODY, LEASE, add_gate, closed_gate, expect_right_file, fleet  # noqa: F401

ROWS = 3000
GRACE = 2
SLACK = 8  # seconds, without delays of a busy machine; exceeded only if there is a bug


def begin_exports(made, count):
    """Starts exports that wait at the gate, and returns their tasks."""
    tasks = [made.api("one").create_task(BODY, headers=ASYNC) for _ in range(count)]
    made.wait_for_query(2)
    return tasks


def expect_accepted(api):
    """Waits until the process has accepted the previous request: it has answered as many others as it has threads."""
    for _ in range(16):
        assert api.client.request("GET", "/healthz/live").status == 200


def test_sigterm_requeues_what_does_not_end_in_time(fleet):  # noqa: F811
    """They are queued again as if never begun: two that ran and two that waited."""
    made = fleet("sigterm_grace", {"server.grace": GRACE, "export.lease": 600,
                                   "inventory.relation": "faults.container"}, p1=ROWS)
    add_gate(made.site, ROWS // 2)
    made.start("one")
    with closed_gate(made.site):
        tasks = begin_exports(made, 4)
        with OwnClock() as clock:
            began = clock.now()
            made.processes["one"].stop()
            took = clock.now() - began
        assert took < GRACE + SLACK, f"ended after {took} seconds"
        rows = made.site.sql("SELECT state, attempts, lease, progress, exported_rows FROM waybill.export_task")
        assert rows == [("queued", 0, None, 0, 0)] * 4, f"{rows}"
        made.wait_for_query(0)
        assert os.listdir(made.site.files) == []
    del made.processes["one"]

    made.start("two")
    for task_id in tasks:
        status = made.api("two").wait(task_id)
        assert status["task_status"] == "success", f"{status}"
        expect_right_file(made.api("two"), status, ROWS)
        assert made.task(task_id, "attempts") == (1,)
    made.expect_files_of_tasks_alone()


def test_an_open_request_takes_no_time_from_the_exports(fleet):  # noqa: F811
    """The request may take all of the grace time. Exports are still requeued within it, not after it."""
    grace = 4
    made = fleet("sigterm_held", {"server.grace": grace, "export.lease": 600,
                                  "inventory.relation": "faults.container"}, p1=ROWS)
    add_gate(made.site, ROWS // 2)
    process = made.start("one")
    api = made.api("one")
    with closed_gate(made.site), fcgi.Connection(process.socket_path) as held:
        begin_exports(made, 2)
        params = api.client.params("POST", api.path("container/export-task"), {"X-Auth-Token": api.token}, 1000)
        held.send(fcgi.begin(), fcgi.records(fcgi.PARAMS, fcgi.pairs(params)), fcgi.record(fcgi.STDIN, b"{"))
        expect_accepted(api)
        made.processes.pop("one").stop()
        assert made.site.sql("SELECT state, attempts FROM waybill.export_task") == [("queued", 0)] * 2
    log = process.log_text()
    assert log.count('event="export requeued"') == 2, log
    assert log.find("event=stopping") < log.rfind('event="export requeued"') \
        < log.find('event="stopped with work in progress"'), log


def test_sigterm_requeues_for_a_running_process(fleet):  # noqa: F811
    made = fleet("sigterm_other", {"server.grace": 0, "export.lease": 600, "inventory.relation": "faults.container"},
                 p1=ROWS)
    add_gate(made.site, ROWS // 2)
    made.start("one")
    with closed_gate(made.site) as open_gate:
        tasks = begin_exports(made, 2)
        made.start("two")
        made.processes.pop("one").stop()
        open_gate()
    for task_id in tasks:
        status = made.api("two").wait(task_id)
        assert status["task_status"] == "success", f"{status}"
        expect_right_file(made.api("two"), status, ROWS)
        assert made.task(task_id, "attempts") == (1,)
    made.expect_files_of_tasks_alone()


def test_sigterm_lets_what_ends_in_time_end(fleet):  # noqa: F811
    made = fleet("sigterm_in_time", {"server.grace": 60, "inventory.relation": "faults.container"}, p1=ROWS)
    add_gate(made.site, ROWS // 2)
    one = made.start("one")
    api = made.api("one")
    with closed_gate(made.site) as open_gate, fcgi.Connection(one.socket_path) as waiting:
        task_id = begin_exports(made, 3)[0]
        headers = {"X-Auth-Token": api.token, "Prefer": "wait=60"}
        params = api.client.params("GET", api.path(f"export-task/{task_id}"), headers)
        waiting.send(fcgi.begin(), fcgi.records(fcgi.PARAMS, fcgi.pairs(params)), fcgi.records(fcgi.STDIN, b""))
        expect_accepted(api)
        one.process.send_signal(signal.SIGTERM)
        # Its answer comes directly before the process stops claiming tasks.
        assert parse(waiting.answer()[0]).json()["task_status"] == "running"
        open_gate()
        made.processes.pop("one").stop()
    states = made.states()
    assert states == {"success": 2, "queued": 1}, f"{states}"
    assert made.site.sql("SELECT DISTINCT attempts FROM waybill.export_task WHERE state = 'queued'") == [(0,)]
    made.expect_files_of_tasks_alone()
    made.start("two")
    wait_until(lambda: made.states() == {"success": 3}, "the next process does the rest")


def test_sigkill_ends_the_queries_too(fleet):  # noqa: F811
    """They would never end by themselves: the gate stays closed."""
    made = fleet("sigkill", {"export.lease": LEASE, "inventory.relation": "faults.container"}, p1=ROWS)
    add_gate(made.site, ROWS // 2)
    made.start("one")
    with closed_gate(made.site):
        tasks = begin_exports(made, 2)
        made.kill("one")
        made.wait_for_query(0)
        wait_until(lambda: made.site.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND usename = 'waybill_service'") == [(0,)], "no connection of the dead process is left")
        assert made.states() == {"running": 2}
    made.start("one")
    for task_id in tasks:
        status = made.api("one").wait(task_id)
        assert status["task_status"] == "success", f"{status}"
        expect_right_file(made.api("one"), status, ROWS)
        assert made.task(task_id, "attempts") == (2,)
    made.expect_files_of_tasks_alone()
