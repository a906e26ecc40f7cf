"""Callers who hang up: nothing that was held for them stays held."""

import http.client
import itertools
import json
import os
import socket
import threading
import time

import fcgi
import pytest
from api import MINIMAL, Api
from deadline import DEADLINE, wait_until
from faults import ASYNC, fleet  # noqa: F401
from service import processes_of_session
from web import start_web

CALLERS = 1000 if "WAYBILL_TEST_ROUNDS" in os.environ else 300
BY_WEB = 100
AT_ONCE = 100  # connections that a caller holds at the same time
# No task ends. There are few connections to the database, so that all are open after a few calls: two for requests, and
# one each for listening, housekeeping, the scheduler and notifications.
OPTIONS = {"export.threads": 0, "database.pool_size": 2}
CONNECTIONS = 6


class Held:
    """The resources that a process holds: descriptors, threads, connections to the database."""

    def __init__(self, site, pid):
        self.site = site
        self.pid = pid

    def count(self):
        connections = self.site.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'waybill_service'")
        return (len(os.listdir(f"/proc/{self.pid}/fd")), len(os.listdir(f"/proc/{self.pid}/task")),
                connections[0][0])


def in_groups(count, call, arrived):
    """Makes this number of connections by call(), and closes them group by group."""
    while count > 0:
        connections = [call() for _ in range(min(count, AT_ONCE))]
        count -= len(connections)
        arrived(len(connections))
        for connection in connections:
            connection.close()


def expect_nothing_held(held, count, call, serves, arrived=lambda number: None):
    """However many callers hang up, the process holds as much in the end as before, after serving others."""
    def has_all():
        others = [threading.Thread(target=serves) for _ in range(20)]
        for other in others:
            other.start()
        for other in others:
            other.join()
        return held.count()[2] == CONNECTIONS
    wait_until(has_all, "the process has all its connections to the database")
    before = None

    def is_at_rest():
        nonlocal before
        last, before = before, held.count()
        time.sleep(1)
        return before == last == held.count()
    wait_until(is_at_rest, "the process has nothing to do")
    in_groups(count, call, arrived)
    serves()
    try:
        wait_until(lambda: held.count() == before, "what was held for the callers is given back")
    except AssertionError:
        raise AssertionError(f"descriptors, threads, connections: {before} before, {held.count()} after") from None
    serves()


# Short names: a socket in a directory with this name must have a path of at most 107 bytes.
names = (f"leaks{number}" for number in itertools.count())


@pytest.fixture
def direct(fleet):  # noqa: F811
    made = fleet(next(names), OPTIONS)
    made.start()
    return made


def begin_request(api, method, path, headers, length=None):
    """Sends a request on a connection of its own, up to its body."""
    connection = fcgi.Connection(api.client.socket_path)
    params = api.client.params(method, api.path(path), {"X-Auth-Token": api.token, **headers}, length)
    connection.send(fcgi.begin(), fcgi.records(fcgi.PARAMS, fcgi.pairs(params)))
    return connection.socket


def begin_status(api, task_id):
    connection = begin_request(api, "GET", f"export-task/{task_id}", {"Prefer": "wait=60"})
    connection.sendall(fcgi.record(fcgi.STDIN))
    return connection


def begin_create(api, sent, length):
    """Sends a create that waits, with the given part of its body, or all of it."""
    connection = begin_request(
        api, "POST", "container/export-task", {"Prefer": "wait=60", "Content-Type": "application/json"}, length)
    if sent:
        connection.sendall(fcgi.record(fcgi.STDIN, sent))
    if len(sent) == length:
        connection.sendall(fcgi.record(fcgi.STDIN))
    return connection


def all_wait(held):
    """Each caller has a thread, which waits."""
    return lambda number: wait_until(lambda: held.count()[1] > number, f"{number} callers wait")


