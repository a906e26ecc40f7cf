"""What the scheduler does: runs, skips, retries, keeps and pauses."""

import time
import zlib

import pytest
from api import Api
from deadline import wait_until
from faults import Orders, add_gate, closed_gate, fleet, soon  # noqa: F401
from schedules import EACH_SECOND, HOUR, REQUEST, Schedules, now_ms


@pytest.fixture
def made(fleet, request):  # noqa: F811
    return fleet(f"scheduler_{zlib.crc32(request.node.name.encode())}", p1=20)


def begin(made, **how):
    made.start("one", **how)
    return Schedules(made.api())


def stored(made, schedule_id, column):
    return made.site.sql(f"SELECT {column} FROM waybill.export_schedule WHERE schedule_id = %s", schedule_id)[0][0]


def task_of(made, task_id, column):
    return made.site.sql(f"SELECT {column} FROM waybill.export_task WHERE task_id = %s", task_id)[0][0]


def test_an_occurrence_runs_by_itself(made):
    """A schedule runs when its time has come, and its file is the latest one."""
    schedules = begin(made)
    start = now_ms() // 1000 * 1000 + 5000
    schedule = schedules.add(start_time=start)
    assert schedule["next_run_time"] == start and schedule["last_run"] is None
    assert schedules.latest(schedule["schedule_id"]).status == 404
    runs = schedules.wait_for_runs(schedule["schedule_id"], ["success"])
    assert runs[0]["occurrence_time"] == start and runs[0]["reason"] is None
    assert task_of(made, runs[0]["task_id"], "create_time >= to_timestamp(%d)" % (start / 1000)), "it did not run early"
    shown = schedules.show(schedule["schedule_id"])
    assert shown["next_run_time"] == start + HOUR
    assert shown["last_run"] == {"occurrence_time": start, "task_id": runs[0]["task_id"], "task_status": "success"}
    latest = schedules.latest(schedule["schedule_id"])
    assert latest.status == 200 and latest.headers["x-task-id"] == runs[0]["task_id"]
    assert len(latest.body.splitlines()) == 21


def test_a_downtime_of_ten_occurrences(made):
    """The newest occurrence runs, and one record says that nine were skipped."""
    schedules = begin(made)
    schedule = schedules.add()
    times = schedules.make_due(schedule, 10)
    run, skipped = schedules.wait_for_runs(schedule["schedule_id"], ["success", "skipped"])
    assert run["occurrence_time"] == times[9]
    assert skipped["occurrence_time"] == times[8] and skipped["task_id"] is None
    assert "9 occurrences" in skipped["reason"], skipped
    assert schedules.show(schedule["schedule_id"])["next_run_time"] == times[9] + HOUR


def test_a_downtime_of_one_occurrence(made):
    schedules = begin(made)
    schedule = schedules.add()
    times = schedules.make_due(schedule, 1)
    assert schedules.wait_for_runs(schedule["schedule_id"], ["success"])[0]["occurrence_time"] == times[0]


def test_a_downtime_of_many_thousand_occurrences(made):
    """A dense rule is caught up at once, whatever the number."""
    schedules = begin(made)
    schedule = schedules.add(rule=EACH_SECOND, enabled=False)
    made.site.sql("UPDATE waybill.export_schedule SET enabled = true, pending_from = now() - interval '2 days',"
                  " next_run_time = now() - interval '2 days'")
    schedules.wake()
    wait_until(lambda: any(run["state"] == "skipped" and "at least" in run["reason"]
                           for run in schedules.runs(schedule["schedule_id"])), "the downtime is recorded")
    assert schedules.request("DELETE", f"/{schedule['schedule_id']}").status == 204


def test_an_unfinished_run_skips_the_next(made):
    """While the run of one occurrence is unfinished, the next is skipped, with the reason."""
    schedules = begin_gated(made)
    with closed_gate(made.site):
        schedule = schedules.add()
        schedules.make_due(schedule, 1)
        made.wait_for_query()
        before = schedules.runs(schedule["schedule_id"])
        assert [run["state"] for run in before] == ["running"]
        made.site.sql("UPDATE waybill.schedule_run SET occurrence_time = occurrence_time - interval '1 day'")
        times = schedules.make_due(schedule, 3)
        runs = schedules.wait_for_runs(schedule["schedule_id"], ["skipped", "running"])
        assert runs[0]["occurrence_time"] == times[2] and "3 occurrences" in runs[0]["reason"], runs
        assert "unfinished" in runs[0]["reason"]
    schedules.wait_for_runs(schedule["schedule_id"], ["skipped", "success"])


