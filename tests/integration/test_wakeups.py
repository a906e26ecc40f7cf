"""Wake-ups: each notification, and each call within a process, has a test in which no other event helps in time. Waits
query the database when they are woken, and rarely otherwise."""

import contextlib
import re
import select
import signal
import socket
import threading
import time

import pytest
from api import MINIMAL, Api
from calls import Detour, expect_removed, remove
from deadline import OwnClock, wait_until
from faults import ASYNC, BODY, add_gate, closed_gate, detoured, expect_right_file, fleet  # noqa: F401
from test_cgi import CgiClient

GATED = {"inventory.relation": "faults.container", "export.lease": 600}
RECHECK = 10  # seconds between two rechecks of a task without notifications
SOON = 5      # seconds: less than any fallback used here, and much more than a wake-up takes
WAIT = {"Prefer": "wait=60"}


def log_statements(site):
    """Makes PostgreSQL log the statements of processes that are started later."""
    site.sql(f"ALTER ROLE waybill_service IN DATABASE {site.database} SET log_statement = 'all'")


def logged(site, pattern):
    """Returns how many lines of the log of PostgreSQL match the pattern."""
    with open(site.postgres.log, encoding="utf-8", errors="replace") as log:
        return len(re.findall(pattern, log.read(), re.M))


def queries(site, task_id):
    """Returns how often the task was queried."""
    return logged(site, rf"parameters: .* \$4 = '{task_id}'$")


def searches(site):
    """Returns how often an export thread has searched for a task to claim."""
    return logged(site, rf"\] {site.database} LOG: .*: WITH RECURSIVE exhausted ")


class Waits:
    """Waiting requests for the status of a task, once they have queried it."""

    def __init__(self, api, task_id, count=1):
        self.answers = []
        self.began = time.monotonic()
        before = queries(api.site, task_id)
        self.threads = [threading.Thread(target=lambda: self.answers.append(api.status(task_id, headers=WAIT)))
                        for _ in range(count)]
        for thread in self.threads:
            thread.start()
        wait_until(lambda: queries(api.site, task_id) >= before + count, "all have queried the task")

    def most_queries(self):
        """Returns the most queries that are allowed for a task that does not change."""
        return len(self.threads) * (1 + int((time.monotonic() - self.began) / RECHECK))

    def expect(self, status, state=None):
        """Checks that all get the same response, and returns how long it took, without delays of a busy machine."""
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
    """A hundred requests wait, and the end of one task wakes only those who wait for it."""
    made = fleet("wake_rarely", p1=5)
    log_statements(made.site)
    made.start_front()
    api = made.api("front")
    task_id, other = (api.create_task(BODY, headers=ASYNC) for _ in range(2))
    waits, others = Waits(api, task_id, 100), Waits(api, other, 20)
    time.sleep(3)
    count, most = queries(made.site, task_id), waits.most_queries()
    assert count <= most, f"100 waits made {count} queries"
    assert made.site.waybill("task", "cancel", task_id).returncode == 0
    took = waits.expect(200, "failure")
    assert took < SOON, f"answered after {took} seconds"
    count, most = queries(made.site, other), others.most_queries()
    assert count <= most, f"20 waits for another task made {count} queries"
    assert others.answers == []
    assert made.site.waybill("task", "cancel", other).returncode == 0
    assert others.expect(200, "failure") < SOON


def test_a_create_that_waits_queries_its_task_only_to_recheck(fleet):  # noqa: F811
    """This process runs the task, so the end of the export ends the wait. The queue is not searched for the task."""
    made = fleet("wake_never", {**GATED, "export.threads": 1, "server.wait_ms": 60000}, p1=20)
    log_statements(made.site)
    add_gate(made.site, 10)
    made.start()
    # Until the process listens, waits recheck each second. Then it wakes its thread, which has searched for a task once
    # and would otherwise search again after 5 seconds.
    wait_until(lambda: listeners(made.site) and searches(made.site) >= 2, "it listens")
    before = searches(made.site)
    api = made.api()
    created = []
    creator = threading.Thread(target=lambda: created.append(api.create_task(BODY)))
    began = time.monotonic()
    with closed_gate(made.site) as open_gate:
        creator.start()
        made.wait_for_query()
        for _ in range(20):  # a query too many comes before these
            assert api.request("GET", "/healthz").status == 200
        open_gate()
        creator.join()
    waited = time.monotonic() - began
    count, most = queries(made.site, created[0]), int(waited / RECHECK)
    assert count <= most, f"queried {count} times in {waited} seconds"
    assert searches(made.site) == before


