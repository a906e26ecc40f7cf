"""Internal errors: 500 with a request_id that the log has too, and the service continues."""

import unicodedata

import pytest
from api import MINIMAL, Api, expect_error
from clients import each_way


@pytest.fixture
def broken(hostile):
    """The service role loses a privilege until the end of the test."""
    def take(privilege, table):
        hostile.site.sql(f"REVOKE {privilege} ON waybill.{table} FROM waybill_service")
        taken.append(f"GRANT {privilege} ON waybill.{table} TO waybill_service")
    taken = []
    yield take
    for statement in taken:
        hostile.site.sql(statement)


@pytest.mark.parametrize("privilege, table", [each_way("SELECT", "credential"), ("INSERT", "export_task")])
def test_a_fault(either, server, broken, privilege, table):
    api = Api(either.site, either.client, either.project, either.site.new_token(either.project))
    broken(privilege, table)
    answer = expect_error(api.create(MINIMAL), 500, "HSS.0041")
    assert table not in answer["error_msg"], f"{answer}"
    with open(server.service_log, encoding="utf-8") as file:
        log = file.read()
    assert answer["request_id"] in log, f"{answer} is not in the log: {log[-2000:]}"


@pytest.mark.each_way
def test_the_service_continues_afterwards(either):
    either.finished(MINIMAL)


def test_a_caller_writes_no_control_characters_into_the_log(api, hostile):
    """A caller can add no line and cannot control a terminal: C0, DEL and C1 are escaped."""
    expect_error(api.request("GET", "/v5/injected%0A%1B%7F%C2%85%C2%9B/download/x"), 403, "HSS.0013")
    with open(hostile.process.log, encoding="utf-8", newline="\n") as log:
        line = next(line for line in log if "injected" in line)
    controls = [character for character in line.rstrip("\n") if unicodedata.category(character) == "Cc"]
    assert not controls, f"{controls} in {line!r}"


def test_request_ids_differ(api):
    answers = [expect_error(api.create(b"x"), 400, "HSS.0002") for _ in range(100)]
    assert len({answer["request_id"] for answer in answers}) == 100


@pytest.mark.each_way
def test_an_error_after_a_head_request_has_no_body(either):
    response = either.download("nothing", method="HEAD")
    assert (response.status, response.body) == (404, b""), f"{response}"
