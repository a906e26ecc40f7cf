"""A token that is revoked or expires while its requests wait for a task: a status ends with 401, and a request that has
created a task ends with the ID of the task."""

import concurrent.futures
import os

import pytest
from api import Api, expect_error
from deadline import OwnClock, wait_until
from faults import ASYNC, BODY, detoured, fleet  # noqa: F401
from pgproxy import HOLD, Proxy
from signing import SignedApi, create_key
from test_cgi import INSERT, LEASE_ID, CgiClient
from test_wakeups import (  # noqa: F401
    RECHECK, SOON, WAIT, Waits, cancel, deaf, listeners, log_statements, logged, queries
)

ACCEPT = {"export.threads": 0}
ENDED = ("X-Auth-Token must be valid until the response", "has expired or was revoked")
IDENTIFIED = "SET last_use_time"         # the statement after the token was found, of a new token
FOUND = "task_id = $4::uuid"             # the task is read
CREATED = "INSERT INTO waybill.export_task"


class Caller(Api):
    """A caller with a token of its own."""

    def __init__(self, made, name="one", project="p1"):
        done = made.site.waybill("token", "create", "--project", project)
        assert done.returncode == 0, f"{done}"
        super().__init__(made.site, made.processes[name].client if name else CgiClient(made.site), project,
                         done.stdout.strip())
        (self.credential_id,), = made.site.sql("SELECT max(credential_id) FROM waybill.credential")

    def revoke(self):
        done = self.site.waybill("token", "revoke", str(self.credential_id))
        assert done.returncode == 0, f"{done}"

    def set(self, assignment):
        self.site.sql(f"UPDATE waybill.credential SET {assignment} WHERE credential_id = %s", self.credential_id)


class Pending:
    """A request in a thread."""

    def __init__(self, call, *arguments, **more):
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.answer = self.pool.submit(call, *arguments, **more)
        self.pool.shutdown(wait=False)

    def expect(self, seconds=SOON):
        """Returns the response, which must come soon, without delays of a busy machine."""
        with OwnClock() as clock:
            began = clock.now()
            response = self.answer.result()
            took = clock.now() - began
        assert took < seconds, f"answered after {took} seconds: {response}"
        return response


@pytest.fixture
def listening(fleet):  # noqa: F811
    """Makes a fleet whose processes run no task and receive notifications."""
    def begin(name, *processes, **rows):
        made = fleet(name, ACCEPT, **(rows or {"p1": 5}))
        log_statements(made.site)
        for process in processes:
            made.start(process)
        wait_until(lambda: len(listeners(made.site)) == len(processes), "all processes listen")
        return made
    return begin


def expect_ended(waits, mentions=ENDED):
    took = waits.expect(401)
    for answer in waits.answers:
        expect_error(answer, 401, "APIGW.0301", *mentions)
    return took


def test_an_access_key(listening):
    made = listening("revoked_key", "one")
    api = SignedApi(made.site, made.processes["one"].client, "p1", create_key(made.site, "p1"))
    waits = Waits(api, api.create_task(BODY, headers=ASYNC), 2)
    done = made.site.waybill("key", "revoke", api.key.access_key)
    assert done.returncode == 0, f"{done}"
    took = expect_ended(waits, ("the access key must be valid until the response", ENDED[1]))
    assert took < SOON, f"answered after {took} seconds"


def test_waits_for_a_status(listening):
    """The waits of other callers for the same task go on and query nothing."""
    made = listening("revoked_status", "one")
    mine, other = Caller(made), Caller(made)
    task_id = other.create_task(BODY, headers=ASYNC)
    waits, others = Waits(mine, task_id, 3), Waits(other, task_id, 2)
    before = queries(made.site, task_id)
    mine.revoke()
    took = expect_ended(waits)
    assert took < SOON, f"answered after {took} seconds"
    assert queries(made.site, task_id) <= before + others.most_queries() - 2 and others.answers == []
    assert others.expect(*cancel(made, task_id)) < SOON


def test_a_wait_for_a_status_by_query(listening):
    made = listening("revoked_query", "one")
    mine = Caller(made)
    task_id = mine.create_task(BODY, headers=ASYNC)
    request = Pending(mine.status_by_query, task_id, headers=WAIT)
    wait_until(lambda: queries(made.site, task_id) == 1, "it waits")
    mine.revoke()
    expect_error(request.expect(), 401, "APIGW.0301", *ENDED)


def test_waits_in_other_processes(listening):
    made = listening("revoked_two", "one", "two")
    one = Caller(made)
    two = Api(made.site, made.processes["two"].client, "p1", one.token)
    task_id = one.create_task(BODY, headers=ASYNC)
    waits = [Waits(api, task_id, 2) for api in (one, two)]
    one.revoke()
    for each in waits:
        assert expect_ended(each) < SOON


