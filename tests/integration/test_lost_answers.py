"""Responses of the database that are lost or late: an export ends as the database has recorded, its file exists if and
only if the task promises it, and the log and the counters agree."""

import contextlib
import itertools
import os
import signal

import pytest
from api import expect_error
from calls import expect_removed, remove, samples, value
from deadline import wait_until
from faults import (ASYNC, BODY, LEASE, add_gate, closed_gate, expect_right_file, fleet)  # noqa: F401
from pgproxy import CUT, HOLD, RESET, SILENCE, Proxy
from postgres import Standby

ROWS = 300
SUCCESS = "SET state = 'success'"
FAILURE = "SET state = 'failure', lease = NULL, lease_expire_time = NULL, finish_time = now(),     error_code = $3"
REQUEUE = "attempts = attempts - $3"
RENEWAL = "progress = $4"
CLAIM = "SET state = 'running'"
QUESTION = "pg_is_in_recovery"  # part of the query that checks a claim
# How long a silent database is awaited. There is one export thread: no other thread of the process can take the task.
SHORT = {"database.query_timeout_ms": 1000, "export.threads": 1}

ENDS = {"success": "succeeded", "failure": "failed", "requeued": "requeued", "abandoned": "abandoned"}
NUMBERS = itertools.count()


class Pair:
    """Two processes of one site: `front` accepts tasks, and `back` runs them behind a proxy."""

    def __init__(self, fleet, name, directory, postgres, options):  # noqa: F811
        self.proxy = Proxy(postgres, directory)
        self.made = fleet(name, options, server=postgres, p1=ROWS)
        self.made.start_front(options)
        self.api = self.made.api("front")
        self.options = options

    def start_back(self, **options):
        self.made.site.write_config({**self.options, **self.proxy.options, **SHORT, **options})
        self.back = self.made.start("back")
        self.made.site.write_config(self.options)
        return self.back

    def start_another(self):
        """Starts a process without a proxy and with long timeouts."""
        self.made.start("two")

    def create(self):
        return self.api.create_task(BODY, headers=ASYNC)

    def expect_end(self, end, of_another=None):
        """Checks that the only export of `back` ended so, by its log and counters. Another process counts its own."""
        wait_until(lambda: f'event="export {ENDS[end]}"' in self.back.log_text(), f"the log says {end}")
        log = self.back.log_text()
        assert {other: log.count(f'event="export {name}"') for other, name in ENDS.items()} \
            == {other: int(other == end) for other in ENDS}, log

        def counted():
            found = samples(self.back.client)
            return {other for other in ENDS if value(found, "waybill_exports_total", outcome=other) == 1}
        wait_until(lambda: counted() == {end, of_another} - {None}, f"{end} is counted, and {of_another}")

    def expect_success(self, task_id, attempts=1):
        status = self.api.wait(task_id)
        assert status["task_status"] == "success", f"{status}"
        expect_right_file(self.api, status, ROWS)
        assert self.made.task(task_id, "attempts") == (attempts,)
        self.made.expect_files_of_tasks_alone()
        return status

    def end_back(self):
        self.made.processes.pop("back").stop()

    def close(self):
        self.made.stop()
        self.proxy.close()


@pytest.fixture
def pair(fleet, scratch, postgres):  # noqa: F811
    with contextlib.ExitStack() as stack:
        def begin(options=None, server=None):
            name = f"lost_{next(NUMBERS)}"
            made = Pair(fleet, name, os.path.join(scratch, name), server or postgres, options or {})
            stack.callback(made.close)
            return made
        yield begin


@pytest.mark.parametrize("action", [RESET, SILENCE, CUT])
def test_the_answer_to_a_success(pair, action):
    """It is lost after the commit, or the statement is lost: there is one success, logged and counted once."""
    pair = pair()
    pair.start_back()
    rule = pair.proxy.on(SUCCESS, action)
    pair.expect_success(pair.create())
    assert rule.seen.is_set()
    pair.expect_end("success")


def waiting(made, kind, name):
    """Returns the statements that record a success and wait for that on the server."""
    return made.site.sql(f"SELECT pid FROM pg_stat_activity WHERE {kind} = %s AND query LIKE '%%' || %s || '%%'",
                         name, SUCCESS)


def need_standby(server, name):
    """Makes commits wait for the standby with this name; "" is none."""
    connection = server.connect("postgres")
    connection.cursor().execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
    connection.cursor().execute("SELECT pg_reload_conf()")
    connection.close()
    wait_until(lambda: server.ask("SHOW synchronous_standby_names") == name, "the setting holds")


