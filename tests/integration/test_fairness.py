"""How tasks are scheduled when there is more work than threads: projects take turns, the limits on running exports and
on tasks of a project hold, and no task waits for a poll."""

import threading
import time

import pytest
from api import expect_error
from calls import expect_removed, remove
from deadline import OwnClock, wait_until
from faults import ASYNC, BODY, add_brake, add_gate, closed_gate, expect_right_file, fleet  # noqa: F401
from service import worker

GATED = {"inventory.relation": "faults.container"}
SOON = 5  # seconds: half the interval between two rechecks of a task without notifications


def test_projects_take_turns(fleet):  # noqa: F811
    """Each project gets its turn, however many tasks another has queued before. In a project the oldest is first."""
    made = fleet("fair_turns", p1=20, p2=20, p3=20)
    add_brake(made.site, 10, 0.01)
    options = {**GATED, "export.threads": 1}
    made.start_front(options)
    tasks = [(project, made.api("front", project).create_task(BODY, headers=ASYNC))
             for project in ("p1",) * 6 + ("p2",) * 3 + ("p3",)]
    made.start("back")
    wait_until(lambda: not made.site.unfinished(), "all are served")
    served = made.site.sql("SELECT project_id, task_id::text FROM waybill.export_task ORDER BY start_time")
    assert " ".join(project for project, _ in served) == "p1 p2 p3 p1 p2 p1 p2 p1 p1 p1"
    for project in ("p1", "p2", "p3"):
        assert [task for task in served if task[0] == project] == [task for task in tasks if task[0] == project]
    assert made.states() == {"success": 10}


def test_a_turn_is_remembered(fleet):  # noqa: F811
    """The project that was served longest ago comes next, even if its task is younger."""
    made = fleet("fair_remembered", p1=5, p2=5)
    options = {**GATED, "export.threads": 1}
    add_gate(made.site, 3)
    made.site.write_config(options)
    made.start("front")
    for project in ("p1", "p2", "p1"):
        made.api("front", project).finished(BODY)
    with closed_gate(made.site) as open_gate:
        made.api("front", "p1").create_task(BODY, headers=ASYNC)
        made.wait_for_query()
        for project in ("p1", "p1", "p2"):
            made.api("front", project).create_task(BODY, headers=ASYNC)
        open_gate()
    wait_until(lambda: not made.site.unfinished(), "all are served")
    served = made.site.sql("SELECT project_id FROM waybill.export_task ORDER BY start_time")
    assert [project for project, in served] == ["p1", "p2", "p1", "p1", "p2", "p1", "p1"]


def test_running_exports_count_against_a_project(fleet):  # noqa: F811
    """The next thread serves the project with the fewest running exports."""
    made = fleet("fair_running", p1=20, p2=20, p3=20)
    add_gate(made.site, 10)
    options = {**GATED, "export.threads": 4}
    made.start_front(options)
    for project in ("p1",) * 9 + ("p2",) * 2 + ("p3",):
        made.api("front", project).create_task(BODY, headers=ASYNC)
    with closed_gate(made.site):
        made.start("back")
        made.wait_for_query(4)
        running = made.site.sql("SELECT project_id, count(*) FROM waybill.export_task WHERE state = 'running'"
                                " GROUP BY project_id")
        assert dict(running) == {"p1": 2, "p2": 1, "p3": 1}
    wait_until(lambda: made.states() == {"success": 12}, "all are served")


def test_running_exports_come_before_turns(fleet):  # noqa: F811
    """A project with a running export waits for one that has none, even if that one had its turn later."""
    made = fleet("fair_before", {**GATED, "export.threads": 2}, p1=20, p2=5, p3=20)
    add_gate(made.site, 10)
    made.start("one")
    with closed_gate(made.site):
        made.api("one", "p1").create_task(BODY, headers=ASYNC)
        made.wait_for_query()
        made.api("one", "p2").finished(BODY)
        stopper = made.api("one", "p3").create_task(BODY, headers=ASYNC)
        made.wait_for_query(2)
        later = made.api("one", "p1").create_task(BODY, headers=ASYNC)
        sooner = made.api("one", "p2").create_task(BODY, headers=ASYNC)
        expect_removed(remove(made.api("one", "p3"), stopper))
        wait_until(lambda: made.task(later, "state") == ("running",), "both have been served")
        assert made.task(sooner, "start_time") < made.task(later, "start_time")
    wait_until(lambda: made.states() == {"success": 4}, "all are served")


