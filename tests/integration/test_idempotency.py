"""Idempotency-Key: a repeated request gets the task of the first one. Another request with the key is refused."""

import itertools
import json

import inventory
import pytest
from api import HEADERS, MINIMAL, expect_error
from calls import expect_removed, remove, samples, value
from clients import each_way
from deadline import timed
from faults import ASYNC

NUMBERS = itertools.count()
OTHER = {"risky": True, "export_headers": HEADERS}
REUSED = ("Idempotency-Key must be a new key for each request", "another request")
LIMIT = 100000


def new_key():
    return f"key {next(NUMBERS)}"


def headers(key, **more):
    """Returns the headers of a create with this key, which contains a space, so it is sent as a string."""
    return {"Idempotency-Key": f'"{key}"', **ASYNC, **more}


def create(api, key, body=None, query="", **more):
    """Creates a task, or finds that of an equal request, and returns its ID."""
    return api.create_task(body, query, headers(key, **more))


def refuse(api, key, body=None, query=""):
    expect_error(api.create(body, query, headers(key)), 422, "HSS.0001", *REUSED, f'got "{key}"')


def keys(site):
    return [key for key, in site.sql("SELECT key FROM waybill.idempotency_key ORDER BY key")]


@pytest.fixture(scope="module")
def service(start):
    """A service that runs no task."""
    options = {"export.threads": 0, "server.wait_ms": 0, "limits.unfinished_tasks": LIMIT}
    return start("idempotency", options=options)


@pytest.fixture(scope="module")
def mine(service):
    return service.api()


# ---- Equal and different requests ----

def test_equal_requests_get_one_task(service, mine):
    before, key = service.site.tasks(), new_key()
    tasks = {create(mine, key) for _ in range(5)}
    assert len(tasks) == 1 and service.site.tasks() == before + 1
    assert mine.status(*tasks).status == 200
    assert create(mine, new_key()) not in tasks and service.site.tasks() == before + 2


FULL = {"cluster_name": "prod C/", "create_time": {"start_time": 1, "end_time": 2}, "risky": None,
        "export_headers": [["risky", "Risky"], ["status", "État \\ \" 長"]]}
TEXT = json.dumps(FULL)


@pytest.mark.parametrize("body, query", [
    (TEXT, ""),
    (json.dumps(FULL, indent=8, ensure_ascii=False), ""),
    (json.dumps(FULL, separators=(",", ":"), sort_keys=True), ""),
    (json.dumps(dict(reversed(FULL.items()))), ""),
    (TEXT.replace("prod C/", r"p\u0072od\u0020C\/"), ""),
    (TEXT.replace('"end_time": 2', '"end_time": 1, "end_time": 2'), ""),
    (TEXT, "?enterprise_project_id=0"),
    (TEXT, "?export_size=100000&enterprise_project_id=%30"),
], ids=["same", "indented", "sorted", "reversed", "escaped", "repeated", "project", "defaults"])
def test_the_form_of_a_request_makes_no_difference(service, mine, body, query):
    key = new_key()
    first, before = create(mine, key, FULL), service.site.tasks()
    assert create(mine, key, body.encode(), query) == first and service.site.tasks() == before
    assert create(mine, key, FULL) == first


@pytest.mark.parametrize("body, query", [
    (OTHER, ""), ({**FULL, "risky": True}, ""), ({**FULL, "risky": "true"}, ""), ({**FULL, "status": None}, ""),
    ({name: part for name, part in FULL.items() if name != "risky"}, ""), ({**FULL, "cluster_name": "prod c/"}, ""),
    ({**FULL, "create_time": {"start_time": 1, "end_time": 3}}, ""), ({**FULL, "create_time": None}, ""),
    ({**FULL, "export_headers": FULL["export_headers"][::-1]}, ""), ({**FULL, "export_headers": HEADERS}, ""),
    (FULL, "?export_size=99999"), (FULL, "?enterprise_project_id=00"), (FULL, "?enterprise_project_id=all_granted_eps"),
], ids=str)
def test_another_request_with_the_key_is_refused(service, mine, body, query):
    key = new_key()
    first, before = create(mine, key, FULL), service.site.tasks()
    for _ in range(2):
        refuse(mine, key, body, query)
    assert service.site.tasks() == before and create(mine, key, FULL) == first


A, AB = ("ep-a",), ("ep-a", "ep-b")
ALL = "?enterprise_project_id=all_granted_eps"