def test_waits_of_requests_that_have_created_a_task(listening):
    """The task is committed, so they return its ID at once, and the task remains."""
    made = listening("revoked_create", "one")
    mine = Caller(made)
    schedule = mine.schedules("POST", "", {"name": "n", "rule": "FREQ=DAILY", "start_time": 4000000000000,
                                           "request": BODY}).json()
    requests = [Pending(mine.create, BODY, headers=WAIT), Pending(mine.create, BODY),
                Pending(mine.create, BODY, headers={**WAIT, "Idempotency-Key": "k"}),
                Pending(mine.schedules, "POST", f"/{schedule['schedule_id']}/run", headers=WAIT)]

    def tasks():
        return [task_id for task_id, in made.site.sql("SELECT task_id::text FROM waybill.export_task")]
    wait_until(lambda: len(tasks()) == 4, "the tasks are created")
    # Only the request to run the schedule queries its task. Without Prefer, the second one does not wait, because there
    # is no export thread.
    wait_until(lambda: sum(queries(made.site, task_id) for task_id in tasks()) == 1, "it waits")
    mine.revoke()
    answers = [request.expect() for request in requests]
    assert [answer.status for answer in answers] == [200] * 4, f"{answers}"
    assert sorted(answer.json()["task_id"] for answer in answers) == sorted(tasks())
    assert made.states() == {"queued": 4}


def test_without_notifications(deaf):  # noqa: F811
    """Each second, the token is checked again."""
    made = deaf("revoked_deaf", ACCEPT, p1=5)
    log_statements(made.site)
    made.start()
    mine = Caller(made)
    task_id = mine.create_task(BODY, headers=ASYNC)
    waits = Waits(mine, task_id)
    mine.revoke()
    assert expect_ended(waits) < SOON


@pytest.mark.parametrize("change", ["revoke_time = now()", "expire_time = now()"], ids=["lost", "expired"])
def test_a_change_without_a_notification(listening, change):
    """It ends the wait at the next recheck."""
    made = listening("silent_" + change[:6], "one")
    made.site.sql("ALTER TABLE waybill.credential DISABLE TRIGGER credential_revoked")
    mine = Caller(made)
    task_id = mine.create_task(BODY, headers=ASYNC)
    waits = Waits(mine, task_id)
    mine.set(change)
    assert expect_ended(waits) < RECHECK + SOON


@pytest.mark.parametrize("moment", [IDENTIFIED, FOUND], ids=["identified", "found"])
def test_revoked_before_the_wait(detoured, moment):  # noqa: F811
    """At each moment between the check of the token and the wait: no later event ends the wait in time."""
    made = detoured("early_" + str(len(moment)), ACCEPT, kind=Proxy, p1=5)
    made.start()
    wait_until(lambda: listeners(made.site), "it listens")
    mine = Caller(made)
    task_id = Caller(made).create_task(BODY, headers=ASYNC)
    rule = made.detour.on(moment, HOLD)
    request = Pending(mine.status, task_id, headers=WAIT)
    rule.seen.wait()
    mine.revoke()
    rule.release()
    expect_error(request.expect(), 401, "APIGW.0301", *ENDED)


@pytest.mark.parametrize("moment", [IDENTIFIED, CREATED, FOUND], ids=["identified", "created", "found"])
def test_revoked_before_the_wait_of_a_create(detoured, moment):  # noqa: F811
    made = detoured("early_create_" + str(len(moment)), ACCEPT, kind=Proxy, p1=5)
    made.start()
    wait_until(lambda: listeners(made.site), "it listens")
    mine = Caller(made)
    rule = made.detour.on(moment, HOLD)
    request = Pending(mine.create, BODY, headers=WAIT)
    rule.seen.wait()
    mine.revoke()
    rule.release()
    response = request.expect()
    assert response.status == 200 and made.task(response.json()["task_id"], "state") == ("queued",), f"{response}"


def test_a_wait_checks_the_token_again_when_it_is_woken(listening):
    """Not before: the token has just been checked. A response without a wait needs no second check."""
    made = listening("revoked_checks", "one")
    mine = Caller(made)
    task_id = mine.create_task(BODY, headers=ASYNC)

    def checks():
        return logged(made.site, rf"\] {made.site.database} LOG: .*expire_time > now\(\)\) AND credential_id = ")
    waits = Waits(mine, task_id, 3)
    most = waits.most_queries() - 3
    assert checks() <= most, f"checked {checks()} times"
    assert waits.expect(*cancel(made, task_id)) < SOON
    before = checks()
    assert before >= 3, f"checked {before} times"
    assert mine.status(task_id, headers=WAIT).status == 200
    assert checks() == before


def test_a_cgi_program(fleet):  # noqa: F811
    """It waits for a task that another process runs, and has no notifications."""
    made = fleet("revoked_cgi" + os.urandom(4).hex(), p1=5)
    log_statements(made.site)
    mine = Caller(made, name=None)
    (task_id,), = made.site.sql(INSERT, "running", LEASE_ID, "1 hour", 1)
    request = Pending(mine.status, task_id, headers=WAIT)
    wait_until(lambda: queries(made.site, task_id) >= 2, "it waits")
    mine.revoke()
    expect_error(request.expect(), 401, "APIGW.0301", *ENDED)
