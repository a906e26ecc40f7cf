"""DELETE of a task: whatever its state, it is removed at once, with its query and its file."""

import hashlib
import http.client
import os
import threading
import time

import inventory
import pytest
from api import MINIMAL, expect_error
from calls import add_volume, expect_gone, expect_removed, listed, remove, samples, value
from clients import each_way
from deadline import DEADLINE, OwnClock, wait_until
from fcgi import END_REQUEST, PARAMS, STDIN, STDOUT, Connection, begin, pairs, records
from faults import (ASYNC, BODY, Orders, add_gate, closed_gate, detoured, expect_right_file,
                    fleet)  # noqa: F401
from service import Direct
from web import EACH_WAY, start_web

ROWS = 3000
SOON = 25  # seconds: of a wait of 60 that another event has ended
NOBODYS = "7c6a8a2e-5d0c-4b39-8f6a-2f1d3c4b5a69"  # an id that nothing has


def rows_of(site, task_id):
    return site.sql("SELECT count(*) FROM waybill.export_task WHERE task_id = %s", task_id)[0][0]


def set_state(site, task_id, state):
    """Sets the state as an export does that runs elsewhere or has failed."""
    changes = {
        "running": "attempts = 1, lease = gen_random_uuid(), lease_expire_time = now() + interval '1 hour'",
        "failure": "error_code = 'HSS.0041', error_msg = 'as a test', finish_time = now()",
    }
    site.sql(f"UPDATE waybill.export_task SET state = %s, {changes[state]} WHERE task_id = %s", state, task_id)


@pytest.mark.each_way
def test_a_finished_task(either, hostile):
    status = either.finished(MINIMAL)
    path = os.path.join(hostile.site.files, status["file_id"])
    assert os.path.exists(path)
    expect_removed(remove(either, status["task_id"]))
    assert not os.path.exists(path) and rows_of(hostile.site, status["task_id"]) == 0
    expect_gone(either, status["task_id"], status["file_id"])


@pytest.mark.parametrize("state", ["queued", "running", "failure"])
def test_a_task_without_a_file(stalled, state):
    api = stalled.api()
    task_id = api.create_task(MINIMAL)
    if state != "queued":
        set_state(stalled.site, task_id, state)
    expect_removed(remove(api, task_id))
    assert rows_of(stalled.site, task_id) == 0
    expect_gone(api, task_id)


@pytest.mark.each_way
def test_a_body_does_no_harm(either):
    status = either.finished(MINIMAL)
    expect_removed(remove(either, status["task_id"], headers={"Content-Type": "application/json"}, body=b"{}"))
    expect_gone(either, status["task_id"])


