"""Idempotency-Key when requests come at once, when responses are lost and when processes are killed: one task."""

import collections
import concurrent.futures
import contextlib
import threading

import fcgi
import pytest
from api import HEADERS, MINIMAL, expect_error
from deadline import wait_until
from faults import ASYNC, detoured, fleet  # noqa: F401
from pgproxy import CUT, HOLD, RESET, SILENCE, Proxy

KEY = {"Idempotency-Key": "k", **ASYNC}
OTHER = {"risky": True, "export_headers": HEADERS}
ACCEPT = {"export.threads": 0, "server.wait_ms": 0}
INSERT = "INSERT INTO waybill.export_task"


def at_once(calls):
    """Makes all calls at once, each in a thread, and returns their results."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait()
        return call()
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.fixture
def two(fleet):  # noqa: F811
    """Makes a fleet of two processes that accept tasks and run none."""
    def begin(name, options=None):
        made = fleet(name, {**ACCEPT, **(options or {})})
        for process in ("one", "two"):
            made.start(process)
        return made
    return begin


def test_fifty_equal_requests_at_once(two):
    made = two("idempotency_fifty", {"limits.unfinished_tasks": 1000})
    callers = [made.api("one"), made.api("two")] * 25
    for number in range(5):
        key = {**KEY, "Idempotency-Key": f"k-{number}"}
        answers = at_once([lambda api=api, key=key: api.create(MINIMAL, headers=key) for api in callers])
        assert {answer.status for answer in answers} == {200}, f"{answers}"
        assert len({answer.json()["task_id"] for answer in answers}) == 1, f"{answers}"
        assert made.site.tasks() == number + 1


def test_different_requests_at_once(two):
    """One of them gets the key. The equal ones get its task, and the others are refused."""
    made = two("idempotency_different")
    requests = [(made.api(name), body) for name in ("one", "two") for body in (MINIMAL, OTHER)] * 5
    answers = at_once([lambda api=api, body=body: api.create(body, headers=KEY) for api, body in requests])
    by_body = collections.defaultdict(set)
    for (_, body), answer in zip(requests, answers):
        by_body[len(body)].add((answer.status, answer.json().get("task_id")))
    (task_id,), = made.site.sql("SELECT task_id::text FROM waybill.export_task")
    assert sorted(by_body.values(), key=str) == [{(200, task_id)}, {(422, None)}], f"{by_body}"


def test_requests_at_once_beyond_the_limit(two):
    """Each is refused and leaves no key to the others, until there is room for one."""
    made = two("idempotency_full", {"limits.unfinished_tasks": 1})
    api = made.api("one")
    task_id = api.create_task(OTHER, headers=ASYNC)
    callers = [api, made.api("two")] * 10
    answers = at_once([lambda api=api: api.create(MINIMAL, headers=KEY) for api in callers])
    assert [answer.status for answer in answers] == [429] * len(callers), f"{answers}"
    assert made.site.sql("SELECT count(*) FROM waybill.idempotency_key") == [(0,)]
    assert made.site.waybill("task", "cancel", task_id).returncode == 0
    answers = at_once([lambda api=api: api.create(MINIMAL, headers=KEY) for api in callers])
    assert [answer.status for answer in answers] == [200] * len(callers), f"{answers}"
    assert len({answer.json()["task_id"] for answer in answers}) == 1 and made.site.tasks() == 2


# ---- Another transaction has the key ----

NEW = ("INSERT INTO waybill.idempotency_key (project_id, key, request_sha256, task_id)"
       " SELECT project_id, 'k', request_sha256, task_id FROM waybill.idempotency_key WHERE key = 'first'")
RENEWED = "UPDATE waybill.idempotency_key SET create_time = now() WHERE key = 'k'"
DELETED = "DELETE FROM waybill.idempotency_key WHERE key = 'k'"
LOCKED = "SELECT FROM waybill.idempotency_key WHERE key = 'k' FOR UPDATE"
WAITS = ("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
         " AND query LIKE 'INSERT INTO waybill.idempotency_key%'")


@pytest.fixture(scope="module")
def service(start):
    return start("idempotency_held", options=ACCEPT)


@pytest.mark.parametrize("before, change, commit, equal, other", [
    (None, NEW, True, "first", 422), (None, NEW, False, "new", 200),
    (25, DELETED, True, "new", 200), (25, DELETED, False, "new", 200), (1, DELETED, True, "new", 200),
    (1, DELETED, False, "first", 422), (25, RENEWED, True, "first", 422), (25, RENEWED, False, "new", 200),
    (1, LOCKED, True, "first", 422), (25, LOCKED, True, "new", 200),
])
def test_a_request_waits_for_another_transaction(service, before, change, commit, equal, other):
    """It does as if it had come after the other one, which has no other lock in common with it. `before` is the age of
    the key in hours before the other transaction, if there is a key; `equal` is the task that an equal request gets,
    and `other` the status of a different one."""
    api, site = service.api(), service.site
    for body in (MINIMAL, OTHER):
        site.sql("DELETE FROM waybill.idempotency_key")
        first = api.create_task(MINIMAL, headers={**KEY, "Idempotency-Key": "first"})
        if before is not None:
            site.sql(NEW)
            site.sql("UPDATE waybill.idempotency_key SET create_time = now() - %s * interval '1 hour'", before)
        tasks = site.tasks()
        with contextlib.closing(site.connect()) as holder, concurrent.futures.ThreadPoolExecutor() as pool:
            holder.autocommit = False
            holder.cursor().execute(change)
            request = pool.submit(api.create, body, headers=KEY)
            wait_until(lambda: site.sql(WAITS) == [(1,)], "the request waits")
            assert not request.done()
            (holder.commit if commit else holder.rollback)()
            answer = request.result()
        if body is OTHER:
            assert answer.status == other, f"{answer}"
        else:
            assert answer.status == 200 and (answer.json()["task_id"] == first) == (equal == "first"), f"{answer}"
        is_new = other == 200
        assert site.tasks() == tasks + is_new


# ---- What is lost ----

@pytest.fixture
def proxied(detoured):  # noqa: F811
    """Makes a fleet whose connections lead through a proxy."""
    def begin(name, **options):
        made = detoured(name, {**ACCEPT, **options}, kind=Proxy)
        made.start()
        return made
    return begin


def test_the_connection_is_lost_before_the_commit(proxied):
    """The transaction of the first request is rolled back, with its key."""
    made = proxied("idempotency_cut")
    rule = made.detour.on(INSERT, CUT)
    expect_error(made.api().create(MINIMAL, headers=KEY), 503, "APIGW.0201")
    assert rule.seen.is_set() and made.site.tasks() == 0
    assert made.api().create(OTHER, headers=KEY).status == 200 and made.site.tasks() == 1


def test_the_answer_to_the_commit_is_lost(proxied):
    made = proxied("idempotency_reset")
    rule = made.detour.on("COMMIT", RESET, after=INSERT)
    expect_error(made.api().create(MINIMAL, headers=KEY), 503, "APIGW.0201")
    rule.executed.wait()
    (task_id,), = made.site.sql("SELECT task_id::text FROM waybill.export_task")
    assert made.api().create_task(MINIMAL, headers=KEY) == task_id and made.site.tasks() == 1
    expect_error(made.api().create(OTHER, headers=KEY), 422, "HSS.0001")


def test_the_process_is_killed_after_the_commit(proxied):
    made = proxied("idempotency_kill")
    rule = made.detour.on("COMMIT", SILENCE, after=INSERT)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        request = pool.submit(made.api().create, MINIMAL, headers=KEY)
        rule.executed.wait()
        made.kill("one")
        with pytest.raises(fcgi.Closed):
            request.result()
    (task_id,), = made.site.sql("SELECT task_id::text FROM waybill.export_task")
    made.start()
    assert made.api().create_task(MINIMAL, headers=KEY) == task_id and made.site.tasks() == 1


def test_the_process_is_killed_before_the_commit(proxied):
    """PostgreSQL rolls the transaction back when it notices, and a request that waits for it goes on."""
    made = proxied("idempotency_early")
    rule = made.detour.on(INSERT, SILENCE)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(made.api().create, MINIMAL, headers=KEY)
        rule.executed.wait()
        made.start("two")
        second = pool.submit(made.api("two").create, OTHER, headers=KEY)
        made.kill("one")
        with pytest.raises(fcgi.Closed):
            first.result()
        assert second.result().status == 200
    assert made.site.tasks() == 1


def test_a_process_that_hangs_before_the_commit(proxied):
    """PostgreSQL ends its transaction, which is idle, before the request that waits for it reaches its time limit."""
    made = proxied("idempotency_hang", **{"database.query_timeout_ms": 20000})
    made.start("two")
    rule = made.detour.on(INSERT, HOLD)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(made.api().create, MINIMAL, headers=KEY)
        rule.seen.wait()
        task_id = made.api("two").create_task(MINIMAL, headers=KEY)
        rule.release()
        expect_error(first.result(), 503, "APIGW.0201")
    assert made.api().create_task(MINIMAL, headers=KEY) == task_id and made.site.tasks() == 1


def test_the_client_goes_away_after_the_commit(two):
    """It goes while the response waits for the task, and repeats the request with another process."""
    made = two("idempotency_gone")
    api = made.api("one")
    client = api.client
    params = client.params("POST", api.path("container/export-task"),
                           {"X-Auth-Token": api.token, "Idempotency-Key": "k", "Prefer": "wait=60"}, 0)
    body = b'{"export_headers": [["container_id", "Id"]]}'
    params["CONTENT_LENGTH"] = str(len(body))
    with fcgi.Connection(client.socket_path) as connection:
        connection.send(fcgi.begin(), fcgi.records(fcgi.PARAMS, fcgi.pairs(params)), fcgi.records(fcgi.STDIN, body))
        wait_until(made.site.tasks, "the task is committed")
    (task_id,), = made.site.sql("SELECT task_id::text FROM waybill.export_task")
    assert made.api("two").create_task(MINIMAL, headers=KEY) == task_id and made.site.tasks() == 1
