"""Processes that are killed at work: no acknowledged task is lost, and no partial file is left."""

import os
import random
import threading
import time

import pytest
from deadline import DEADLINE, wait_until
from faults import ASYNC, BODY, LEASE, Orders, add_brake, expect_right_file, fleet  # noqa: F401
from fcgi import Closed

ROUNDS = int(os.environ.get("WAYBILL_TEST_ROUNDS", "20"))
PROJECTS = {"p1": 400, "p2": 2000, "p3": 5000}
GIVEN_UP = "the export was abandoned after 3 attempts"


class Stream:
    """Callers who create tasks with any process that is up, until they are stopped."""

    def __init__(self, made):
        self.made = made
        self.acknowledged = []  # project, task_id
        self.odd = []
        self.ended = threading.Event()
        for project in PROJECTS:  # making a token starts a program, so they are made in advance
            made.site.token(project)
        self.threads = [threading.Thread(target=self.create, args=[number]) for number in range(4)]
        for thread in self.threads:
            thread.start()

    def create(self, number):
        dice = random.Random(number)
        while not self.ended.is_set():
            project = dice.choice(list(PROJECTS))
            name = dice.choice(("one", "two"))
            headers = dice.choice((ASYNC, {"Prefer": "wait=1"}, {}))
            try:
                response = self.made.api(name, project).create(BODY, headers=headers)
            except (OSError, Closed):
                time.sleep(0.02)  # the process is down
                continue
            if response.status == 200:
                self.acknowledged.append((project, response.json()["task_id"]))
            elif response.status == 429:  # the limit of unfinished tasks
                time.sleep(0.1)
            else:
                self.odd.append(response)

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()


def check_every_task(made, stream):
    """Each acknowledged task has ended, with its file or with the only failure that is allowed."""
    wait_until(lambda: not made.site.unfinished(), "every task ends")
    outcomes = {"success": 0, "failure": 0}
    for project, task_id in stream.acknowledged:
        response = made.api("one", project).status(task_id)
        assert response.status == 200, f"an acknowledged task is lost: {response}"
        status = response.json()
        outcomes[status["task_status"]] += 1
        if status["task_status"] == "success":
            expect_right_file(made.api("two", project), status, PROJECTS[project])
        else:
            assert status["error_code"] == "HSS.0041" and GIVEN_UP in status["error_msg"], f"{status}"
            assert made.task(task_id, "attempts") == (3,), f"{status}"
    reasons = {row[0] for row in made.site.sql("SELECT error_msg FROM waybill.export_task WHERE state = 'failure'")}
    assert all(GIVEN_UP in reason for reason in reasons), f"{reasons}"
    made.expect_files_of_tasks_alone()
    return outcomes


@pytest.mark.parametrize("way, rounds", [("nameless", ROUNDS), ("part", max(ROUNDS // 4, 1))])
def test_killed_at_any_moment(fleet, way, rounds):  # noqa: F811
    made = fleet(f"kill_{way}", {"export.lease": LEASE, "inventory.relation": "faults.container",
                                 "limits.unfinished_tasks": 10}, **PROJECTS)
    add_brake(made.site, 100, 0.005)
    variables = None
    if way == "part":
        orders = Orders(made.site)
        orders.give("tmpfile EOPNOTSUPP")
        variables = orders.variables
    for name in ("one", "two"):
        made.start(name, variables)

    stream = Stream(made)
    dice = random.Random(rounds)
    parts = 0
    try:
        for number in range(rounds):
            time.sleep(dice.random() * 0.8)
            victims = ("one", "two") if number % 5 == 4 else (dice.choice(("one", "two")),)
            for name in victims:
                made.kill(name)
            parts += sum(name.endswith(".part") for name in os.listdir(made.site.files))
            for name in victims:
                made.start(name, variables)
    finally:
        stream.end()
    assert not stream.odd, f"{len(stream.odd)} creates failed: {stream.odd[:3]}"
    outcomes = check_every_task(made, stream)
    assert outcomes["success"] >= rounds, f"too few exports succeeded: {outcomes}"
    assert (parts > 0) == (way == "part"), f"{parts} parts of files were seen"


# When a process kills itself: in the middle of the file, when the file is complete, when it has its name, and when the
# directory is synced. After that comes the commit.
MOMENTS = ("write kill 200000", "fsync kill", "publish kill", "syncdir kill")


@pytest.mark.parametrize("way", ["nameless", "part"])
def test_killed_at_each_step(fleet, way):  # noqa: F811
    made = fleet(f"kill_step_{way}", {"export.lease": 600, "export.threads": 1}, p1=3000)
    orders = Orders(made.site)
    nameless = () if way == "nameless" else ("tmpfile EOPNOTSUPP",)
    tasks = []
    for number, moment in enumerate(MOMENTS):
        orders.give(*nameless)
        process = made.start(f"killed{number}", orders.variables)
        orders.give(moment, *nameless)
        try:
            tasks.append(made.api(f"killed{number}").create_task(BODY, headers=ASYNC))
        except Closed:  # the response came too late
            pass
        assert process.process.wait(timeout=DEADLINE) == -9, f"{moment} did not happen"
    assert made.states() == {"running": len(MOMENTS)}, f"{made.states()}"
    left = sorted(os.path.splitext(name)[1] for name in os.listdir(made.site.files))
    assert left == ["", ""] + ([".part"] * 2 if way == "part" else []), f"{os.listdir(made.site.files)}"

    # The leases expire, and another process runs all tasks.
    made.site.sql("UPDATE waybill.export_task SET lease_expire_time = now()")
    made.start("one")
    for task_id in tasks:
        status = made.api().wait(task_id)
        assert status["task_status"] == "success", f"{status}"
        expect_right_file(made.api(), status, 3000)
        assert made.task(task_id, "attempts") == (2,)
    wait_until(lambda: made.states() == {"success": len(MOMENTS)}, "every task succeeds")
    made.expect_files_of_tasks_alone()
