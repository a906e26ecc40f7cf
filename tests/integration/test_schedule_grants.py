"""Who may see, change and run a schedule, and what its runs export."""

import uuid

import inventory
import pytest
from api import expect_error
from schedule_calls import (  # noqa: F401
    EVERY, EVERY_IDS, ask, create, definition, expect_unknown, finish_run, latest, mine, runs, service, show, temporary,
)

pytestmark = pytest.mark.contract


@pytest.mark.parametrize("method, path", EVERY, ids=EVERY_IDS)
def test_the_schedule_of_another_project(service, mine, method, path):  # noqa: F811
    stranger = service.api(inventory.NEIGHBOUR)
    with temporary(mine) as schedule:
        finish_run(mine, schedule)
        expect_unknown(stranger, schedule["schedule_id"], method, path)
        assert show(mine, schedule)["name"] == schedule["name"]
        assert runs(mine, schedule)["total_num"] == 1


A, AB = ("ep-a",), ("ep-a", "ep-b")


@pytest.mark.parametrize("method, path", EVERY, ids=EVERY_IDS)
@pytest.mark.parametrize("maker, given, reader", [
    (None, "0", A), (None, "ep-b", A), (AB, "all_granted_eps", A), (None, "all_granted_eps", AB),
], ids=str)
def test_a_schedule_of_what_is_not_granted(service, maker, given, reader, method, path):  # noqa: F811
    maker, reader = (service.api("granted", enterprise_projects=granted) for granted in (maker, reader))
    with temporary(maker, enterprise_project_id=given) as schedule:
        expect_unknown(reader, schedule["schedule_id"], method, path)
        assert reader.schedules("GET").json() == {"total_num": 0, "data_list": []}
        assert [one["name"] for one in maker.schedules("GET").json()["data_list"]] == [schedule["name"]]


@pytest.mark.parametrize("maker, given, reader", [
    (A, "ep-a", AB), (A, "all_granted_eps", AB), (AB, "all_granted_eps", AB), (AB, "all_granted_eps", None),
    (None, "ep-a", A),
], ids=str)
def test_a_schedule_of_what_is_granted(service, maker, given, reader):  # noqa: F811
    maker, reader = (service.api("granted", enterprise_projects=granted) for granted in (maker, reader))
    with temporary(maker, enterprise_project_id=given) as schedule:
        assert show(reader, schedule) == schedule
        assert reader.schedules("GET").json() == {"total_num": 1, "data_list": [schedule]}
        finish_run(reader, schedule)
        assert latest(reader, schedule).status == 200
        assert reader.schedules("PUT", f"/{schedule['schedule_id']}", definition(enterprise_project_id="ep-a")) \
            .status == 200


@pytest.mark.parametrize("granted, given, accepted", [
    (A, None, False), (A, "0", False), (A, "ep-a", True), (A, "Ep-A", False), (A, "ep-b", False),
    (A, "all_granted_eps", True), (None, "anything", True), (None, None, True), (("0",), None, True),
], ids=str)
def test_the_enterprise_project_must_be_granted(service, granted, given, accepted):  # noqa: F811
    api = service.api("granting", enterprise_projects=granted)
    fields = definition(enterprise_project_id=given)
    if accepted:
        with temporary(api, **fields) as schedule:
            assert schedule["enterprise_project_id"] == (given or "0")
        return
    mentions = ("enterprise_project_id must be granted", "all_granted_eps", f'got "{given or 0}"')
    expect_error(api.schedules("POST", "", fields), 403, "HSS.0013", *mentions)
    with temporary(api, enterprise_project_id="ep-a") as schedule:
        expect_error(api.schedules("PUT", f"/{schedule['schedule_id']}", fields), 403, "HSS.0013", *mentions)
        assert show(api, schedule) == schedule
    # What breaks a rule is refused before that.
    expect_error(api.schedules("POST", "", {**fields, "keep": 0}), 400, "HSS.0001", "keep")


def exported(mine, schedule):
    finish_run(mine, schedule)
    return set(latest(mine, schedule).body.decode().split("\r\n")[1:-1])


def test_runs_export_what_the_schedule_may_see(start):
    """The enterprise project of the definition, or all that are granted to its maker."""
    rows = [{**dict.fromkeys(inventory.COLUMNS), "project_id": "demo", "enterprise_project_id": name,
             "container_id": f"in {name}"} for name in ("0", "ep-a", "ep-b", "ep-c")]
    service = start("schedules_granted", rows)
    wide, narrow = service.api(), service.api(enterprise_projects=AB)
    for api, given, expected in ((wide, "0", ["0"]), (wide, "ep-a", ["ep-a"]), (narrow, "ep-b", ["ep-b"]),
                                 (narrow, "all_granted_eps", AB),
                                 (wide, "all_granted_eps", ["0", "ep-a", "ep-b", "ep-c"])):
        schedule = create(api, enterprise_project_id=given)
        assert exported(api, schedule) == {f'"in {name}"' for name in expected}, given
    # The grants are those of the caller who changed it last, whoever runs it.
    fields = definition(enterprise_project_id="all_granted_eps")
    schedule = create(narrow, **fields)
    assert exported(wide, schedule) == {f'"in {name}"' for name in AB}
    assert wide.schedules("PUT", f"/{schedule['schedule_id']}", fields).status == 200
    assert len(exported(wide, schedule)) == 4
    expect_unknown(narrow, schedule["schedule_id"], "GET", "")


@pytest.mark.parametrize("identity", ["test", "0", "%20", "x" * 300, "00000000-0000-0000-0000-00000000000g",
                                      "00000000-0000-0000-0000-000000000000", "%F0%9F%98%80", "'%20OR%20true--"])
@pytest.mark.parametrize("method, path", EVERY, ids=EVERY_IDS)
def test_invalid_ids_are_not_found(api, method, path, identity):
    expect_error(ask(api, identity, method, path), 404, "HSS.0011", "schedule_id: no such schedule")


@pytest.mark.parametrize("method, path", [("GET", None), ("POST", None), *EVERY])
def test_another_project_and_no_token(api, method, path):
    rest = "" if path is None else f"/{uuid.uuid4()}{path}"
    url = f"/v5/{inventory.NEIGHBOUR}/container/export-schedules{rest}"
    expect_error(api.request(method, url, {"Content-Type": "application/json"}, b"{}"), 403, "HSS.0013", "project_id")
    expect_error(api.request(method, url, {"X-Auth-Token": None}, b"{}"), 401, "APIGW.0301")