def test_a_create_queries_nothing_while_the_threads_are_busy(fleet):  # noqa: F811
    """It is answered at once, and its task is not queried."""
    made = fleet("wake_busy", {**GATED, "export.threads": 1, "server.wait_ms": 60000}, p1=20)
    log_statements(made.site)
    add_gate(made.site, 10)
    made.start()
    with closed_gate(made.site):
        made.api().create_task(BODY, headers=ASYNC)
        made.wait_for_query()
        tasks = [made.api().create_task(BODY) for _ in range(3)]
        assert [queries(made.site, task_id) for task_id in tasks] == [0, 0, 0]
        made.api().status(tasks[0])
        assert queries(made.site, tasks[0]) == 1


def test_waits_are_answered_when_the_process_stops(fleet):  # noqa: F811
    """The responses have the last known state: the waits do not query the database again."""
    made = fleet("wake_stop", {"server.grace": 60}, p1=5)
    log_statements(made.site)
    made.start_front({"server.grace": 60})
    api = made.api("front")
    task_id = api.create_task(BODY, headers=ASYNC)
    waits = Waits(api, task_id, 50)
    made.signal("front", signal.SIGTERM)
    took = waits.expect(200, "running")
    count, most = queries(made.site, task_id), waits.most_queries()
    assert took < SOON, f"answered after {took} seconds"
    assert count <= most, f"50 waits made {count} queries"


def test_waits_are_answered_before_running_exports_end(fleet):  # noqa: F811
    """When the process stops, an export may use the grace time, but no wait does."""
    made = fleet("wake_grace", {**GATED, "export.threads": 1, "server.grace": 60}, p1=20)
    log_statements(made.site)
    add_gate(made.site, 10)
    made.start()
    with closed_gate(made.site) as open_gate:
        task_id = made.api().create_task(BODY, headers=ASYNC)
        made.wait_for_query()
        waits = Waits(made.api(), task_id, 3)
        made.signal("one", signal.SIGTERM)
        took = waits.expect(200, "running")
        open_gate()
    assert took < SOON, f"answered after {took} seconds"
    made.processes.pop("one").stop()
    assert made.task(task_id, "state") == ("success",)


def cancel(made, task_id):
    assert made.site.waybill("task", "cancel", task_id).returncode == 0
    return 200, "failure"


def remove_elsewhere(made, task_id):
    expect_removed(remove(made.api("other"), task_id))
    return 404, None


@pytest.mark.parametrize("how", [cancel, remove_elsewhere])
def test_a_wait_is_notified_by_other_processes(fleet, how):  # noqa: F811
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
    """A proxy to PostgreSQL that drops connections for notifications while it is `deaf`."""

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
             " AND (query LIKE 'LISTEN%' OR query LIKE '%pg_notify%') AND state = 'idle'")


def listeners(site):
    return {pid for pid, in site.sql(f"SELECT pid {LISTENERS}")}


def deafen(site, pids):
    """Closes these connections for notifications."""
    site.sql("SELECT pg_terminate_backend(pid) FROM unnest(%s) AS pid", list(pids))
    wait_until(lambda: not pids & listeners(site), "the server closes them")


@pytest.fixture
def deaf(detoured):  # noqa: F811
    """Makes a fleet whose processes get no notifications."""
    def begin(name, options, **rows):
        made = detoured(name, options, kind=DeafWay, **rows)
        made.detour.deaf = True
        return made
    return begin


def test_a_process_detects_missing_notifications(detoured):  # noqa: F811
    """Then its waits recheck each second, including those that began earlier."""
    made = detoured("wake_deaf", {"export.threads": 0}, kind=DeafWay, p1=5)
    log_statements(made.site)
    one = made.start()
    wait_until(lambda: listeners(made.site), "it listens")
    api = made.api()
    task_id = api.create_task(BODY, headers=ASYNC)
    waits = Waits(api, task_id)
    made.detour.deaf = True
    deafen(made.site, listeners(made.site))
    wait_until(lambda: "notifications cannot be received" in one.log_text(), "the process notices")
    for _ in range(3):
        took = waits.expect(*cancel(made, task_id))
        assert took < SOON, f"answered after {took} seconds"
        task_id = api.create_task(BODY, headers=ASYNC)
        waits = Waits(api, task_id)
    made.detour.deaf = False
    wait_until(lambda: listeners(made.site), "it listens again")
    assert waits.expect(*cancel(made, task_id)) < SOON


