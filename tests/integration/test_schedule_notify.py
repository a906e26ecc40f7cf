"""Notifications through the service: from the notify_url of a schedule to what its receiver gets. test_notifications.py
and test_webhook.py have the rules of the queue and of a transfer."""

import http.client
import json
import os
import re
import socket
import zlib

import pytest
from api import expect_error
from calls import without_link
from deadline import timed, wait_until
from faults import fleet, soon  # noqa: F401
from openapi import Description
from receiver import Receiver
from schedules import REQUEST, Schedules
from service import TOP, Process

OPTIONS = {"notify.hosts": "127.0.0.1", "notify.allow_http": "on", "log.level": "debug"}
DESCRIPTION = Description()
PROMPT = 5  # seconds, much less than the 10 s that a receiver has


class Site:
    """A service that sends notifications, and the secrets that it has answered."""

    def __init__(self, made):
        self.made = made
        self.sql = made.site.sql
        self.secrets = []
        made.site.make_keys()
        self.begin()

    def begin(self):
        self.process = self.made.start("one")
        self.schedules = Schedules(self.made.api())
        self.api = self.schedules.api

    def add(self, url, **fields):
        schedule = self.schedules.add(notify_url=url, **fields)
        self.secrets.append(schedule["notify_secret"])
        return schedule

    def put(self, schedule, url):
        kept = {name: schedule[name] for name in ("name", "rule", "start_time", "request")}
        response = self.schedules.request("PUT", f"/{schedule['schedule_id']}", {**kept, "notify_url": url})
        assert response.status == 200, f"{response}"
        answer = response.json()
        if "notify_secret" in answer:
            self.secrets.append(answer["notify_secret"])
        return answer

    def run(self, schedule):
        """Runs the schedule on request and returns the status of the task after its end."""
        task = self.schedules.run_now(schedule["schedule_id"])
        self.schedules.wait_for_end(task)
        return self.api.status(task).json()

    def pending(self):
        return self.sql("SELECT count(*) FROM waybill.notification")[0][0]

    def wait_for_attempts(self, attempts, error):
        """Waits until the only notification has failed this often."""
        wait_until(lambda: self.sql("SELECT attempts FROM waybill.notification WHERE NOT is_sending") == [(attempts,)],
                   f"{attempts} attempts fail")
        assert error in self.sql("SELECT last_error FROM waybill.notification")[0][0]

    def stored_secret(self):
        return self.sql("SELECT notify_secret FROM waybill.export_schedule")[0][0]

    def rotate(self):
        done = self.made.site.waybill("key", "rotate")
        assert done.returncode == 0, f"{done}"

    def make_due(self):
        """Ends the pause before the next attempt, without a wait."""
        self.sql("UPDATE waybill.notification SET next_attempt_time = now()")

    def expect_secrets_nowhere(self):
        """No secret is in the log or in what GET answers, and no path of a notify_url in the log."""
        wait_until(lambda: "event=\"notification" in self.process.log_text(), "an attempt is logged")
        log = self.process.log_text()
        assert "/hook" not in log and "s3cret" not in log, log
        answers = self.schedules.request("GET").body.decode()
        for secret in self.secrets:
            assert secret[6:] not in log + answers


@pytest.fixture
def site(fleet, request):  # noqa: F811
    made = Site(fleet(f"notify_{zlib.crc32(request.node.name.encode())}", OPTIONS, p1=20))
    yield made
    made.expect_secrets_nowhere()


def body_of(status, schedule, occurrence_time):
    """A notification has no link, which would expire while it waits."""
    assert ("download_url" in status) == (status["task_status"] == "success")
    return {**without_link(status), "schedule_id": schedule["schedule_id"], "occurrence_time": occurrence_time}


