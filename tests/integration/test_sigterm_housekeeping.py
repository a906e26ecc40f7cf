"""The end of a process in the middle of housekeeping: it takes at most the grace time, and the next one continues."""

import contextlib
import os
import time

import fcgi
import pytest
from deadline import OwnClock, wait_until
from faults import Orders, fleet  # noqa: F401
from tallies import FAILURES, expect_exact
from test_sigterm import SLACK

GRACE = 1


def waiting(made, what):
    """Returns whether a statement of the service with these words waits for a lock."""
    return made.site.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE %s"
                         " AND wait_event_type = 'Lock' AND usename = 'waybill_service'", f"%{what}%") != [(0,)]


@contextlib.contextmanager
def locked(made, table):
    """No other transaction can read or change the table."""
    connection = made.site.connect()
    connection.autocommit = False
    try:
        connection.cursor().execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
    finally:
        connection.close()


def expect_end(made, grace=GRACE):
    """Ends the process within the grace time and returns its log."""
    process = made.processes.pop("one")
    with OwnClock() as clock:
        began = clock.now()
        process.stop()
        took = clock.now() - began
    assert took < grace + SLACK, f"ended after {took} seconds"
    log = process.log_text()
    assert "housekeeping failed" not in log and log.rstrip().endswith("event=stopped"), log
    return log


def test_a_statement_that_hangs(fleet):  # noqa: F811
    """It waits for a lock longer than the grace time, and would continue for half a minute."""
    made = fleet("sigterm_hang", {"server.grace": GRACE})
    made.site.sql(FAILURES, "t1", "0", None, 3)
    made.site.sql("UPDATE waybill.export_task SET finish_time = now() - interval '721 hours'")
    with locked(made, "waybill.discarded_file"):
        made.start()
        wait_until(lambda: waiting(made, "discarded_file"), "housekeeping waits for the table")
        expect_end(made)
        wait_until(lambda: not waiting(made, "discarded_file"), "the statement ends on the server")
    assert made.site.tasks() == 0, "the previous step is complete"
    expect_exact(made.site.sql)


@pytest.mark.parametrize("grace", [GRACE, 60])
def test_a_long_purge(fleet, grace):  # noqa: F811
    """It ends after the current statement, however much grace time there is: each takes a second here, and there are
    twenty."""
    made = fleet(f"sigterm_purge_{grace}", {"server.grace": grace})
    made.site.sql(FAILURES, "t1", "0", None, 20000)
    made.site.sql("UPDATE waybill.export_task SET finish_time = now() - interval '721 hours'")
    made.site.sql("CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS"
                  " $$ BEGIN PERFORM pg_catalog.pg_sleep(1); RETURN NULL; END $$")
    made.site.sql("CREATE TRIGGER slow AFTER DELETE ON waybill.export_task FOR EACH STATEMENT"
                  " EXECUTE FUNCTION public.slow()")
    made.start()
    wait_until(lambda: made.site.tasks() < 20000, "the purge begins")
    log = expect_end(made, 2)
    left = made.site.tasks()
    assert left > 0 and left % 1000 == 0, f"{left} of 20000 tasks are left"
    if grace > GRACE:  # otherwise the last statement may succeed and be cancelled at the same time
        assert f"tasks_purged={20000 - left} " in log, log
    expect_exact(made.site.sql)
    made.site.sql("DROP TRIGGER slow ON waybill.export_task")
    made.start()
    wait_until(lambda: made.site.tasks() == 0, "the next process does the rest")
    expect_exact(made.site.sql)


def test_a_statement_that_ends_in_time(fleet):  # noqa: F811
    """The statement has the grace time: its work is done, and later steps are not begun."""
    made = fleet("sigterm_in_hand", {"server.grace": 60})
    made.site.sql(FAILURES, "t1", "0", None, 3)
    made.site.sql("UPDATE waybill.export_task SET finish_time = now() - interval '721 hours'")
    with locked(made, "waybill.discarded_file"):
        with locked(made, "waybill.task_tally"):
            process = made.start()
            wait_until(lambda: waiting(made, "DELETE FROM waybill.export_task"), "the purge waits for the tally")
            process.begin_to_stop()
            wait_until(lambda: "event=stopping" in process.log_text(), "the signal is noticed")
            time.sleep(1)  # several times the interval at which the remaining time is checked
        log = expect_end(made)
    assert "tasks_purged=3 files_removed=0" in log, log
    expect_exact(made.site.sql)


def test_the_last_flush(fleet):  # noqa: F811
    """The counters are locked: the last counts are lost, and the process ends."""
    made = fleet("sigterm_flush", {"server.grace": GRACE})
    made.start()
    wait_until(lambda: made.site.sql("SELECT count(*) > 0 FROM waybill.counter")[0][0], "the counters are flushed once")
    with locked(made, "waybill.counter"):
        for _ in range(3):
            made.processes["one"].client.request("GET", "/healthz/live")
        expect_end(made)
    made.start()
    wait_until(lambda: made.processes["one"].client.request("GET", "/metrics").status == 200, "the service responds")


def test_the_last_counts_beside_an_open_request(fleet):  # noqa: F811
    """They are added within the grace time, even if the request never ends."""
    made = fleet("sigterm_counts", {"server.grace": GRACE})
    process = made.start()
    with fcgi.Connection(process.socket_path) as held:
        api = made.api("one")
        params = api.client.params("POST", api.path("container/export-task"), {"X-Auth-Token": api.token}, 1000)
        held.send(fcgi.begin(), fcgi.records(fcgi.PARAMS, fcgi.pairs(params)), fcgi.record(fcgi.STDIN, b"{"))
        # The process has accepted it when it has answered as many others as it has threads.
        for _ in range(32):
            assert process.client.request("GET", "/healthz/live").status == 200
        made.processes.pop("one").stop()
    log = process.log_text()
    assert 'event="stopped with work in progress"' in log, log
    assert made.site.sql("SELECT sum(value) FROM waybill.counter WHERE name LIKE %s",
                         "waybill_http_requests_total%") == [(log.count("event=request"),)]


def test_a_slow_directory(fleet):  # noqa: F811
    """A batch of files takes longer than the grace time: it is interrupted, and no name is forgotten too early."""
    made = fleet("sigterm_slow", {"server.grace": GRACE})
    orders = Orders(made.site)
    orders.give("remove slow")
    names = [f"00000000-0000-4000-8000-{number:012}" for number in range(300)]
    made.site.sql("INSERT INTO waybill.discarded_file SELECT unnest(%s::uuid[]), now()", names)
    for name in names:
        with open(os.path.join(made.site.files, name), "wb"):
            pass
    made.start(variables=orders.variables)
    wait_until(lambda: len(os.listdir(made.site.files)) < 300, "the first file is removed")
    expect_end(made)
    left = set(os.listdir(made.site.files))
    assert left
    assert {name for name, in made.site.sql("SELECT file_id::text FROM waybill.discarded_file")} == left
    orders.give()
    made.start(variables=orders.variables)
    wait_until(lambda: not os.listdir(made.site.files), "the next process does the rest")