def test_a_process_needs_no_notification_of_its_own_tasks(deaf):
    """One after the other, each create wakes the idle thread, and each end wakes the create that waits for it."""
    made = deaf("wake_own", {"export.threads": 1}, p1=5)
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


def test_a_process_needs_no_notification_of_its_own_runs(deaf):
    """Each request to run a schedule wakes the idle thread."""
    made = deaf("wake_run", {"export.threads": 1}, p1=5)
    made.start()
    api = made.api()
    schedule = api.schedules("POST", "", {"name": "n", "rule": "FREQ=DAILY", "start_time": 4000000000000,
                                          "request": BODY}).json()
    with OwnClock() as clock:
        began = clock.now()
        tasks = [api.schedules("POST", f"/{schedule['schedule_id']}/run", headers=WAIT).json()["task_id"]
                 for _ in range(20)]
        took = clock.now() - began
    assert not listeners(made.site)
    for task_id in tasks:
        expect_right_file(api, api.status(task_id).json(), 5)
    assert took < 10, f"20 runs one after the other took {took} seconds"


def begin_export(made, name):
    """Starts an export at the gate and waits until its lease is renewed once: the next renewal is much later."""
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
    """The task is removed in the same process, which gets no notifications."""
    made = deaf("wake_own_export", {**GATED, "export.threads": 1}, p1=20)
    add_gate(made.site, 10)
    made.start()
    with closed_gate(made.site):
        expect_removed(remove(made.api(), begin_export(made, "one")))
        expect_end_of_query(made)


@pytest.mark.parametrize("how", [cancel, remove_elsewhere])
def test_an_export_is_notified_by_other_processes(fleet, how):  # noqa: F811
    made = fleet(f"wake_export_{how.__name__}", {**GATED, "export.threads": 1}, p1=20)
    add_gate(made.site, 10)
    made.start("one")
    with closed_gate(made.site):
        task_id = begin_export(made, "one")
        made.start("other")
        how(made, task_id)
        expect_end_of_query(made)


def test_a_thread_polls_when_notifications_resume(fleet):  # noqa: F811
    """For tasks queued in the meantime. The last poll was just before, and the next would come 5 seconds later."""
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
    """Export threads, which poll the queue each 5 seconds, and the listener, which waits for 30 seconds."""
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
    """Receives the notifications of processes."""

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
        """Waits for the notification, and discards those that were received before."""
        wait_until(lambda: self.hears(payload), f"{payload!r} is received, not only {self.heard}")
        self.heard = []

    def close(self):
        self.connection.close()


def test_notifications_between_processes(fleet):  # noqa: F811
    """
    The end, cancellation or removal of a task is announced by its id, new work by the number of tasks, or by an empty
    payload in the transaction that queues the task.
    """
    made = fleet("wake_told", p1=5)
    ear = Ear(made.site)
    made.start_front()
    task_id = made.api("front").create_task(BODY, headers=ASYNC)
    ear.expect("1")
    other = made.api("front").create_task(BODY, headers=ASYNC)
    ear.expect("1")
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


def test_announcements_wait_for_a_connection(detoured):  # noqa: F811
    """Tasks that are queued meanwhile are announced together, and a task that ends is announced by its id."""
    made = detoured("wake_later", {"export.threads": 0}, kind=DeafWay, p1=5)
    one = made.start()
    wait_until(lambda: listeners(made.site), "it listens")
    made.detour.deaf = True
    deafen(made.site, listeners(made.site))
    wait_until(lambda: "notifications cannot be received" in one.log_text(), "the process notices")
    ear = Ear(made.site)
    tasks = [made.api().create_task(BODY, headers=ASYNC) for _ in range(3)]
    assert not ear.hears("1")
    made.detour.deaf = False
    ear.expect("3")
    ear.close()
    for task_id in tasks:
        expect_removed(remove(made.api(), task_id))


def test_a_cgi_program_announces_the_end(fleet):  # noqa: F811
    """It has no thread for notifications."""
    made = fleet("wake_cgi", p1=5)
    ear = Ear(made.site)
    task_id = Api(made.site, CgiClient(made.site), "p1", made.site.token("p1")).create_task(BODY)
    ear.expect(task_id)
    ear.close()


def test_notifications_of_failed_exports(fleet):  # noqa: F811
    """The export is requeued, given up after its attempts, or fails."""
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