@pytest.mark.parametrize("where, way", [("one", "nameless"), ("two", "part")])
def test_a_running_task(fleet, where, way):  # noqa: F811
    """Its export stops, wherever it runs, and its thread is free again. By itself it would not notice."""
    made = fleet(f"remove_{where}_{way}", {"export.threads": 1, "export.lease": 3600,
                                           "inventory.relation": "faults.container"}, p1=ROWS, p2=5)
    add_gate(made.site, ROWS // 2)
    variables = None
    if way == "part":
        orders = Orders(made.site)
        orders.give("tmpfile EOPNOTSUPP")
        variables = orders.variables
    made.start("one", variables)
    with closed_gate(made.site):
        task_id = made.api("one").create_task(BODY, headers=ASYNC)
        made.wait_for_query()
        if where == "two":
            made.site.write_config({"export.threads": 0, "inventory.relation": "faults.container"})
            made.start("two")
        lease, = made.task(task_id, "lease::text")
        expect_removed(remove(made.api(where), task_id))
        expect_gone(made.api("one"), task_id)
        made.wait_for_query(0)
        status = made.api("one", "p2").finished(BODY)
        expect_right_file(made.api("one", "p2"), status, 5)
        made.expect_files_of_tasks_alone()
        assert made.site.sql("SELECT file_id::text FROM waybill.discarded_file") == [(lease,)]
    assert made.states() == {"success": 1}

    def counted(outcome):
        return value(samples(made.processes["one"].client), "waybill_exports_total", outcome=outcome)
    wait_until(lambda: counted("abandoned") == 1, "the end of the export is counted")
    assert counted("failure") == 0, "a removal is no failure"


def test_the_limit_counts_no_removed_task(start):
    service = start("remove_limited", options={"export.threads": 0, "limits.unfinished_tasks": 1})
    api = service.api()
    for _ in range(3):
        task_id = api.create_task(MINIMAL)
        expect_error(api.create(MINIMAL), 429, "APIGW.0308")
        expect_removed(remove(api, task_id))


@pytest.fixture(scope="module")
def tasks(hostile):
    """A task of each of these enterprise projects, and one of all that its caller may see."""
    api = hostile.api()
    made = {name: api.create_task(MINIMAL, f"?enterprise_project_id={name}") for name in ("0", "ep-a", "ep-b")}
    made["all"] = api.create_task(MINIMAL, "?enterprise_project_id=all_granted_eps")
    made["a+b"] = hostile.api(enterprise_projects=("ep-a", "ep-b")).create_task(
        MINIMAL, "?enterprise_project_id=all_granted_eps")
    for task_id in made.values():
        api.wait(task_id)
    return made


@pytest.mark.parametrize("project, granted, query, task, status", [
    (inventory.NEIGHBOUR, None, "", "0", 404),
    (inventory.NEIGHBOUR, None, "?enterprise_project_id=all_granted_eps", "all", 404),
    ("demo", ("ep-a",), "", "0", 404),
    ("demo", ("ep-a",), "", "ep-b", 404),
    ("demo", ("ep-a",), "", "all", 404),
    ("demo", ("ep-a",), "", "a+b", 404),
    ("demo", ("ep-a",), "?enterprise_project_id=all_granted_eps", "ep-b", 404),
    ("demo", ("ep-a",), "?enterprise_project_id=ep-b", "ep-b", 403),
    ("demo", ("ep-a", "ep-b"), "?enterprise_project_id=ep-b", "ep-a", 404),
    ("demo", None, "?enterprise_project_id=ep-a", "0", 404),
    ("demo", None, "?enterprise_project_id=ep-a", "a+b", 404),
    ("demo", None, "?enterprise_project_id=EP-A", "ep-a", 404),
    ("demo", None, "?enterprise_project_id=", "0", 400),
    ("demo", None, "?enterprise_project_id=" + "x" * 257, "0", 400),
    ("demo", None, "?enterprise_project_id=0&enterprise_project_id=0", "0", 400),
    ("demo", None, "?enterprise_project_id=%ff", "0", 400),
    ("demo", None, "?force=1", "0", 400),
    ("demo", None, "?limit=1", "0", 400),
    ("demo", None, "?task_id=1", "0", 400),
], ids=lambda value: str(value)[:40])
def test_what_may_not_be_removed(hostile, tasks, project, granted, query, task, status):
    """Refused like a status request, and the task is unchanged."""
    api = hostile.api(project, granted)
    code = {400: "HSS.0001", 403: "HSS.0013", 404: "HSS.0011"}[status]
    mention = query[1:].partition("=")[0] if status in (400, 403) and "%" not in query else ""
    expect_error(remove(api, tasks[task], query), status, code, mention)
    expect_error(api.status(tasks[task], query), status, code, mention)
    before = hostile.api().status(tasks[task])
    assert before.status == 200 and before.json()["task_status"] == "success", f"{before}"
    assert os.path.exists(os.path.join(hostile.site.files, before.json()["file_id"]))


@pytest.mark.parametrize("granted, made_with, query", [
    (None, "ep-a", ""), (None, "ep-a", "?enterprise_project_id=ep-a"), (None, "all_granted_eps", ""),
    (None, "ep-b", "?enterprise_project_id=all_granted_eps"), (("ep-a",), "ep-a", ""),
    (("ep-a", "ep-b"), "ep-b", "?enterprise_project_id=ep-b"), (("ep-a",), "all_granted_eps", ""),
    (("ep-a",), "all_granted_eps", "?enterprise_project_id=all_granted_eps"),
])
def test_what_may_be_removed(hostile, granted, made_with, query):
    api = hostile.api(enterprise_projects=granted)
    status = api.finished(MINIMAL, f"?enterprise_project_id={made_with}")
    expect_removed(remove(api, status["task_id"], query))
    expect_gone(api, status["task_id"], status["file_id"])


def test_without_a_right_token(either, tasks):
    for token in (None, "wrong"):
        response = remove(either, tasks["0"], headers={"X-Auth-Token": token})
        expect_error(response, 401, "APIGW.0301")
    assert either.status(tasks["0"]).status == 200


@pytest.mark.parametrize("project", [inventory.NEIGHBOUR, "Demo", "nowhere"])
def test_a_path_of_another_project(either, tasks, project):
    response = either.request("DELETE", f"/v5/{project}/export-task/{tasks['0']}")
    expect_error(response, 403, "HSS.0013")
    assert either.status(tasks["0"]).status == 200


@pytest.mark.parametrize("task_id", [
    NOBODYS, "00000000-0000-0000-0000-000000000000", "x", "all", "*", "%25", "%27%20OR%201=1",
    each_way("%F0%9F%98%80"), "x" * 300])
def test_an_unknown_task(either, task_id):
    expect_error(remove(either, task_id), 404, "HSS.0011", "task_id")


def test_other_spellings_of_an_id(either, tasks):
    """An id must be given exactly."""
    task_id = tasks["0"]
    for other in (task_id.upper(), task_id.replace("-", ""), "%7B" + task_id + "%7D", "%20" + task_id, task_id + "%20",
                  task_id + "x", task_id[:-1]):
        if other != task_id:
            expect_error(remove(either, other), 404, "HSS.0011")
    assert either.status(task_id).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", each_way("PATCH"), "OPTIONS", "HEAD"])
def test_other_methods_of_the_path(either, tasks, method):
    body = b"{}" if method in ("POST", "PUT", "PATCH") else None
    response = either.request(method, either.path(f"export-task/{tasks['0']}"), body=body)
    assert response.status == 405, f"{response}"
    assert {name.strip() for name in response.headers["allow"].split(",")} == {"GET", "DELETE"}, f"{response}"
    if method != "HEAD":
        expect_error(response, 405, "APIGW.0101", method)
    assert either.status(tasks["0"]).status == 200


@pytest.mark.parametrize("path", ["container/export-task", "export-tasks", f"download/{NOBODYS}"])
def test_delete_of_other_paths(either, path):
    response = either.request("DELETE", either.path(path))
    expect_error(response, 405, "APIGW.0101", "DELETE")
    assert "DELETE" not in response.headers["allow"], f"{response}"


def test_many_at_once(hostile):
    """Of the callers who remove the same task, one succeeds."""
    api = hostile.api()
    for _ in range(5):
        status = api.finished(MINIMAL)
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(remove(api, status["task_id"]).status))
                   for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers) == [204] + [404] * 7, f"{answers}"
        expect_gone(api, status["task_id"], status["file_id"])


