"""The gzip variant of a file: when it is sent, that it is the same text, and that it exists as long as its file."""

import gzip
import os

import pytest
from calls import expect_removed, remove
from deadline import DEADLINE, wait_until
from faults import (ALL, ASYNC, BODY, FAILED, FULL, LEASE, Orders, expect_failure, fill,
                    fleet)  # noqa: F401
from web import EACH_WAY, share_files, start_web

GZIP = {"Accept-Encoding": "gzip"}
ROWS = 3000


@pytest.fixture(scope="module")
def packed(start):
    """A service whose files have gzip variants."""
    def prepare(site):
        site.make_keys()
        share_files(site)
        fill(site, demo=ROWS)
    return start("gzip", options={"files.gzip": "on"}, prepare=prepare)


@pytest.fixture(scope="module")
def packed_api(packed):
    return packed.api()


@pytest.fixture(scope="module", params=EACH_WAY)
def packed_web(request, packed):
    """A caller through each web server, which also sends the gzip variants."""
    server = start_web(request.param, packed.site, options={"files.gzip": "on"})
    yield packed.api(client=server.client)
    server.stop()


@pytest.fixture(scope="module")
def file(packed_api):
    """A finished export: its bytes, those of its gzip variant, and its status."""
    data, status = packed_api.export({"export_headers": ALL})
    path = os.path.join(packed_api.site.files, status["file_id"])
    with open(path + ".gz", "rb") as variant:
        return data, variant.read(), status


def test_the_gzip_variant_is_the_same_text_in_fewer_bytes(file):
    data, variant, status = file
    assert gzip.decompress(variant) == data
    assert len(variant) < len(data) / 3 and status["file_size"] == len(data)


def test_without_the_option_there_is_none(api):
    _, status = api.export()
    assert not os.path.exists(os.path.join(api.site.files, status["file_id"] + ".gz"))
    response = api.download(status["file_id"], headers=GZIP)
    assert "content-encoding" not in response.headers and "vary" not in response.headers, f"{response.headers}"


def test_gzip_is_sent_if_accepted(packed_api, file):
    data, variant, status = file
    plain = packed_api.download(status["file_id"])
    packed = packed_api.download(status["file_id"], headers=GZIP)
    assert (plain.status, plain.body) == (200, data) and (packed.status, packed.body) == (200, variant)
    assert plain.headers["etag"] == f'"{status["sha256"]}"'
    assert packed.headers["etag"] == f'"{status["sha256"]}-gzip"'
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert packed.headers["content-length"] == str(len(variant))
    for name in ("vary", "content-type", "content-disposition", "last-modified", "accept-ranges", "cache-control",
                 "x-content-type-options"):
        assert plain.headers[name] == packed.headers[name], name
    assert plain.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("accepted, gets_gzip", [
    ("gzip, deflate, br", True), ("*", True), ("gzip;q=0.5", True), ("identity;q=0, gzip;q=1", True),
    ("gzip;q=0", False), ("br", False), ("", False), ("identity, gzip;q=0.5", False),
])
def test_what_is_accepted(packed_api, file, accepted, gets_gzip):
    data, variant, status = file
    response = packed_api.download(status["file_id"], headers={"Accept-Encoding": accepted})
    assert response.status == 200 and response.body == (variant if gets_gzip else data)


def test_head(packed_api, file):
    _, variant, status = file
    get = packed_api.download(status["file_id"], headers=GZIP)
    head = packed_api.download(status["file_id"], method="HEAD", headers=GZIP)
    assert (head.status, head.body) == (200, b"")
    assert {**head.headers, "x-request-id": ""} == {**get.headers, "x-request-id": ""}


def test_ranges_are_of_what_is_sent(packed_api, file):
    _, variant, status = file
    response = packed_api.download(status["file_id"], headers={**GZIP, "Range": "bytes=10-99"})
    assert (response.status, response.body) == (206, variant[10:100]), f"{response}"
    assert response.headers["content-range"] == f"bytes 10-99/{len(variant)}"
    assert response.headers["content-encoding"] == "gzip"
    response = packed_api.download(status["file_id"], headers={**GZIP, "Range": f"bytes={len(variant)}-"})
    assert response.status == 416 and response.headers["content-range"] == f"bytes */{len(variant)}"


@pytest.mark.parametrize("accepted", [GZIP, {}], ids=["gzip", "plain"])
def test_conditions_are_for_what_would_be_sent(packed_api, file, accepted):
    """The tag of one form does not match the other."""
    data, variant, status = file
    mine, other = f'"{status["sha256"]}-gzip"', f'"{status["sha256"]}"'
    whole = variant
    if not accepted:
        mine, other, whole = other, mine, data

    response = packed_api.download(status["file_id"], headers={**accepted, "If-None-Match": mine})
    assert (response.status, response.body) == (304, b"")
    assert response.headers["etag"] == mine and response.headers["vary"] == "Accept-Encoding"
    response = packed_api.download(status["file_id"], headers={**accepted, "If-None-Match": other})
    assert (response.status, response.body) == (200, whole)
    for tag, expected in ((mine, (206, whole[1:4])), (other, (200, whole))):
        response = packed_api.download(status["file_id"],
                                       headers={**accepted, "Range": "bytes=1-3", "If-Range": tag})
        assert (response.status, response.body) == expected