def json_of(request):
    body = json.loads(request.body)
    complaints = DESCRIPTION.complaints(DESCRIPTION.schema("Notification"), body)
    assert not complaints, f"{complaints} of {body}"
    for parameter in DESCRIPTION.document["webhooks"]["exportTaskEnded"]["post"]["parameters"]:
        value = request.headers[parameter["name"]]
        is_integer = parameter["schema"]["type"] == "integer"
        assert DESCRIPTION.allows(parameter["schema"], int(value) if is_integer else value), f"{parameter}: {value}"
    return body


def test_success(site):
    """The body is the status of the task when it has ended, with the schedule and the occurrence."""
    with Receiver() as receiver:
        schedule = site.add(receiver.url)
        occurrence_time, = site.schedules.make_due(schedule)
        request, = receiver.wait_for(1)
        run, = site.schedules.wait_for_runs(schedule["schedule_id"], ["success"])
        status = site.api.status(run["task_id"]).json()
        assert (request.method, request.target) == ("POST", "/hook?token=s3cret")
        assert json_of(request) == body_of(status, schedule, occurrence_time)
        assert status["task_status"] == "success" and run["occurrence_time"] == occurrence_time
        assert request.is_signed_with(schedule["notify_secret"])
        wait_until(lambda: site.pending() == 0, "the notification is delivered")
        assert len(receiver.requests) == 1


def test_run_on_request(site):
    """Its notification has the occurrence time that the list of runs has, and it comes for paused schedules too."""
    with Receiver() as receiver:
        schedule = site.add(receiver.url, enabled=False)
        status = site.run(schedule)
        request, = receiver.wait_for(1)
        run, = site.schedules.runs(schedule["schedule_id"])
        assert json_of(request) == body_of(status, schedule, run["occurrence_time"])
        assert request.is_signed_with(schedule["notify_secret"])


def test_failure_and_retry(site):
    """Each end of the task is notified, with its error or its file, under an ID of its own."""
    with Receiver() as receiver:
        schedule = site.add(receiver.url)
        site.sql("REVOKE SELECT ON waybill.container FROM waybill_service")
        occurrence_time, = site.schedules.make_due(schedule)
        failed, = receiver.wait_for(1)
        run, = site.schedules.wait_for_runs(schedule["schedule_id"], ["failure"])
        status = site.api.status(run["task_id"]).json()
        assert status["task_status"] == "failure" and status["error_msg"]
        assert json_of(failed) == body_of(status, schedule, occurrence_time)
        site.sql("GRANT SELECT ON waybill.container TO waybill_service")
        site.schedules.wait_for_end(run["task_id"])
        site.sql("UPDATE waybill.schedule_run SET retry_time = now()")
        site.schedules.wake()
        _, good = receiver.wait_for(2)
        site.schedules.wait_for_runs(schedule["schedule_id"], ["success"])
        assert json_of(good) == body_of(site.api.status(run["task_id"]).json(), schedule, occurrence_time)
        assert len(set(receiver.ids())) == 2
        assert all(request.is_signed_with(schedule["notify_secret"]) for request in receiver.requests)


def test_receiver_that_comes_up_after_a_restart(site):
    """Nothing listens when the task ends, and the service is killed before anything does."""
    with Receiver() as receiver:
        port = receiver.port
    schedule = site.add(f"http://127.0.0.1:{port}/hook")
    status = site.run(schedule)
    site.wait_for_attempts(1, "cannot connect to 127.0.0.1:")
    site.made.kill("one")
    with Receiver() as receiver:
        site.sql("UPDATE waybill.export_schedule SET notify_url = %s", receiver.url)  # the port may be taken
        site.make_due()
        site.begin()
        request, = receiver.wait_for(1)
        assert json_of(request)["task_id"] == status["task_id"]
        assert request.is_signed_with(schedule["notify_secret"])
        wait_until(lambda: site.pending() == 0, "the notification is delivered")


def test_the_secret_is_stored_encrypted(site):
    """Each rotation of the key encrypts it again, and it stays the same for the receiver."""
    with Receiver() as receiver:
        schedule = site.add(receiver.url)
        stored = [site.stored_secret()]
        for count in (1, 2, 3):
            site.run(schedule)
            assert receiver.wait_for(count)[-1].is_signed_with(schedule["notify_secret"])
            site.rotate()
            stored.append(site.stored_secret())
        assert len(set(stored)) == 4
        assert all(re.fullmatch("[0-9a-f]{16}:[A-Za-z0-9+/]+=*", text) for text in stored), f"{stored}"


