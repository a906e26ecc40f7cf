"""Who is woken, and by what: each notification and each call within a process has a test in which nothing else helps in
time. Waits ask the database when they are woken, and rarely otherwise."""

import contextlib
import os
import re
import select
import signal
import socket
import threading
import time

import pytest
from api import MINIMAL
from calls import Detour, expect_removed, remove
from deadline import OwnClock, wait_until
from faults import ASYNC, BODY, add_gate, closed_gate, expect_right_file, fleet  # noqa: F401

GATED = {"inventory.relation": "faults.container", "export.lease": 600}
LOOK = 10  # seconds between looks at a task of which nothing is heard
SOON = 5   # seconds: less than any fallback that is counted on here, and much more than a wake-up takes
WAIT = {"Prefer": "wait=60"}


def log_statements(site):
    """Has PostgreSQL log the statements of processes that are started from now on."""
    site.sql(f"ALTER ROLE waybill_service IN DATABASE {site.database} SET log_statement = 'all'")


def looks(site, task_id):
    """How often the task was looked at."""
    with open(site.postgres.log, encoding="utf-8", errors="replace") as log:
        return len(re.findall(rf"parameters: .* \$4 = '{task_id}'$", log.read(), re.M))


class Waits:
    """Requests for the status of a task that wait, once they have looked at it."""

    def __init__(self, api, task_id, count=1):
        self.answers = []
        self.began = time.monotonic()
        before = looks(api.site, task_id)
        self.threads = [threading.Thread(target=lambda: self.answers.append(api.status(task_id, headers=WAIT)))
                        for _ in range(count)]
        for thread in self.threads:
            thread.start()
        wait_until(lambda: looks(api.site, task_id) >= before + count, "all have looked")

    def most_looks(self):
        """That there may have been of a task that did not change."""
        return len(self.threads) * (1 + int((time.monotonic() - self.began) / LOOK))

    def expect(self, status, state=None):
        """All are answered alike; how long it takes, on a machine of our own."""
        with OwnClock() as clock:
            began = clock.now()
            for thread in self.threads:
                thread.join()
            took = clock.now() - began
        assert [answer.status for answer in self.answers] == [status] * len(self.threads), f"{self.answers}"
        if state is not None:
            assert {answer.json()["task_status"] for answer in self.answers} == {state}, f"{self.answers}"
        return took


def test_waits_ask_the_database_rarely(fleet):  # noqa: F811
    """A hundred wait, and the end of one task wakes those who wait for it alone."""
    made = fleet("wake_rarely", p1=5)
    log_statements(made.site)
    made.start_front()
    api = made.api("front")
    task_id, other = (api.create_task(BODY, headers=ASYNC) for _ in range(2))
    waits, others = Waits(api, task_id, 100), Waits(api, other, 20)
    time.sleep(3)
    count, most = looks(made.site, task_id), waits.most_looks()
    assert count <= most, f"100 waits looked {count} times"
    assert made.site.waybill("task", "cancel", task_id).returncode == 0
    took = waits.expect(200, "failure")
    assert took < SOON, f"answered after {took} seconds"
    count, most = looks(made.site, other), others.most_looks()
    assert count <= most, f"20 waits for another task looked {count} times"
    assert others.answers == []
    assert made.site.waybill("task", "cancel", other).returncode == 0
    assert others.expect(200, "failure") < SOON


def test_waits_are_answered_when_the_process_stops(fleet):  # noqa: F811
    """With what they know: they do not ask the database all at once."""
    made = fleet("wake_stop", {"server.grace": 60}, p1=5)
    log_statements(made.site)
    made.start_front({"server.grace": 60})
    api = made.api("front")
    task_id = api.create_task(BODY, headers=ASYNC)
    waits = Waits(api, task_id, 50)
    made.signal("front", signal.SIGTERM)
    took = waits.expect(200, "running")
    count, most = looks(made.site, task_id), waits.most_looks()
    assert took < SOON, f"answered after {took} seconds"
    assert count <= most, f"50 waits looked {count} times"


def cancel(made, task_id):
    assert made.site.waybill("task", "cancel", task_id).returncode == 0
    return 200, "failure"


def remove_elsewhere(made, task_id):
    expect_removed(remove(made.api("other"), task_id))
    return 404, None


