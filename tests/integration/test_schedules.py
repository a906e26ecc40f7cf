"""The fields of schedules, their names, the list, and the secret of notifications."""

import json
import re
import time
import uuid

import inventory
import pytest
from api import MINIMAL, TASK_ID, expect_error
from clients import each_way
from schedule_calls import (  # noqa: F401
    EVERY, EVERY_IDS, START, create, definition, mine, service, show, temporary,
)

pytestmark = pytest.mark.contract

DEFAULTS = {"time_zone": "UTC", "enabled": True, "keep": 10, "enterprise_project_id": "0", "export_size": 100000,
            "notify_url": None}
FULL = {"rule": "FREQ=WEEKLY;BYDAY=MO,TU;BYHOUR=8", "time_zone": "Europe/Berlin", "start_time": START, "enabled": False,
        "keep": 3, "enterprise_project_id": "ep-a", "export_size": 7,
        "request": {"create_time": {"last": "P7D"}, "status": "Running", **MINIMAL}}


@pytest.mark.each_way
def test_defaults(either):
    fields = definition()
    before = time.time() * 1000
    response = either.schedules("POST", "", fields)
    assert response.status == 200, f"{response}"
    schedule = response.json()
    assert TASK_ID.fullmatch(schedule["schedule_id"]), f"{schedule}"
    assert abs(schedule["create_time"] - before) < 60000, f"{schedule}"
    expected = {**DEFAULTS, **fields, "next_run_time": START, "last_run": None}
    assert {key: value for key, value in schedule.items() if key not in ("schedule_id", "create_time")} == expected
    assert show(either, schedule) == schedule
    assert either.schedules("DELETE", f"/{schedule['schedule_id']}").status == 204


def test_all_fields(mine):  # noqa: F811
    with temporary(mine, **FULL) as schedule:
        assert {key: schedule[key] for key in FULL} == FULL
        assert schedule["next_run_time"] is None, "it is paused"
        assert show(mine, schedule) == schedule


def test_start_time_is_now_by_default(mine):  # noqa: F811
    before = int(time.time() * 1000)
    with temporary(mine, start_time=None, rule="FREQ=YEARLY;BYMONTHDAY=1;BYMONTH=1", enabled=False) as schedule:
        assert before - 60000 < schedule["start_time"] < time.time() * 1000 + 60000, f"{schedule}"
        assert schedule["start_time"] <= schedule["create_time"] + 60000


@pytest.mark.parametrize("fields, next_run_time", [
    ({"rule": "FREQ=DAILY"}, START),
    ({"rule": "FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0"}, START + 3600000),
    ({"rule": "FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0", "time_zone": "Etc/GMT-1"}, START),
    ({"rule": "FREQ=DAILY;BYHOUR=7;BYMINUTE=0;BYSECOND=0"}, START + 23 * 3600000),
    ({"rule": "FREQ=DAILY", "enabled": False}, None),
    ({"rule": "FREQ=DAILY;COUNT=2", "start_time": 0}, None),
    ({"rule": "FREQ=DAILY;UNTIL=19710101T000000Z", "start_time": 1}, None),
], ids=str)
def test_next_run_time(mine, fields, next_run_time):  # noqa: F811
    with temporary(mine, **fields) as schedule:
        assert schedule["next_run_time"] == next_run_time
        assert show(mine, schedule)["next_run_time"] == next_run_time


@pytest.mark.each_way
def test_put_replaces_all_fields(either):
    with temporary(either, **FULL) as schedule:
        fields = definition()
        response = either.schedules("PUT", f"/{schedule['schedule_id']}", fields)
        assert response.status == 200, f"{response}"
        replaced = response.json()
        kept = {key: schedule[key] for key in ("schedule_id", "create_time")}
        assert replaced == {**kept, **DEFAULTS, **fields, "next_run_time": START, "last_run": None}
        assert show(either, schedule) == replaced

        response = either.schedules("PUT", f"/{schedule['schedule_id']}", {**fields, **FULL})
        assert response.status == 200 and {key: response.json()[key] for key in FULL} == FULL, f"{response}"
        assert response.json()["next_run_time"] is None


def test_the_reason_of_a_pause(service, mine):  # noqa: F811
    """It is shown if the service paused the schedule, until the schedule is replaced."""
    with temporary(mine) as schedule:
        assert "pause_reason" not in schedule
        service.site.sql("UPDATE waybill.export_schedule SET enabled = false, next_run_time = NULL,"
                         " pause_reason = 'no such zone' WHERE schedule_id = %s", schedule["schedule_id"])
        paused = {**schedule, "enabled": False, "next_run_time": None, "pause_reason": "no such zone"}
        assert show(mine, schedule) == paused
        assert paused in mine.schedules("GET", "?limit=200").json()["data_list"]
        replaced = mine.schedules("PUT", f"/{schedule['schedule_id']}", definition())
        assert replaced.status == 200 and "pause_reason" not in replaced.json(), f"{replaced}"
        assert replaced.json()["next_run_time"] == START