def served(api, task_id):
    """A caller who does not hang up."""
    def ask():
        assert api.status(task_id).json()["task_status"] == "running"
        assert api.request("GET", "/healthz").status == 200
    return ask


def test_callers_that_hang_up_while_they_wait(direct):
    api = direct.api()
    task_id = api.create_task(MINIMAL, headers=ASYNC)
    held = Held(direct.site, direct.processes["one"].pid)
    expect_nothing_held(held, CALLERS, lambda: begin_status(api, task_id), served(api, task_id), all_wait(held))


def test_callers_that_hang_up_while_their_create_waits(direct):
    """Their tasks remain: the callers may ask for them in another request."""
    api = direct.api()
    task_id = api.create_task(MINIMAL, headers=ASYNC)
    body = json.dumps(MINIMAL).encode()
    held = Held(direct.site, direct.processes["one"].pid)
    expect_nothing_held(held, 100, lambda: begin_create(api, body, len(body)), served(api, task_id),
                        all_wait(held))
    assert direct.states() == {"queued": 1 + 100}, f"{direct.states()}"


@pytest.mark.parametrize("sent", [b"", b'{"export_headers": [['], ids=["nothing", "half"])
def test_callers_that_send_half_a_body(direct, sent):
    """No task is created."""
    api = direct.api()
    task_id = api.create_task(MINIMAL, headers=ASYNC)
    held = Held(direct.site, direct.processes["one"].pid)
    expect_nothing_held(held, CALLERS, lambda: begin_create(api, sent, 1000), served(api, task_id))
    assert direct.states() == {"queued": 1}, f"{direct.states()}"


def test_callers_that_send_half_a_head(direct):
    api = direct.api()
    task_id = api.create_task(MINIMAL, headers=ASYNC)
    held = Held(direct.site, direct.processes["one"].pid)

    def begin():
        connection = fcgi.Connection(api.client.socket_path)
        connection.send(fcgi.begin(), fcgi.record(fcgi.PARAMS, fcgi.pairs({"REQUEST_METHOD": "GET"})))
        return connection.socket

    expect_nothing_held(held, CALLERS, begin, served(api, task_id))


@pytest.fixture
def behind_lighttpd(fleet):  # noqa: F811
    """A caller through lighttpd, and the resources of the process that lighttpd has started."""
    made = fleet(next(names), OPTIONS)
    web = start_web("lighttpd", made.site, options=OPTIONS)
    try:
        pid, = [pid for pid in processes_of_session(web.pid) if name_of(pid) == "waybill.fcgi"]
        yield Api(made.site, web.client, "p1", made.site.token("p1")), Held(made.site, pid)
    finally:
        web.stop()


def name_of(pid):
    with open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
        return comm.read().strip()


def test_callers_of_lighttpd_that_hang_up_while_they_wait(behind_lighttpd):
    api, held = behind_lighttpd
    task_id = api.create_task(MINIMAL, headers=ASYNC)

    def begin():
        """lighttpd does not notice a closed connection before it has a response, so the wait is short."""
        connection = http.client.HTTPConnection("127.0.0.1", api.client.port, timeout=DEADLINE)
        connection.request("GET", api.path(f"export-task/{task_id}"),
                           headers={"X-Auth-Token": api.token, "Prefer": "wait=5"})
        return connection

    expect_nothing_held(held, BY_WEB, begin, served(api, task_id), all_wait(held))


def test_callers_of_lighttpd_that_send_half_a_body(behind_lighttpd):
    api, held = behind_lighttpd
    task_id = api.create_task(MINIMAL, headers=ASYNC)
    head = (f"POST {api.path('container/export-task')} HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: {api.token}\r\n"
            "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")

    def begin():
        connection = socket.create_connection(("127.0.0.1", api.client.port), timeout=DEADLINE)
        connection.sendall(head.encode())
        return connection

    expect_nothing_held(held, BY_WEB, begin, served(api, task_id))
    assert held.site.tasks() == 1
