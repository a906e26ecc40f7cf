"""Content type and size of the body."""

import pytest
from api import expect_error
from clients import each_way

pytestmark = pytest.mark.usefixtures("ledger")

BODY = b'{"export_headers": [["container_id", "Id"]]}'
MEBIBYTE = 1 << 20


@pytest.mark.parametrize("content_type", [
    each_way(None), "application/json", each_way("application/json; charset=utf-8"),
    "application/json;charset=UTF-8", "Application/JSON", "application/json ; charset=\"utf-8\"", "application/json;",
])
def test_accepted(either, content_type):
    response = either.create(BODY, headers={"Content-Type": content_type})
    assert response.status == 200, f"{response}"


@pytest.mark.parametrize("content_type", [
    each_way("text/plain"), "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
    "application/jsonx", "application/json-patch+json", "application/problem+json", "application", "json",
    "xapplication/json", "application/xml", "text/plain; application/json", "application/json/x",
])
def test_refused(either, content_type):
    expect_error(either.create(BODY, headers={"Content-Type": content_type}), 415, "HSS.0002", "application/json")


@pytest.mark.each_way
def test_one_mebibyte(either):
    response = either.create(BODY + b" " * (MEBIBYTE - len(BODY)))
    assert response.status == 200, f"{response}"


@pytest.mark.parametrize("size", [each_way(MEBIBYTE + 1), each_way(3 * MEBIBYTE)])
def test_more_than_one_mebibyte(either, size):
    expect_error(either.create(BODY + b" " * (size - len(BODY))), 413, "HSS.0002", ("1048576", "1 MiB"))


def test_one_mebibyte_is_parsed(api):
    expect_error(api.create(b'{"x": "' + b"y" * (MEBIBYTE - 9) + b'"}'), 400, "HSS.0001", "x")
    expect_error(api.create(b"[" * MEBIBYTE), 400, "HSS.0002", "offset")


def test_chunks(web, hostile):
    """A body without an announced length: the web server determines it."""
    api = hostile.api()
    headers = {"X-Auth-Token": api.token, "Content-Type": "application/json"}
    response = web.client.request("POST", api.path("container/export-task"), headers, BODY, encode_chunked=True)
    hostile.site.accepted += response.status == 200
    assert response.status == 200, f"{response}"
    large = web.client.request("POST", api.path("container/export-task"), headers, BODY + b" " * MEBIBYTE,
                               encode_chunked=True)
    expect_error(large, 413, "HSS.0002")
