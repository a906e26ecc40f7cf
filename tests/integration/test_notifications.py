"""The notifications of schedules, sent by the threads of src/schedule/notifier.c (tests/database/notify.c) to real
receivers. Leases and pauses pass by moving the times in the table."""

import itertools
import os
import re
import subprocess

import pytest
from deadline import DEADLINE, wait_until
from postgres import Postgres
from receiver import Receiver
from service import LOG_LINE, Process, Site, environment
from test_webhook import PATIENT, PROGRAM, SHORT

NUMBERS = itertools.count()
DUE_NOW = "UPDATE waybill.notification SET next_attempt_time = now() - interval '1 s'"
LEASE_ENDS = "UPDATE waybill.notification SET next_attempt_time = next_attempt_time - interval '30 s'"
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


class Notifier(Process):
    """A process with a notifier."""

    def __init__(self, site, name, hosts, threads=4, timeout_ms=PATIENT):
        self.output = os.path.join(site.directory, name + ".out")
        command = ["sh", "-c", 'out=$1; shift; exec "$@" >"$out"', "sh", self.output, PROGRAM, "run", hosts, "on",
                   timeout_ms, str(threads)]
        variables = {"WAYBILL_TEST_CONNINFO": site.postgres.conninfo(site.database, "waybill_service")}
        super().__init__(name, site.directory, command, variables, stdin=subprocess.PIPE)

    def wake(self):
        self.process.stdin.write(b"x")
        self.process.stdin.flush()

    def stop(self):
        """Stops the notifier and returns its counters."""
        self.process.stdin.close()
        assert self.process.wait(timeout=DEADLINE) == 0, self.log_text()
        log = self.log_text()
        assert all(LOG_LINE.fullmatch(line) for line in log.splitlines()), log
        assert "s3cret" not in log and "/hook" not in log and SECRET[6:] not in log
        with open(self.output, encoding="ascii") as output:
            return {re.search('outcome="(.*)"', name)[1]: int(number)
                    for name, number in (line.rsplit(" ", 1) for line in output)}


class Outbox:
    """A site with schedules, and the processes that send their notifications."""

    def __init__(self, postgres, scratch):
        self.site = Site(postgres, os.path.join(scratch, f"notify_{next(NUMBERS)}"))
        self.sql = self.site.sql
        self.processes = []

    def schedule(self, url):
        """Makes a schedule with this URL and returns its id."""
        return self.sql("""
            INSERT INTO waybill.export_schedule (project_id, name, rule, time_zone, start_time, enabled, keep,
                enterprise_project_id, export_size, request, notify_url, notify_secret, create_time, pending_from)
            VALUES ('p', gen_random_uuid()::text, 'FREQ=DAILY', 'UTC', now(), true, 1, '0', 1, '{}', %s, %s, now(),
                now()) RETURNING schedule_id::text""", url, SECRET)[0][0]

    def add(self, schedule, url, body="{}"):
        conninfo = self.site.postgres.conninfo(self.site.database, "waybill_service")
        subprocess.run([PROGRAM, "add", schedule, url, body], env=environment(WAYBILL_TEST_CONNINFO=conninfo),
                       check=True, timeout=DEADLINE)

    def add_for(self, receiver, body="{}", count=1):
        schedule = self.schedule(receiver.url)
        for _ in range(count):
            self.add(schedule, receiver.url, body)
        return schedule

    def start(self, name, *hosts, **options):
        process = Notifier(self.site, name, ",".join(hosts) or "127.0.0.1", **options)
        self.processes.append(process)
        return process

    def left(self):
        return self.sql("SELECT attempts, is_sending, last_error FROM waybill.notification ORDER BY body")

    def wait_for(self, rows):
        wait_until(lambda: self.left() == rows, f"the table has {rows}, not {self.left()}")

    def close(self):
        for process in self.processes:
            if process.process.poll() is None:
                process.kill()
        self.site.close()


@pytest.fixture
def outbox(postgres, scratch):
    made = Outbox(postgres, scratch)
    yield made
    made.close()


