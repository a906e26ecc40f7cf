"""Lists, metrics and housekeeping read only the rows that they need, however long the history is. A failed step of
housekeeping does not stop the others."""

import contextlib
import os
import uuid

import pytest
from calls import listed, samples, value
from deadline import wait_until
from faults import fleet, soon  # noqa: F401
from plans import Plans, log_plans, rows_read, scans
from tallies import FAILURES, SUCCESSES, expect_exact

TASKS = 20000
FEW = 1500  # rows of the history that one statement may read
MIB = 1 << 20

# Every 500th task of p1 belongs to the enterprise project `rare`.
HISTORY = """
INSERT INTO waybill.export_task (project_id, enterprise_project_id, enterprise_projects, export_size, request,
    request_id, state, file_id, file_size, sha256, create_time, finish_time, expire_time)
SELECT CASE WHEN i %% 4 = 0 THEN 'p2' ELSE 'p1' END, ep, ARRAY[ep], 1, '{}', '', 'success', gen_random_uuid(), 1024,
       sha256('x'), now() - i * interval '1 minute', now() - i * interval '1 minute', now() + interval '1 day'
FROM (SELECT i, CASE WHEN i %% 500 = 1 THEN 'rare' ELSE 'ep-' || i %% 5 END AS ep FROM generate_series(1, %s) i) task
"""
RELATIONS = ("export_task", "task_tally", "ended_tally", "discarded_file")


@pytest.fixture(scope="module")
def old(start):
    """A service with a long history. Its database logs the plan of each statement of the service."""
    plans = None

    def prepare(site):
        nonlocal plans
        site.sql(HISTORY, TASKS)
        assert site.waybill("task", "purge").returncode == 0
        site.sql("VACUUM ANALYZE waybill.export_task, waybill.task_tally, waybill.ended_tally")
        log_plans(site)
        plans = Plans(site)
    service = start("old", prepare=prepare)
    # Otherwise a scheduled round in the middle of a test would be counted as part of that test.
    wait_until(lambda: any("ended_tally OFFSET 1" in statement["Query Text"] for statement in plans.statements()),
               "the first round ends")
    return service


def count_rows(act, service):
    """Runs `act`. Returns the rows of tasks and tallies that each statement of the service reads, and its result."""
    plans = Plans(service.site)
    result = act()
    return [sum(map(rows_read, scans(statement["Plan"], RELATIONS))) for statement in plans.statements()], result


def expect_few(counts):
    assert counts and max(counts) <= FEW, f"rows read by statement: {counts}"


@pytest.mark.parametrize("eps, query, total", [
    (None, "", 15000), (None, "?limit=200&offset=100", 15000), (None, "?enterprise_project_id=all_granted_eps", 15000),
    (None, "?enterprise_project_id=rare", 40), (None, "?enterprise_project_id=rare&limit=200&offset=20", 40),
    (("rare",), "", 40), (("rare", "ep-x"), "?limit=200", 40), (("ep-3",), "", 3000),
    (("ep-3", "rare"), "?enterprise_project_id=ep-3&offset=200", 3000), (("ep-x",), "", 0),
], ids=str)
def test_a_list_reads_its_page(old, eps, query, total):
    api = old.api("p1", eps)
    counts, (seen, tasks) = count_rows(lambda: listed(api, query), old)
    fields = {"enterprise_project_id": "all_granted_eps", "offset": 0, "limit": 10,
              **dict(part.split("=") for part in query.strip("?").split("&") if part)}
    granted = list(eps) if eps else None
    everything = old.site.sql(
        "SELECT task_id::text FROM waybill.export_task WHERE project_id = 'p1'"
        " AND (%s::text[] IS NULL OR enterprise_projects <@ %s::text[])"
        " AND %s IN ('all_granted_eps', enterprise_project_id) ORDER BY create_time DESC, task_id",
        granted, granted, fields["enterprise_project_id"])
    begin = int(fields["offset"])
    assert [task["task_id"] for task in tasks] == [row[0] for row in everything[begin:begin + int(fields["limit"])]]
    assert seen == len(everything) == total
    expect_few(counts)


def test_metrics_read_no_history(old):
    counts, found = count_rows(lambda: samples(old.process.client), old)
    assert value(found, "waybill_tasks", state="success") == TASKS
    assert value(found, "waybill_files_bytes") == TASKS * 1024
    expect_few(counts)


def purge_with(old, max_total_mib):
    def act():
        old.site.config = old.site.write_config({"files.max_total_mib": max_total_mib}, f"limit{max_total_mib}.conf")
        done = old.site.waybill("task", "purge")
        assert done.returncode == 0, f"{done}"
        return done.stdout
    return act