def begin_gated(made):
    add_gate(made.site, 10)
    made.site.write_config({"inventory.relation": "faults.container"})
    return begin(made)


def test_a_run_on_request_skips_nothing(made):
    """A run on request is besides the rule: it runs while another runs, and the rule's occurrences run beside it."""
    schedules = begin_gated(made)
    with closed_gate(made.site):
        schedule = schedules.add()
        first = schedules.run_now(schedule["schedule_id"])
        times = schedules.make_due(schedule, 1)
        soon(lambda: len(schedules.runs(schedule["schedule_id"])) == 2, "the occurrence runs too")
        runs = schedules.runs(schedule["schedule_id"])
        assert [run["state"] for run in runs] == ["running", "running"]
        assert runs[0]["task_id"] == first and runs[1]["occurrence_time"] == times[0]
    schedules.wait_for_runs(schedule["schedule_id"], ["success", "success"])


@pytest.mark.parametrize("change", ["made", "changed", "resumed"])
def test_earlier_occurrences_do_not_run(made, change):
    """Occurrences from before the schedule was made, last changed or resumed don't run."""
    schedules = begin(made)
    schedule = schedules.add()
    path = f"/{schedule['schedule_id']}"
    fields = {"name": "report", "rule": "FREQ=HOURLY", "start_time": schedule["start_time"], "request": REQUEST}
    if change == "changed":
        made.site.sql("UPDATE waybill.export_schedule SET pending_from = now() - interval '5 hours'")
        assert schedules.request("PUT", path, {**fields, "keep": 3}).status == 200
    if change == "resumed":
        assert schedules.request("PUT", path, {**fields, "enabled": False}).json()["next_run_time"] is None
        made.site.sql("UPDATE waybill.export_schedule SET pending_from = now() - interval '5 hours'")
        assert schedules.request("PUT", path, {**fields, "enabled": True}).status == 200
    shown = schedules.show(schedule["schedule_id"])
    assert now_ms() < shown["next_run_time"] <= now_ms() + HOUR
    schedules.wake()
    other = schedules.add("other")
    schedules.make_due(other, 1)
    schedules.wait_for_runs(other["schedule_id"], ["success"])
    assert schedules.runs(schedule["schedule_id"]) == []


def test_a_paused_schedule_does_not_run(made):
    schedules = begin(made)
    schedule = schedules.add(enabled=False)
    assert schedule["next_run_time"] is None and schedule["enabled"] is False
    task = schedules.run_now(schedule["schedule_id"])
    schedules.wait_for_end(task)
    assert [run["task_id"] for run in schedules.runs(schedule["schedule_id"])] == [task]


def test_files_beyond_keep(made):
    """The newest files stay whatever retention says; a newer success makes the oldest one expire."""
    made.site.write_config({"files.retention_hours": 1, "files.max_total_mib": 1})
    schedules = begin(made)
    schedule = schedules.add(keep=2)
    tasks = []
    for _ in range(4):
        tasks.append(schedules.run_now(schedule["schedule_id"]))
        schedules.wait_for_end(tasks[-1])
    statuses = [made.api().status(task).json() for task in tasks]
    downloads = [made.api().download(status["file_id"]).status for status in statuses]
    assert downloads == [410, 410, 200, 200] or downloads[2:] == [200, 200] and set(downloads[:2]) <= {404, 410}
    assert "expire_time" not in statuses[3], "the file does not expire by age"
    assert "expire_time" in statuses[0]
    soon(lambda: set(made.site.sql("SELECT file_id::text FROM waybill.export_task WHERE NOT file_removed"))
         == {(status["file_id"],) for status in statuses[2:]}, "the files are removed", 90)


def test_kept_files_survive_a_full_storage(made):
    """[files] max_total_mib removes other files, but none that a schedule keeps."""
    schedules = begin(made)
    schedule = schedules.add(keep=2)
    kept = [schedules.run_now(schedule["schedule_id"]) for _ in range(2)]
    for task in kept:
        schedules.wait_for_end(task)
    other = [made.api().wait(made.api().create_task())["task_id"] for _ in range(2)]
    made.site.sql("UPDATE waybill.export_task SET file_size = 3 * 1048576")
    made.stop()
    made.site.write_config({"files.max_total_mib": 1})
    schedules = begin(made)
    soon(lambda: task_of(made, other[0], "file_removed"), "the oldest other file is removed", 90)
    assert [task_of(made, task, "file_removed") for task in kept] == [False, False]
    assert not task_of(made, other[1], "file_removed"), "the newest other file stays"


