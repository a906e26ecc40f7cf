"""A small version of a day's work, by two processes and for several callers: all results are right, and sanitizers, if
the program was built with any, report nothing."""

import os
import random
import threading

from deadline import wait_until
from faults import ALL, FINDINGS, expect_right_file, fleet  # noqa: F401

EXPORTS = int(os.environ.get("WAYBILL_TEST_SOAK", "300"))
PROJECTS = {"p1": 3, "p2": 40}
CALLERS = 4


class Caller(threading.Thread):
    def __init__(self, made, number):
        super().__init__()
        self.made = made
        self.dice = random.Random(number)
        self.exports = EXPORTS // CALLERS
        self.kept = []
        self.removed = 0
        self.fault = None

    def run(self):
        try:
            while self.exports > 0:
                self.work()
        except Exception as error:  # a thread's failure is this test's
            self.fault = repr(error)

    def api(self, project):
        """Uses any process, for each call anew."""
        return self.made.api(self.dice.choice(("one", "two")), project)

    def work(self):
        """Makes one to three exports at the same time and uses them like a caller."""
        project = self.dice.choice(list(PROJECTS))
        size = self.dice.choice((1, 2, 10, 100))
        body = {"export_headers": ALL[:self.dice.randint(1, 16)]}
        if self.dice.random() < 0.3:
            body["container_name"] = "app-*"
        tasks = []
        for _ in range(self.dice.randint(1, 3)):
            prefer = self.dice.choice((None, "respond-async", "wait=5"))
            tasks.append(self.api(project).create_task(body, f"?export_size={size}", {"Prefer": prefer}))
        self.exports -= len(tasks)
        removed = self.remove(project, tasks.pop()) if self.dice.random() < 0.15 else None
        for task_id in tasks:
            status = self.api(project).wait(task_id)
            assert status["task_status"] == "success", f"{status}"
            rows = min(size, PROJECTS[project])
            assert status["truncated"] == (size < PROJECTS[project]), f"{status}"
            expect_right_file(self.api(project), status, rows)
            part = self.api(project).download(status["file_id"], headers={"Range": "bytes=0-9"})
            assert part.status == 206 and len(part.body) == 10, f"{part}"
            assert self.api(project).download(status["file_id"], method="HEAD").status == 200
            if self.dice.random() < 0.3:
                self.remove(project, task_id, status["file_id"])
            else:
                self.kept.append((project, task_id))
        self.browse(project, removed)

    def remove(self, project, task_id, file_id=None):
        response = self.api(project).request("DELETE", self.api(project).path(f"export-task/{task_id}"))
        assert response.status == 204 and response.body == b"", f"{response}"
        assert self.api(project).status(task_id).status == 404
        if file_id is not None:
            assert self.api(project).download(file_id).status == 404
        self.removed += 1
        return task_id

    def browse(self, project, removed):
        api = self.api(project)
        response = api.request("GET", api.path(f"export-tasks?limit={self.dice.choice((1, 10, 200))}"))
        assert response.status == 200, f"{response}"
        listed = response.json()
        assert listed["total_num"] >= len(listed["data_list"]), f"{listed}"
        assert removed not in {status["task_id"] for status in listed["data_list"]}
        page = api.request("GET", api.path("container/kubernetes?limit=200&container_name=*")).json()
        assert page["total_num"] == len(page["data_list"]) == PROJECTS[project], f"{page}"
        assert api.create({"export_headers": []}).status == 400
        assert api.status("nothing").status == 404
        assert api.request("GET", "/healthz").status == 200
        assert api.request("GET", "/metrics").status == 200


def test_a_days_work(fleet):  # noqa: F811
    made = fleet("soak", **PROJECTS)
    processes = [made.start(name) for name in ("one", "two")]
    for project in PROJECTS:  # making a token starts a program, so they are made in advance
        made.site.token(project)
    callers = [Caller(made, number) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    faults = [caller.fault for caller in callers if caller.fault]
    assert not faults, f"{faults}"

    wait_until(lambda: not made.site.unfinished(), "every task ends")
    kept = [task for caller in callers for task in caller.kept]
    assert made.states() == {"success": len(kept)}, f"{made.states()}, {len(kept)} kept"
    assert len(kept) + sum(caller.removed for caller in callers) >= EXPORTS // CALLERS * CALLERS
    for project, task_id in random.Random(0).sample(kept, min(50, len(kept))):
        status = made.api("one", project).status(task_id).json()
        assert made.api("two", project).download(status["file_id"]).status == 200
    made.expect_files_of_tasks_alone()

    made.stop()
    for process in processes:
        log = process.log_text()
        found = [finding for finding in FINDINGS if finding in log]
        assert not found, f"{found} in the log of {process.name}: {log[log.index(found[0]):][:5000]}"