class Observer(threading.Thread):
    """Repeatedly counts the running exports."""

    def __init__(self, made):
        super().__init__()
        self.connection = made.site.connect()
        self.seen = set()
        self.ended = threading.Event()

    def run(self):
        cursor = self.connection.cursor()
        while not self.ended.is_set():
            cursor.execute("SELECT count(*) FROM waybill.export_task WHERE state = 'running'")
            self.seen.add(cursor.fetchone()[0])
            time.sleep(0.002)

    def end(self):
        self.ended.set()
        self.join()
        self.connection.close()


def test_running_exports_of_all_processes(fleet):  # noqa: F811
    made = fleet("fair_bound", {**GATED, "export.threads": 4, "limits.running_exports": 3}, p1=20, p2=20, p3=20)
    add_gate(made.site, 10)
    for name in ("one", "two", "three"):
        made.start(name)
    observer = Observer(made)
    observer.start()
    try:
        with closed_gate(made.site):
            for number in range(36):
                name = ("one", "two", "three")[number % 3]
                made.api(name, f"p{number // 3 % 3 + 1}").create_task(BODY, headers=ASYNC)
            made.wait_for_query(3)
            wait_until(lambda: 3 in observer.seen, "three are seen")
        wait_until(lambda: made.states() == {"success": 36}, "all are served")
    finally:
        observer.end()
    assert max(observer.seen) == 3, f"{sorted(observer.seen)}"


@pytest.mark.parametrize("bound, running", [(0, 5), (3, 3)])
def test_the_bound_is_reached(fleet, bound, running):  # noqa: F811
    """Five threads in two processes and a worker: as many exports run as allowed."""
    made = fleet(f"fair_bound_{bound}", p1=20)
    options = {**GATED, "limits.running_exports": bound}
    add_gate(made.site, 10)
    with closed_gate(made.site) as open_gate:
        for name, threads in (("one", 2), ("two", 2)):
            made.site.write_config({**options, "export.threads": threads})
            made.start(name)
        made.site.write_config({**options, "export.threads": 1})
        third = worker(made.site, "third")
        try:
            tasks = [made.api(name).create_task(BODY, headers=ASYNC) for name in ("one", "two") * 4]
            made.wait_for_query(running)
            assert made.states() == {"running": running, "queued": 8 - running}
            open_gate()
            for task_id in tasks:
                expect_right_file(made.api("one"), made.api("one").wait(task_id), 20)
        finally:
            third.stop()


def test_a_lost_export_does_not_count(fleet):  # noqa: F811
    """One export may run, and its process is killed: when its lease has expired, another takes its place."""
    made = fleet("fair_lost", {**GATED, "limits.running_exports": 1, "export.threads": 1}, p1=20)
    add_gate(made.site, 10)
    made.start("one")
    with closed_gate(made.site) as open_gate:
        tasks = [made.api("one").create_task(BODY, headers=ASYNC) for _ in range(2)]
        made.wait_for_query()
        made.kill("one")
        made.site.sql("UPDATE waybill.export_task SET lease_expire_time = now() WHERE state = 'running'")
        made.start("two")
        made.wait_for_query()
        assert made.states() == {"running": 1, "queued": 1}
        open_gate()
    for task_id in tasks:
        assert made.api("two").wait(task_id)["task_status"] == "success"
    made.expect_files_of_tasks_alone()


