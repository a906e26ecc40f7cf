"""The tallies are exact in every snapshot, whichever sessions change tasks and fold tallies."""

import os
import random
import subprocess
import threading

from calls import listed, remove, samples, value
from deadline import DEADLINE, wait_until
from faults import BODY, fleet  # noqa: F401
from service import BUILD, environment
from tallies import FAILURES, QUEUED, SUCCESSES, expect_exact, expect_folded

SOME = (" WHERE task_id IN (SELECT task_id FROM waybill.export_task WHERE {} ORDER BY random() LIMIT {}"
        " FOR UPDATE SKIP LOCKED)")
ENDS = ", lease = NULL, lease_expire_time = NULL, finish_time = now() - interval '1 minute'"

# One statement for each way in which a task changes.
CHANGES = (
    "UPDATE waybill.export_task SET state = 'running', attempts = attempts + 1, lease = gen_random_uuid(),"
    " lease_expire_time = now() + interval '1 hour'" + SOME.format("state = 'queued'", 2),
    "UPDATE waybill.export_task SET progress = 50, lease_expire_time = now() + interval '1 hour'"
    + SOME.format("state = 'running'", 2),
    "UPDATE waybill.export_task SET state = 'success', file_id = lease, file_size = 1000, gzip_size = 10,"
    " expire_time = now() + interval '1 hour'" + ENDS + SOME.format("state = 'running'", 2),
    "UPDATE waybill.export_task SET state = 'failure', error_code = 'HSS.0041'" + ENDS
    + SOME.format("state IN ('queued', 'running')", 1),
    "UPDATE waybill.export_task SET state = 'queued', error_code = NULL, finish_time = NULL"
    + SOME.format("state = 'failure'", 1),
    "UPDATE waybill.export_task SET file_removed = true" + SOME.format("state = 'success' AND NOT file_removed", 3),
    "UPDATE waybill.export_task SET expire_time = now()" + SOME.format("state = 'success'", 3),
    "UPDATE waybill.export_task SET finish_time = now() - interval '800 hours'" + SOME.format("state = 'failure'", 2),
    "UPDATE waybill.export_task SET file_size = file_size + 7"
    + SOME.format("state = 'success' AND NOT file_removed", 3),
    "UPDATE waybill.export_task SET gzip_size = 3" + SOME.format("state = 'success' AND NOT file_removed", 3),
    "UPDATE waybill.export_task SET project_id = 'q' || project_id, enterprise_projects = NULL"
    + SOME.format("length(project_id) < 5", 2),
    "DELETE FROM waybill.export_task" + SOME.format("true", 1),
    "DELETE FROM waybill.export_task" + SOME.format("true", 7),
)


def insert_some(cursor, dice):
    group = dice.choice([("t1", "0", None), ("t1", "ep-a", "{ep-a}"), ("t1", "ep-a", "{ep-a,ep-b}"),
                         ("t2", "ep-a", None)])
    statement, more = dice.choice([(SUCCESSES, (1000, dice.choice([None, 10]))), (QUEUED, ()), (FAILURES, ())])
    cursor.execute(statement, (*group, *more, dice.randint(1, 3)))


def change_tasks(site, seed, rounds):
    """Makes this number of random changes of tasks, some of which are rolled back."""
    dice = random.Random(seed)
    connection = site.connect_worker()
    connection.autocommit = False
    cursor = connection.cursor()
    try:
        for _ in range(rounds):
            for _ in range(dice.randint(1, 2)):
                if dice.random() < 0.4:
                    insert_some(cursor, dice)
                else:
                    cursor.execute(dice.choice(CHANGES))
            if dice.random() < 0.15:
                connection.rollback()
            else:
                connection.commit()
    finally:
        connection.close()


