"""Schedules when responses of the database are lost or late, and when requests and operators interfere."""

import contextlib
import os
import threading
import zlib

import pytest
from api import expect_error
from deadline import wait_until
from faults import fleet, soon  # noqa: F401
from pgproxy import CUT, HOLD, RESET, SILENCE, Proxy
from schedules import HOUR, REQUEST, Schedules

ADVANCE = "SET pending_from = "
SETTLE = "SET is_settled = true"
RETRY = "enterprise_projects = $2::text[] WHERE task_id"
LOST = [SILENCE, RESET, CUT]


@pytest.fixture
def due(fleet, scratch, postgres, request):  # noqa: F811
    """A site with a schedule that is due. Its process, which the test starts, reaches PostgreSQL through a proxy."""
    name = f"schedule_races_{zlib.crc32(request.node.name.encode())}"
    proxy = Proxy(postgres, os.path.join(scratch, name))
    made = fleet(name, p1=20)
    made.proxy = proxy
    made.start("front")
    schedules = Schedules(made.api("front"))
    made.schedule = schedules.add()
    made.processes.pop("front").stop()
    made.times = schedules.make_due(made.schedule, 1)
    made.site.write_config({**proxy.options, "database.query_timeout_ms": 1000})
    yield made
    made.stop()
    proxy.close()


def start(made):
    made.start("back")
    return Schedules(made.api("back"))


@pytest.fixture
def made(fleet, request):  # noqa: F811
    made = fleet(f"schedule_between_{zlib.crc32(request.node.name.encode())}", p1=20)
    made.start()
    return made


def expect_one_run(made, attempts=1):
    soon(lambda: made.site.sql("SELECT state, is_settled, attempts FROM waybill.schedule_run")
         == [("success", True, attempts)], "one run succeeds")
    assert made.site.tasks() == 1


@pytest.mark.parametrize("action", LOST)
@pytest.mark.parametrize("text, after", [(ADVANCE, ""), ("COMMIT", ADVANCE)])
def test_a_lost_answer_at_the_start_of_a_run(due, text, after, action):
    """The occurrence runs once, whether the transaction was committed or not."""
    rule = due.proxy.on(text, action, after=after)
    schedules = start(due)
    rule.seen.wait()
    runs = schedules.wait_for_runs(due.schedule["schedule_id"], ["success"])
    assert runs[0]["occurrence_time"] == due.times[0]
    assert schedules.show(due.schedule["schedule_id"])["next_run_time"] == due.times[0] + HOUR
    expect_one_run(due)


def test_a_late_commit_at_the_start_of_a_run(due):
    """The COMMIT is sent to the server after the process has given up. The server has ended the idle transaction by
    then, so that a later pass, or an earlier one that a wake-up causes, runs the occurrence once."""
    rule = due.proxy.on("COMMIT", HOLD, after=ADVANCE)
    schedules = start(due)
    rule.seen.wait()
    wait_until(lambda: "schedules cannot be run" in due.processes["back"].log_text(), "it gives up")
    assert len(schedules.runs(due.schedule["schedule_id"])) <= 1
    rule.release()
    schedules.wait_for_runs(due.schedule["schedule_id"], ["success"])
    expect_one_run(due)


@pytest.mark.parametrize("action", LOST)
@pytest.mark.parametrize("text, after", [(SETTLE, ""), ("COMMIT", "notification")])
def test_a_lost_answer_at_the_end_of_a_run(due, text, after, action):
    """The end is processed once: there is one notification."""
    rule = due.proxy.on(text, action, after=after)
    due.site.sql("UPDATE waybill.export_schedule SET notify_url = 'https://refused.example', notify_secret = 'whsec_'")
    start(due)
    rule.seen.wait()
    expect_one_run(due)
    soon(lambda: due.site.sql("SELECT count(*) FROM waybill.notification") == [(1,)], "there is one notification")


@pytest.mark.parametrize("action", LOST)
@pytest.mark.parametrize("text, after", [(RETRY, ""), ("COMMIT", RETRY)])
def test_a_lost_answer_at_a_retry(due, text, after, action):
    """There is one retry."""
    rule = due.proxy.on(text, action, after=after)
    due.site.sql("REVOKE SELECT ON waybill.container FROM waybill_service")
    schedules = start(due)
    wait_until(lambda: due.site.sql("SELECT count(*) FROM waybill.schedule_run WHERE retry_time IS NOT NULL")
               == [(1,)], "the retry is awaited")
    due.site.sql("GRANT SELECT ON waybill.container TO waybill_service")
    due.site.sql("UPDATE waybill.schedule_run SET retry_time = now()")
    schedules.wake()
    rule.seen.wait()
    expect_one_run(due, attempts=2)


@contextlib.contextmanager
def held(made, statement, *values):
    """Runs a statement, and commits it once a request that was sent in the block waits for its lock."""
    with contextlib.closing(made.site.connect()) as connection:
        connection.autocommit = False
        connection.cursor().execute(statement, values)
        yield
        wait_until(lambda: made.site.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                                         " AND datname = current_database()") == [(1,)], "the request waits")
        connection.commit()


def sent(responses, schedules, method, path, body=None):
    thread = threading.Thread(target=lambda: responses.append(schedules.request(method, path, body)))
    thread.start()
    return thread


@pytest.mark.parametrize("method, path, body", [
    ("POST", "/run", None), ("DELETE", "", None), ("PUT", "", {"name": "report", "rule": "FREQ=DAILY",
                                                               "request": REQUEST})])
@pytest.mark.parametrize("change", ["DELETE FROM waybill.export_schedule",
                                    "UPDATE waybill.export_schedule SET project_id = 'elsewhere'"])
def test_a_schedule_that_disappears_during_a_request(made, change, method, path, body):
    """It was removed, or is no longer visible, between the arrival of the request and its turn."""
    schedules = Schedules(made.api())
    schedule = schedules.add()
    responses = []
    with held(made, change):
        thread = sent(responses, schedules, method, f"/{schedule['schedule_id']}{path}", body)
    thread.join()
    expect_error(responses[0], 404, "HSS.0011", "schedule_id: no such schedule")
    assert made.site.tasks() == 0


def test_a_run_on_request_uses_the_latest_change(made):
    """The schedule was changed while the request waited."""
    schedules = Schedules(made.api())
    schedule = schedules.add()
    responses = []
    with held(made, "UPDATE waybill.export_schedule SET export_size = 7"):
        thread = sent(responses, schedules, "POST", f"/{schedule['schedule_id']}/run")
    thread.join()
    assert made.site.sql("SELECT export_size FROM waybill.export_task") == [(7,)]
    assert responses[0].status == 200
