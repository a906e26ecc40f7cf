"""The database connections of requests, exports, schedules and notifications: none uses the others'."""

import concurrent.futures

from deadline import wait_until
from faults import ASYNC, BODY, add_gate, closed_gate, expect_right_file, fleet  # noqa: F401
from schedules import Schedules

ROWS = 200
POOL = 2
LEASE = 6  # long enough for a busy machine to renew it in time


def test_requests_cost_no_export_its_lease(fleet):  # noqa: F811
    """All connections of requests are in use, and more requests wait for one, while an export runs: it renews its lease
    and ends in the first attempt."""
    made = fleet("pool_of_exports", {"inventory.relation": "faults.container", "export.lease": LEASE,
                                     "database.pool_size": POOL}, p1=ROWS)
    add_gate(made.site, ROWS // 2)
    made.start()
    api = made.api()
    holder = made.site.connect()
    holder.autocommit = False
    with closed_gate(made.site) as open_gate, concurrent.futures.ThreadPoolExecutor(2 * POOL) as callers:
        task_id = api.create_task(BODY, headers=ASYNC)
        made.wait_for_query()
        try:
            holder.cursor().execute("LOCK TABLE waybill.credential IN ACCESS EXCLUSIVE MODE")
            requests = [callers.submit(api.status, task_id) for _ in range(2 * POOL)]
            blocked = "SELECT count(*) FROM pg_locks WHERE relation = 'waybill.credential'::regclass AND NOT granted"
            wait_until(lambda: made.site.sql(blocked) == [(POOL,)], "the requests have all of their connections")
            seen = set()

            def is_renewed_twice():
                lease, attempts, until = made.task(task_id, "lease", "attempts", "lease_expire_time")
                assert attempts == 1, "the export has lost its lease"
                seen.add((lease, until))
                return len(seen) == 3
            wait_until(is_renewed_twice, "the lease is renewed twice")
            open_gate()
            wait_until(lambda: made.task(task_id, "state", "attempts") == ("success", 1), "the export succeeds")
        finally:
            holder.close()
        assert {request.result().status for request in requests} == {200}
    expect_right_file(api, api.wait(task_id), ROWS)
    made.expect_files_of_tasks_alone()


def test_housekeeping_costs_no_export_its_turn(fleet):  # noqa: F811
    """While a round of housekeeping hangs, the only export thread claims and ends its tasks."""
    made = fleet("pool_of_housekeeping", {"export.threads": 1}, p1=ROWS)
    holder = made.site.connect()
    holder.autocommit = False
    try:
        holder.cursor().execute("LOCK TABLE waybill.discarded_file IN ACCESS EXCLUSIVE MODE")
        made.start()
        blocked = ("SELECT pid, query_start FROM pg_stat_activity JOIN pg_locks USING (pid)"
                   " WHERE relation = 'waybill.discarded_file'::regclass AND NOT granted")
        wait_until(lambda: len(made.site.sql(blocked)) == 1, "housekeeping hangs")
        before = made.site.sql(blocked)
        status = made.api().finished(BODY)
        assert made.site.sql(blocked) == before, "the export has waited for housekeeping"
    finally:
        holder.close()
    expect_right_file(made.api(), status, ROWS)


def test_notifications_cost_no_schedule_its_run(fleet):  # noqa: F811
    """While the senders of notifications hang, a schedule runs, and the only export thread exports."""
    made = fleet("pool_of_notifications", {"export.threads": 1}, p1=ROWS)
    holder = made.site.connect()
    holder.autocommit = False
    try:
        holder.cursor().execute("LOCK TABLE waybill.notification IN ACCESS EXCLUSIVE MODE")
        made.start()
        schedules = Schedules(made.api())
        schedule = schedules.add()
        blocked = ("SELECT count(*) FROM pg_locks WHERE relation = 'waybill.notification'::regclass AND NOT granted")
        wait_until(lambda: made.site.sql(blocked) == [(1,)], "one sender hangs; the others wait for its connection")
        schedules.make_due(schedule)
        schedules.wait_for_runs(schedule["schedule_id"], ["success"])
        assert made.site.sql(blocked) == [(1,)]
    finally:
        holder.close()