def test_the_secret_of_an_installation_without_a_key_file(site):
    """It is stored as it is, until the installation has a key file and `waybill key rotate` encrypts it."""
    os.unlink(site.made.site.key_file)
    with Receiver() as receiver:
        schedule = site.add(receiver.url)
        assert site.stored_secret() == schedule["notify_secret"]
        site.made.site.make_keys()
        site.run(schedule)
        assert receiver.wait_for(1)[0].is_signed_with(schedule["notify_secret"])
        site.rotate()
        assert schedule["notify_secret"][6:] not in site.stored_secret()
        site.run(schedule)
        assert receiver.wait_for(2)[1].is_signed_with(schedule["notify_secret"])


def test_a_key_file_that_is_missing_for_a_time(site):
    """A notification waits until it can be signed. Its error does not name the path of the file."""
    lost = site.made.site.key_file + ".lost"
    with Receiver() as receiver:
        schedule = site.add(receiver.url)
        os.rename(site.made.site.key_file, lost)
        site.run(schedule)
        site.wait_for_attempts(1, "[access] key_file cannot be used")
        assert not receiver.requests
        os.rename(lost, site.made.site.key_file)
        site.made.kill("one")
        site.make_due()
        site.begin()
        assert receiver.wait_for(1)[0].is_signed_with(schedule["notify_secret"])


def test_a_secret_that_was_moved_to_another_project(site):
    with Receiver() as receiver:
        site.add(receiver.url)
        site.sql("UPDATE waybill.export_schedule SET project_id = 'p2', credential_id = NULL")
        site.sql("UPDATE waybill.export_schedule SET next_run_time = now(), pending_from = now() - interval '1 day',"
                 " start_time = date_trunc('milliseconds', now()), rule = 'FREQ=DAILY'")
        site.sql("NOTIFY waybill_schedule, ''")
        site.wait_for_attempts(1, "a stored secret cannot be decrypted")
        assert not receiver.requests


def test_kill_during_a_notification(site):
    """It is sent again with the same ID, because nobody knows whether it arrived."""
    with Receiver() as receiver:
        receiver.answer = receiver.hold
        site.run(site.add(receiver.url))
        receiver.wait_for(1)
        site.made.kill("one")
        site.make_due()
        site.begin()
        receiver.wait_for(2)
        receiver.released.set()
        wait_until(lambda: site.pending() == 0, "the notification is delivered")
        assert len(set(receiver.ids())) == 1


def test_a_new_url(site):
    """Notifications that the old receiver did not take go to the new one, signed with the new secret."""
    with Receiver(500) as old, Receiver() as new:
        schedule = site.add(old.url)
        status = site.run(schedule)
        site.wait_for_attempts(1, "status 500")
        changed = site.put(schedule, new.url)
        assert changed["notify_secret"] != schedule["notify_secret"]
        site.make_due()
        request, = new.wait_for(1)
        assert json_of(request)["task_id"] == status["task_id"]
        assert request.is_signed_with(changed["notify_secret"])
        assert not request.is_signed_with(schedule["notify_secret"])
        wait_until(lambda: site.pending() == 0, "the notification is delivered")
        wait_until(lambda: f'"notification delivered" receiver={new.host} ' in site.process.log_text(),
                   "the log names the new receiver")
        assert len(old.requests) == 1


def test_a_removed_url(site):
    """Nothing is sent any more, neither what was left nor about later runs."""
    with Receiver(500) as receiver:
        schedule = site.add(receiver.url)
        site.run(schedule)
        site.wait_for_attempts(1, "status 500")
        assert site.put(schedule, None)["notify_url"] is None
        assert site.pending() == 0
        assert site.run(schedule)["task_status"] == "success"
        assert site.pending() == 0
        assert site.put(schedule, receiver.url)["notify_secret"] != schedule["notify_secret"]
        assert site.pending() == 0
        assert len(receiver.requests) == 1