@pytest.fixture
def hung(private_postgres, pair):
    """An export whose commit waits for a missing standby, and the retry that waits for the commit."""
    made = pair({"inventory.relation": "faults.container"}, private_postgres)
    add_gate(made.made.site, ROWS // 2)
    made.start_back()
    with closed_gate(made.made.site):
        task_id = made.create()
        wait_until(lambda: made.made.task(task_id, "state") == ("running",), "it runs")
        claimed = made.made.task(task_id, "lease_expire_time")
        wait_until(lambda: made.made.task(task_id, "lease_expire_time") > claimed, "the first renewal is done")
        need_standby(private_postgres, "nobody")
    wait_until(lambda: waiting(made.made, "wait_event", "SyncRep"), "the commit waits for a standby")
    wait_until(lambda: waiting(made.made, "wait_event_type", "Lock"), "the retry waits for the commit")
    yield made, task_id
    need_standby(private_postgres, "")  # otherwise nothing would end


def test_a_commit_that_is_slow(private_postgres, hung):
    """The retry that waited for it finds neither the lease nor, in its snapshot, the success."""
    pair, task_id = hung
    need_standby(private_postgres, "")
    pair.expect_success(task_id)
    pair.expect_end("success")


def test_a_commit_that_is_there_while_others_hang(private_postgres, hung):
    """An operator ends the wait of the commit. Statements that write still hang, but queries do not."""
    pair, task_id = hung
    (pid,), = waiting(pair.made, "wait_event", "SyncRep")
    pair.made.site.sql("SELECT pg_cancel_backend(%s)", pid)
    wait_until(lambda: 'event="export succeeded"' in pair.back.log_text(), "the process has found it out")
    need_standby(private_postgres, "")
    pair.expect_success(task_id)
    pair.expect_end("success")


def test_a_task_that_is_removed_before_its_success_is_known(pair):
    pair = pair()
    pair.start_back()
    success = pair.proxy.on(SUCCESS, SILENCE)
    question = pair.proxy.on(QUESTION, HOLD, always=True)
    task_id = pair.create()
    success.executed.wait()
    assert pair.made.task(task_id, "state") == ("success",)
    expect_removed(remove(pair.api, task_id))
    question.release()
    pair.expect_end("abandoned")
    pair.made.expect_files_of_tasks_alone()
    assert os.listdir(pair.made.site.files) == []


def test_a_success_that_comes_after_another_process_has_taken_over(pair):
    pair = pair({"export.lease": LEASE})
    pair.start_back()
    success = pair.proxy.on(SUCCESS, HOLD, always=True)
    task_id = pair.create()
    success.seen.wait()
    pair.start_another()
    status = pair.expect_success(task_id, attempts=2)
    pair.expect_end("abandoned", of_another="success")
    success.release()
    success.executed.wait()
    assert pair.expect_success(task_id, attempts=2) == status


def test_a_success_that_comes_after_a_cancel(pair):
    """The task has failed, but not with the result of the export."""
    pair = pair()
    pair.start_back()
    success = pair.proxy.on(SUCCESS, HOLD, always=True)
    task_id = pair.create()
    success.seen.wait()
    assert len(os.listdir(pair.made.site.files)) == 1
    assert pair.made.site.waybill("task", "cancel", task_id).returncode == 0
    pair.expect_end("abandoned")
    success.release()
    success.executed.wait()
    assert pair.made.task(task_id, "state", "error_msg") == ("failure", "the export was cancelled by the operator")
    assert os.listdir(pair.made.site.files) == []


def test_a_success_that_comes_after_a_retry(pair):
    """The task is queued again, but not in the state that the export has left."""
    pair = pair()
    back = pair.start_back()
    success = pair.proxy.on(SUCCESS, CUT)
    question = pair.proxy.on(QUESTION, HOLD)
    task_id = pair.create()
    question.seen.wait()
    assert success.seen.is_set()
    file_id, = os.listdir(pair.made.site.files)
    for change in ("cancel", "retry"):
        assert pair.made.site.waybill("task", change, task_id).returncode == 0
    question.release()
    status = pair.expect_success(task_id)
    assert status["file_id"] != file_id
    wait_until(lambda: 'event="export succeeded"' in back.log_text(), "the log says so")
    log = back.log_text()
    assert log.count('event="export abandoned"') == 1 and log.count('event="export succeeded"') == 1, log


def test_a_success_that_comes_after_its_process_has_ended(pair):
    """The file remains until then."""
    pair = pair({"export.lease": 600, "server.grace": 1})
    back = pair.start_back()
    success = pair.proxy.on(SUCCESS, HOLD, always=True)
    task_id = pair.create()
    success.seen.wait()
    pair.end_back()
    log = back.log_text()
    assert log.count('event="the outcome of the export was not recorded"') == 1, log
    assert log.count('event="export abandoned"') == 1, log
    assert "stopped with work in progress" not in log, log
    assert pair.made.task(task_id, "state", "attempts") == ("running", 1)
    success.release()
    pair.expect_success(task_id)


def test_an_end_that_cannot_be_recorded(pair):
    """The process still ends in time. The file of its attempt is removed after another attempt has made a file."""
    pair = pair({"export.lease": LEASE, "server.grace": 1})
    back = pair.start_back()
    success = pair.proxy.on(SUCCESS, CUT, always=True)
    task_id = pair.create()
    success.seen.wait()
    pair.end_back()
    log = back.log_text()
    assert log.count('event="the outcome of the export was not recorded"') == 1, log
    assert "stopped with work in progress" not in log, log
    assert len(os.listdir(pair.made.site.files)) == 1
    pair.start_another()
    pair.expect_success(task_id, attempts=2)


def test_a_process_that_ends_asks_for_a_lost_answer(pair):
    pair = pair({"server.grace": 0})
    back = pair.start_back()
    success = pair.proxy.on(SUCCESS, SILENCE)
    question = pair.proxy.on(QUESTION, HOLD)
    task_id = pair.create()
    success.executed.wait()
    back.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "event=stopping" in back.log_text(), "it is told")
    question.seen.wait()
    question.release()
    pair.end_back()
    assert back.log_text().count('event="export succeeded"') == 1, back.log_text()
    pair.expect_success(task_id)