def test_less_keep_expires_files_at_once(made):
    schedules = begin(made)
    schedule = schedules.add(keep=3)
    tasks = [schedules.run_now(schedule["schedule_id"]) for _ in range(3)]
    for task in tasks:
        schedules.wait_for_end(task)
    assert schedules.request("PUT", f"/{schedule['schedule_id']}",
                             {"name": "report", "rule": "FREQ=DAILY", "request": REQUEST, "keep": 1}).status == 200
    files = made.site.sql("SELECT count(*) FROM waybill.schedule_run WHERE has_file")
    assert files == [(1,)]
    assert made.site.sql("SELECT count(*) FROM waybill.export_task WHERE expire_time <= now()") == [(2,)]


def test_a_failed_run_is_retried_once(made):
    """After five minutes, and then the next occurrence is awaited. The file of the success before stays the latest."""
    schedules = begin(made)
    schedule = schedules.add()
    good = schedules.run_now(schedule["schedule_id"])
    schedules.wait_for_end(good)
    made.site.sql("UPDATE waybill.schedule_run SET occurrence_time = occurrence_time - interval '1 day'")
    made.site.sql("REVOKE SELECT ON waybill.container FROM waybill_service")
    times = schedules.make_due(schedule, 1)
    soon(lambda: any(run["state"] == "failure" for run in schedules.runs(schedule["schedule_id"])), "the run fails")
    run = [run for run in schedules.runs(schedule["schedule_id"]) if run["state"] == "failure"][0]
    assert run["occurrence_time"] == times[0] and run["reason"]
    schedules.wait_for_end(run["task_id"])
    wait, attempts = made.site.sql("SELECT extract(epoch FROM retry_time - finish_time), attempts"
                                   " FROM waybill.schedule_run WHERE task_id = %s", run["task_id"])[0]
    assert attempts == 1 and 300 <= wait < 330
    assert schedules.latest(schedule["schedule_id"]).headers["x-task-id"] == good


def ended_failure(made, schedules):
    """Runs a schedule that fails. Returns it and its run, whose retry is awaited."""
    made.site.sql("REVOKE SELECT ON waybill.container FROM waybill_service")
    schedule = schedules.add()
    schedules.make_due(schedule, 1)
    run = schedules.wait_for_runs(schedule["schedule_id"], ["failure"])[0]
    schedules.wait_for_end(run["task_id"])
    return schedule, run


def due_retry(made, schedules):
    made.site.sql("UPDATE waybill.schedule_run SET retry_time = now() WHERE retry_time IS NOT NULL")
    schedules.wake()


def test_a_retry_that_succeeds(made):
    """The retry is the same task, so an occurrence is one task even then."""
    schedules = begin(made)
    schedule, run = ended_failure(made, schedules)
    made.site.sql("GRANT SELECT ON waybill.container TO waybill_service")
    due_retry(made, schedules)
    again = schedules.wait_for_runs(schedule["schedule_id"], ["success"])[0]
    assert again["task_id"] == run["task_id"] and again["reason"] is None
    assert made.site.tasks() == 1
    assert schedules.latest(schedule["schedule_id"]).status == 200


def test_a_retry_that_fails(made):
    schedules = begin(made)
    schedule, run = ended_failure(made, schedules)
    due_retry(made, schedules)
    soon(lambda: made.site.sql("SELECT attempts, state, retry_time, is_settled FROM waybill.schedule_run")
         == [(2, "failure", None, True)], "the second failure is the last")
    assert made.site.tasks() == 1
    assert schedules.show(schedule["schedule_id"])["next_run_time"] > now_ms(), "the next occurrence is awaited"


@pytest.mark.parametrize("event", ["newer", "paused", "removed"])
def test_a_retry_that_is_not_needed(made, event):
    """A newer run, a pause or the removal of the task ends the wait for a retry."""
    schedules = begin(made)
    schedule, run = ended_failure(made, schedules)
    made.site.sql("GRANT SELECT ON waybill.container TO waybill_service")
    if event == "newer":
        made.site.sql("UPDATE waybill.schedule_run SET occurrence_time = occurrence_time - interval '1 day'")
        schedules.make_due(schedule, 1)
        schedules.wait_for_runs(schedule["schedule_id"], ["success", "failure"])
    elif event == "paused":
        assert schedules.request("PUT", f"/{schedule['schedule_id']}",
                                 {"name": "report", "rule": "FREQ=DAILY", "request": REQUEST, "enabled": False}
                                 ).status == 200
        due_retry(made, schedules)
    else:
        response = made.api().request("DELETE", made.api().path(f"export-task/{run['task_id']}"))
        assert response.status == 204
    soon(lambda: made.site.sql("SELECT count(*) FROM waybill.schedule_run WHERE retry_time IS NOT NULL") == [(0,)],
         "no retry is awaited")
    assert [run["state"] for run in schedules.runs(schedule["schedule_id"])][-1] == "failure"


