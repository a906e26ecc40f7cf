"""Callers who send slowly, read slowly or wait do not keep a web server from serving others: /healthz/live and create
answer another caller in less than a second."""

import os
import socket
import threading

import pytest
from api import MINIMAL
from calls import expect_removed, remove
from deadline import OwnClock, wait_until
from faults import ASYNC
from web import share_files, start_web

SIZE = 12 << 20  # bytes of a file: larger than the buffers of the kernel and of a server
ROUNDS = 5
PROMISED = 1  # seconds
STEP = 0.1  # seconds between two steps of a slow caller


class Caller:
    """One of a crowd: sends its request, then sends a few bytes of the body or reads some of the response per step."""

    def __init__(self, port, request, sends=0, reads=4096):
        self.sends = sends
        self.reads = reads
        self.sent = self.received = 0
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(request)

    def step(self):
        """Returns False once the server has closed the connection."""
        try:
            if self.sends:
                self.sent += self.socket.send(b" " * self.sends, socket.MSG_DONTWAIT)
            data = self.socket.recv(self.reads, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        self.received += len(data)
        return bool(data)


class Crowd:
    """Callers who continue step by step while in `with`."""

    def __init__(self, port, count, request, **slowness):
        self.ended = threading.Event()
        self.callers = [Caller(port, request, **slowness) for _ in range(count)]
        self.thread = threading.Thread(target=self.go_on)

    def go_on(self):
        active = self.callers
        while not self.ended.wait(STEP):
            active = [caller for caller in active if caller.step()]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        for caller in self.callers:
            caller.socket.close()


@pytest.fixture(scope="module")
def attacked(start):
    """A site with one large file, which has a gzip variant, and no process that could run a task."""
    service = start("attacked", options={"files.gzip": "on"}, prepare=share_files)
    status = service.api().finished(MINIMAL)
    for name, form in ((status["file_id"], ""), (status["file_id"] + ".gz", "gzip_")):
        with open(os.path.join(service.site.files, name), "r+b") as file:
            file.write(os.urandom(SIZE))
        service.site.sql(f"UPDATE waybill.export_task SET {form or 'file_'}size = %s", SIZE)
    service.process.stop()
    service.file_id = status["file_id"]
    return service


@pytest.fixture(scope="module", params=["lighttpd", "apache-fcgid", "apache-proxy", "nginx"])
def server(request, attacked):
    made = start_web(request.param, attacked.site, options={"export.threads": 0}, callers=1000)
    yield made
    made.stop()


def request_of(api, method, path, **headers):
    lines = [f"{method} {api.path(path)} HTTP/1.1", "Host: localhost", "Connection: close",
             *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "".join(line + "\r\n" for line in [*lines, ""]).encode()


def expect_prompt_answers(attacked, server):
    """Checks that another caller gets responses within the promised time."""
    api = attacked.api("other", client=server.client)
    times = {"live": [], "create": []}
    with OwnClock() as clock:
        for _ in range(ROUNDS):
            begun = clock.now()
            assert server.client.request("GET", "/healthz/live").status == 200
            times["live"].append(clock.now() - begun)
            begun = clock.now()
            api.create_task(MINIMAL, headers=ASYNC)
            times["create"].append(clock.now() - begun)
    assert all(max(taken) < PROMISED for taken in times.values()), f"{times}"


def test_slow_bodies_with_a_bad_token(attacked, server):
    """A server may buffer the beginning of a body for a while: that much of it is sent at once."""
    request = request_of(attacked.api(), "POST", "container/export-task", X_Auth_Token="bad", Content_Length=500000)
    with Crowd(server.port, 32, request + b" " * 40000, sends=70) as crowd:
        wait_until(lambda: all(caller.sent >= 700 or caller.received for caller in crowd.callers), "all send")
        expect_prompt_answers(attacked, server)


@pytest.mark.parametrize("headers", [
    {"Range": "bytes=1-"}, {"If_Match": '"other"'}, {"Accept_Encoding": "gzip"},
    {"Range": "bytes=1-", "If_Match": '"other"', "Accept_Encoding": "gzip"},
], ids=" ".join)
def test_slow_readers(attacked, server, headers):
    api = attacked.api()
    request = request_of(api, "GET", f"download/{attacked.file_id}", X_Auth_Token=api.token, **headers)
    with Crowd(server.port, 24, request, reads=100) as crowd:
        wait_until(lambda: all(caller.received for caller in crowd.callers), "all have begun to read")
        expect_prompt_answers(attacked, server)


def test_more_waits_than_there_may_be(attacked, server):
    api = attacked.api(client=server.client)
    task_id = api.create_task(MINIMAL, headers=ASYNC)
    request = request_of(api, "GET", f"export-task/{task_id}", X_Auth_Token=api.token, Prefer="wait=60")
    allowed = server.options.get("server.waiting_requests", 512)
    with Crowd(server.port, 600, request) as crowd:
        wait_until(lambda: sum(caller.received > 0 for caller in crowd.callers) >= 600 - allowed,
                   "those beyond the limit are answered")
        expect_prompt_answers(attacked, server)
        expect_removed(remove(api, task_id))
        wait_until(lambda: all(caller.received for caller in crowd.callers), "the others are answered")
