"""PostgreSQL crashes and comes back while exports run: every task succeeds, and no process is restarted."""

import contextlib
import os
import signal
import threading
import time

import psycopg2
import pytest
from faults import (ASYNC, BODY, LEASE, add_brake, add_gate, closed_gate, expect_right_file,  # noqa: F401
                    fleet)
from api import expect_error
from deadline import OwnClock, wait_until

PROJECTS = {"p1": 1000, "p2": 1000}
AT_MOST = 5  # seconds, without delays of a busy machine, for a response during the outage


class Callers:
    """Callers of every operation, in a loop. Each response is correct or 503, and comes in time."""

    def __init__(self, made, known, clock):
        self.made = made
        self.clock = clock
        self.known = known
        self.acknowledged = []
        self.answers = {}
        self.faults = []
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.ask, args=[name, project])
                        for name in made.processes for project in PROJECTS]
        for thread in self.threads:
            thread.start()

    def ask(self, name, project):
        api = self.made.api(name, project)
        while not self.ended.is_set():
            for what, call in (
                    ("create", lambda: api.create(BODY, headers=ASYNC)),
                    ("status", lambda: api.status(self.known["task_id"])),
                    ("health", lambda: api.request("GET", "/healthz"))):
                began = self.clock.now()
                try:
                    response = call()
                    self.judge(what, project, response, self.clock.now() - began)
                except Exception as error:  # a thread's failure is this test's
                    self.faults.append(f"{what}: {error!r} after {self.clock.now() - began} seconds")
            # A limited number of creates.
            self.ended.wait(1)

    def judge(self, what, project, response, took):
        self.answers.setdefault((what, response.status), []).append(took)
        if took > AT_MOST:
            self.faults.append(f"{what} took {took} seconds: {response}")
        if response.status == 503:
            if what != "health":
                expect_error(response, 503, "APIGW.0201")
        elif what == "status" and project != "p1":
            expect_error(response, 404, "HSS.0011")
        elif response.status != 200:
            self.faults.append(f"{what}: {response}")
        elif what == "create":
            self.acknowledged.append((project, response.json()["task_id"]))

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("names", [("one",), ("one", "two")], ids=["one process", "two processes"])
def test_postgresql_crashes(private_postgres, fleet, names):  # noqa: F811
    """There are two outages, one longer than all leases and a shorter one. A third would make a task fail."""
    made = fleet("restart_" + names[-1], {
        "export.lease": LEASE, "inventory.relation": "faults.container", "limits.unfinished_tasks": 1000,
        "database.connect_timeout_ms": 1000, "database.query_timeout_ms": None}, private_postgres, **PROJECTS)
    add_brake(made.site, 20, 0.01)
    for name in names:
        made.start(name)
    known = made.api().finished(BODY)
    tasks = [(project, made.api(project=project).create_task(BODY, headers=ASYNC))
             for _ in range(10) for project in PROJECTS]
    made.wait_for_query(2 * len(names))

    with OwnClock() as clock:
        callers = Callers(made, known, clock)
        try:
            for seconds in (LEASE + 1, 0.5):
                made.site.close()
                private_postgres.stop_immediately()
                time.sleep(seconds)
                private_postgres.start()
                made.site.superuser = made.site.connect()
                made.wait_for_query(2 * len(names))
            wait_until(lambda: ("create", 200) in callers.answers, "creates succeed again")
        finally:
            callers.end()
    assert not callers.faults, f"{len(callers.faults)} faults: {callers.faults[:5]}"
    assert ("create", 503) in callers.answers, f"{callers.answers.keys()}"

    # A create whose response was lost has its task as well.
    wait_until(lambda: not made.site.unfinished(), "every task ends")
    assert set(made.states()) == {"success"}, made.site.sql(
        "SELECT error_code, error_msg, attempts FROM waybill.export_task WHERE state = 'failure'")
    for project, task_id in tasks + callers.acknowledged:
        response = made.api(names[-1], project).status(task_id)
        assert response.status == 200, f"an acknowledged task is lost: {response}"
        expect_right_file(made.api(names[0], project), response.json(), PROJECTS[project])
    made.expect_files_of_tasks_alone()


def test_a_crash_that_loses_a_claim(private_postgres, fleet):  # noqa: F811
    """
    The claim is not on disk yet, because only the WAL writer, which is stopped, would write it soon. The task is queued
    again, and the lost attempt does not count. Other commits may save a claim, so this is repeated until one is lost.
    """
    options = {"export.lease": 600, "inventory.relation": "faults.container", "database.connect_timeout_ms": 1000}
    made = fleet("restart_claim", {**options, "export.threads": 0}, private_postgres, p1=20)
    add_gate(made.site, 10)
    made.start("front")
    made.site.write_config({**options, "export.threads": 1})
    for number in range(20):
        task_id = made.api("front").create_task(BODY, headers=ASYNC)
        with closed_gate(made.site), contextlib.suppress(psycopg2.Error):
            (writer,), = made.site.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'")
            os.kill(writer, signal.SIGSTOP)
            try:
                made.start(f"back{number}")
                made.wait_for_query()
                assert made.task(task_id, "state", "attempts") == ("running", 1)
            finally:
                made.site.close()
                private_postgres.stop_immediately()  # which kills the WAL writer
        private_postgres.start()
        made.site.superuser = made.site.connect()
        status = made.api("front").wait(task_id)
        expect_right_file(made.api("front"), status, 20)
        attempts, = made.task(task_id, "attempts")
        made.expect_files_of_tasks_alone()
        made.processes.pop(f"back{number}").stop()
        assert attempts in (1, 2)
        if attempts == 1:
            return
    pytest.fail("no claim was lost")


def test_a_connection_that_dies_while_idle(fleet):  # noqa: F811
    """The end of the connection comes only after the claim: the task loses no attempt."""
    made = fleet("restart_idle", {"export.threads": 1}, p1=20)
    made.start()
    made.api().finished(BODY)
    (backend,), = made.site.sql(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'waybill export'")
    os.kill(backend, signal.SIGSTOP)
    try:
        made.site.sql("SELECT pg_terminate_backend(%s)", backend)
        task_id = made.api().create_task(BODY, headers=ASYNC)
        wait_until(lambda: made.task(task_id, "state") == ("running",), "the task is claimed")
    finally:
        os.kill(backend, signal.SIGCONT)
    expect_right_file(made.api(), made.api().wait(task_id), 20)
    assert made.task(task_id, "attempts") == (1,)