def test_a_round_reads_what_it_removes(old):
    """This holds whether or not files exceed the limit, and for tasks without a file that are not old enough."""
    counts, done = count_rows(purge_with(old, TASKS * 1024 // MIB + 1), old)
    assert done == "0 files expired, 0 tasks purged, 0 files removed\n"
    assert max(counts) <= 10 and len(counts) >= 5, f"rows read by statement: {counts}"
    counts, done = count_rows(purge_with(old, 19), old)
    files = TASKS - 19 * 1024
    assert done == f"{files} files expired, 0 tasks purged, 0 files removed\n"
    assert max(counts) <= TASKS / 4, f"rows read by statement: {counts}"
    assert old.site.sql("SELECT min(finish_time) FILTER (WHERE NOT file_removed) > max(finish_time) FILTER"
                        " (WHERE file_removed) FROM waybill.export_task") == [(True,)]
    expect_exact(old.site.sql)
    counts, done = count_rows(purge_with(old, 19), old)
    assert done == "0 files expired, 0 tasks purged, 0 files removed\n"
    assert max(counts) <= 10, f"rows read by statement: {counts}"


def test_plans_of_another_site_do_not_count(old, fleet):  # noqa: F811
    """Other services of this PostgreSQL server log their plans too, in the middle of these tests."""
    other = fleet("history_other").site
    log_plans(other)
    plans = {site: Plans(site) for site in (old.site, other)}
    with contextlib.closing(other.connect("waybill_service")) as connection:
        connection.cursor().execute("SELECT count(*) AS another FROM waybill.export_task")
    assert {site: [statement["Query Text"] for statement in plans[site].statements()
                   if "another" in statement["Query Text"]] for site in plans} \
        == {old.site: [], other: ["SELECT count(*) AS another FROM waybill.export_task"]}


def purged(made):
    return made.site.waybill("task", "purge")


def test_just_the_limit(fleet):  # noqa: F811
    """The limit is exact and includes gzip variants: files of that size stay, and one byte more removes the oldest."""
    made = fleet("history_limit", {"files.max_total_mib": 1})
    made.site.sql(SUCCESSES, "t1", "0", None, MIB // 4 - 100, 100, 4)
    assert purged(made).stdout == "0 files expired, 0 tasks purged, 0 files removed\n"
    made.site.sql("UPDATE waybill.export_task SET gzip_size = 101 WHERE finish_time ="
                  " (SELECT max(finish_time) FROM waybill.export_task)")
    assert purged(made).stdout == "1 files expired, 0 tasks purged, 0 files removed\n"
    assert made.site.sql("SELECT file_removed, expire_time <= now() FROM waybill.export_task ORDER BY finish_time") \
        == [(True, True)] + [(False, False)] * 3
    assert purged(made).stdout == "0 files expired, 0 tasks purged, 0 files removed\n"
    made.site.sql("UPDATE waybill.export_task SET file_size = 2 * 1024 * 1024")
    assert purged(made).stdout == "2 files expired, 0 tasks purged, 0 files removed\n"
    assert made.site.sql("SELECT file_removed FROM waybill.export_task ORDER BY finish_time") \
        == [(True,)] * 3 + [(False,)], "the newest always stays"
    expect_exact(made.site.sql)


def test_files_that_another_process_removes(fleet):  # noqa: F811
    """Two processes find the same files beyond the limit. Newer files are not removed in place of those that the other
    process is removing."""
    made = fleet("history_two", {"files.max_total_mib": 1})
    made.site.sql(SUCCESSES, "t1", "0", None, MIB // 4, None, 7)
    other = made.site.connect_worker()
    other.autocommit = False
    try:
        other.cursor().execute(
            "UPDATE waybill.export_task SET file_removed = true WHERE task_id IN"
            " (SELECT task_id FROM waybill.export_task ORDER BY finish_time LIMIT 2)")
        assert purged(made).stdout == "1 files expired, 0 tasks purged, 0 files removed\n"
        other.rollback()
    finally:
        other.close()
    assert purged(made).stdout == "2 files expired, 0 tasks purged, 0 files removed\n"
    assert made.site.sql("SELECT file_removed FROM waybill.export_task ORDER BY finish_time") \
        == [(True,)] * 3 + [(False,)] * 4


def test_locked_tasks_do_not_end_a_step(fleet):  # noqa: F811
    """More tasks than one statement handles, one of which is in use."""
    made = fleet("history_busy", {"files.max_total_mib": 1})
    made.site.sql(SUCCESSES, "t1", "0", None, MIB, None, 2300)
    other = made.site.connect()
    other.autocommit = False
    try:
        other.cursor().execute("SELECT FROM waybill.export_task ORDER BY finish_time LIMIT 1 FOR UPDATE")
        assert purged(made).stdout == "2298 files expired, 0 tasks purged, 0 files removed\n"
    finally:
        other.close()


RAISE = """
CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% is out of order', TG_ARGV[0]; END $$;
"""
# How each step is made to fail, and the work of the list below that it leaves undone.
STEPS = {
    "expiry": ("BEFORE UPDATE ON waybill.export_task FOR EACH ROW"
               " WHEN (NEW.file_removed AND OLD.expire_time < now())", {"expired"}),
    "limit": ("BEFORE UPDATE ON waybill.export_task FOR EACH ROW"
              " WHEN (NEW.file_removed AND OLD.expire_time >= now())", {"beyond"}),
    "purge": ("BEFORE DELETE ON waybill.export_task FOR EACH ROW", {"old"}),
    "removal": ("BEFORE DELETE ON waybill.discarded_file FOR EACH STATEMENT", {"discarded"}),
    "fold": ("BEFORE DELETE ON waybill.task_tally FOR EACH STATEMENT", {"folded"}),
}


def undone(made, name):
    """Returns the work prepared for a round that it has left undone."""
    found = set()
    for what, sql in {
            "expired": "SELECT count(*) FROM waybill.export_task WHERE NOT file_removed AND expire_time < now()",
            "beyond": "SELECT greatest(count(*) - 1, 0) FROM waybill.export_task WHERE project_id = 't1'"
                      " AND NOT file_removed",
            "old": "SELECT count(*) FROM waybill.export_task WHERE state = 'failure'",
            "discarded": f"SELECT count(*) FROM waybill.discarded_file WHERE file_id = '{name}'",
            "folded": "SELECT count(*) FROM waybill.task_tally WHERE NOT folded"}.items():
        if made.site.sql(sql) != [(0,)]:
            found.add(what)
    return found


def prepare_round(made):
    """Prepares work for each step and returns a discarded name."""
    name = str(uuid.uuid4())
    made.site.sql("TRUNCATE waybill.export_task")
    made.site.sql(SUCCESSES, "t1", "0", None, MIB, None, 3)
    made.site.sql(SUCCESSES, "t2", "0", None, 1, None, 1)
    made.site.sql("UPDATE waybill.export_task SET expire_time = now() - interval '1 second' WHERE project_id = 't2'")
    made.site.sql(FAILURES, "t3", "0", None, 2)
    made.site.sql("UPDATE waybill.export_task SET finish_time = now() - interval '721 hours' WHERE state = 'failure'")
    made.site.sql("INSERT INTO waybill.discarded_file VALUES (%s, now())", name)
    with open(os.path.join(made.site.files, name), "wb"):
        pass
    return name


def test_a_step_that_fails_stops_no_other(fleet):  # noqa: F811
    """The round does the rest, and reports the first failure."""
    made = fleet("history_steps", {"files.max_total_mib": 1})
    made.site.sql(RAISE)
    for step, (when, left) in STEPS.items():
        name = prepare_round(made)
        made.site.sql(f"CREATE TRIGGER a_fail {when} EXECUTE FUNCTION public.fail('{step}')")
        done = purged(made)
        assert done.returncode != 0 and f"{step} is out of order" in done.stderr, f"{done}"
        assert undone(made, name) == left, f"after {step} has failed"
        assert not os.path.exists(os.path.join(made.site.files, name))
        made.site.sql(f"DROP TRIGGER a_fail ON {when.split()[3]}")
        done = purged(made)
        assert done.returncode == 0, f"{done}"
        assert undone(made, name) == set()
        expect_exact(made.site.sql)

    name = prepare_round(made)
    for step in ("limit", "removal"):
        made.site.sql(f"CREATE TRIGGER a_fail {STEPS[step][0]} EXECUTE FUNCTION public.fail('{step}')")
    done = purged(made)
    assert done.returncode != 0 and "limit is out" in done.stderr and "removal is" not in done.stderr, f"{done}"
    assert undone(made, name) == {"beyond", "discarded"}


def test_a_process_reports_a_step_that_fails(fleet):  # noqa: F811
    """It also reports the work of the other steps, and retries without a wake-up."""
    made = fleet("history_report", {"files.max_total_mib": 1})
    made.site.sql(RAISE)
    name = prepare_round(made)
    made.site.sql(f"CREATE TRIGGER a_fail {STEPS['purge'][0]} EXECUTE FUNCTION public.fail('purge')")
    process = made.start()
    wait_until(lambda: undone(made, name) == {"old"}, "a round does the rest")
    wait_until(lambda: 'event="housekeeping failed"' in process.log_text(), "the failure is reported")
    log = process.log_text()
    assert "purge is out of order" in log
    assert log.count("event=housekeeping files_expired=3 tasks_purged=0 files_removed=1") == 1, log
    made.site.sql("DROP TRIGGER a_fail ON waybill.export_task")
    soon(lambda: undone(made, name) == set(), "the rest is done")


def test_names_that_can_not_be_removed_stop_no_other(fleet):  # noqa: F811
    """More names than one statement handles, all before the one that can be removed."""
    made = fleet("history_stuck")
    names = [f"00000000-0000-4000-8000-{number:012}" for number in range(1100)]
    names.append("ffffffff-0000-4000-8000-000000000000")
    made.site.sql("INSERT INTO waybill.discarded_file SELECT unnest(%s::uuid[]), now()", names)
    for name in names[:-1]:
        os.mkdir(os.path.join(made.site.files, name))
    with open(os.path.join(made.site.files, names[-1]), "wb"):
        pass
    done = purged(made)
    assert done.returncode == 0 and done.stdout == "0 files expired, 0 tasks purged, 1 files removed\n", done.stdout
    assert made.site.sql("SELECT count(*) FROM waybill.discarded_file") == [(1100,)]
