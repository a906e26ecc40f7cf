"""The download: headers, conditions and ranges, from the process itself and through each web server, which sends the
bytes of whole files."""

import email.utils
import os
import re
import uuid

import fcgi
import pytest
from api import MINIMAL, expect_error
from clients import each_way, parse

BODY = {"export_headers": [[key, key] for key in ("container_id", "container_name", "image_name", "pod_name")]}


@pytest.fixture(scope="module")
def file(api):
    """A finished export: its bytes and its status."""
    data, status = api.export(BODY)
    assert len(data) > 100000, f"{len(data)} bytes are too few for these tests"
    return data, status


@pytest.mark.each_way
def test_headers(either, file):
    data, status = file
    response = either.download(status["file_id"])
    assert response.status == 200 and response.body == data, f"{response}"
    headers = response.headers
    assert headers["content-type"] == "text/csv; charset=utf-8", f"{headers}"
    assert headers["content-length"] == str(len(data)), f"{headers}"
    assert re.fullmatch(rf'attachment; *filename="?{re.escape(status["file_name"])}"?',
                        headers["content-disposition"]), f"{headers}"
    assert headers["accept-ranges"] == "bytes", f"{headers}"
    assert headers["cache-control"] == "private", f"{headers}"
    assert headers["x-content-type-options"] == "nosniff", f"{headers}"
    tag = re.fullmatch('"([0-9a-f]+)"', headers["etag"])
    assert tag and len(tag[1]) >= 16 and status["sha256"].startswith(tag[1]), f"{headers}"
    modified = email.utils.parsedate_to_datetime(headers["last-modified"]).timestamp() * 1000
    assert abs(modified - status["finish_time"]) < 60000, f"{headers}"
    assert not {"x-sendfile", "x-accel-redirect", "content-range"} & set(headers), f"{headers}"


# Headers of the connection, or of one response only.
OF_THE_SERVER = {"date", "server", "connection", "keep-alive", "x-request-id"}


