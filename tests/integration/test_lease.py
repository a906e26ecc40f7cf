"""Leases: a process that stops loses its export to another one, and a process that works keeps it."""

import os
import signal
import threading
import time

from deadline import DEADLINE, wait_until
from faults import (ASYNC, BODY, LEASE, Orders, add_brake, add_gate, closed_gate, expect_failure,
                    expect_right_file, fleet, is_stopped)  # noqa: F401
from service import BUILD, Process

ROWS = 3000
GATED = {"export.lease": LEASE, "inventory.relation": "faults.container"}


def expect_success_of_another(made, task_id, rows=ROWS):
    """Checks that the second attempt succeeded and that there is exactly one file."""
    for name in made.processes:
        status = made.api(name).wait(task_id)
        assert status["task_status"] == "success", f"{status}"
        expect_right_file(made.api(name), status, rows)
    assert made.task(task_id, "state", "attempts") == ("success", 2)
    made.expect_files_of_tasks_alone()
    assert os.listdir(made.site.files) == [status["file_id"]]


def test_a_process_that_is_stopped_in_the_middle(fleet):  # noqa: F811
    made = fleet("lease_middle", GATED, p1=ROWS)
    add_gate(made.site, ROWS // 2)
    made.start("one")
    with closed_gate(made.site) as open_gate:
        task_id = made.api("one").create_task(BODY, headers=ASYNC)
        made.wait_for_query()
        made.signal("one", signal.SIGSTOP)
        made.start("two")
        wait_until(lambda: made.task(task_id, "attempts") == (2,), "another process takes over")
        open_gate()
        assert made.api("two").wait(task_id)["task_status"] == "success"
        made.signal("one", signal.SIGCONT)
    expect_success_of_another(made, task_id)
    assert made.api("one").finished(BODY)


def test_two_processes_at_work_on_one_task(fleet):  # noqa: F811
    """The stopped one continues while the other is in the middle of the export: it gives up, the other does not."""
    made = fleet("lease_both", GATED, p1=ROWS)
    add_gate(made.site, ROWS // 2)
    made.start("one")
    with closed_gate(made.site) as open_gate:
        task_id = made.api("one").create_task(BODY, headers=ASYNC)
        made.wait_for_query()
        made.signal("one", signal.SIGSTOP)
        made.start("two")
        wait_until(lambda: made.task(task_id, "attempts") == (2,), "another process takes over")
        made.wait_for_query(2)
        made.signal("one", signal.SIGCONT)
        made.wait_for_query(1)
        open_gate()
    expect_success_of_another(made, task_id)
    assert made.api("one").finished(BODY)


def stop_at(fleet, name, moment, rows=ROWS):  # noqa: F811
    """Runs a task whose exporter stops itself right after a step, and that another process then completes."""
    made = fleet(name, p1=rows)
    orders = Orders(made.site)
    made.start_front({"export.lease": LEASE})
    one = made.start("one", orders.variables)
    orders.give(moment)
    task_id = made.api("front").create_task(BODY, headers=ASYNC)
    wait_until(lambda: is_stopped(one), "the process stops itself")
    assert made.task(task_id, "state") == ("running",)
    made.start("two")
    assert made.api("two").wait(task_id)["task_status"] == "success"
    return made, orders, task_id


def test_a_process_that_is_stopped_before_its_file_has_a_name(fleet):  # noqa: F811
    made, orders, task_id = stop_at(fleet, "lease_fsync", "fsync stop")
    orders.give()
    made.signal("one", signal.SIGCONT)
    expect_success_of_another(made, task_id)


def test_a_process_that_is_stopped_before_it_publishes(fleet):  # noqa: F811
    """It notices the lost lease before there is a file, and continues to run."""
    rows = 20  # written at once, after the last row has been read
    made, orders, task_id = stop_at(fleet, "lease_write", "write stop 1", rows)
    orders.give("publish kill")
    made.signal("one", signal.SIGCONT)
    one = made.processes["one"]
    wait_until(lambda: 'event="export abandoned"' in one.log_text() or one.process.poll() is not None, "it goes on")
    assert one.process.poll() is None, "it has published the file"
    orders.give()
    expect_success_of_another(made, task_id, rows)


def test_a_late_file_whose_name_is_forgotten(fleet):  # noqa: F811
    """Housekeeping remembers names for only an hour: a process that publishes such a file removes it itself."""
    made, orders, task_id = stop_at(fleet, "lease_forgotten", "fsync stop")
    orders.give()
    made.site.sql("DELETE FROM waybill.discarded_file")
    made.signal("one", signal.SIGCONT)
    wait_until(lambda: 'event="export abandoned"' in made.processes["one"].log_text(), "it goes on")
    expect_success_of_another(made, task_id)


def test_a_process_that_is_stopped_before_its_commit(fleet):  # noqa: F811
    made, orders, task_id = stop_at(fleet, "lease_publish", "publish stop")
    orders.give()
    made.signal("one", signal.SIGCONT)
    expect_success_of_another(made, task_id)
    assert made.api("one").finished(BODY)


def test_a_process_that_is_stopped_while_it_removes_files(fleet):  # noqa: F811
    """The next process removes the remaining files."""
    made = fleet("lease_remove", p1=ROWS)
    orders = Orders(made.site)
    made.start("one")
    for _ in range(3):
        made.api("one").finished(BODY)
    made.stop()
    made.site.sql("UPDATE waybill.export_task SET expire_time = now()")
    orders.give("remove stop")
    command = [os.path.join(BUILD, "waybill"), "--config", made.site.config, "task", "purge"]
    purge = Process("purge", made.site.directory, command, orders.variables)
    try:
        wait_until(lambda: is_stopped(purge), "the process stops itself")
        assert len(os.listdir(made.site.files)) == 2
        made.start("two")
        wait_until(lambda: os.listdir(made.site.files) == [], "another process removes the files")
    finally:
        purge.kill()


def test_a_late_file_whose_process_dies(fleet):  # noqa: F811
    """It continues after the other's success, names its file, and is killed before it notices the lost lease."""
    made, orders, task_id = stop_at(fleet, "lease_late", "fsync stop")
    made.expect_files_of_tasks_alone()
    orders.give("publish kill")
    made.signal("one", signal.SIGCONT)
    assert made.processes["one"].process.wait(timeout=DEADLINE) == -signal.SIGKILL
    orders.give()
    made.start("one")
    expect_success_of_another(made, task_id)


def test_a_lease_that_expires_three_times(fleet):  # noqa: F811
    made = fleet("lease_thrice", GATED, p1=ROWS)
    add_gate(made.site, ROWS // 2)
    with closed_gate(made.site):
        made.start()
        task_id = made.api().create_task(BODY, headers=ASYNC)
        for attempt in (1, 2, 3):
            wait_until(lambda: made.task(task_id, "attempts") == (attempt,), f"attempt {attempt} begins")
            made.wait_for_query()
            made.kill("one")
            made.start()
        status = made.api().wait(task_id)
        assert status["task_status"] == "failure" and status["error_code"] == "HSS.0041", f"{status}"
        assert "the export was abandoned after 3 attempts" in status["error_msg"], f"{status}"
        made.wait_for_query(0)
    made.expect_files_of_tasks_alone()
    assert os.listdir(made.site.files) == []
    assert made.api().finished(BODY)


def test_a_slow_query_keeps_its_lease(fleet):  # noqa: F811
    """No row arrives for longer than the lease."""
    made = fleet("lease_slow", GATED, p1=ROWS)
    add_gate(made.site, ROWS // 2)
    made.start("one")
    made.start("two")
    with closed_gate(made.site) as open_gate:
        task_id = made.api("one").create_task(BODY, headers=ASYNC)
        made.wait_for_query()
        time.sleep(LEASE + 1)
        assert made.task(task_id, "state", "attempts") == ("running", 1)
        open_gate()
    status = made.api("two").wait(task_id)
    expect_right_file(made.api("two"), status, ROWS)
    assert made.task(task_id, "attempts") == (1,)


def locked(site):
    """A transaction that blocks all readers of the inventory."""
    connection = site.connect()
    connection.autocommit = False
    connection.cursor().execute("LOCK TABLE waybill.container IN ACCESS EXCLUSIVE MODE")
    return connection


def test_a_lock_on_the_inventory_keeps_the_lease(fleet):  # noqa: F811
    made = fleet("lease_lock", {"export.lease": LEASE}, p1=ROWS)
    made.start("one")
    made.start("two")
    lock = locked(made.site)
    try:
        task_id = made.api("one").create_task(BODY, headers=ASYNC)
        wait_until(lambda: made.task(task_id, "state") == ("running",), "it runs")
        time.sleep(LEASE + 1)
        assert made.task(task_id, "state", "attempts") == ("running", 1)
    finally:
        lock.close()
    status = made.api("two").wait(task_id)
    assert status["task_status"] == "success", f"{status}"
    expect_right_file(made.api("two"), status, ROWS)
    assert made.task(task_id, "attempts") == (1,)
    made.expect_files_of_tasks_alone()


def expect_timeout(made, kept=()):
    expect_failure(made, "exceeded its time limit of 2 seconds", kept)
    made.wait_for_query(0)


def test_a_lock_on_the_inventory_that_lasts_too_long(fleet):  # noqa: F811
    made = fleet("lease_lock_timeout", {"export.lease": LEASE, "export.timeout": 2}, p1=ROWS)
    made.start()
    lock = locked(made.site)
    try:
        expect_timeout(made)
    finally:
        lock.close()
    assert made.api().finished(BODY)


def test_an_export_that_takes_too_long(fleet):  # noqa: F811
    """The limit applies if no row arrives, and if rows arrive one by one for too long."""
    made = fleet("lease_timeout", {**GATED, "export.timeout": 2}, p1=ROWS)
    add_gate(made.site, ROWS // 2)
    made.start()
    with closed_gate(made.site):
        expect_timeout(made)
    assert made.api().finished(BODY)
    made.site.sql("DROP SCHEMA faults CASCADE")
    add_brake(made.site, 1, 0.01)
    expect_timeout(made, os.listdir(made.site.files))


def test_a_process_that_is_stopped_in_a_create(fleet):  # noqa: F811
    """Callers who create tasks of the same project with another process, before it and after it, get theirs."""
    made = fleet("lease_create", {"export.threads": 0, "limits.unfinished_tasks": 1000000})
    orders = Orders(made.site)
    one = made.start("one", orders.variables)
    made.start("two")
    stopped, free = made.api("one"), made.api("two")
    answers = {number: [] for number in range(5)}
    ended = threading.Event()

    def create(number):
        while not ended.is_set():
            answers[number].append(free.create(BODY, headers=ASYNC))

    callers = [threading.Thread(target=create, args=[number]) for number in range(4)]
    callers.append(threading.Thread(target=lambda: answers[4].append(stopped.create(BODY, headers=ASYNC))))
    try:
        for caller in callers[:4]:
            caller.start()
        wait_until(lambda: made.site.tasks() > 10, "tasks are made")
        orders.give("create stop")
        callers[4].start()
        wait_until(lambda: is_stopped(one), "the process stops itself")
        counts = [len(answers[number]) for number in range(4)]
        wait_until(lambda: all(len(answers[number]) > counts[number] + 1 for number in range(4)),
                   "creates are answered")
    finally:
        orders.give()
        made.signal("one", signal.SIGCONT)
        ended.set()
        for caller in callers:
            caller.join()
    odd = [answer for number in range(4) for answer in answers[number] if answer.status != 200]
    assert not odd, f"{len(odd)}: {odd[:3]}"
    assert answers[4][0].status in (200, 503), f"{answers[4]}"
    stopped.create_task(BODY, headers=ASYNC)


def test_a_process_that_is_stopped_in_a_claim(fleet):  # noqa: F811
    """The other processes claim tasks."""
    made = fleet("lease_claim", p1=ROWS)
    orders = Orders(made.site)
    made.start_front()
    one = made.start("one", orders.variables)
    orders.give("claim stop")
    tasks = [made.api("front").create_task(BODY, headers=ASYNC)]
    wait_until(lambda: is_stopped(one), "the process stops itself")
    made.start("two")
    tasks.append(made.api("two").create_task(BODY, headers=ASYNC))
    for task_id in tasks:
        assert made.api("two").wait(task_id)["task_status"] == "success"
    orders.give()
    made.signal("one", signal.SIGCONT)
    for task_id in tasks:
        expect_right_file(made.api("one"), made.api("one").status(task_id).json(), ROWS)
    made.expect_files_of_tasks_alone()
    assert made.api("one").finished(BODY)


def test_a_process_that_is_stopped_at_any_moment(fleet):  # noqa: F811
    """Whatever a stopped process holds, the other one continues to serve and to export."""
    made = fleet("lease_any", {"export.lease": LEASE, "inventory.relation": "faults.container",
                               "limits.unfinished_tasks": 10}, p1=ROWS)
    add_brake(made.site, 100, 0.002)
    made.start("one")
    made.start("two")
    answers = []
    ended = threading.Event()

    def create(name):
        api = made.api(name)
        while not ended.is_set():
            response = api.create(BODY, headers=ASYNC)
            answers.append((name, response))
            if response.status == 429:
                time.sleep(0.05)

    threads = [threading.Thread(target=create, args=[name]) for name in ("one", "two", "two")]
    for thread in threads:
        thread.start()
    try:
        for number in range(4):
            time.sleep(0.5 + 0.037 * number)
            made.signal("one", signal.SIGSTOP)
            done = made.states().get("success", 0)
            time.sleep(LEASE + 1)
            wait_until(lambda: made.states().get("success", 0) > done, "the other process does something")
            made.signal("one", signal.SIGCONT)
    finally:
        made.signal("one", signal.SIGCONT)
        ended.set()
        for thread in threads:
            thread.join()
    # The database may have ended a transaction of the stopped process.
    odd = [(name, answer) for name, answer in answers
           if answer.status not in (200, 429) and (name, answer.status) != ("one", 503)]
    assert not odd, f"{len(odd)} of {len(answers)}: {odd[:3]}"
    tasks = [answer.json()["task_id"] for _, answer in answers if answer.status == 200]
    wait_until(lambda: not made.site.unfinished(), "every task ends")
    assert made.states() == {"success": len(tasks)}, f"{made.states()}"
    made.expect_files_of_tasks_alone()