def all_at_once(*jobs):
    """Runs each job in a thread, and raises what a job raises."""
    failures = []

    def run(job):
        try:
            job()
        except BaseException as failure:  # a thread's failure is this test's
            failures.append(failure)
    threads = [threading.Thread(target=run, args=[job]) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_every_snapshot(fleet):  # noqa: F811
    """Tasks are made, end, expire, are purged and deleted, and tallies are folded, all at the same time."""
    made = fleet("tallies_at_once", {"files.max_total_mib": 1, "limits.running_exports": 0}, p1=20)
    made.start("one")
    made.start("two")
    left = [threading.Event() for _ in range(5)]
    command = [os.path.join(BUILD, "waybill"), "--config", made.site.config, "task", "purge"]
    checks = []

    def actor(number):
        def act():
            try:
                if number == 0:
                    for _ in range(20):  # meanwhile others may change the task in any way
                        task_id = made.api().create_task(BODY)
                        made.api().status(task_id, headers={"Prefer": "wait=1"})
                        remove(made.api(), task_id)
                else:
                    change_tasks(made.site, number, 150)
            finally:
                left[number].set()
        return act

    def folder():
        while not all(event.is_set() for event in left):
            done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=DEADLINE)
            assert done.returncode == 0, f"{done}"

    def checker():
        connection = made.site.connect()
        cursor = connection.cursor()

        def sql(statement):
            cursor.execute(statement)
            return cursor.fetchall()
        try:
            while not all(event.is_set() for event in left):
                expect_exact(sql)
                checks.append(True)
        finally:
            connection.close()
    made.api()  # makes its token in advance
    all_at_once(*(actor(number) for number in range(5)), folder, folder, checker)
    assert len(checks) > 20
    assert made.site.tasks() > 0
    made.stop()
    # Sessions that fold a group at the same time may each leave a row, until the group's next change.
    made.site.sql("DELETE FROM waybill.export_task WHERE project_id = 't2'")
    made.site.sql("UPDATE waybill.export_task SET project_id = 't3'")
    done = made.site.waybill("task", "purge")
    assert done.returncode == 0, f"{done}"
    expect_exact(made.site.sql)
    assert made.site.sql("SELECT project_id, enterprise_project_id, enterprise_projects FROM waybill.task_tally"
                         " WHERE project_id = 't3' GROUP BY 1, 2, 3 HAVING count(*) > 1") == []
    assert made.site.sql("SELECT count(*) FROM waybill.task_tally WHERE NOT folded") == [(0,)]
    assert made.site.sql("SELECT count(*) FROM waybill.ended_tally") == [(1,)]


def test_each_change(fleet):  # noqa: F811
    """Changes are made one after the other, so that a failure names the change."""
    made = fleet("tallies_each")
    for statement, more in ((SUCCESSES, (1000, None)), (SUCCESSES, (1000, 10)), (QUEUED, ()), (FAILURES, ())):
        made.site.sql(statement, "t1", "ep-a", "{ep-a}", *more, 30)
        expect_exact(made.site.sql)
    for change in CHANGES:
        before = made.site.sql("SELECT md5(array_agg(task::text ORDER BY task_id)::text) FROM waybill.export_task task")
        made.site.sql(change)
        assert before != made.site.sql(
            "SELECT md5(array_agg(task::text ORDER BY task_id)::text) FROM waybill.export_task task"), change
        try:
            expect_exact(made.site.sql)
        except AssertionError as error:
            raise AssertionError(f"after {change}: {error}") from None


def test_what_costs_nothing(fleet):  # noqa: F811
    """A claim and the renewal of a lease add nothing to the tallies."""
    made = fleet("tallies_quiet")
    made.site.sql(QUEUED, "t1", "0", None, 1)
    rows = "SELECT (SELECT count(*) FROM waybill.task_tally), (SELECT count(*) FROM waybill.ended_tally)"
    before = made.site.sql(rows)
    for change in CHANGES[:2]:
        made.site.sql(change)
    assert made.site.sql("SELECT DISTINCT state, progress FROM waybill.export_task WHERE state = 'running'")
    assert made.site.sql(rows) == before


def test_a_fold_waits_for_no_other(fleet):  # noqa: F811
    """Rows that another process is folding are left to it. A group may then have two rows until the next fold."""
    made = fleet("tallies_locked")
    for _ in range(6):
        made.site.sql(SUCCESSES, "t1", "0", None, 5, 5, 2)
    assert made.site.waybill("task", "purge").returncode == 0
    expect_folded(made.site)
    for _ in range(6):
        made.site.sql(SUCCESSES, "t1", "0", None, 5, 5, 2)
    other = made.site.connect()
    other.autocommit = False
    try:
        cursor = other.cursor()
        cursor.execute("SELECT FROM waybill.task_tally WHERE folded OR ctid IN (SELECT ctid FROM waybill.task_tally"
                       " WHERE NOT folded LIMIT 3) FOR UPDATE")
        cursor.execute("SELECT FROM waybill.ended_tally LIMIT 4 FOR UPDATE")
        done = made.site.waybill("task", "purge")
        assert done.returncode == 0, f"{done}"
        expect_exact(made.site.sql)
        assert made.site.sql("SELECT count(*) FILTER (WHERE folded), count(*) FROM waybill.task_tally") == [(2, 5)]
        assert made.site.sql("SELECT count(*) FROM waybill.ended_tally") == [(5,)]
    finally:
        other.close()
    assert made.site.waybill("task", "purge").returncode == 0
    expect_exact(made.site.sql)
    made.site.sql(SUCCESSES, "t1", "0", None, 5, 5, 1)
    assert made.site.waybill("task", "purge").returncode == 0
    expect_exact(made.site.sql)
    expect_folded(made.site)


