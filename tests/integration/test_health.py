"""GET /healthz: whether the process is alive, whether it is ready, and which part is unavailable."""

import os
import shutil
import subprocess
import threading

import pytest
from api import SECRETS, expect_error
from calls import close_connections
from deadline import wait_until
from faults import BODY, Orders, detoured, fleet, mounted_tmpfs  # noqa: F401
from service import SBIN

READY = {"status": "ready", "live": True, "ready": True, "database": "ok", "inventory": "ok", "files": "ok"}
LIVE = {"status": "live", "live": True}
PATHS = ("/healthz", "/healthz/ready")


def expect_ready(client):
    for path in PATHS:
        response = client.request("GET", path)
        assert response.status == 200 and response.json() == READY, f"{response}"
        assert response.headers["content-type"].split(";")[0] == "application/json", f"{response}"
    expect_live(client)


def expect_live(client):
    """Being alive needs nothing else."""
    response = client.request("GET", "/healthz/live")
    assert response.status == 200 and response.json() == LIVE, f"{response}"
    head = client.request("HEAD", "/healthz/live")
    assert head.status == 200 and head.body == b"", f"{head}"


def expect_unready(client, database="ok", files="ok"):
    """Expects 503 in the usual form of an error, with the parts that are unavailable."""
    for path in PATHS:
        response = client.request("GET", path)
        assert response.status == 503, f"{response}"
        answer = response.json()
        inventory = "ok" if database == "ok" else "unavailable"  # it is in the same database
        expected = {"live": True, "ready": False, "database": database, "inventory": inventory, "files": files,
                    "error_code": "HSS.0041" if database == "ok" else "APIGW.0201",
                    "request_id": response.headers["x-request-id"]}
        assert {name: answer.get(name) for name in expected} == expected, f"{answer}"
        assert answer["error_msg"] and not SECRETS.search(answer["error_msg"]), f"{answer}"
        assert int(response.headers["retry-after"]) >= 1, f"{response}"
        head = client.request("HEAD", path)
        assert head.status == 503 and head.body == b"", f"{head}"
    expect_live(client)


@pytest.mark.each_way
def test_ready(client):
    expect_ready(client)


@pytest.mark.parametrize("path", [*PATHS, "/healthz/live"])
def test_methods_and_parameters(client, path):
    get = client.request("GET", path)
    head = client.request("HEAD", path)
    assert head.status == 200 and head.body == b"", f"{head}"
    assert head.headers["content-type"] == get.headers["content-type"], f"{head}"
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        response = client.request(method, path, body=None if method == "DELETE" else b"{}")
        expect_error(response, 405, "APIGW.0101", method)
        assert {name.strip() for name in response.headers["allow"].split(",")} == {"GET", "HEAD"}, f"{response}"
    expect_error(client.request("GET", path + "?x=1"), 400, "HSS.0001", "x")
    assert client.request("GET", path + "?").status == 200
    assert client.request("GET", path, {"X-Auth-Token": "nobody's"}).status == 200


@pytest.mark.parametrize("path", ["/healthz/", "/healthz/x", "/healthz/live/x", "/healthz/Live", "/Healthz", "/health",
                                  "/healthz/ready/", "/v5/healthz"])
def test_other_paths(client, path):
    expect_error(client.request("GET", path), 404, "APIGW.0101")


@pytest.mark.parametrize("way", ["nameless", "part"])
def test_it_leaves_nothing_behind(fleet, way):  # noqa: F811
    """It may be called often, and by many callers at the same time."""
    made = fleet(f"health_{way}", p1=10)
    variables = None
    if way == "part":
        orders = Orders(made.site)
        orders.give("tmpfile EOPNOTSUPP")
        variables = orders.variables
    client = made.start(variables=variables).client
    status = made.api().finished(BODY)
    answers = []

    def ask():
        answers.extend(client.request("GET", "/healthz").status for _ in range(20))
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 80, f"{answers}"
    assert os.listdir(made.site.files) == [status["file_id"]]
    made.expect_files_of_tasks_alone()