def test_delivery(outbox):
    with Receiver() as receiver:
        outbox.add_for(receiver, '{"state":"b\u00fc"}')
        process = outbox.start("one")
        request, = receiver.wait_for(1)
        assert request.body == '{"state":"b\u00fc"}'.encode()
        assert request.is_signed_with(SECRET)
        outbox.wait_for([])
        assert process.stop() == {"delivered": 1}
        assert re.search(rf"info event=\"notification delivered\" receiver={receiver.host} schedule_id=",
                         process.log_text()), process.log_text()


def test_wake_up(outbox):
    with Receiver() as receiver:
        process = outbox.start("one")
        outbox.add_for(receiver)
        process.wake()
        receiver.wait_for(1)
        outbox.wait_for([])
        assert process.stop() == {"delivered": 1}


def test_notifications_of_other_processes(outbox):
    """Nobody wakes the thread: it polls. A second thread would wait for the lease of the first notification."""
    with Receiver() as first, Receiver() as receiver:
        process = outbox.start("one", threads=1)
        outbox.add_for(first)
        first.wait_for(1)
        outbox.wait_for([])
        outbox.add_for(receiver)
        receiver.wait_for(1)
        outbox.wait_for([])
        assert process.stop() == {"delivered": 2}


def test_failure_and_success(outbox):
    with Receiver(500) as receiver:
        schedule = outbox.add_for(receiver)
        process = outbox.start("one")
        outbox.wait_for([(1, False, f"{receiver.host} answered with status 500")])
        assert outbox.sql("SELECT next_attempt_time BETWEEN now() - interval '1 minute' AND now() + interval '30 s'"
                          " FROM waybill.notification") == [(True,)]
        receiver.answer = 200
        outbox.sql(DUE_NOW)
        process.wake()
        outbox.wait_for([])
        first, second = receiver.requests
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert re.fullmatch("msg_[0-9a-f-]{36}", first.headers["webhook-id"])
        assert first.is_signed_with(SECRET) and second.is_signed_with(SECRET)
        assert process.stop() == {"retried": 1, "delivered": 1}
        line, = (line for line in process.log_text().splitlines() if "notification failed" in line)
        assert f" receiver={receiver.host} schedule_id={schedule} " in line and " attempt=1 " in line
        assert "answered with status 500" in line


def test_retry_without_a_wake_up(outbox):
    """The threads wait until the pause has passed, ten seconds, although nobody wakes them."""
    with Receiver(500) as receiver:
        outbox.add_for(receiver)
        process = outbox.start("one")
        first, second = receiver.wait_for(2)
        assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) >= 9
        process.stop()


def test_given_up(outbox):
    with Receiver(404) as receiver:
        schedule = outbox.add_for(receiver)
        outbox.sql("UPDATE waybill.notification SET attempts = 9")
        process = outbox.start("one")
        outbox.wait_for([])
        assert process.stop() == {"given_up": 1}
        line, = (line for line in process.log_text().splitlines() if " warning " in line)
        assert f"notification given up\" receiver={receiver.host} schedule_id={schedule} " in line
        assert "answered with status 404" in line
        assert len(receiver.requests) == 1


def test_host_that_is_no_longer_allowed(outbox):
    with Receiver() as receiver:
        outbox.add_for(receiver)
        process = outbox.start("one", "example.org")
        wait_until(lambda: outbox.left()[0][:2] == (1, False), "the attempt fails")
        assert outbox.left()[0][2].startswith("notify_url must have a host that [notify] hosts lists, got ")
        assert receiver.connections == 0
        assert process.stop() == {"retried": 1}


def test_receiver_that_is_slow(outbox):
    """It gets two notifications at the same time; the others do not wait for it. No thread that sends has a database
    connection, because there is only one."""
    with Receiver() as slow, Receiver() as fast:
        slow.answer = slow.hold
        outbox.add_for(slow, "slow", count=5)
        outbox.sql("UPDATE waybill.notification SET next_attempt_time = now() - interval '1 hour'")
        one, two = outbox.start("one"), outbox.start("two")
        slow.wait_for(2)
        outbox.add_for(fast, "fast", count=5)
        one.wake()
        two.wake()
        fast.wait_for(5)
        wait_until(lambda: len(outbox.left()) == 5, "the fast ones are delivered")
        assert len(slow.requests) == 2
        slow.released.set()
        outbox.wait_for([])
        assert slow.most_open == 2 and len(set(slow.ids())) == 5
        assert one.stop().get("delivered", 0) + two.stop().get("delivered", 0) == 10