def test_more_rows_than_a_statement_folds(fleet):  # noqa: F811
    """A fold in several statements is complete, and groups without tasks keep no row."""
    made = fleet("tallies_many")
    made.site.sql(SUCCESSES, "t1", "ep", "{ep}", 5, 5, 2500)
    made.site.sql(FAILURES, "t2", "ep", "{ep}", 1)
    made.site.sql("DELETE FROM waybill.export_task WHERE project_id = 't2'")
    assert made.site.waybill("task", "purge").returncode == 0
    expect_exact(made.site.sql)
    expect_folded(made.site)
    assert made.site.sql("SELECT project_id, tasks FROM waybill.task_tally") == [("t1", 2500)]
    places = "SELECT ctid FROM waybill.task_tally UNION ALL SELECT ctid FROM waybill.ended_tally"
    before = made.site.sql(places)
    assert made.site.waybill("task", "purge").returncode == 0
    assert made.site.sql(places) == before, "folded rows are not written again"


def test_a_truncate_empties_them(fleet):  # noqa: F811
    """A truncate empties them even while another process folds them."""
    made = fleet("tallies_truncated")
    made.site.sql(SUCCESSES, "t1", "0", None, 5, 5, 20)
    other = made.site.connect_worker()
    other.autocommit = False
    cursor = other.cursor()
    cursor.execute("WITH added AS (DELETE FROM waybill.task_tally RETURNING *) INSERT INTO waybill.task_tally"
                   " SELECT project_id, enterprise_project_id, enterprise_projects, sum(tasks), true"
                   " FROM added GROUP BY 1, 2, 3")
    owner = made.site.connect("waybill_owner")
    truncate = threading.Thread(target=owner.cursor().execute, args=["TRUNCATE waybill.export_task"])
    truncate.start()
    wait_until(lambda: made.site.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                                     " AND wait_event_type = 'Lock'") == [(1,)], "the truncate waits for the fold")
    other.commit()
    truncate.join()
    other.close()
    owner.close()
    assert made.site.sql("SELECT count(*) FROM waybill.task_tally") == [(0,)]
    expect_exact(made.site.sql)


def test_the_owner_changes_tasks_too(fleet):  # noqa: F811
    """The triggers work with any search_path of the session."""
    made = fleet("tallies_operators")
    owner = made.site.connect("waybill_owner")
    cursor = owner.cursor()
    cursor.execute("SET search_path = waybill, pg_catalog")
    for statement in ("INSERT INTO waybill.export_task (project_id, enterprise_project_id, export_size, request,"
                      " request_id) VALUES ('t1', '0', 1, '{}', '')",
                      "UPDATE waybill.export_task SET project_id = 't2'",
                      "UPDATE waybill.export_task SET state = 'failure', error_code = 'x', finish_time = now()"):
        cursor.execute(statement)
        expect_exact(made.site.sql)
    cursor.execute("DELETE FROM waybill.export_task")
    owner.close()
    expect_exact(made.site.sql)


def test_what_callers_see_of_them(fleet):  # noqa: F811
    """A list's total and the metrics, before and after a fold: each viewer sees its own tasks."""
    made = fleet("tallies_seen", {"export.threads": 0}, p1=20)
    made.start()
    for group, tasks in ((("p1", "0", None), 3), (("p1", "ep-a", "{ep-a}"), 5),
                         (("p1", "all_granted_eps", "{ep-a,ep-b}"), 7), (("p2", "ep-a", "{ep-a}"), 11)):
        made.site.sql(SUCCESSES, *group, 100, None, tasks)
        made.site.sql(FAILURES, *group, 1)
    made.site.sql(QUEUED, "p1", "ep-b", "{ep-b}", 2)

    def seen(eps, query=""):
        api = made.api()
        api.token = made.site.token("p1", eps)
        total, tasks = listed(api, query)
        assert len(tasks) == min(total, 10)
        return total
    for _ in range(2):
        assert seen(None) == 20
        assert seen(None, "?enterprise_project_id=all_granted_eps") == 20
        assert seen(None, "?enterprise_project_id=ep-a") == 6
        assert seen(("ep-a",)) == 6
        assert seen(("ep-b",)) == 2
        assert seen(("ep-a", "ep-b")) == 16
        assert seen(("ep-a", "ep-b"), "?enterprise_project_id=ep-b") == 2
        assert seen(("ep-c",)) == 0
        found = samples(made.processes["one"].client)
        assert [value(found, "waybill_tasks", state=state) for state in ("queued", "running", "success", "failure")] \
            == [2, 0, 26, 4]
        assert value(found, "waybill_files_bytes") == 2600
        assert made.site.waybill("task", "purge").returncode == 0