@pytest.mark.parametrize("action", [SILENCE, CUT])
def test_the_database_is_unreachable_until_the_lease_has_expired(pair, action):
    """The success is committed, or is recorded later because no other process has taken the task."""
    pair = pair({"export.lease": LEASE})
    pair.start_back()
    success = pair.proxy.on(SUCCESS, action)
    question = pair.proxy.on(QUESTION, CUT, always=True)
    task_id = pair.create()
    success.seen.wait()
    with pair.proxy.outage():
        wait_until(lambda: pair.made.site.sql(
            "SELECT start_time + %s * interval '1 second' < now() FROM waybill.export_task", LEASE + 1) == [(True,)],
            "the lease runs out")
        pair.proxy.off(question)
    pair.expect_success(task_id)
    pair.expect_end("success")


def test_the_database_is_unreachable_for_longer_than_an_export_may_take(pair):
    """The process continues with other work; the success remains."""
    pair = pair({"export.lease": LEASE, "export.timeout": 8})
    back = pair.start_back()
    success = pair.proxy.on(SUCCESS, SILENCE)
    pair.proxy.on(QUESTION, CUT, always=True)
    task_id = pair.create()
    success.executed.wait()
    with pair.proxy.outage():
        wait_until(lambda: 'event="export abandoned"' in back.log_text(), "the process gives up")
        assert back.log_text().count('event="the outcome of the export was not recorded"') == 1
    pair.expect_success(task_id)
    pair.expect_end("abandoned")


def test_a_standby_does_not_know_what_became_of_a_claim(private_postgres, pair, scratch):
    """A standby that is behind shows an earlier state of the task."""
    standby = Standby(os.path.join(scratch, f"pg-lost-{next(NUMBERS)}"), private_postgres)
    with contextlib.ExitStack() as stack:
        pair = pair({"export.lease": 600}, private_postgres)
        standby.start()
        stack.callback(standby.remove)
        task_id = pair.create()
        standby.catch_up()
        standby.ask("SELECT pg_wal_replay_pause() IS NOT NULL")
        success = pair.proxy.on(SUCCESS, HOLD, always=True)
        pair.start_back()
        success.seen.wait()
        pair.proxy.lead_to(standby)
        for _ in range(2):
            question = pair.proxy.on(QUESTION, HOLD)
            question.release()
            question.executed.wait()
        assert pair.made.task(task_id, "state", "attempts") == ("running", 1)
        assert len(os.listdir(pair.made.site.files)) == 1
        pair.proxy.lead_to(private_postgres)
        success.release()
        pair.expect_success(task_id)
        pair.expect_end("success")