def test_revoked_grants(made):
    """The runs of a schedule have the grants of who made it. Once they are revoked, runs fail as a 403 would."""
    token = made.site.token("p1", ("0",))
    made.start("one")
    maker = Schedules(Api(made.site, made.processes["one"].client, "p1", token))
    schedule = maker.add(enterprise_project_id="0")
    operator = Schedules(made.api())
    made.site.sql("UPDATE waybill.credential SET revoke_time = now() WHERE enterprise_projects IS NOT NULL")
    operator.make_due(schedule, 1)
    run = operator.wait_for_runs(schedule["schedule_id"], ["failure"])[0]
    assert "token" in run["reason"]
    status = made.api().status(run["task_id"]).json()
    assert status["task_status"] == "failure" and status["error_code"] == "HSS.0013", status
    operator.wait_for_end(run["task_id"])
    due_retry(made, operator)
    soon(lambda: made.site.sql("SELECT attempts, state, retry_time, is_settled FROM waybill.schedule_run")
         == [(2, "failure", None, True)], "the retry fails too")
    # Who changes the schedule gives it new grants.
    assert operator.request("PUT", f"/{schedule['schedule_id']}",
                            {"name": "report", "rule": "FREQ=DAILY", "request": REQUEST}).status == 200
    task = operator.run_now(schedule["schedule_id"])
    operator.wait_for_end(task)
    assert made.api().status(task).json()["task_status"] == "success"


@pytest.mark.parametrize("change, word", [
    ("time_zone = 'Mars/Base'", "time_zone"),
    ("request = '{\"export_headers\": [[\"gone\", \"x\"]]}'", "export_headers"),
    ("request = '{\"planet\": \"mars\", \"export_headers\": [[\"container_id\", \"x\"]]}'", "planet"),
    ("rule = 'FREQ=DAILY;BYPLANET=4'", "rule")])
def test_what_is_no_longer_valid_pauses_one_schedule(made, change, word):
    """An upgrade can remove a time zone, or no longer accept a request. The schedule says why it is paused."""
    schedules = begin(made)
    broken, other = schedules.add("broken"), schedules.add("other")
    made.site.sql(f"UPDATE waybill.export_schedule SET {change} WHERE name = 'broken'")
    schedules.make_due(broken, 1)
    schedules.make_due(other, 1)
    soon(lambda: not schedules.show(broken["schedule_id"])["enabled"], "the schedule is paused")
    shown = schedules.show(broken["schedule_id"])
    assert word in shown["pause_reason"] and shown["next_run_time"] is None, shown
    assert schedules.runs(broken["schedule_id"]) == []
    schedules.wait_for_runs(other["schedule_id"], ["success"])
    log = made.processes["one"].log_text()
    assert "schedule paused" in log and broken["schedule_id"] in log


def test_one_failing_schedule_does_not_stop_the_others(made):
    """An error that concerns one schedule leaves it due, and the others run."""
    schedules = begin(made)
    broken, other = schedules.add("broken"), schedules.add("other")
    made.site.sql("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
                  " $$ BEGIN RAISE 'not this one'; END $$")
    made.site.sql("CREATE TRIGGER refuse BEFORE INSERT ON waybill.schedule_run FOR EACH ROW"
                  f" WHEN (NEW.schedule_id = '{broken['schedule_id']}') EXECUTE FUNCTION refuse()")
    schedules.make_due(broken, 2)
    schedules.make_due(other, 1)
    schedules.wait_for_runs(other["schedule_id"], ["success"])
    assert schedules.runs(broken["schedule_id"]) == []
    metrics = made.api().request("GET", "/metrics").body.decode()
    age = [line for line in metrics.splitlines() if line.startswith("waybill_schedule_oldest_due_seconds ")][0]
    assert float(age.split()[1]) > 3600, age
    made.site.sql("DROP TRIGGER refuse ON waybill.schedule_run")
    schedules.wait_for_runs(broken["schedule_id"], ["success", "skipped"])