def test_the_database_unreachable(detoured):  # noqa: F811
    made = detoured("health_cut", p1=10)
    client = made.start().client
    expect_ready(client)
    for _ in range(2):
        with made.detour.cut():
            expect_unready(client, database="unavailable")
        wait_until(lambda: client.request("GET", "/healthz").status == 200, "the database is found again")
        expect_ready(client)
        assert made.api().finished(BODY)


def test_both_unavailable(detoured):  # noqa: F811
    made = detoured("health_both", p1=10)
    client = made.start().client
    away = made.site.files + ".away"
    with made.detour.cut():
        os.rename(made.site.files, away)
        expect_unready(client, database="unavailable", files="unavailable")
        os.rename(away, made.site.files)
        expect_unready(client, database="unavailable")


def test_a_start_without_the_database(detoured):  # noqa: F811
    """A process starts, reports that it is not ready, and becomes ready as soon as possible."""
    made = detoured("health_late", p1=10)
    with made.detour.cut():
        client = made.start().client
        expect_unready(client, database="unavailable")
    wait_until(lambda: client.request("GET", "/healthz").status == 200, "the database is found")
    assert made.api().finished(BODY)


def test_connections_that_the_server_has_closed(fleet):  # noqa: F811
    """After a restart of the database, the next callers get a new connection and no error."""
    made = fleet("health_closed", p1=10)
    client = made.start().client
    threads = [threading.Thread(target=client.request, args=["GET", "/healthz"]) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert close_connections(made.site) >= 3
    assert [client.request("GET", "/healthz").status for _ in range(10)] == [200] * 10


def test_a_missing_directory(fleet):  # noqa: F811
    made = fleet("health_away", p1=10)
    client = made.start().client
    away = made.site.files + ".away"
    os.rename(made.site.files, away)
    expect_unready(client, files="unavailable")
    with open(made.site.files, "w", encoding="utf-8"):
        pass
    expect_unready(client, files="unavailable")
    os.unlink(made.site.files)
    os.symlink("nowhere", made.site.files)
    expect_unready(client, files="unavailable")
    os.unlink(made.site.files)
    os.rename(away, made.site.files)
    expect_ready(client)
    assert made.api().finished(BODY)


def test_a_disk_that_fails(fleet):  # noqa: F811
    """The check really writes a byte."""
    made = fleet("health_faults", p1=10)
    orders = Orders(made.site)
    orders.give()
    client = made.start(variables=orders.variables).client
    for order in ("write EIO 0", "write ENOSPC 0", "write EDQUOT 0"):
        orders.give(order)
        expect_unready(client, files="unavailable")
        assert ("no space" in client.request("GET", "/healthz").json()["error_msg"]) == ("EIO" not in order)
        orders.give()
        expect_ready(client)
    assert os.listdir(made.site.files) == []


def test_a_disk_that_is_full_or_read_only(fleet):  # noqa: F811
    made = fleet("health_small", p1=10)
    unmount = mounted_tmpfs(made.site.files, 1 << 20)
    try:
        client = made.start().client
        expect_ready(client)
        ballast = os.path.join(made.site.files, "ballast")
        with open(ballast, "wb") as file:
            free = os.statvfs(made.site.files)
            file.write(bytes(free.f_bavail * free.f_frsize))
        expect_unready(client, files="unavailable")
        os.unlink(ballast)
        expect_ready(client)
        subprocess.run([shutil.which("mount", path=SBIN), "-o", "remount,ro", made.site.files], check=True)
        expect_unready(client, files="unavailable")
        subprocess.run([shutil.which("mount", path=SBIN), "-o", "remount,rw", made.site.files], check=True)
        expect_ready(client)
        assert made.api().finished(BODY)
        made.stop()
    finally:
        made.stop()
        unmount()


def test_a_service_with_no_export_thread_is_ready(stalled):
    expect_ready(stalled.client)


def test_a_queue_that_is_full_is_no_fault(start):
    service = start("health_full_queue", options={"export.threads": 0, "limits.unfinished_tasks": 1})
    service.api().create_task(BODY)
    assert service.api().create(BODY).status == 429
    expect_ready(service.client)