@pytest.mark.parametrize("how", [cancel, remove_elsewhere])
def test_a_wait_hears_of_other_processes(fleet, how):  # noqa: F811
    made = fleet(f"wake_{how.__name__}", {"export.threads": 0}, p1=5)
    log_statements(made.site)
    for name in ("one", "other"):
        made.start(name)
    for _ in range(2):
        task_id = made.api("one").create_task(BODY, headers=ASYNC)
        waits = Waits(made.api("one"), task_id)
        took = waits.expect(*how(made, task_id))
        assert took < SOON, f"answered after {took} seconds"


class DeafWay(Detour):
    """A way to PostgreSQL on which a connection for notifications gets nowhere while it is `deaf`."""

    deaf = False

    def pass_on(self, source, target):
        with contextlib.suppress(OSError):
            first = source.recv(65536)
            if self.deaf and b"waybill listener" in first:
                source.shutdown(socket.SHUT_RDWR)
            else:
                target.sendall(first)
        super().pass_on(source, target)


LISTENERS = ("FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'waybill listener'"
             " AND query LIKE 'LISTEN%' AND state = 'idle'")


def listeners(site):
    return {pid for pid, in site.sql(f"SELECT pid {LISTENERS}")}


def deafen(site, pids):
    """Ends these connections for notifications."""
    site.sql("SELECT pg_terminate_backend(pid) FROM unnest(%s) AS pid", list(pids))
    wait_until(lambda: not pids & listeners(site), "the server closes them")


@pytest.fixture
def deaf(fleet, postgres, scratch):  # noqa: F811
    """Makes a site whose process hears no notifications: deaf(name, options); the fleet and the way."""
    def begin(name, options=None, is_deaf=True, **rows):
        way = DeafWay(postgres, os.path.join(scratch, name))
        way.deaf = is_deaf
        made = fleet(name, {**way.options, **(options or {})}, **rows)
        return made, way
    return begin


def test_a_process_knows_that_it_hears_nothing(deaf):
    """Then its waits look each second, those that began before too."""
    made, way = deaf("wake_deaf", {"export.threads": 0}, is_deaf=False, p1=5)
    log_statements(made.site)
    one = made.start()
    wait_until(lambda: listeners(made.site), "it listens")
    api = made.api()
    task_id = api.create_task(BODY, headers=ASYNC)
    waits = Waits(api, task_id)
    way.deaf = True
    deafen(made.site, listeners(made.site))
    wait_until(lambda: "notifications are not heard" in one.log_text(), "it notices")
    for _ in range(3):
        took = waits.expect(*cancel(made, task_id))
        assert took < SOON, f"answered after {took} seconds"
        task_id = api.create_task(BODY, headers=ASYNC)
        waits = Waits(api, task_id)
    way.deaf = False
    wait_until(lambda: listeners(made.site), "it listens again")
    assert waits.expect(*cancel(made, task_id)) < SOON


def test_a_process_needs_no_notification_of_its_own_tasks(deaf):
    """One after the other, each create wakes the idle thread, and each end the create that waits for it."""
    made, _ = deaf("wake_own", {"export.threads": 1}, p1=5)
    made.start()
    made.api().finished(BODY)
    with OwnClock() as clock:
        began = clock.now()
        tasks = [made.api().create_task(BODY, headers=WAIT) for _ in range(20)]
        took = clock.now() - began
    assert not listeners(made.site)
    for task_id in tasks:
        expect_right_file(made.api(), made.api().status(task_id).json(), 5)
    assert took < 10, f"20 tasks one after the other took {took} seconds"


def begin_export(made, name):
    """An export at the gate, whose lease was renewed for the first time: the next time is long after."""
    task_id = made.api(name).create_task(BODY, headers=ASYNC)
    made.wait_for_query()
    wait_until(lambda: made.task(task_id, "lease_expire_time > start_time + interval '600.5 seconds'") == (True,),
               "the lease is renewed")
    return task_id


def expect_end_of_query(made):
    with OwnClock() as clock:
        began = clock.now()
        made.wait_for_query(0)
        took = clock.now() - began
    assert took < 30, f"the export ended {took} seconds after its task"


def test_an_export_ends_with_its_task(deaf):
    """That was removed in the same process, which hears no notifications."""
    made, _ = deaf("wake_own_export", {**GATED, "export.threads": 1}, p1=20)
    add_gate(made.site, 10)
    made.start()
    with closed_gate(made.site):
        expect_removed(remove(made.api(), begin_export(made, "one")))
        expect_end_of_query(made)