def test_metrics(made):
    """Runs are counted by outcome, and nothing is overdue."""
    schedules = begin(made)
    schedule = schedules.add()
    schedules.make_due(schedule, 4)
    schedules.wait_for_runs(schedule["schedule_id"], ["success", "skipped"])
    made.site.sql("REVOKE SELECT ON waybill.container FROM waybill_service")
    schedules.wait_for_end(schedules.run_now(schedule["schedule_id"]))

    def counted():
        lines = made.api().request("GET", "/metrics").body.decode().splitlines()
        return {line.partition("=")[2].partition("}")[0].strip('"'): line.split()[1] for line in lines
                if line.startswith("waybill_schedule_runs_total")}, lines
    soon(lambda: counted()[0] == {"success": "1", "failure": "1", "skipped": "1"}, f"the runs are counted {counted()}")
    assert "waybill_schedule_oldest_due_seconds 0.000" in counted()[1]


def test_a_range_before_the_occurrence(made):
    """{"last": "P7D"} is the range of seven days that ends at the occurrence."""
    schedules = begin(made)
    request = {**REQUEST, "create_time": {"last": "P7D"}}
    schedule = schedules.add(request=request)
    assert schedule["request"] == request
    times = schedules.make_due(schedule, 1)
    run = schedules.wait_for_runs(schedule["schedule_id"], ["success"])[0]
    accepted = task_of(made, run["task_id"], "request")
    assert accepted["create_time"] == {"start_time": times[0] - 7 * 24 * HOUR, "end_time": times[0]}


def test_removal(made):
    """The runs of a removed schedule are gone. Its files stay for the time that retention allows."""
    schedules = begin(made)
    schedule = schedules.add()
    task = schedules.run_now(schedule["schedule_id"])
    schedules.wait_for_end(task)
    before = time.time() * 1000
    assert schedules.request("DELETE", f"/{schedule['schedule_id']}").status == 204
    assert schedules.request("GET", f"/{schedule['schedule_id']}").status == 404
    assert made.site.sql("SELECT count(*) FROM waybill.schedule_run") == [(0,)]
    status = made.api().status(task).json()
    assert before + 167 * HOUR < status["expire_time"] < before + 169 * HOUR
    assert made.api().download(status["file_id"]).status == 200


def test_removal_of_the_task_of_a_run(made):
    """Without the newest file, the one before is the latest. A run whose task is removed has failed."""
    schedules = begin_gated(made)
    schedule = schedules.add()
    tasks = [schedules.run_now(schedule["schedule_id"]) for _ in range(2)]
    for task in tasks:
        schedules.wait_for_end(task)
    newest = schedules.latest(schedule["schedule_id"]).headers["x-task-id"]
    assert made.api().request("DELETE", made.api().path(f"export-task/{newest}")).status == 204
    assert schedules.latest(schedule["schedule_id"]).headers["x-task-id"] == next(t for t in tasks if t != newest)
    with closed_gate(made.site):
        running = schedules.run_now(schedule["schedule_id"])
        made.wait_for_query()
        assert made.api().request("DELETE", made.api().path(f"export-task/{running}")).status == 204
    run = schedules.runs(schedule["schedule_id"])[0]
    assert (run["state"], run["task_id"], run["reason"]) == ("failure", running, "the task was removed")


def test_old_runs_are_purged(made):
    """Runs are forgotten as tasks are, but not the last one, and none that has a file."""
    made.site.write_config({"files.history_hours": 1})
    schedules = begin(made)
    schedule = schedules.add(keep=1)
    for _ in range(3):
        schedules.wait_for_end(schedules.run_now(schedule["schedule_id"]))
    made.stop()
    made.site.sql("UPDATE waybill.schedule_run SET finish_time = finish_time - interval '2 hours'")
    schedules = begin(made)
    soon(lambda: len(schedules.runs(schedule["schedule_id"])) == 1, "old runs are deleted")
    assert schedules.latest(schedule["schedule_id"]).status == 200


def test_a_wrong_clock_changes_nothing(made):
    """Processes go by the clock of the database, so one with a wrong clock neither runs early nor doubles a run."""
    made.start("one")
    made.start("ahead", variables={**Orders(made.site).variables, "FAULTS_CLOCK": "5400"})
    schedules = Schedules(made.api("ahead"))
    schedule = schedules.add()
    later = schedules.add("later")
    schedules.make_due(schedule, 1)
    runs = schedules.wait_for_runs(schedule["schedule_id"], ["success"])
    assert len(runs) == 1
    assert schedules.runs(later["schedule_id"]) == [], "the next occurrence is half an hour away"