def test_a_limit_that_many_come_to_at_once(fleet):  # noqa: F811
    """
    In every round, as many of 50 calls to two processes are accepted as the limit allows, and perhaps those that were
    in flight at the same time: at most one for each request thread. The next call is refused.
    """
    in_flight = 2 * 16
    made = fleet("fair_limit", {"export.threads": 0, "limits.unfinished_tasks": 7}, p1=1, p2=1)
    for name in ("one", "two"):
        made.start(name)
    for project in ("p1", "p2"):
        made.site.token(project)
    made.api("one", "p2").create_task(BODY)
    for _ in range(3):
        answers = []
        threads = [threading.Thread(target=lambda name: answers.append(made.api(name).create(BODY)), args=[name])
                   for name in ("one", "two") * 25]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        accepted = [answer.json()["task_id"] for answer in answers if answer.status == 200]
        refused = [answer for answer in answers if answer.status != 200]
        assert 7 <= len(accepted) < 7 + in_flight and len(accepted) + len(refused) == 50, f"{refused[:3]}"
        expect_error(made.api("one").create(BODY), 429, "APIGW.0308", "7")
        for answer in refused:
            expect_error(answer, 429, "APIGW.0308", "7")
            assert int(answer.headers["retry-after"]) >= 1, f"{answer}"
        assert made.site.sql("SELECT count(*) FROM waybill.export_task WHERE project_id = 'p1'") == [(len(accepted),)]
        for task_id in accepted[:-1]:
            expect_removed(remove(made.api("one"), task_id))
        made.site.sql("DELETE FROM waybill.export_task WHERE task_id = %s", accepted[-1])
    for _ in range(6):
        made.api("two", "p2").create_task(BODY)
    expect_error(made.api("one", "p2").create(BODY), 429, "APIGW.0308", "7")


@pytest.mark.parametrize("kind", ["process", "worker"])
def test_work_of_another_process_is_noticed_at_once(fleet, kind):  # noqa: F811
    """Task after task, each created when the one before has ended. By polling the queue each would wait."""
    made = fleet(f"fair_noticed_{kind}", p1=5)
    made.start_front({"export.threads": 1})
    back = worker(made.site) if kind == "worker" else made.start("back")
    try:
        made.api("front").finished(BODY)
        with OwnClock() as clock:
            began = clock.now()
            for number in range(15):
                prefer = {"Prefer": "wait=60"} if number % 2 else ASYNC
                task_id = made.api("front").create_task(BODY, headers=prefer)
                status = made.api("front").wait(task_id)
                expect_right_file(made.api("front"), status, 5)
            took = clock.now() - began
        assert took < 25, f"15 tasks one after the other took {took} seconds"
    finally:
        if kind == "worker":
            back.stop()


def test_waits_at_other_processes_are_answered(fleet):  # noqa: F811
    """Create and status, at a process that does not run the task, are answered at its end, with success or failure."""
    made = fleet("fair_waiting", {**GATED, "export.threads": 2}, p1=20)
    add_gate(made.site, 10)
    made.start_front({**GATED, "export.threads": 2})
    made.start("back")
    answers = {}

    def wait(key, call):
        answers[key] = call()

    with closed_gate(made.site) as open_gate, OwnClock() as clock:
        api = made.api("front")
        good, bad = (api.create_task(BODY, headers=ASYNC) for _ in range(2))
        made.wait_for_query(2)
        calls = {
            "good": lambda: api.status(good, headers={"Prefer": "wait=60"}),
            "bad": lambda: api.status(bad, headers={"Prefer": "wait=60"}),
            "create": lambda: api.create(BODY, headers={"Prefer": "wait=60"}),
        }
        threads = [threading.Thread(target=wait, args=item) for item in calls.items()]
        for thread in threads:
            thread.start()
        wait_until(lambda: made.site.tasks() == 3, "the third is there")
        assert made.site.waybill("task", "cancel", bad).returncode == 0
        began = clock.now()
        threads[1].join()
        took = clock.now() - began
        assert "good" not in answers and "create" not in answers, f"{answers}"
        open_gate()
        began = clock.now()
        for thread in threads:
            thread.join()
        took = max(took, clock.now() - began)
    assert answers["good"].json()["task_status"] == "success"
    assert answers["bad"].json()["task_status"] == "failure"
    assert api.status(answers["create"].json()["task_id"]).json()["task_status"] == "success"
    assert took < SOON, f"{took} seconds"
