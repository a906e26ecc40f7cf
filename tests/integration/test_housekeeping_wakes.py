"""Events that wake housekeeping, or an export whose task is removed, at once: long before the next round or the next
renewal of the lease, which come a minute or more later."""

import os

from calls import add_volume, expect_removed, remove
from deadline import wait_until
from faults import ASYNC, BODY, LEASE, add_gate, closed_gate, fleet, soon  # noqa: F401

ROWS = 20


def idle(made, name="one"):
    """Waits until the first round of a process has ended, so that the next one is a minute away."""
    wait_until(lambda: made.site.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'waybill'"
        " AND state = 'idle' AND query LIKE '%%waybill.counter%%'") != [(0,)], f"{name} flushes after its first round")


def leave_behind(made, task_id):
    """Makes a file with the name that the lease of a running task has, as an attempt may leave one."""
    lease = made.task(task_id, "lease::text")[0]
    path = os.path.join(made.site.files, lease)
    with open(path, "wb"):
        pass
    return path


def test_a_delete(fleet):  # noqa: F811
    """The name of the file is forgotten once nothing uses it."""
    made = fleet("wakes_delete", p1=ROWS)
    made.start()
    task_id = made.api().finished(BODY)["task_id"]
    idle(made)
    expect_removed(remove(made.api(), task_id))
    soon(lambda: made.site.sql("SELECT count(*) FROM waybill.discarded_file") == [(0,)], "the name is forgotten")


def test_a_cancelled_export(fleet):  # noqa: F811
    """Files that it may have left are removed."""
    made = fleet("wakes_cancel", {"export.lease": 600, "inventory.relation": "faults.container"}, p1=ROWS)
    add_gate(made.site, ROWS // 2)
    made.start()
    idle(made)
    with closed_gate(made.site):
        task_id = made.api().create_task(BODY, headers=ASYNC)
        made.wait_for_query()
        path = leave_behind(made, task_id)
        done = made.site.waybill("task", "cancel", task_id)
        assert done.returncode == 0, f"{done}"
        soon(lambda: not os.path.exists(path), "what the export left is removed")


def test_a_second_attempt(fleet):  # noqa: F811
    """It succeeds, and the files of the first attempt are removed."""
    made = fleet("wakes_attempt", {"export.lease": LEASE, "inventory.relation": "faults.container"}, p1=ROWS)
    add_gate(made.site, ROWS // 2)
    made.start("one")
    with closed_gate(made.site) as open_gate:
        task_id = made.api("one").create_task(BODY, headers=ASYNC)
        made.wait_for_query()
        made.kill("one")
        path = leave_behind(made, task_id)
        made.start("two")
        wait_until(lambda: made.task(task_id, "attempts") == (2,), "the other process takes the task")
        made.wait_for_query()
        assert os.path.exists(path), "the first round came earlier"
        open_gate()
        assert made.api("two").wait(task_id)["task_status"] == "success"
        soon(lambda: not os.path.exists(path), "what the first attempt left is removed")


def test_a_file_beyond_the_limit(fleet):  # noqa: F811
    """The oldest file is removed at once."""
    made = fleet("wakes_limit", {"files.max_total_mib": 1, "inventory.relation": "faults.container"})
    add_volume(made.site, p1=6)
    made.start()
    idle(made)
    oldest = made.api().finished(BODY)["file_id"]
    made.api().finished(BODY)
    soon(lambda: not os.path.exists(os.path.join(made.site.files, oldest)), "the oldest file is removed")


def test_a_delete_without_a_listener(fleet):  # noqa: F811
    """A process that removes a task which it runs stops the export, without a notification by the database."""
    made = fleet("wakes_unheard", {"export.lease": 600, "inventory.relation": "faults.container"}, p1=ROWS)
    add_gate(made.site, ROWS // 2)
    made.start()
    idle(made)
    with closed_gate(made.site):
        task_id = made.api().create_task(BODY, headers=ASYNC)
        made.wait_for_query()
        claimed = made.task(task_id, "lease_expire_time")
        wait_until(lambda: made.task(task_id, "lease_expire_time") != claimed, "the first renewal of the lease")
        made.site.sql(f"ALTER DATABASE {made.site.database} CONNECTION LIMIT 0")
        try:
            listeners = ("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                         " WHERE datname = current_database() AND application_name = 'waybill listener'")
            assert made.site.sql(listeners) == [(1,)]
            wait_until(lambda: made.site.sql(listeners) == [(0,)], "the listener is gone")
            expect_removed(remove(made.api(), task_id))
            soon(lambda: made.queries() == 0, "the export stops")
        finally:
            made.site.sql(f"ALTER DATABASE {made.site.database} CONNECTION LIMIT -1")


def test_a_list_that_reads_many_tallies(fleet):  # noqa: F811
    """They are consolidated, so that the next list reads one."""
    made = fleet("wakes_list", {"export.threads": 0}, p1=ROWS)
    made.start()
    idle(made)
    made.site.sql("INSERT INTO waybill.task_tally (project_id, enterprise_project_id, enterprise_projects, tasks)"
                  " SELECT 'p1', '0', NULL, 1 FROM generate_series(1, 1001)")
    api = made.api()
    assert api.request("GET", api.path("export-tasks")).json()["total_num"] == 1001
    soon(lambda: made.site.sql("SELECT count(*) FROM waybill.task_tally") == [(1,)], "the tallies are consolidated")
    assert api.request("GET", api.path("export-tasks")).json()["total_num"] == 1001
