"""Connections that are silent or slow, or that send data meant to end the process: they do not affect other callers.
The tests speak to the process directly, as any caller can who reaches its socket."""

import contextlib
import json
import os
import resource
import socket
import statistics
import struct
import threading
import time

import fcgi
import pytest
from api import MINIMAL, expect_error
from build import built_with_sanitizers
from clients import parse
from deadline import OwnClock, wait_until
from faults import ASYNC, fleet, soon  # noqa: F401
from signing import Key, signed

PROMPT = 1  # second, not counting delays of this machine, within which another caller gets a response
HEADS = 1024  # limit of incomplete requests
HANGS = 10  # seconds that a single response may take at most
MEBIBYTE = 1 << 20
CREATE = json.dumps(MINIMAL).encode()
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module", autouse=True)
def descriptors():
    """Raises the limit of descriptors for the connections of an attack."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[1], 8192), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Target:
    """A process that is attacked, and another caller, who must not be affected."""

    def __init__(self, made):
        self.made = made
        self.process = made.processes["one"]
        self.api = made.api()

    def params(self, method, path, headers, length=None):
        return fcgi.pairs(self.api.client.params(method, self.api.path(path),
                                                 {"X-Auth-Token": self.api.token, **headers}, length))

    def head(self, method, path, headers, length=None):
        return fcgi.begin() + fcgi.records(fcgi.PARAMS, self.params(method, path, headers, length))

    def expect_prompt_answers(self):
        """Checks the median, so that a response delayed by another program does not fail the test, and the maximum."""
        calls = {"live": lambda: self.api.client.request("GET", "/healthz/live"),
                 "create": lambda: self.api.create(MINIMAL, headers=ASYNC)}
        with OwnClock() as clock:
            for name, call in calls.items():
                took = []
                for _ in range(5):
                    began = clock.now()
                    response = call()
                    took.append(clock.now() - began)
                    assert response.status == 200, f"{name}: {response}"
                assert statistics.median(took) < PROMPT and max(took) < HANGS, f"{name} took {took} seconds"

    def requests_logged(self, status):
        return self.process.log_text().count(f" status={status} ")


@pytest.fixture
def target(fleet, request):  # noqa: F811
    """A process without export threads, unless the parameter sets some, so that creates do not depend on exports."""
    options = {"export.threads": 0, "limits.unfinished_tasks": 100000, **getattr(request, "param", {})}
    made = fleet(f"attack{time.monotonic_ns() % 10**9}", options, p1=20)
    made.start()
    return Target(made)


@pytest.fixture
def crowd(target):
    """Opens many connections that send this data, and closes them at the end of the test."""
    with contextlib.ExitStack() as stack:
        def connect(count, data):
            made = [stack.enter_context(fcgi.Connection(target.process.socket_path)) for _ in range(count)]
            for connection in made:
                connection.send(data)
            return made
        yield connect


@contextlib.contextmanager
def trickle(connections, data):
    """Sends this data on each of the connections ten times a second."""
    ended = threading.Event()

    def send():
        while not ended.wait(0.1):
            for connection in connections:
                connection.send(data)
    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("count", [40, 1500])
@pytest.mark.parametrize("data", [b"", fcgi.begin()[:5], fcgi.begin() + fcgi.record(fcgi.PARAMS, b"\x0a\x0aREQ")],
                         ids=["nothing", "half a record", "half a head"])
def test_silent_connections(target, crowd, count, data):
    count = min(count, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200)
    crowd(count, data)
    target.expect_prompt_answers()
    assert target.process.log_text().count("too many incomplete requests") >= count - HEADS, "too many are kept"


def test_heads_that_trickle(target, crowd):
    connections = crowd(64, target.head("GET", "export-tasks", {})[:100])
    with trickle(connections, b"x"):
        target.expect_prompt_answers()


def peak(process):
    return process.memory("VmHWM")


def expect_small(process, before, limit):
    """Checks that the process has grown by less than this number of MiB. Sanitizers keep memory of their own."""
    grown = (peak(process) - before) / 1024
    assert built_with_sanitizers() or grown < limit, f"{grown} MiB"


def test_heads_of_many_mebibytes(target):
    """Each is answered as soon as it is too large; the rest is dropped."""
    before = peak(target.process)
    piece = fcgi.record(fcgi.PARAMS, b"\x80\0\xff\xf0\0" + b"x" * 0xFFF0)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(fcgi.Connection(target.process.socket_path)) for _ in range(64)]
        for connection in connections:
            connection.send(fcgi.begin(), piece * 16)
        for connection in connections:
            expect_error(parse(connection.answer()[0]), 431, "HSS.0001", "headers", str(512 * 1024))

        def send(connection):
            connection.send(*[piece] * 128)
        threads = [threading.Thread(target=send, args=[connection]) for connection in connections]
        for thread in threads:
            thread.start()
        target.expect_prompt_answers()
        for thread in threads:
            thread.join()
    expect_small(target.process, before, 100)


def test_heads_that_stay_large(target, crowd):
    """Heads just below the limit that never complete: together they cannot hold that much memory."""
    before = peak(target.process)
    piece = fcgi.record(fcgi.PARAMS, b"\x80\0\xff\xf0\0" + b"x" * 0xFFF0)
    crowd(100, fcgi.begin() + piece * 7)
    target.expect_prompt_answers()
    reason = "all pending requests together are too large"
    wait_until(lambda: reason in target.process.log_text(), "some are closed")
    expect_small(target.process, before, 100)


def length(number):
    return struct.pack(">I", number | 1 << 31)


@pytest.mark.parametrize("pair", [
    length(0x7FFFFFFF) + length(0x7FFFFFFF), length(0x7FFFFFFE) + length(0), length(0x7FFFFFFF) + b"\0",
    b"\1" + length(0x7FFFFFFF) + b"A", length(0x7FFFFFFF) + length(1) + b"A" * 100, length(0x40000000) * 2,
    length(0x10000000) + b"\0" + b"A" * 60000,
])
def test_lengths_that_overflow(target, pair):
    """libfcgi would trust these lengths, and overflow its arithmetic or its memory."""
    for before in (b"", fcgi.pairs({"REQUEST_METHOD": "GET"})):
        with fcgi.Connection(target.process.socket_path) as connection:
            connection.send(fcgi.begin(), fcgi.records(fcgi.PARAMS, before + pair), fcgi.record(fcgi.STDIN))
            with pytest.raises(fcgi.Closed):
                connection.answer()
    assert target.process.process.poll() is None
    target.expect_prompt_answers()


def test_bodies_that_trickle_without_a_token(target, crowd):
    """Each gets its response at once, and so do other callers. The rest of the body is dropped for a short time."""
    head = target.head("POST", "container/export-task", {"X-Auth-Token": "unknown", **JSON}, 100000)
    connections = crowd(40, head + fcgi.record(fcgi.STDIN, b"{"))
    with trickle(connections, fcgi.record(fcgi.STDIN, b" " * 70)):
        with OwnClock() as clock:
            began = clock.now()
            for connection in connections:
                expect_error(parse(connection.answer()[0]), 401, "APIGW.0301")
            took = clock.now() - began
        assert took < 10, f"{took} seconds"
        target.expect_prompt_answers()
        wait_until(lambda: open_sockets(target.process) < 20, "the connections are closed")


def open_sockets(process):
    count = 0
    for name in os.listdir(f"/proc/{process.pid}/fd"):
        with contextlib.suppress(OSError):
            count += os.readlink(f"/proc/{process.pid}/fd/{name}").startswith("socket:")
    return count


def test_bodies_that_trickle_with_a_token(target, crowd):
    head = target.head("POST", "container/export-task", JSON, 100000)
    connections = crowd(40, head + fcgi.record(fcgi.STDIN, b"{"))
    with trickle(connections, fcgi.record(fcgi.STDIN, b" ")):
        target.expect_prompt_answers()


def signed_head(target, length=100000):
    """Returns the head of a create that is signed by nobody, and whose body is announced."""
    path = target.api.path("container/export-task")
    headers = signed(Key("WBAKUNKNOWN", "x"), "POST", path, JSON, b"")
    params = target.api.client.params("POST", path, headers, length)
    return fcgi.begin() + fcgi.records(fcgi.PARAMS, fcgi.pairs(params))


def test_signed_bodies_that_trickle(target, crowd):
    """Without valid credentials, slow senders occupy no thread and no place of those who may be slow. The connections
    beyond the limit of incomplete requests are closed, the oldest first."""
    threads = len(os.listdir(f"/proc/{target.process.pid}/task"))
    crowd(2000, signed_head(target) + fcgi.record(fcgi.STDIN, b"{"))
    target.expect_prompt_answers()
    assert len(os.listdir(f"/proc/{target.process.pid}/task")) == threads
    wait_until(lambda: target.process.log_text().count("too many incomplete requests") >= 2000 - HEADS,
               "too many are closed")
    assert open_sockets(target.process) < HEADS + 50
    slow = crowd(100, signed_head(target) + fcgi.record(fcgi.STDIN, b"{"))
    with trickle(slow, fcgi.record(fcgi.STDIN, b" ")):
        target.expect_prompt_answers()
    assert target.requests_logged(401) == target.requests_logged(503) == 0, "none is served before its body is there"


def test_signed_bodies_that_stay_large(target, crowd):
    """Bodies that never complete: together they cannot hold that much memory."""
    before = peak(target.process)
    piece = fcgi.record(fcgi.STDIN, b" " * 0xFFF0)
    crowd(100, signed_head(target, MEBIBYTE) + piece * 15)
    target.expect_prompt_answers()
    wait_until(lambda: "all pending requests together are too large" in target.process.log_text(), "some are closed")
    expect_small(target.process, before, 100)


def test_a_signed_body_that_breaks_off(target, crowd):
    """A request that is cut off or aborted is not served, so it is no failed sign-in either."""
    cut, aborted = crowd(2, signed_head(target) + fcgi.record(fcgi.STDIN, b"{"))
    cut.socket.close()
    aborted.send(fcgi.record(fcgi.ABORT_REQUEST))
    wait_until(lambda: "closed by the peer" in target.process.log_text(), "the first is dropped")
    wait_until(lambda: "aborted by the web server" in target.process.log_text(), "the second is dropped")
    target.expect_prompt_answers()
    assert target.requests_logged(400) == target.requests_logged(401) == 0


def test_bodies_that_trickle_beyond_the_limit(target, crowd):
    """Only as many bodies are awaited as the limit allows. The other callers are asked to retry."""
    head = target.head("POST", "container/export-task", JSON, 100000)
    crowd(300, head + fcgi.record(fcgi.STDIN, b"{"))
    wait_until(lambda: target.requests_logged(503) == 300 - 256, "so many are refused")
    target.expect_prompt_answers()
    assert target.requests_logged(503) == 300 - 256


@pytest.mark.parametrize("target", [{"export.threads": 1}], indirect=True)
def test_slow_readers(target, crowd):
    """The process itself sends parts and whole files, as many at a time as the limit allows. The other callers are
    refused and asked to retry."""
    target.made.site.sql("DELETE FROM waybill.container")
    target.made.site.sql("INSERT INTO waybill.container (project_id, container_id, container_name) SELECT 'p1',"
                         " lpad(i::text, 32, '0'), repeat('x', 200) FROM generate_series(1, 20000) AS i")
    status = target.api.finished({"export_headers": [["container_id", "Id"], ["container_name", "Name"]]})
    assert status["file_size"] > 4 * MEBIBYTE
    ranges = {"Range": "bytes=1-"}
    heads = [target.head("GET", f"download/{status['file_id']}", headers) + fcgi.record(fcgi.STDIN)
             for headers in (ranges, {"If-Match": "*"})]
    readers = crowd(128, heads[0]) + crowd(128, heads[1])
    for reader in readers:
        assert reader.socket.recv(1, socket.MSG_PEEK)
    target.expect_prompt_answers()
    refused = target.api.download(status["file_id"], headers=ranges)
    expect_error(refused, 503, "APIGW.0201")
    assert refused.headers["retry-after"]
    small = target.api.download(status["file_id"], headers={"Range": "bytes=0-999"})
    assert small.status == 206 and len(small.body) == 1000, f"{small}"
    readers[0].socket.close()
    soon(lambda: target.api.download(status["file_id"], headers=ranges).status == 206, "there is room again")
    readers[1].socket.close()
    late, = crowd(1, heads[0])
    assert late.socket.recv(1, socket.MSG_PEEK)
    response = parse(late.answer()[0])
    assert response.status == 206 and len(response.body) == status["file_size"] - 1, f"{response}"


@pytest.mark.parametrize("target", [{"export.threads": 1, "server.request_threads": 1}], indirect=True)
def test_readers_that_leave_no_room_for_the_end(target, crowd):
    """Whatever part of the response fits into the socket last, the only thread still serves others."""
    target.made.site.sql("INSERT INTO waybill.container (project_id, container_id, container_name) SELECT 'p1',"
                         " lpad(i::text, 32, '0'), repeat('x', 200) FROM generate_series(1001, 3000) AS i")
    status = target.api.finished({"export_headers": [["container_id", "Id"], ["container_name", "Name"]]})
    assert status["file_size"] > 400000
    with OwnClock() as clock:
        for size in range(70000, 400000, 4000):
            head = target.head("GET", f"download/{status['file_id']}", {"Range": f"bytes=0-{size}"})
            began = clock.now()
            reader, = crowd(1, head + fcgi.record(fcgi.STDIN))
            assert reader.socket.recv(1, socket.MSG_PEEK)
            assert clock.now() - began < HANGS, f"after one of {size - 4000} bytes"
    target.expect_prompt_answers()


WAITING = {"Prefer": "wait=60"}


@pytest.mark.parametrize("target, limit", [({}, 512), ({"server.waiting_requests": 3}, 3),
                                           ({"server.waiting_requests": 0}, 0)], indirect=["target"])
def test_waiting_requests(target, crowd, limit):
    """As many requests wait as the limit allows. All others are answered at once with the current state."""
    task_id = target.api.create_task(MINIMAL, headers=ASYNC)
    before = target.requests_logged(200)
    count = limit + 88
    waiters = crowd(count, target.head("GET", f"export-task/{task_id}", WAITING) + fcgi.record(fcgi.STDIN))
    soon(lambda: target.requests_logged(200) == before + 88, "those beyond the limit are answered")
    target.expect_prompt_answers()
    with OwnClock() as clock:
        began = clock.now()
        response = target.api.status(task_id, headers=WAITING)
        assert response.json()["task_status"] == "running" and clock.now() - began < 10
        began = clock.now()
        assert target.api.create(MINIMAL, headers=WAITING).status == 200
        assert clock.now() - began < 10
    if limit == 0:
        return
    # A caller that hangs up makes room for another one.
    answered = target.requests_logged(200)
    for waiter in waiters:
        waiter.socket.close()
    soon(lambda: target.requests_logged(200) == answered + limit, "they are noticed to be gone")
    with fcgi.Connection(target.process.socket_path) as waiter:
        waiter.send(target.head("GET", f"export-task/{task_id}", WAITING), fcgi.record(fcgi.STDIN))
        waiter.socket.settimeout(2)
        with pytest.raises(TimeoutError):
            waiter.answer()