def test_a_success_that_the_database_refuses(pair):
    pair = pair()
    pair.made.site.sql("CREATE FUNCTION waybill.refuse() RETURNS trigger LANGUAGE plpgsql AS"
                       " $$ BEGIN RAISE EXCEPTION 'refused'; END $$;"
                       "CREATE TRIGGER refuse BEFORE UPDATE ON waybill.export_task FOR EACH ROW"
                       " WHEN (NEW.state = 'success') EXECUTE FUNCTION waybill.refuse()")
    pair.start_back()
    status = pair.api.wait(pair.create())
    assert status["task_status"] == "failure" and status["error_code"] == "HSS.0041", f"{status}"
    pair.expect_end("failure")
    assert os.listdir(pair.made.site.files) == []


@pytest.mark.parametrize("action", [RESET, SILENCE, CUT])
def test_the_answer_to_a_failure(pair, action):
    pair = pair({"inventory.relation": "no_such.relation"})
    pair.start_back()
    rule = pair.proxy.on(FAILURE, action)
    task_id = pair.create()
    assert pair.api.wait(task_id)["task_status"] == "failure"
    assert rule.seen.is_set()
    pair.expect_end("failure")


def test_a_failure_after_another_process_has_failed(pair):
    """The task has failed, but in another attempt."""
    pair = pair({"inventory.relation": "no_such.relation", "export.lease": LEASE})
    pair.start_back()
    failure = pair.proxy.on(FAILURE, HOLD, always=True)
    task_id = pair.create()
    failure.seen.wait()
    pair.start_another()
    assert pair.api.wait(task_id)["task_status"] == "failure"
    assert pair.made.task(task_id, "attempts") == (2,)
    pair.expect_end("abandoned", of_another="failure")
    failure.release()


@pytest.mark.parametrize("action", [RESET, SILENCE])
def test_the_answer_to_a_requeue(pair, action):
    pair = pair({"inventory.relation": "faults.container", "server.grace": 0, "export.lease": 600})
    add_gate(pair.made.site, ROWS // 2)
    back = pair.start_back()
    rule = pair.proxy.on(REQUEUE, action)
    with closed_gate(pair.made.site):
        task_id = pair.create()
        pair.made.wait_for_query()
        pair.end_back()
    assert rule.executed.is_set()
    assert pair.made.task(task_id, "state", "attempts") == ("queued", 0)
    log = back.log_text()
    assert log.count('event="export requeued"') == 1 and "not recorded" not in log, log
    pair.start_another()
    pair.expect_success(task_id)


@pytest.mark.parametrize("action", [RESET, SILENCE, CUT])
def test_the_answer_to_a_renewal(pair, action):
    """The export continues, and renews its lease again soon, and not only after a third of it."""
    pair = pair({"inventory.relation": "faults.container", "export.lease": 600})
    add_gate(pair.made.site, ROWS // 2)
    pair.start_back()
    lost = pair.proxy.on(RENEWAL, action)
    with closed_gate(pair.made.site):
        task_id = pair.create()
        lost.seen.wait()
        again = pair.proxy.on(RENEWAL, HOLD)
        again.release()
        again.executed.wait()
    pair.expect_success(task_id)
    pair.expect_end("success")


@pytest.mark.parametrize("action", [RESET, SILENCE])
def test_the_answer_to_a_claim(pair, action):
    """The task stays idle until its lease has expired; then it runs again."""
    pair = pair({"export.lease": LEASE})
    task_id = pair.create()
    rule = pair.proxy.on(CLAIM, action)  # before the first look at the queue, which claims the task
    pair.start_back()
    rule.executed.wait()
    assert pair.made.task(task_id, "state", "attempts") == ("running", 1)
    pair.expect_success(task_id, attempts=2)
    pair.expect_end("success")


@pytest.mark.parametrize("action, status, code", [(RESET, 503, "APIGW.0201"), (SILENCE, 500, "HSS.0041"),
                                                  (CUT, 503, "APIGW.0201")])
def test_the_answer_to_a_create(pair, action, status, code):
    """The caller gets an error. A task that exists nevertheless runs."""
    pair = pair()
    pair.start_back()
    rule = pair.proxy.on("INSERT INTO waybill.export_task", action)
    expect_error(pair.made.api("back").create(BODY, headers=ASYNC), status, code)
    assert rule.seen.is_set()
    if action == CUT:
        assert pair.made.site.tasks() == 0
    else:
        (task_id,), = pair.made.site.sql("SELECT task_id::text FROM waybill.export_task")
        pair.expect_success(task_id)
    pair.made.api("back").finished(BODY)