@pytest.mark.parametrize("headers", [
    {}, {"Range": "bytes=10-99"}, {"Range": "bytes=-7"}, {"Range": "bytes=0-1,5-6"}, {"Range": "bytes=99999999-"},
    {"If-None-Match": "{etag}"}, {"If-None-Match": '"other"'}, {"If-Range": "{etag}", "Range": "bytes=1-3"},
    {"If-Range": '"other"', "Range": "bytes=1-3"}, {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
], ids=str)
@pytest.mark.parametrize("accepted", [GZIP, {}], ids=["gzip", "plain"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_web_server_changes_nothing(packed_web, packed_api, file, method, accepted, headers):
    """The response equals that of the process itself, whether or not the web server sends the bytes."""
    status = file[2]
    etag = packed_api.download(status["file_id"], method="HEAD", headers=accepted).headers["etag"]
    asked = {**accepted, **{name: value.format(etag=etag) for name, value in headers.items()}}
    expected = packed_api.download(status["file_id"], method=method, headers=asked)
    response = packed_web.download(status["file_id"], method=method, headers=asked)
    assert response.status == expected.status
    if expected.status in (200, 206):
        assert response.body == expected.body
    names = {"vary", "etag", "cache-control"}
    if expected.status != 304:  # a server may omit headers that a 304 need not have (RFC 9110, 15.4.5)
        names |= {"content-encoding", "content-range", "last-modified", "accept-ranges", "content-disposition",
                  "x-content-type-options"}
    for name in names:
        assert response.headers.get(name) == expected.headers.get(name), name
    if expected.status == 200:
        assert response.headers["content-length"] == expected.headers["content-length"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=10-99"}, {"If-None-Match": "*"}], ids=str)
def test_a_link_gets_the_same_variant(packed_web, file, method, headers):
    status = packed_web.status(file[2]["task_id"]).json()
    headers = {**GZIP, **headers}
    expected = packed_web.download(status["file_id"], method=method, headers=headers)
    response = packed_web.client.request(method, status["download_url"], headers)
    assert response.status == expected.status and response.body == expected.body
    names = ("etag", "content-encoding", "content-range", "content-length", "vary", "cache-control")
    assert [response.headers.get(name) for name in names] == [expected.headers.get(name) for name in names]


def test_it_goes_with_its_file(packed_api):
    status = packed_api.finished()
    path = os.path.join(packed_api.site.files, status["file_id"])
    assert os.path.exists(path) and os.path.exists(path + ".gz")
    expect_removed(remove(packed_api, status["task_id"]))
    assert not os.path.exists(path) and not os.path.exists(path + ".gz")


def test_it_expires_with_its_file(packed, packed_api):
    status = packed_api.finished()
    path = os.path.join(packed_api.site.files, status["file_id"])
    packed.site.sql("UPDATE waybill.export_task SET expire_time = now() WHERE task_id = %s", status["task_id"])
    assert packed.site.waybill("task", "purge").returncode == 0
    # Not at once, if the process does the same: the purge skips what it has locked.
    wait_until(lambda: not os.path.exists(path) and not os.path.exists(path + ".gz"), "both are removed")


def test_it_counts_for_the_room_that_files_take(fleet):  # noqa: F811
    """Two files fit into the limit for all files, but not with their gzip variants."""
    made = fleet("gzip_total", {"files.gzip": "on", "files.max_total_mib": 1}, p1=ROWS)
    made.start()
    older = made.api().finished(BODY)
    size, = made.task(older["task_id"], "file_size + gzip_size")
    made.site.sql("UPDATE waybill.export_task SET file_size = 1048576 / 2, gzip_size = %s", size)
    newer = made.api().finished(BODY)
    made.site.sql("UPDATE waybill.export_task SET file_size = 1048576 / 2 WHERE task_id = %s", newer["task_id"])
    assert made.site.waybill("task", "purge").returncode == 0
    assert made.task(older["task_id"], "file_removed") == (True,)
    assert made.task(newer["task_id"], "file_removed") == (False,)
    assert sorted(os.listdir(made.site.files)) == [newer["file_id"], newer["file_id"] + ".gz"]


@pytest.mark.parametrize("moment", ["write kill 200000", "fsync kill", "publish kill", "syncdir kill"])
@pytest.mark.parametrize("way", ["nameless", "part"])
def test_a_process_that_is_killed(fleet, way, moment):  # noqa: F811
    """In the end there are one file and one gzip variant, whatever step the process had reached."""
    made = fleet(f"gzip_kill_{way}_{moment.split()[0]}", p1=ROWS)
    orders = Orders(made.site)
    nameless = () if way == "nameless" else ("tmpfile EOPNOTSUPP",)
    made.start_front({"files.gzip": "on", "export.lease": LEASE, "export.threads": 1})
    one = made.start("one", orders.variables)
    orders.give(moment, *nameless)
    task_id = made.api("front").create_task(BODY, headers=ASYNC)
    assert one.process.wait(timeout=DEADLINE) == -9, f"{moment} did not happen"
    orders.give(*nameless)
    made.start("two", orders.variables)
    status = made.api("two").wait(task_id)
    assert status["task_status"] == "success", f"{status}"
    names = {status["file_id"], status["file_id"] + ".gz"}
    wait_until(lambda: set(os.listdir(made.site.files)) == names, "no stray file is left")
    plain = made.api("two").download(status["file_id"])
    packed = made.api("two").download(status["file_id"], headers=GZIP)
    assert gzip.decompress(packed.body) == plain.body and len(plain.body) == status["file_size"]


@pytest.mark.parametrize("order, reason", [("write ENOSPC 20000", FULL), ("fsync EIO", FAILED),
                                           ("publish EIO", FAILED), ("syncdir EIO", FAILED)])
def test_a_failure_leaves_neither(fleet, order, reason):  # noqa: F811
    made = fleet(f"gzip_fail_{order.split()[0]}", {"files.gzip": "on"}, p1=ROWS)
    orders = Orders(made.site)
    made.start("one", orders.variables)
    orders.give(order)
    expect_failure(made, reason)
    orders.give()
    status = made.api().finished(BODY)
    assert sorted(os.listdir(made.site.files)) == [status["file_id"], status["file_id"] + ".gz"]