def test_the_list_and_the_metrics_forget_it(stalled):
    api = stalled.api("removed from lists")
    kept, removed = (api.create_task(MINIMAL) for _ in range(2))

    def queued():
        return value(samples(stalled.client), "waybill_tasks", state="queued")
    before = queued()
    expect_removed(remove(api, removed))
    assert queued() == before - 1
    total, tasks = listed(api)
    assert (total, [task["task_id"] for task in tasks]) == (1, [kept])


def wait_in_thread(call, answers, clock=time.monotonic):
    """Calls in a thread; appends the response and its duration to the answers."""
    def timed():
        began = clock()
        response = call()
        answers.append((response, clock() - began))
    thread = threading.Thread(target=timed)
    thread.start()
    return thread


@pytest.mark.parametrize("where", ["one", "two"])
def test_waiting_callers_are_notified(fleet, where):  # noqa: F811
    """Callers of both processes are notified, whichever process removes the task."""
    made = fleet(f"remove_waiting_{where}", {"export.threads": 0}, p1=1)
    made.start("one")
    made.start("two")
    api = made.api("one")
    task_id = api.create_task(BODY)
    answers, created = [], []
    with OwnClock() as clock:
        waiting = [wait_in_thread(lambda: api.status(task_id, headers={"Prefer": "wait=60"}), answers, clock.now)
                   for _ in range(2)]
        waiting.append(wait_in_thread(lambda: api.create(BODY, headers={"Prefer": "wait=60"}), created, clock.now))
        wait_until(lambda: made.site.tasks() == 2, "the tasks are there")
        for other, in made.site.sql("SELECT task_id::text FROM waybill.export_task"):
            expect_removed(remove(made.api(where), other))
        for thread in waiting:
            thread.join()
    for response, took in answers:
        expect_error(response, 404, "HSS.0011", task_id)
        assert took < SOON, f"answered after {took} seconds"
    (response, took), = created
    assert response.status == 200 and took < SOON, f"{response} after {took} seconds"
    expect_gone(api, response.json()["task_id"])


def holding(site, statement, *values):
    """A transaction that holds the locks of a statement until it is closed."""
    connection = site.connect()
    connection.autocommit = False
    connection.cursor().execute(statement, values or None)
    return connection


LOCKS = ("LOCK TABLE waybill.export_task IN SHARE MODE", "LOCK TABLE waybill.discarded_file IN SHARE MODE",
         "SELECT FROM waybill.export_task FOR UPDATE")


@pytest.fixture(scope="module")
def patient(start):
    return start("remove_patient")


