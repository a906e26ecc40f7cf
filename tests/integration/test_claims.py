"""What a claim reads and waits for: neither the whole queue, nor the history, nor a locked row."""

import contextlib
import itertools

import pytest
from api import MINIMAL, Api
from deadline import wait_until
from faults import ASYNC, BODY, add_gate, closed_gate, fleet  # noqa: F401
from plans import Plans, log_plans, rows_read, scans
from test_cgi import INSERT, LEASE_ID, CgiClient

NUMBERS = itertools.count()
QUEUED = 100000
ENDED = 20000
TASKS = """
INSERT INTO waybill.export_task (project_id, enterprise_project_id, enterprise_projects, export_size, request,
                                 request_id, create_time, state, error_code, finish_time)
SELECT 'p1', '0', '{0}', 100, '{"export_headers": [["container_id", "Id"]]}', 'r',
       timestamptz '2026-01-01 00:00:00Z' + i * interval '1 second',
       CASE WHEN i > %(ended)s THEN 'queued' ELSE 'failure' END, CASE WHEN i > %(ended)s THEN NULL ELSE 'HSS.0041' END,
       CASE WHEN i > %(ended)s THEN NULL ELSE now() END
FROM generate_series(1, %(ended)s + %(queued)s) AS i
"""


@pytest.fixture
def crowded(fleet):  # noqa: F811
    """A project with many tasks. Its database logs the plans of the service's statements."""
    made = fleet(f"claims_{next(NUMBERS)}", {"inventory.relation": "faults.container", "export.threads": 1,
                                 "limits.unfinished_tasks": 1000000}, p1=20)
    add_gate(made.site, 10)
    made.site.superuser.cursor().execute(TASKS, {"ended": ENDED, "queued": QUEUED})
    made.site.sql("VACUUM ANALYZE waybill.export_task")
    # The gate has disabled it.
    made.site.sql(f"ALTER ROLE waybill_service IN DATABASE {made.site.database} RESET enable_sort")
    log_plans(made.site)
    return made


def expect_small(plans):
    """Checks the scans of tasks by the statements of a claim."""
    found = [scan for statement in plans.statements() for scan in scans(statement["Plan"], ("export_task",))
             if "SET state = 'running'" in statement["Query Text"]
             or "WITH RECURSIVE queued" in statement["Query Text"]]
    assert found, "no claim has been logged"
    for scan in found:
        assert rows_read(scan) < 10, f"{rows_read(scan)} rows read: {scan}"


def test_a_claim_of_the_next_task(crowded):
    plans = Plans(crowded.site)
    with closed_gate(crowded.site):
        crowded.start("one")
        wait_until(lambda: crowded.states().get("running") == 1, "a task is claimed")
        expect_small(plans)
        oldest = crowded.site.sql("SELECT state FROM waybill.export_task WHERE state IN ('queued', 'running')"
                                  " ORDER BY create_time LIMIT 1")
        assert oldest == [("running",)]
        crowded.kill("one")


def test_a_claim_of_one_task(crowded):
    """Plain CGI runs the task that it has created, so it claims exactly that task."""
    api = Api(crowded.site, CgiClient(crowded.site), "p1", crowded.site.token("p1"))
    plans = Plans(crowded.site)
    task_id = api.create_task(MINIMAL)
    assert crowded.task(task_id, "state") == ("success",)
    expect_small(plans)


@pytest.mark.parametrize("age", ["-1 h", "1 h"])
def test_a_dead_task_keeps_its_place_in_the_queue(fleet, age):  # noqa: F811
    """Its place among the waiting tasks of its project depends on its creation time."""
    made = fleet(f"claims_{next(NUMBERS)}", {"export.threads": 1}, p1=20)
    queued, = made.site.sql(INSERT, "queued", None, None, 0)[0]
    dead, = made.site.sql(INSERT, "running", LEASE_ID, "-1 s", 1)[0]
    made.site.sql("UPDATE waybill.export_task SET create_time = now() + %s::interval WHERE task_id = %s", age, dead)
    made.start()
    wait_until(lambda: made.states() == {"success": 2}, "both are done")
    order = made.site.sql("SELECT task_id::text FROM waybill.export_task ORDER BY start_time")
    assert [task_id for task_id, in order] == ([dead, queued] if age == "-1 h" else [queued, dead])


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_dead_task_whose_row_is_locked(fleet, attempts):  # noqa: F811
    """While the row is locked, for example by a slow commit, other tasks are claimed; this one follows."""
    made = fleet(f"claims_{next(NUMBERS)}", p1=20)
    task_id, = made.site.sql(INSERT, "running", LEASE_ID, "-1 s", attempts)[0]
    with contextlib.closing(made.site.connect()) as holder:
        holder.autocommit = False
        holder.cursor().execute("SELECT FROM waybill.export_task WHERE task_id = %s FOR UPDATE", [task_id])
        made.start()
        made.api().finished(BODY)
        assert made.task(task_id, "state", "attempts") == ("running", attempts)
    made.api().create_task(BODY, headers=ASYNC)
    ends = {1: ("success", 2), 3: ("failure", 3)}
    wait_until(lambda: made.task(task_id, "state", "attempts") == ends[attempts], "it is seen to")