def test_a_refused_put_changes_nothing(mine):  # noqa: F811
    with temporary(mine, **{**FULL, "enterprise_project_id": "0"}) as schedule:
        for fields in (definition(keep=0), definition(rule="FREQ=SECONDLY"), {}, definition(x=1)):
            expect_error(mine.schedules("PUT", f"/{schedule['schedule_id']}", fields), 400, "HSS.0001")
        assert show(mine, schedule) == schedule


# test_definition.c and test_schedule_request.c have all rules.
@pytest.mark.parametrize("fields, mentions", [
    each_way({"name": None}, ["name is required", "got none"]),
    ({"name": "x" * 65}, ["name must be a string of 1 to 64 characters", "got 65"]),
    ({"name": "a\x7fb"}, ["name must not contain control characters", "U+007F"]),
    ({"rule": None}, ["rule is required"]),
    ({"rule": "FREQ=SECONDLY"}, ["rule", "SECONDLY"]),
    ({"rule": "FREQ=DAILY;COUNT=10001"}, ["rule", "COUNT"]),
    ({"rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, ["rule"]),
    ({"rule": "FREQ=DAILY;" + "X" * 502}, ["rule must be a string of 1 to 512 characters"]),
    ({"time_zone": "Mars/Olympus"}, ["time_zone", "Mars/Olympus"]),
    ({"start_time": -1}, ["start_time must be an integer of at least 0", "got -1"]),
    ({"start_time": "now"}, ["start_time must be an integer", 'got "now"']),
    ({"enabled": "no"}, ["enabled must be true or false", 'got "no"']),
    ({"keep": 1001}, ["keep must be an integer from 1 to 1000", "got 1001"]),
    ({"enterprise_project_id": ""}, ["enterprise_project_id must be a string of 1 to 256 characters"]),
    ({"export_size": 100001}, ["export_size must be an integer from 1 to 100000", "got 100001"]),
    ({"export_size": "10"}, ["export_size must be an integer", 'got "10"']),
    ({"request": None}, ["request is required"]),
    ({"request": {}}, ["request.export_headers is required"]),
    ({"request": {"risky": 1, **MINIMAL}}, ["request.risky must be true or false", "got 1"]),
    ({"request": {"create_time": {"last": "7d"}, **MINIMAL}}, ["request.create_time.last", '"7d"']),
    ({"request": {"create_time": {"last": "P7D", "end_time": 1}, **MINIMAL}}, ["request.create_time", "last"]),
    ({"notify_url": "https://elsewhere.example.org/"}, ["notify_url"]),
    ({"notify_url": "http://hooks.example.org/"}, ["notify_url", "https"]),
    each_way({"cron": "0 3 * * *"}, ['the body has an unknown field "cron"']),
], ids=str)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_refused_fields(either, method, fields, mentions):
    path = "" if method == "POST" else f"/{uuid.uuid4()}"
    expect_error(either.schedules(method, path, definition(**fields)), 400, "HSS.0001", *mentions)


@pytest.mark.parametrize("body, code, mentions", [
    (b"", "HSS.0002", ["offset 0"]),
    (b'{"name":"n",}', "HSS.0002", ["offset 12"]),
    (b"\xef\xbb\xbf{}", "HSS.0002", ["offset 0"]),
    (b'{"x":' + b"[" * 9 + b"]" * 9 + b"}", "HSS.0002", ["9 levels"]),
    (b'{"x":' + b"[" * 8 + b"]" * 8 + b"}", "HSS.0001", ["unknown field"]),
    (b"[]", "HSS.0001", ["the body must be a JSON object"]),
], ids=str)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_refused_bodies(api, method, body, code, mentions):
    path = "" if method == "POST" else f"/{uuid.uuid4()}"
    expect_error(api.schedules(method, path, body), 400, code, *mentions)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_type_and_size_of_the_body(api, method):
    path = "" if method == "POST" else f"/{uuid.uuid4()}"
    body = json.dumps(definition()).encode()
    expect_error(api.schedules(method, path, body, {"Content-Type": "text/plain"}), 415, "HSS.0002")
    large = body + b" " * (1024 * 1024 + 1 - len(body))
    expect_error(api.schedules(method, path, large), 413, "HSS.0002")
    response = api.schedules(method, path, large[:-1])
    if method == "POST":
        assert response.status == 200, f"{response}"
        assert api.schedules("DELETE", f"/{response.json()['schedule_id']}").status == 204
    else:
        expect_error(response, 404, "HSS.0011")


def test_the_last_of_equal_fields_counts(mine):  # noqa: F811
    text = json.dumps(definition(keep=5))[:-1] + ', "keep": 6}'
    response = mine.schedules("POST", "", text.encode())
    assert response.status == 200 and response.json()["keep"] == 6, f"{response}"
    assert mine.schedules("DELETE", f"/{response.json()['schedule_id']}").status == 204


# ---- Names and lists ----

def test_a_name_is_unique_in_its_project(service, mine):  # noqa: F811
    other = service.api(inventory.NEIGHBOUR)
    with temporary(mine) as schedule, temporary(mine) as second:
        name = schedule["name"]
        taken = ("name must be unique in the project", f'got "{name}"')
        expect_error(mine.schedules("POST", "", definition(name=name)), 400, "HSS.0001", *taken)
        path = f"/{second['schedule_id']}"
        expect_error(mine.schedules("PUT", path, definition(name=name)), 400, "HSS.0001", *taken)
        assert show(mine, second) == second
        assert mine.schedules("PUT", path, definition(name=second["name"])).status == 200
        with temporary(mine, name=name.upper()), temporary(other, name=name) as theirs:
            assert theirs["name"] == name
    with temporary(mine, name=name):
        pass


def test_list(service):  # noqa: F811
    api = service.api("listed")
    names = ["B", "a", "Z 10", "Z 2", "ä", "長", "0", "😀"]
    assert api.schedules("GET").json() == {"total_num": 0, "data_list": []}
    schedules = {name: create(api, name=name) for name in names}
    ordered = sorted(names, key=str.encode)

    def page(query):
        answer = api.schedules("GET", query).json()
        assert list(answer) == ["total_num", "data_list"] and answer["total_num"] == len(names), f"{answer}"
        return [schedule["name"] for schedule in answer["data_list"]]
    assert page("") == ordered
    assert page("?limit=3") == ordered[:3]
    assert page("?limit=3&offset=2") == ordered[2:5]
    assert page("?offset=7") == ordered[7:]
    assert page("?offset=8") == page("?offset=2000000") == []
    listed = api.schedules("GET").json()["data_list"]
    assert listed == [show(api, schedules[name]) for name in ordered]
    for number in range(3):
        create(api, name=f"more {number}")
    assert len(api.schedules("GET").json()["data_list"]) == 10


@pytest.mark.parametrize("query, mention", [
    ("?limit=0", "limit must be an integer from 1 to 200"), ("?limit=201", "limit must be an integer from 1 to 200"),
    ("?offset=2000001", "offset must be an integer from 0 to 2000000"), ("?limit=1&limit=1", "limit"),
    ("?sort=name", '"sort"'), ("?enterprise_project_id=0", '"enterprise_project_id"'),
])
@pytest.mark.parametrize("path", ["", "/{}/runs"])
def test_refused_pages(api, path, query, mention):
    expect_error(api.schedules("GET", path.format(uuid.uuid4()) + query), 400, "HSS.0001", mention)


@pytest.mark.parametrize("method, path", [("POST", None), *EVERY], ids=["POST", *EVERY_IDS])
def test_unknown_query_parameters(api, method, path):
    rest = "" if path is None else f"/{uuid.uuid4()}{path}"
    body = definition() if method in ("PUT", "POST") and path != "/run" else None
    expect_error(api.schedules(method, rest + "?export_size=1", body), 400, "HSS.0001", '"export_size"')


# ---- Notifications ----

HOOK = "https://hooks.example.org/x"


def test_the_secret_is_answered_once(mine):  # noqa: F811
    with temporary(mine, notify_url=HOOK) as schedule:
        path, fields = f"/{schedule['schedule_id']}", definition(notify_url=HOOK)

        def put(**more):
            response = mine.schedules("PUT", path, {**fields, **more})
            assert response.status == 200, f"{response}"
            return response.json()
        secret = schedule["notify_secret"]
        assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret), f"{secret}"
        assert show(mine, schedule) == {key: value for key, value in schedule.items() if key != "notify_secret"}
        listed = mine.schedules("GET", "?limit=200").json()["data_list"]
        assert HOOK in [one["notify_url"] for one in listed]
        assert all("notify_secret" not in one for one in listed)
        assert "notify_secret" not in put(), "the URL is the same"
        changed = put(notify_url=HOOK + "y")
        assert changed["notify_url"] == HOOK + "y"
        assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", changed["notify_secret"])
        assert changed["notify_secret"] != secret
        removed = put(notify_url=None)
        assert removed["notify_url"] is None and "notify_secret" not in removed
        again = put()
        assert again["notify_secret"] not in (secret, changed["notify_secret"])


def test_no_secret_without_a_url(mine):  # noqa: F811
    with temporary(mine) as schedule:
        assert "notify_secret" not in schedule and schedule["notify_url"] is None


def test_http_is_allowed_if_configured(start):
    api = start("schedules_http", options={"notify.hosts": "hooks.example.org", "notify.allow_http": "on"}).api()
    with temporary(api, notify_url="http://hooks.example.org/") as schedule:
        assert schedule["notify_url"] == "http://hooks.example.org/"
    expect_error(api.schedules("POST", "", definition(notify_url="http://example.org/")), 400, "HSS.0001", "notify_url")


def test_no_host_is_allowed_by_default(api):
    expect_error(api.schedules("POST", "", definition(notify_url=HOOK)), 400, "HSS.0001", "notify_url")


def test_secrets_and_urls_are_not_logged(service, mine):  # noqa: F811
    with temporary(mine, notify_url=HOOK + "?key=topsecret") as schedule:
        expect_error(mine.schedules("POST", "", definition(notify_url="https://other.example.org/?key=topsecret")),
                     400, "HSS.0001", "notify_url")
        log = service.process.log_text()
        assert "schedule_create" in log
        assert "topsecret" not in log and schedule["notify_secret"] not in log