@pytest.mark.parametrize("granted, other, query, is_equal", [
    (A, A, ALL, True), (AB, AB[::-1], ALL, True), (AB, (*AB, "ep-a"), ALL, True), (None, None, ALL, True),
    (A, None, "?enterprise_project_id=ep-a", True), (A, AB, "?enterprise_project_id=ep-a", True),
    (A, AB, ALL, False), (AB, A, ALL, False), (None, AB, ALL, False), (AB, None, ALL, False),
    (A, ("EP-A",), ALL, False), (("null",), None, ALL, False),
], ids=str)
def test_callers_share_the_keys_of_their_project(service, granted, other, query, is_equal):
    """Requests are equal if their tasks export the same enterprise projects, whoever sends them."""
    key = new_key()
    one, two = (service.api("granted", enterprise_projects=names) for names in (granted, other))
    first = create(one, key, query=query)
    if is_equal:
        assert create(two, key, query=query) == first
    else:
        refuse(two, key, query=query)


def test_each_project_has_its_own_keys(service, mine):
    other, key = service.api(inventory.NEIGHBOUR), new_key()
    first = create(mine, key)
    assert create(other, key, OTHER) != first
    assert create(mine, key) == first
    refuse(other, key)


# ---- The header ----

@pytest.mark.parametrize("one, other, is_same", [
    each_way("k-1", '"k-1"', True), each_way('"k 2"', ' "k 2"', True), each_way('"k\\"3\\\\"', '"k\\"3\\\\"', True),
    ('"k\\\\4"', "k\\4", True), ("k-5", "K-5", False), ("k-6", '" k-6"', False), ('"k-7 "', '"k-7"', False),
])
def test_the_forms_of_a_key(either, one, other, is_same):
    """Other ways may have stored the same keys before, for the same request."""
    found = [either.create_task(MINIMAL, headers={"Idempotency-Key": key}) for key in (one, other)]
    assert (found[0] == found[1]) == is_same


@pytest.mark.parametrize("key", [
    each_way('""'), each_way('"k'), each_way("a, b"), each_way('"a", "a"'), each_way("k" * 256), "a,b", "a b",
    '"k";a=1', '"\\k"', "", " ", "é",
])
def test_an_invalid_key(either, key):
    before = either.site.tasks()
    response = either.create(MINIMAL, headers={"Idempotency-Key": key})
    expect_error(response, 400, "HSS.0001", "Idempotency-Key must be 1 to 255 characters of printable ASCII", "got")
    assert either.site.tasks() == before


@pytest.mark.each_way
def test_the_longest_key(either):
    key = f'"{"k" * 255}"'
    assert len({either.create_task(MINIMAL, headers={"Idempotency-Key": key}) for _ in range(2)}) == 1


def test_the_key_is_checked_after_the_type_and_before_the_body(mine):
    key = {"Idempotency-Key": "a b"}
    expect_error(mine.create(b"{", headers={**key, "Content-Type": "text/plain"}), 415, "HSS.0002")
    expect_error(mine.create(b"{", headers=key), 400, "HSS.0001", "Idempotency-Key")


# ---- The task ----

@pytest.mark.parametrize("change, status", [
    ({"body": b"{"}, 400), ({"body": {"x": 1}}, 400), ({"query": "?export_size=0"}, 400), ({"query": "?x=1"}, 400),
    ({"query": "?enterprise_project_id=ep-b"}, 403), ({"body": b" " * ((1 << 20) + 1)}, 413),
    ({"headers": {"Content-Type": "text/plain"}}, 415), ({"headers": {"X-Auth-Token": "x"}}, 401),
], ids=["json", "rules", "size", "query", "grants", "large", "type", "identity"])
def test_a_refused_request_takes_no_key(service, change, status):
    api, key = service.api("refused", enterprise_projects=A), new_key()
    refused = {"query": ALL, **change, "headers": {**headers(key), **change.get("headers", {})}}
    assert api.create(**refused).status == status
    assert key not in keys(service.site)
    first = create(api, key, query=ALL)
    assert api.create(**refused).status == status
    assert create(api, key, query=ALL) == first