def test_receiver_that_never_answers(outbox):
    with Receiver() as receiver:
        receiver.answer = receiver.hold
        outbox.add_for(receiver)
        process = outbox.start("one", timeout_ms=SHORT)
        outbox.wait_for([(1, False, f"{receiver.host} did not answer completely within 0.5 s")])
        assert process.stop() == {"retried": 1}


def test_two_processes_do_not_send_twice(outbox):
    with Receiver() as receiver:
        outbox.add_for(receiver)
        outbox.sql("INSERT INTO waybill.notification (schedule_id, receiver, body)"
                   " SELECT schedule_id, receiver || i, body FROM waybill.notification, generate_series(1, 99) AS i")
        processes = [outbox.start(name) for name in ("one", "two")]
        outbox.wait_for([])
        assert len(receiver.requests) == len(set(receiver.ids())) == 100
        assert sum(process.stop()["delivered"] for process in processes) == 100


def test_kill_while_sending(outbox):
    with Receiver() as receiver:
        receiver.answer = receiver.hold
        outbox.add_for(receiver)
        first = outbox.start("one")
        receiver.wait_for(1)
        first.kill()
        assert outbox.left() == [(1, True, None)]
        assert outbox.sql("SELECT next_attempt_time <= now() + interval '30 s' FROM waybill.notification") == [(True,)]
        outbox.sql(LEASE_ENDS)
        second = outbox.start("two")
        receiver.wait_for(2)
        receiver.released.set()
        outbox.wait_for([])
        assert len(set(receiver.ids())) == 1
        assert second.stop() == {"delivered": 1}


def test_stop_while_sending(outbox):
    """The transfer ends at once, although the receiver does not answer, and another process sends it again."""
    with Receiver() as receiver:
        receiver.answer = receiver.hold
        outbox.add_for(receiver)
        first = outbox.start("one")
        receiver.wait_for(1)
        assert first.stop() == {}
        assert "notification interrupted" in first.log_text()
        assert outbox.left() == [(0, False, None)]
        assert outbox.sql("SELECT next_attempt_time <= now() FROM waybill.notification") == [(True,)]
        second = outbox.start("two")
        receiver.wait_for(2)
        receiver.released.set()
        outbox.wait_for([])
        assert len(set(receiver.ids())) == 1
        assert second.stop() == {"delivered": 1}


def test_outage_of_the_database(scratch):
    """A notification that is delivered during the outage is sent again after its lease, because that is not known."""
    postgres = Postgres(os.path.join(scratch, f"notify_postgres_{next(NUMBERS)}"))
    postgres.start()
    outbox = Outbox(postgres, scratch)
    try:
        with Receiver() as receiver:
            receiver.answer = receiver.hold
            outbox.add_for(receiver)
            process = outbox.start("one")
            receiver.wait_for(1)
            outbox.site.close()
            postgres.stop()
            receiver.released.set()
            wait_until(lambda: "the end of an attempt cannot be recorded" in process.log_text(), "it is logged")
            process.wake()
            wait_until(lambda: "notifications cannot be claimed" in process.log_text(), "the outage is logged")
            postgres.start()
            wait_until(lambda: "notifications can be claimed again" in process.log_text(), "the outage ends")
            outbox.site.superuser = outbox.site.connect()
            outbox.sql(LEASE_ENDS)
            process.wake()
            outbox.wait_for([])
            assert len(receiver.requests) == 2 and len(set(receiver.ids())) == 1
            process.stop()
            assert process.log_text().count("notifications cannot be claimed") == 1
    finally:
        outbox.close()
        postgres.remove()