@pytest.mark.parametrize("how", [cancel, remove_elsewhere])
def test_an_export_hears_of_other_processes(fleet, how):  # noqa: F811
    made = fleet(f"wake_export_{how.__name__}", {**GATED, "export.threads": 1}, p1=20)
    add_gate(made.site, 10)
    made.start("one")
    with closed_gate(made.site):
        task_id = begin_export(made, "one")
        made.start("other")
        how(made, task_id)
        expect_end_of_query(made)


def test_a_thread_looks_when_notifications_are_heard_again(fleet):  # noqa: F811
    """For tasks that were queued meanwhile: it looked just before, and would not look again for 5 seconds."""
    made = fleet("wake_again", {"export.threads": 0}, p1=5)
    made.start("front")
    wait_until(lambda: listeners(made.site), "the first listens")
    front = listeners(made.site)
    made.site.write_config({"export.threads": 1})
    made.start("back")
    took = 0
    for _ in range(5):
        wait_until(lambda: listeners(made.site) - front, "the second listens")
        made.api("front").finished(BODY)
        deafen(made.site, listeners(made.site) - front)
        task_id = made.api("front").create_task(BODY, headers=ASYNC)
        wait_until(lambda: listeners(made.site) - front, "the second listens again")
        with OwnClock() as clock:
            began = clock.now()
            made.api("front").wait(task_id)
            took += clock.now() - began
    assert took < 8, f"5 tasks took {took} seconds"


def test_idle_threads_end_at_once(fleet):  # noqa: F811
    """Those of exports, which look at the queue each 5 seconds, and the one that listens, which waits for 30."""
    made = fleet("wake_end", {"export.threads": 2, "server.grace": 60})
    with OwnClock() as clock:
        took = 0
        for _ in range(4):
            made.start()
            wait_until(lambda: listeners(made.site), "it listens")
            began = clock.now()
            made.processes.pop("one").stop()
            took += clock.now() - began
    assert took < 8, f"4 processes took {took} seconds to end"


class Ear:
    """Hears what processes tell each other."""

    def __init__(self, site):
        self.connection = site.connect()
        self.connection.cursor().execute("LISTEN waybill_task")
        self.heard = []

    def hears(self, payload):
        if select.select([self.connection], [], [], 0.05)[0]:
            self.connection.poll()
        while self.connection.notifies:
            self.heard.append(self.connection.notifies.pop(0).payload)
        return payload in self.heard

    def expect(self, payload):
        """It comes, and what was heard up to then is forgotten."""
        wait_until(lambda: self.hears(payload), f"{payload!r} is heard, not only {self.heard}")
        self.heard = []

    def close(self):
        self.connection.close()


def test_what_processes_tell_each_other(fleet):  # noqa: F811
    """That there is work: an empty payload; that a task has ended, was cancelled or removed: its id."""
    made = fleet("wake_told", p1=5)
    ear = Ear(made.site)
    made.start_front()
    task_id = made.api("front").create_task(BODY, headers=ASYNC)
    ear.expect("")
    other = made.api("front").create_task(BODY, headers=ASYNC)
    ear.expect("")
    assert made.site.waybill("task", "cancel", other).returncode == 0
    ear.expect(other)
    assert made.site.waybill("task", "retry", other).returncode == 0
    ear.expect("")
    expect_removed(remove(made.api("front"), other))
    ear.expect(other)
    made.start("back")
    ear.expect(task_id)
    assert made.api("front").status(task_id).json()["task_status"] == "success"
    ear.close()


def test_what_processes_tell_of_exports_that_go_wrong(fleet):  # noqa: F811
    """Handed back, given up after its attempts, or failed."""
    made = fleet("wake_wrong", p1=20)
    add_gate(made.site, 10)
    options = {**GATED, "export.threads": 1, "server.grace": 0}
    made.site.write_config(options)
    made.start()
    with closed_gate(made.site):
        task_id = made.api().create_task(BODY, headers=ASYNC)
        made.wait_for_query()
        ear = Ear(made.site)
        made.processes.pop("one").stop()
        ear.expect("")
    made.site.sql("UPDATE waybill.export_task SET state = 'running', attempts = 3, lease = gen_random_uuid(),"
                  " lease_expire_time = now() - interval '1 second'")
    made.start()
    ear.expect(task_id)
    assert made.task(task_id, "state") == ("failure",)
    made.site.sql("DROP VIEW faults.container")
    failing = made.api().create_task(MINIMAL, headers=ASYNC)
    ear.expect(failing)
    assert made.task(failing, "state") == ("failure",)
    ear.close()
