"""The cache of valid tokens and access keys: how often they are looked up, and that no request finds a credential there
that was revoked before."""

import time
import uuid

import pytest
from api import Api, expect_error
from deadline import OwnClock, wait_until
from faults import ASYNC, BODY, detoured, fleet  # noqa: F401
from pgproxy import LATE, Proxy
from signing import SignedApi, create_key
from test_revocation import ACCEPT, Caller, Pending, listening  # noqa: F401
from test_wakeups import SOON, Waits, DeafWay, deaf, deafen, listeners, log_statements, logged  # noqa: F401

LOOKUPS = {"token": r"token_sha256 = decode\(\$1, 'hex'\)$", "key": r"access_key = \$1$"}
LOOKUP = "token_sha256 = decode"


def use(api):
    return api.status(str(uuid.uuid4()))


def expect_valid(api):
    expect_error(use(api), 404, "HSS.0011")


def expect_revoked(api):
    expect_error(use(api), 401, "APIGW.0301")


def lookups(site, kind="token"):
    return logged(site, rf"\] {site.database} LOG: .*execute waybill_\d+: .*{LOOKUPS[kind]}")


def new_caller(made, kind, name="one"):
    """Returns a caller whose use in this hour is recorded, which the cache requires."""
    caller = (Caller(made, name) if kind == "token"
              else SignedApi(made.site, made.processes[name].client, "p1", create_key(made.site, "p1")))
    expect_valid(caller)
    return caller


def same_caller(made, caller, name):
    return Api(made.site, made.processes[name].client, "p1", caller.token)


def revoke_by_sql(caller):
    """Unlike `waybill token revoke`, this does not wait."""
    caller.set("revoke_time = now()")


@pytest.mark.parametrize("kind", LOOKUPS)
def test_one_lookup_a_second(listening, kind):  # noqa: F811
    made = listening("cached_" + kind, "one")
    caller = new_caller(made, kind)
    before, began = lookups(made.site, kind), time.monotonic()
    for _ in range(100):
        expect_valid(caller)
    took, looked = time.monotonic() - began, lookups(made.site, kind) - before
    assert looked <= took + 2, f"{looked} lookups in {took} seconds"


@pytest.mark.parametrize("kind", LOOKUPS)
def test_the_command_returns_when_it_is_forgotten(listening, kind):  # noqa: F811
    """Also by processes that do not receive the notification in time."""
    made = listening("forgotten_" + kind, "one", "two")
    made.site.sql("ALTER TABLE waybill.credential DISABLE TRIGGER credential_revoked")
    caller = new_caller(made, kind)
    key = str(caller.credential_id) if kind == "token" else caller.key.access_key
    others = [same_caller(made, caller, "two")] if kind == "token" else []
    for each in [caller, *others]:
        expect_valid(each)
    assert made.site.waybill(kind, "revoke", key).returncode == 0
    for each in [caller, *others]:
        expect_revoked(each)


def test_a_notification_empties_the_cache(listening):  # noqa: F811
    """Of each process: when it has ended a waiting request, the next request finds nothing."""
    made = listening("heard", "one", "two")
    caller = new_caller(made, "token")
    callers = [caller, same_caller(made, caller, "two")]
    task_id = caller.create_task(BODY, headers=ASYNC)
    waits = [Waits(each, task_id) for each in callers]
    for each in callers:
        expect_valid(each)
    revoke_by_sql(caller)
    for each, wait in zip(callers, waits, strict=True):
        assert wait.expect(401) < SOON
        expect_revoked(each)


def test_a_lookup_that_was_overtaken_by_a_revocation(detoured):  # noqa: F811
    """The request was valid when it was looked up, and ends well. The next one does not."""
    made = detoured("overtaken", ACCEPT, kind=Proxy, p1=5)
    log_statements(made.site)
    made.start()
    wait_until(lambda: listeners(made.site), "it listens")
    caller = new_caller(made, "token")
    task_id = caller.create_task(BODY, headers=ASYNC)
    wait = Waits(caller, task_id)
    made.site.sql("NOTIFY waybill_access, '0'")  # empties the cache
    rule = made.detour.on(LOOKUP, LATE)
    while not rule.executed.is_set():
        request = Pending(use, caller)
        wait_until(lambda: rule.executed.is_set() or request.answer.done(), "the lookup or the response")
    revoke_by_sql(caller)
    assert wait.expect(401) < SOON
    rule.release()
    expect_error(request.expect(), 404, "HSS.0011")
    expect_revoked(caller)


def test_without_notifications(deaf):  # noqa: F811
    """Each request looks the token up."""
    made = deaf("cached_deaf", ACCEPT, p1=5)
    log_statements(made.site)
    made.start()
    caller = new_caller(made, "token")
    before = lookups(made.site)
    for _ in range(5):
        expect_valid(caller)
    assert lookups(made.site) == before + 5
    revoke_by_sql(caller)
    expect_revoked(caller)


def test_notifications_are_lost(detoured):  # noqa: F811
    made = detoured("cached_lost", ACCEPT, kind=DeafWay, p1=5)
    log_statements(made.site)
    one = made.start()
    wait_until(lambda: listeners(made.site), "it listens")
    caller = new_caller(made, "token")
    expect_valid(caller)
    made.detour.deaf = True
    deafen(made.site, listeners(made.site))
    wait_until(lambda: "notifications cannot be received" in one.log_text(), "the process notices")
    revoke_by_sql(caller)
    expect_revoked(caller)


def test_a_change_that_is_not_announced(listening):  # noqa: F811
    """It counts after a second at most."""
    made = listening("unannounced", "one")
    caller = new_caller(made, "token")
    expect_valid(caller)
    caller.set("permissions = '{create}'")
    with OwnClock() as clock:
        began = clock.now()
        wait_until(lambda: use(caller).status == 403, "the new permissions count")
        took = clock.now() - began
    assert took < 1 + SOON, f"{took} seconds"


def test_it_expires_in_time(listening):  # noqa: F811
    """By the clock of the database, even within a second."""
    made = listening("cached_expiry", "one")
    caller = new_caller(made, "token")
    caller.set("expire_time = clock_timestamp() + interval '2.5 seconds'")
    made.site.sql("NOTIFY waybill_access, '0'")
    status = 404
    while status == 404:
        (expired,), = made.site.sql("SELECT expire_time <= clock_timestamp() FROM waybill.credential"
                                    " WHERE credential_id = %s", caller.credential_id)
        status = use(caller).status
        assert status == 401 or not expired, f"{status}"
    assert status == 401


@pytest.mark.parametrize("name", ["status", "download", "list", "remove"])
def test_one_round_trip_for_each_request(detoured, name):  # noqa: F811
    """Of a caller that is in the cache, once the statement is prepared."""
    made = detoured("round_trips_" + name, {"database.pool_size": 1}, kind=Proxy, p1=5)
    made.start()
    wait_until(lambda: listeners(made.site), "it listens")
    caller = new_caller(made, "token")
    status = caller.finished(BODY)

    def request():
        if name == "remove":
            task_id = caller.finished(BODY)["task_id"]
        before = made.detour.round_trips["waybill"]
        response = {
            "status": lambda: caller.status(status["task_id"]),
            "download": lambda: caller.download(status["file_id"]),
            "list": lambda: caller.request("GET", caller.path("export-tasks?limit=2")),
            "remove": lambda: caller.request("DELETE", caller.path(f"export-task/{task_id}")),
        }[name]()
        assert response.status in (200, 204)
        return made.detour.round_trips["waybill"] - before
    wait_until(lambda: request() == 1, "a request takes one round trip")