def test_the_limit_of_unfinished_tasks(start):
    """A repeated request is no new task. A request beyond the limit takes no key."""
    service = start("idempotency_limit", options={"export.threads": 0, "limits.unfinished_tasks": 1})
    api = service.api()
    first = create(api, "k")
    for _ in range(2):
        assert create(api, "k") == first
        expect_error(api.create(MINIMAL, headers=headers("other")), 429, "APIGW.0308")
        refuse(api, "k", OTHER)
    assert keys(service.site) == ["k"]
    expect_removed(remove(api, first))
    second = create(api, "other", OTHER)
    assert second != first and keys(service.site) == ["k", "other"]


def test_a_removed_task(service, mine):
    key, before = new_key(), service.site.tasks()
    first = create(mine, key)
    expect_removed(remove(mine, first))
    assert create(mine, key) == first == create(mine, key, Prefer="wait=60") and service.site.tasks() == before
    expect_error(mine.status(first), 404, "HSS.0011")


def test_a_repeated_request_waits_for_the_task(start, mine):
    key = new_key()
    first = create(mine, key)
    again, took, _ = timed(lambda: create(mine, key, Prefer="wait=1"))
    assert again == first and took >= 1 - 0.05, f"took {took} seconds"

    running = start("idempotency_waits", options={"server.wait_ms": 60000}).api()
    for more in ({"Prefer": "wait=60"}, {"Prefer": None}):
        key = new_key()
        first = create(running, key)
        assert create(running, key, **more) == first
        assert running.status(first).json()["task_status"] == "success"


def test_the_log_and_the_metrics(start):
    """A repeated request is a create like others, and the log does not have its key."""
    service = start("idempotency_log")
    first = create(service.api(), "a-key-of-mine")
    create(service.api(), "a-key-of-mine")
    refuse(service.api(), "a-key-of-mine", OTHER)
    log = service.process.log_text()
    assert log.count(f"operation=create project_id=demo task_id={first} status=200") == 2, log
    assert log.count("operation=create project_id=demo status=422") == 1 and "error=key_reused" in log, log
    found = samples(service.client)
    assert value(found, "waybill_http_requests_total", operation="create", status="200") == 2
    assert value(found, "waybill_http_requests_total", operation="create", status="422") == 1
    assert service.site.tasks() == 1


# ---- 24 hours ----

def age(site, key, interval):
    site.sql("UPDATE waybill.idempotency_key SET create_time = clock_timestamp() - %s::interval WHERE key = %s",
             interval, key)


def test_a_key_is_valid_for_24_hours(service, mine):
    key = new_key()
    first = create(mine, key)
    age(service.site, key, "23:59:00")
    assert create(mine, key) == first
    refuse(mine, key, OTHER)
    age(service.site, key, "24:00:00")
    second = create(mine, key, OTHER)
    assert second != first
    # The key belongs to the new request, and is new.
    assert create(mine, key, OTHER) == second
    refuse(mine, key)
    (task_id, is_new), = service.site.sql(
        "SELECT task_id::text, create_time > now() - interval '10 minutes' FROM waybill.idempotency_key"
        " WHERE key = %s", key)
    assert (task_id, is_new) == (second, True)
    assert mine.status(first).status == 200


def test_a_repeated_request_does_not_extend_the_time(service, mine):
    key = new_key()
    first = create(mine, key)
    age(service.site, key, "23:59:00")
    assert create(mine, key) == first
    (is_old,), = service.site.sql(
        "SELECT create_time < now() - interval '23 hours' FROM waybill.idempotency_key WHERE key = %s", key)
    assert is_old


def test_housekeeping_deletes_old_keys(start):
    """In batches, and without waiting for a key that a request has locked."""
    service = start("idempotency_old", options={"export.threads": 0})
    site = service.site
    site.sql("INSERT INTO waybill.idempotency_key (project_id, key, request_sha256, task_id, create_time)"
             " SELECT 'p', i::text, sha256('x'), gen_random_uuid(),"
             "        now() - CASE WHEN i <= 3000 THEN interval '24 hours' ELSE interval '23:50' END"
             " FROM generate_series(1, 3010) AS i")
    holder = site.connect()
    try:
        holder.autocommit = False
        holder.cursor().execute("SELECT FROM waybill.idempotency_key WHERE key = '7' FOR UPDATE")
        assert site.waybill("task", "purge").returncode == 0
        assert keys(site) == sorted(["7", *(str(i) for i in range(3001, 3011))])
    finally:
        holder.close()
    assert site.waybill("task", "purge").returncode == 0
    assert len(keys(site)) == 10