def test_repeated_without_help(site):
    """A 500 and then a 200: the second attempt follows within a minute."""
    with Receiver(500) as receiver:
        schedule = site.add(receiver.url)
        site.run(schedule)
        site.wait_for_attempts(1, "status 500")
        receiver.answer = 200
        soon(lambda: site.pending() == 0, "the notification is repeated", 60)
        first, second = receiver.requests
        assert first.body == second.body and len(set(receiver.ids())) == 1


def test_redirect(site):
    with Receiver() as target, Receiver() as receiver:
        def redirect(handler):
            handler.send_response(307)
            handler.send_header("Location", target.url)
            handler.end_headers()
        receiver.answer = redirect
        site.run(site.add(receiver.url))
        site.wait_for_attempts(1, "redirects are not followed")
        assert target.connections == 0 and len(receiver.requests) == 1


def test_stop_while_a_receiver_hangs(site):
    with Receiver() as receiver:
        receiver.answer = receiver.hold
        site.run(site.add(receiver.url))
        receiver.wait_for(1)
        _, _, seconds = timed(site.process.stop)
        assert seconds < PROMPT, f"{seconds} s"
        assert site.sql("SELECT attempts, is_sending FROM waybill.notification") == [(0, False)]
        receiver.released.set()
        site.begin()
        receiver.wait_for(2)
        wait_until(lambda: site.pending() == 0, "the next process sends it")


def test_sample_receiver(site, tmp_path):
    """docs/samples/receiver.py accepts what the service sends, and prints it."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    schedule = site.add(f"http://127.0.0.1:{port}/hook")
    sample = Process("receiver", str(tmp_path), ["/usr/bin/python3", os.path.join(TOP, "docs/samples/receiver.py"),
                                                 str(port)], {"WAYBILL_NOTIFY_SECRET": schedule["notify_secret"]})
    try:
        sample.wait_for(lambda: answer_of(port) == 401)
        status = site.run(schedule)
        wait_until(lambda: site.pending() == 0, "the notification is delivered")
        assert f'"task_id":"{status["task_id"]}"' in sample.log_text()
    finally:
        sample.kill()


def answer_of(port):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/", b"{}")
    return connection.getresponse().status


@pytest.mark.parametrize("options, url, mentions", [
    ({"notify.allow_http": "on"}, "http://127.0.0.1:1/hook?token=s3cret", '[notify] hosts lists, got "127.0.0.1:1"'),
    ({"notify.hosts": "127.0.0.1:2", "notify.allow_http": "on"}, "http://127.0.0.1:1/hook?token=s3cret",
     '[notify] hosts lists, got "127.0.0.1:1"'),
    ({"notify.hosts": "127.0.0.1"}, "http://127.0.0.1:1/hook?token=s3cret", 'the scheme https, got "http"'),
    ({"notify.hosts": "127.0.0.1"}, "https://s3cret@127.0.0.1/hook", "user information"),
], ids=["no hosts", "other port", "http", "user"])
def test_refused_urls(fleet, request, options, url, mentions):  # noqa: F811
    """The error names the field, and what it quotes has no part that may be secret."""
    made = fleet(f"notify_{zlib.crc32(request.node.name.encode())}", {**options, "log.level": "debug"}, p1=1)
    made.start("one")
    schedules = Schedules(made.api())
    schedule = schedules.add()
    fields = {"name": "other", "rule": "FREQ=DAILY", "request": REQUEST, "notify_url": url}
    for method, path in (("POST", ""), ("PUT", f"/{schedule['schedule_id']}")):
        answer = expect_error(schedules.request(method, path, fields), 400, "HSS.0001", "notify_url", mentions)
        assert "s3cret" not in answer["error_msg"] and "/hook" not in answer["error_msg"]
    assert "s3cret" not in made.processes["one"].log_text()