@pytest.fixture(scope="module")
def impatient(patient):
    """A process of the same site with a short timeout for the database."""
    options = {"database.query_timeout_ms": 500, "export.threads": 0}
    process = Direct(patient.site, "impatient", config=patient.site.write_config(options, "impatient.conf"))
    yield process
    process.stop()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_that_is_released(patient, lock):
    service = patient
    api = service.api()
    status = api.finished(MINIMAL)
    answers = []
    holder = holding(service.site, lock)
    try:
        thread = wait_in_thread(lambda: remove(api, status["task_id"]), answers)
        # Housekeeping, which a removal wakes, may wait for the same lock with a statement of its own.
        wait_until(lambda: service.site.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            " AND query LIKE 'DELETE FROM waybill.export_task WHERE task_id = $4%'") == [(1,)],
            "the removal waits for the lock")
        assert os.path.exists(os.path.join(service.site.files, status["file_id"])), "removed before the commit"
    finally:
        holder.close()
    thread.join()
    expect_removed(answers[0][0])
    expect_gone(api, status["task_id"], status["file_id"])
    assert not os.path.exists(os.path.join(service.site.files, status["file_id"]))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_that_stays_too_long(patient, impatient, lock):
    """The caller gets an error, nothing is removed, and the next try succeeds."""
    api = patient.api()
    status = api.finished(MINIMAL)
    holder = holding(patient.site, lock)
    try:
        expect_error(remove(patient.api(client=impatient.client), status["task_id"]), 500, "HSS.0041", "in time")
    finally:
        holder.close()
    assert api.download(status["file_id"]).status == 200
    expect_removed(remove(api, status["task_id"]))
    expect_gone(api, status["task_id"], status["file_id"])


def test_the_database_unreachable(detoured):  # noqa: F811
    """The response is 503, and a retry succeeds."""
    made = detoured("remove_cut", p1=10)
    made.start()
    api = made.api()
    status = api.finished(BODY)
    path = os.path.join(made.site.files, status["file_id"])
    with made.detour.cut():
        response = remove(api, status["task_id"])
        expect_error(response, 503, "APIGW.0201")
        assert int(response.headers["retry-after"]) >= 1, f"{response}"
        assert os.path.exists(path)
    expect_removed(remove(api, status["task_id"]))
    expect_gone(api, status["task_id"], status["file_id"])
    assert not os.path.exists(path)


def test_a_file_that_can_not_be_removed_now(fleet):  # noqa: F811
    """The task is removed, and the file is removed as soon as possible."""
    made = fleet("remove_away", p1=10)
    made.start()
    status = made.api().finished(BODY)
    os.rename(made.site.files, made.site.files + ".away")
    expect_removed(remove(made.api(), status["task_id"]))
    expect_gone(made.api(), status["task_id"], status["file_id"])
    assert os.listdir(made.site.files + ".away") == [status["file_id"]]
    os.rename(made.site.files + ".away", made.site.files)
    done = made.site.waybill("task", "purge")
    assert done.returncode == 0, f"{done}"
    wait_until(lambda: os.listdir(made.site.files) == [], "the file goes")
    wait_until(lambda: made.site.sql("SELECT count(*) FROM waybill.discarded_file") == [(0,)], "its name is forgotten")


@pytest.fixture(scope="module")
def large(start):
    """A service with a file that is larger than all buffers."""
    service = start("remove_large", options={"inventory.relation": "faults.container"})
    add_volume(service.site, p1=45)
    return service


def test_a_download_under_way(large):
    """A download that has begun continues to its end."""
    api = large.api("p1")
    status = api.finished(BODY)
    assert status["file_size"] > 4 << 20, f"{status}"
    target = api.path(f"download/{status['file_id']}")
    params = large.client.params("GET", target, {"X-Auth-Token": api.token})
    with Connection(large.process.socket_path) as connection:
        connection.send(begin(), records(PARAMS, pairs(params)), records(STDIN, b""))
        kind, _, content = connection.record()
        assert kind == STDOUT and content.startswith(b"Status: 200"), f"{content[:200]}"
        expect_removed(remove(api, status["task_id"]))
        expect_gone(api, status["task_id"], status["file_id"])
        assert os.listdir(large.site.files) == []
        pieces = []
        while kind != END_REQUEST:
            pieces.append(content)
            kind, _, content = connection.record()
    body = b"".join(pieces).partition(b"\r\n\r\n")[2]
    assert len(body) == status["file_size"] and hashlib.sha256(body).hexdigest() == status["sha256"]


@pytest.mark.parametrize("way", EACH_WAY)
def test_a_download_under_way_through_a_web_server(large, running, way):
    server = start_web(way, large.site)
    running.callback(server.stop)
    api = large.api("p1", client=server.client)
    status = api.finished(BODY)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE)
    connection.request("GET", api.path(f"download/{status['file_id']}"), headers={"X-Auth-Token": api.token})
    response = connection.getresponse()
    assert response.status == 200, f"{response.status}"
    expect_removed(remove(api, status["task_id"]))
    assert os.listdir(large.site.files) == []
    body = response.read()
    connection.close()
    assert hashlib.sha256(body).hexdigest() == status["sha256"] and len(body) == status["file_size"]
    expect_gone(api, status["task_id"], status["file_id"])