@pytest.mark.parametrize("method, conditions, status", [
    ("GET", {}, 200), ("HEAD", {}, 200), ("GET", {"Range": "bytes=10-99"}, 206), ("GET", {"Range": "bytes=-7"}, 206),
    ("GET", {"Range": "bytes=0-1,3-4"}, 200), ("GET", {"Range": "bytes=0-1", "If-Range": '"other"'}, 200),
    ("GET", {"Range": "bytes=99999999-"}, 416), ("GET", {"If-None-Match": '"other"'}, 200),
    ("GET", {"Accept-Encoding": "gzip"}, 200), ("GET", {"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 200),
    ("GET", {"If-Match": '"other"'}, 200), ("GET", {"Range": "bytes=10-99", "If-Match": '"other"'}, 206),
    ("GET", {"Range": "bytes=99999999-,88888888-"}, 200),
], ids=str)
def test_a_web_server_adds_and_takes_nothing(web, api, file, method, conditions, status):
    """The caller gets each header of the process's own response once and unchanged, and no other header."""
    _, task = file
    own = api.download(task["file_id"], method=method, headers=conditions)
    asked = {"X-Auth-Token": api.token, **conditions}
    response = web.client.request(method, api.path(f"download/{task['file_id']}"), asked)
    assert own.status == response.status == status, f"{own} {response}"
    if status != 416:
        assert own.body == response.body
    expected, got = ({name: value for name, value in answer.headers.items() if name not in OF_THE_SERVER}
                     for answer in (own, response))
    assert got == expected
    assert re.fullmatch("[0-9a-f-]{36}", response.headers["x-request-id"]), f"{response.headers}"


@pytest.mark.each_way
def test_head(either, file):
    data, status = file
    get = either.download(status["file_id"])
    head = either.download(status["file_id"], method="HEAD")
    assert (head.status, head.body) == (200, b""), f"{head}"
    compared = ("content-type", "content-length", "content-disposition", "etag", "last-modified", "cache-control",
                "accept-ranges",
                "x-content-type-options")
    assert {name: head.headers.get(name) for name in compared} == {name: get.headers[name] for name in compared}


@pytest.mark.parametrize("text, first, last", [
    ("bytes=0-0", 0, 0),
    each_way("bytes=0-9", 0, 9),
    ("bytes=10-10", 10, 10),
    ("bytes=100-70000", 100, 70000),
    each_way("bytes=5-", 5, -1),
    ("bytes=0-", 0, -1),
    ("bytes=-1", -1, -1),
    each_way("bytes=-7", -7, -1),
    ("bytes={last}-", -1, -1),
    ("bytes={last}-{last}", -1, -1),
    each_way("bytes=1-{size}", 1, -1),
    ("bytes=1-999999999999999999", 1, -1),
    ("bytes=-{size}", 0, -1),
    ("bytes=-99999999", 0, -1),
])
def test_one_range(either, file, text, first, last):
    data, status = file
    size = len(data)
    first, last = (position % size for position in (first, last))
    response = either.download(status["file_id"], headers={"Range": text.format(size=size, last=size - 1)})
    assert response.status == 206, f"{response}"
    assert response.headers["content-range"] == f"bytes {first}-{last}/{size}", f"{response.headers}"
    assert response.headers["content-length"] == str(last - first + 1), f"{response.headers}"
    assert response.body == data[first:last + 1]
    assert response.headers["etag"] == either.download(status["file_id"], method="HEAD").headers["etag"]


@pytest.mark.parametrize("text", [
    "bytes=a-b", each_way("bytes=5-2"), "bytes=", "bytes", "bytes=-", "bytes=1", "bytes 0-1", each_way("items=0-1"),
    "0-1", "bytes=--1", "bytes=0-1x", "", "bytes=+1-2", "bytes=0x0-0x1", "bytes=1.5-2", "bytes=0-1;2-3",
    each_way("bytes= 0-1"), "bytes =0-1",
])
def test_a_range_that_can_not_be_read_is_ignored(either, file, text):
    data, status = file
    response = either.download(status["file_id"], headers={"Range": text})
    assert response.status == 200 and response.body == data, f"{response}"


@pytest.mark.parametrize("text", ["bytes={size}-", "bytes={size}-{size}", each_way("bytes=99999999-"),
                                  "bytes=999999999999999999-", "bytes=9223372036854775807-",
                                  each_way("bytes=99999999999999999999-"), each_way("bytes=-0")])
def test_a_range_beyond_the_end(either, file, text):
    data, status = file
    response = either.download(status["file_id"], headers={"Range": text.format(size=len(data))})
    assert response.status == 416, f"{response}"
    assert response.headers["content-range"] == f"bytes */{len(data)}", f"{response.headers}"
    assert not response.body.lstrip().startswith(b"<"), f"{response}"


def test_the_message_names_the_range(api, file):
    data, status = file
    response = api.download(status["file_id"], headers={"Range": "bytes=99999999-"})
    assert response.json()["error_msg"] == \
        f'Range must begin within the {len(data)} bytes of the file, got "bytes=99999999-"', f"{response}"


@pytest.mark.each_way
@pytest.mark.parametrize("text", ["bytes=1-99999999999999999999", "bytes=-99999999999999999999"])
def test_a_range_that_ends_beyond_all_numbers(either, file, text):
    data, status = file
    response = either.download(status["file_id"], headers={"Range": text})
    assert response.status in (200, 206), f"{response}"
    assert response.body == (data[1:] if response.status == 206 and "=1-" in text else data)


@pytest.mark.parametrize("text", [each_way("bytes=0-1,3-4"), "bytes=0-1, 10-", "bytes=0-0,-1"])
def test_several_ranges_may_get_the_whole(either, file, text):
    data, status = file
    response = either.download(status["file_id"], headers={"Range": text})
    if response.status == 200:
        assert response.body == data
    else:
        assert response.status == 206, f"{response}"
        assert response.headers["content-type"].startswith("multipart/byteranges"), f"{response}"


@pytest.mark.each_way
def test_a_range_of_another_answer_is_ignored(either):
    """A web server that evaluates ranges of files leaves other responses unchanged."""
    path = either.path("container/kubernetes")
    whole = either.request("GET", path)
    response = either.request("GET", path, {"Range": "bytes=0-1"})
    assert response.status == 200 and response.body == whole.body, f"{response}"


@pytest.mark.each_way
def test_a_range_of_a_head_request_is_ignored(either, file):
    data, status = file
    response = either.download(status["file_id"], method="HEAD", headers={"Range": "bytes=0-1"})
    assert (response.status, response.body) == (200, b""), f"{response}"
    assert response.headers["content-length"] == str(len(data)), f"{response}"


LONG_AGO, LATER = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"


# A date as recent as the one of this file need not count (RFC 9110, 8.8.2.2).
@pytest.mark.parametrize("condition, allowed", [
    each_way("{etag}", [206]), ("{modified}", [200, 206]), each_way('"other"', [200]), ("W/{etag}", [200]),
    (LONG_AGO, [200]),
    ("garbage", [200]),
])
def test_if_range(either, file, condition, allowed):
    data, status = file
    headers = either.download(status["file_id"], method="HEAD").headers
    condition = condition.format(etag=headers["etag"], modified=headers["last-modified"])
    response = either.download(status["file_id"], headers={"Range": "bytes=1-3", "If-Range": condition})
    assert response.status in allowed, f"{response}"
    assert response.body == (data[1:4] if response.status == 206 else data)


@pytest.mark.parametrize("conditions, changed", [
    each_way({"If-None-Match": "{etag}"}, False),
    ({"If-None-Match": "W/{etag}"}, False),
    ({"If-None-Match": "*"}, False),
    ({"If-None-Match": '"a", {etag}, "b"'}, False),
    each_way({"If-None-Match": '"other"'}, True),
    ({"If-None-Match": '"a", W/"b"'}, True),
    ({"If-Modified-Since": "{modified}"}, False),
    each_way({"If-Modified-Since": LATER}, False),
    each_way({"If-Modified-Since": LONG_AGO}, True),
    ({"If-Modified-Since": "garbage"}, True),
    ({"If-None-Match": '"other"', "If-Modified-Since": LATER}, True),
    ({"If-None-Match": "{etag}", "If-Modified-Since": LONG_AGO}, False),
    each_way({"If-None-Match": "{etag}", "Range": "bytes=0-1"}, False),
], ids=str)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions(either, file, method, conditions, changed):
    data, status = file
    headers = either.download(status["file_id"], method="HEAD").headers
    asked = {name: value.format(etag=headers["etag"], modified=headers["last-modified"]) for name,
             value in conditions.items()}
    response = either.download(status["file_id"], method=method, headers=asked)
    if changed:
        assert (response.status, response.body) == (200, data if method == "GET" else b""), f"{response}"
    else:
        assert (response.status, response.body) == (304, b""), f"{response}"
        assert response.headers["etag"] == headers["etag"], f"{response.headers}"


@pytest.mark.parametrize("condition", [
    {"If-Match": "{etag}"}, each_way({"If-Match": '"other"'}), {"If-Unmodified-Since": LATER},
    each_way({"If-Unmodified-Since": LONG_AGO}),
], ids=str)
def test_conditions_for_changes_are_ignored(either, file, condition):
    data, status = file
    headers = either.download(status["file_id"], method="HEAD").headers
    asked = {name: value.format(etag=headers["etag"]) for name, value in condition.items()}
    response = either.download(status["file_id"], headers=asked)
    assert response.status == 200 and response.body == data, f"{response}"


@pytest.fixture(scope="module")
def offloading(start):
    """A service whose web server sends the files."""
    return start("offloading", options={"files.offload": "x-sendfile", "files.gzip": "on"})


@pytest.mark.parametrize("software, headers, offloaded", [
    (software, headers, software.startswith("Apache") or len(headers) == 0 or "Accept-Encoding" in headers)
    for software in ("Apache/2.4.62 (Debian)", "lighttpd/1.4.69")
    for headers in ({}, {"Range": "bytes=1-2"}, {"If-Match": '"other"'}, {"If-Unmodified-Since": LONG_AGO},
                    {"Accept-Encoding": "gzip"})
], ids=str)
def test_whether_the_web_server_sends_the_bytes(offloading, software, headers, offloaded):
    """Apache evaluates ranges and is kept from evaluating conditions; for other servers Waybill does both."""
    api = offloading.api()
    status = api.finished(MINIMAL)

    def ask(method, **more):
        params = api.client.params(method, api.path("download/" + status["file_id"]),
                                   {"X-Auth-Token": api.token, **headers, **more})
        return parse(fcgi.request(api.client.socket_path, {**params, "SERVER_SOFTWARE": software})[0])
    response = ask("GET")
    name = status["file_id"] + (".gz" if "Accept-Encoding" in headers else "")
    if offloaded:
        assert (response.status, response.body) == (200, b""), f"{response}"
        assert response.headers["x-sendfile"] == os.path.join(offloading.site.files, name)
        assert not {"content-range", "content-length"} & set(response.headers), f"{response}"
    else:
        assert response.status == (206 if "Range" in headers else 200), f"{response}"
        assert response.body and "x-sendfile" not in response.headers, f"{response}"
    for other in (ask("HEAD"), ask("GET", **{"Range": "bytes=99999999-"}), ask("GET", **{"If-None-Match": "*"})):
        assert "x-sendfile" not in other.headers, f"{other}"


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=1-2"}], ids=str)
def test_apache_sends_nothing_unless_configured(api, file, headers):
    data, status = file
    params = api.client.params("GET", api.path("download/" + status["file_id"]), {"X-Auth-Token": api.token, **headers})
    response = parse(fcgi.request(api.client.socket_path, {**params, "SERVER_SOFTWARE": "Apache"})[0])
    assert response.body == (data[1:3] if headers else data) and "x-sendfile" not in response.headers, f"{response}"


def test_unknown(either):
    file_id = str(uuid.uuid4())
    expect_error(either.download(file_id), 404, "HSS.0011", file_id)


@pytest.mark.each_way
def test_expired(either, hostile):
    _, status = either.export(MINIMAL)
    hostile.site.sql("UPDATE waybill.export_task SET expire_time = now() + interval '1 minute' WHERE task_id = %s",
                     status["task_id"])
    assert either.download(status["file_id"]).status == 200
    hostile.site.sql("UPDATE waybill.export_task SET expire_time = now() - interval '1 second' WHERE task_id = %s",
                     status["task_id"])
    expect_error(either.download(status["file_id"]), 410, "HSS.0011")
    expect_error(either.download(status["file_id"], headers={"Range": "bytes=0-1"}), 410, "HSS.0011")
    stranger = hostile.api("demo2")
    expect_error(stranger.download(status["file_id"]), 404, "HSS.0011")


def test_the_file_is_where_and_what_it_should_be(hostile, file):
    data, status = file
    path = os.path.join(hostile.site.files, status["file_id"])
    with open(path, "rb") as published:
        assert published.read() == data


@pytest.mark.each_way
def test_a_file_that_was_lost(either, hostile):
    """The file was deleted by hand: the response is an error in our form, not an empty file."""
    _, status = either.export(MINIMAL)
    os.unlink(os.path.join(hostile.site.files, status["file_id"]))
    response = either.download(status["file_id"])
    assert response.status in (404, 410, 500), f"{response}"
    expect_error(response, response.status, response.json()["error_code"])
