"""GET /metrics: the format, and that everything is counted exactly once."""

import collections
import math
import re
import shutil
import subprocess
import threading
import uuid

import pytest
from api import MINIMAL, expect_error
from calls import expect_removed, page, remove, samples, value
from deadline import DEADLINE, wait_until
from faults import ASYNC, BODY, add_gate, closed_gate, detoured, fill, fleet  # noqa: F401

COUNTERS = ("waybill_http_requests_total", "waybill_exports_total", "waybill_exported_rows_total",
            "waybill_exported_bytes_total", "waybill_database_errors_total")
DURATION = "waybill_http_request_duration_seconds"
GAUGES = ("waybill_tasks", "waybill_queue_oldest_seconds", "waybill_schedule_oldest_due_seconds",
          "waybill_files_bytes", "waybill_database_up", "waybill_build_info")
OPERATIONS = {"create", "status", "list", "remove", "download", "health", "metrics", "none"}
LABELS = {
    "operation": "|".join(sorted(OPERATIONS)), "status": r"[1-5]\d\d", "le": r"\d+(\.\d+)?|\+Inf",
    "outcome": "success|failure|requeued|abandoned", "reason": "unavailable|timeout|internal",
    "credentials": "token|access_key|link", "state": "queued|running|success|failure", "version": r"[0-9A-Za-z.+~-]+",
}


def difference(before, after):
    """Returns by how much each counter has grown, if it has, except for the growth by the request itself."""
    grown = {}
    for name in COUNTERS + (DURATION + "_count",):
        for pairs, number in after.get(name, {}).items():
            by = number - before.get(name, {}).get(pairs, 0)
            assert by >= 0, f"{name} {pairs} fell by {-by}"
            if by and ("operation", "metrics") not in pairs:
                grown[(name, *(text for _, text in pairs))] = by
    return grown


def requests(**statuses):
    """Returns the growth of counter and histogram that these requests cause, each {status: number}."""
    grown = {}
    for operation, numbers in statuses.items():
        for status, number in numbers.items():
            grown["waybill_http_requests_total", operation, str(status)] = number
        grown[DURATION + "_count", operation] = sum(numbers.values())
    return grown


def settled(client, before, expected):
    """Waits until work in progress, such as the end of an export, has been counted, and checks the result."""
    wait_until(lambda: sum(difference(before, samples(client)).values()) >= sum(expected.values()), f"{expected}")
    assert difference(before, samples(client)) == expected


@pytest.fixture(scope="module")
def service(start):
    made = start("metrics")
    fill(made.site, p1=20)
    return made


@pytest.fixture
def api(service):
    return service.api("p1")


def export(service, api):
    """Exports, and waits until this has been counted, which happens after the status has become success."""
    def count():
        return value(samples(service.client), "waybill_exports_total", outcome="success")
    before = count()
    status = api.finished(BODY)
    wait_until(lambda: count() == before + 1, "the export has been counted")
    return status


def test_the_format(service, api):
    """The format is checked after all kinds of requests."""
    status = export(service, api)
    api.download(status["file_id"])
    api.create({})
    page(api)
    service.client.request("GET", "/nowhere")
    expect_removed(remove(api, status["task_id"]))
    response = service.client.request("GET", "/metrics")
    assert response.status == 200, f"{response}"
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8", f"{response}"
    text = response.body.decode("utf-8")
    assert text.endswith("\n") and "\r" not in text and "\n\n" not in text
    families = []
    for line in text.splitlines():
        name = re.match(r"(?:# (?:HELP|TYPE) )?(\w+)", line)[1]
        for suffix in ("_bucket", "_sum", "_count"):
            if name == DURATION + suffix:
                name = DURATION
        if not families or families[-1] != name:
            families.append(name)
            assert line.startswith("# HELP "), f"no help before {line}"
    assert len(families) == len(set(families)), f"families in pieces: {families}"
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
    assert types == {**{name: "counter" for name in COUNTERS if name in families}, DURATION: "histogram",
                     **{name: "gauge" for name in GAUGES}}, f"{types}"
    assert set(families) == set(types)


def test_promtool(service, api):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool")
    export(service, api)
    api.create({})
    text = service.client.request("GET", "/metrics").body
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, timeout=DEADLINE)
    assert done.returncode == 0 and not done.stdout and not done.stderr, f"{done}"


def test_each_request_is_counted(service, api):
    status = export(service, api)
    before = samples(service.client)
    for _ in range(3):
        assert api.create({}).status == 400
    expect_error(api.create(MINIMAL, "?export_size=0"), 400, "HSS.0001")
    expect_error(api.create(MINIMAL, headers={"X-Auth-Token": None}), 401, "APIGW.0301")
    expect_error(api.create(MINIMAL, headers={"Content-Type": "text/plain"}), 415, "HSS.0002")
    for _ in range(2):
        api.status(uuid.uuid4())
    api.status(status["task_id"])
    page(api)
    page(api, "?limit=0")
    api.download(status["file_id"])
    api.download(status["file_id"], method="HEAD")
    api.download(status["file_id"], headers={"Range": "bytes=0-9"})
    api.download(status["file_id"], headers={"Range": "bytes=99999999-"})
    etag = f'"{status["sha256"]}"'
    assert api.download(status["file_id"], headers={"If-None-Match": etag}).status == 304
    remove(api, uuid.uuid4())
    for path in ("/healthz", "/healthz/live", "/healthz/ready"):
        service.client.request("GET", path)
    service.client.request("GET", "/nowhere")
    service.client.request("PUT", "/metrics")
    after = samples(service.client)
    assert difference(before, after) == requests(
        create={400: 4, 401: 1, 415: 1}, status={404: 2, 200: 1}, list={200: 1, 400: 1},
        download={200: 2, 206: 1, 416: 1, 304: 1}, remove={404: 1}, health={200: 3}, none={404: 1, 405: 1})
    expect_removed(remove(api, status["task_id"]))
    assert difference(after, samples(service.client)) == requests(remove={204: 1})


def test_each_export_is_counted(service, api):
    before = samples(service.client)
    statuses = []
    for size in (1, 7, 100000):
        task_id = api.create_task(BODY, f"?export_size={size}", ASYNC)
        wait_until(lambda: service.site.unfinished() == 0, "it ends")
        statuses.append(api.status(task_id).json())
    assert [status["exported_rows"] for status in statuses] == [1, 7, 20]
    settled(service.client, before, {
        **requests(create={200: 3}, status={200: 3}), ("waybill_exports_total", "success"): 3,
        ("waybill_exported_rows_total",): 28,
        ("waybill_exported_bytes_total",): sum(status["file_size"] for status in statuses)})


def test_a_failure_is_counted(fleet):  # noqa: F811
    made = fleet("metrics_failure", {"inventory.relation": "faults.container"}, p1=20)
    add_gate(made.site, 10)
    client = made.start().client
    before = samples(client)
    made.site.sql("CREATE OR REPLACE VIEW faults.container AS SELECT * FROM waybill.container"
                  " WHERE 1 / (restart_count - 10) IS NOT NULL")
    task_id = made.api().create_task(BODY, headers=ASYNC)
    wait_until(lambda: made.task(task_id, "state") == ("failure",), "it fails")
    settled(client, before, {**requests(create={200: 1}), ("waybill_exports_total", "failure"): 1,
                             ("waybill_database_errors_total", "internal"): 1})


@pytest.mark.parametrize("grace", [0, 1])
def test_the_last_acts_of_a_process_are_counted(fleet, grace):  # noqa: F811
    """An export that it requeues, and the last request, even if nobody reads its metrics in time."""
    made = fleet(f"metrics_last_{grace}", {"inventory.relation": "faults.container", "server.grace": grace}, p1=20)
    add_gate(made.site, 10)
    before = samples(made.start("one").client)
    with closed_gate(made.site):
        made.api().create_task(BODY, headers=ASYNC)
        made.wait_for_query()
        made.processes.pop("one").stop()
        assert made.states() == {"queued": 1}
        made.site.write_config({"export.threads": 0})
        grown = difference(before, samples(made.start("two").client))
        grown = {labels: number for labels, number in grown.items() if "health" not in labels}
        assert grown == {**requests(create={200: 1}), ("waybill_exports_total", "requeued"): 1}, f"{grown}"


def buckets(found, operation):
    """Returns the buckets of an operation's histogram, in order."""
    of_operation = [(dict(pairs)["le"], number) for pairs, number in found[DURATION + "_bucket"].items()
                    if ("operation", operation) in pairs]
    return sorted((math.inf if le == "+Inf" else float(le), number) for le, number in of_operation)


def expect_consistent(found):
    """Buckets never decrease, and the last one equals the number of requests."""
    of_operation = collections.Counter()
    for pairs, number in found["waybill_http_requests_total"].items():
        of_operation[dict(pairs)["operation"]] += number
    for operation, number in of_operation.items():
        numbers = [count for _, count in buckets(found, operation)]
        assert numbers == sorted(numbers), f"{operation}: {numbers}"
        assert buckets(found, operation)[-1] == (math.inf, value(found, DURATION + "_count", operation=operation))
        assert numbers[-1] == number, f"{operation}: {numbers}, {number} requests"
        assert value(found, DURATION + "_sum", operation=operation) >= 0


def test_the_durations(service, api):
    before = samples(service.client)
    stuck = service.site.sql("INSERT INTO waybill.export_task (project_id, enterprise_project_id, export_size, request,"
                             " request_id, state, attempts, lease, lease_expire_time) VALUES ('p1', '0', 1, '{}', '',"
                             " 'running', 1, gen_random_uuid(), now() + interval '1 hour') RETURNING task_id::text")
    api.status(stuck[0][0], headers={"Prefer": "wait=1"})
    remove(api, stuck[0][0])
    after = samples(service.client)
    expect_consistent(after)
    took = (value(after, DURATION + "_sum", operation="status") - value(before, DURATION + "_sum", operation="status"))
    assert 0.9 <= took < 25, f"a wait of one second took {took}"
    old = dict(buckets(before, "status")) if value(before, DURATION + "_count", operation="status") else {}
    grown = {le: number - old.get(le, 0) for le, number in buckets(after, "status")}
    assert grown[0.5] == 0 and grown[math.inf] == 1, f"{grown}"


def test_every_bucket_is_there(fleet):  # noqa: F811
    """Empty ones exist too, from an operation's first request on: Prometheus does not see a new series as growth."""
    made = fleet("metrics_buckets", {"export.threads": 0}, p1=1)
    client = made.start().client
    made.api().create_task(BODY, headers={"Prefer": "wait=1"})
    bounds = {operation: buckets(samples(client), operation) for operation in ("create", "health")}
    assert [number for le, number in bounds["create"] if le < 1 and number == 0], f"{bounds}"
    assert [le for le, _ in bounds["create"]] == [le for le, _ in bounds["health"]], f"{bounds}"


def test_it_is_consistent_while_requests_come(service):
    """Every response is consistent: a request is counted in full or not at all."""
    ended = threading.Event()

    def work():
        while not ended.is_set():
            service.client.request("GET", "/healthz/live")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(500):
            expect_consistent(samples(service.client))
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_two_processes_report_the_same(fleet):  # noqa: F811
    """Both report the work of both, from the first request on, and after they have ended too."""
    made = fleet("metrics_two", p1=20)
    for name in ("one", "two"):
        made.start(name)
    clients = {name: made.processes[name].client for name in made.processes}
    before = samples(clients["one"])
    for name in ("one", "two", "two"):
        made.api(name).finished(BODY)
        made.api(name).create({})

    def told(name):
        """Returns everything that a request for metrics does not change."""
        found = samples(clients[name])
        return {(family, pairs): number for family, numbers in found.items() for pairs, number in numbers.items()
                if ("operation", "metrics") not in pairs}

    def agreed():
        samples(clients["two"])
        one = told("one")
        return one == told("two") and one.get(("waybill_exports_total", (("outcome", "success"),))) == 3 and one
    totals = wait_until(agreed, "both report the same")
    assert totals["waybill_exported_rows_total", ()] == 60
    requests_total = "waybill_http_requests_total"
    created = (("operation", "create"), ("status", "200")), (("operation", "create"), ("status", "400"))
    assert [totals[requests_total, pairs] for pairs in created] == [3, 3]
    assert before["waybill_build_info"] == samples(clients["two"])["waybill_build_info"]

    made.stop()
    made.start("three")
    clients["three"] = made.processes["three"].client
    later = told("three")
    for (family, pairs), number in totals.items():
        if ("operation", "health") not in pairs:
            assert later[family, pairs] == number, f"{family} {pairs}: {later[family, pairs]} instead of {number}"


def test_the_tasks(fleet):  # noqa: F811
    made = fleet("metrics_tasks", {"export.threads": 0}, p1=1, p2=1)
    client = made.start().client

    def gauges():
        found = samples(client)
        return {dict(pairs)["state"]: number for pairs, number in found["waybill_tasks"].items()}, found

    states, found = gauges()
    assert states == {"queued": 0, "running": 0, "success": 0, "failure": 0}
    assert found["waybill_queue_oldest_seconds"] == {(): 0} and found["waybill_files_bytes"] == {(): 0}
    tasks = [made.api(project=project).create_task(BODY) for project in ("p1", "p2") * 5]
    states, found = gauges()
    assert states == {"queued": 10, "running": 0, "success": 0, "failure": 0}
    assert 0 <= found["waybill_queue_oldest_seconds"][()] < 60
    made.site.sql("UPDATE waybill.export_task SET create_time = now() - interval '1000 seconds' WHERE task_id = %s",
                  tasks[0])
    assert 1000 <= gauges()[1]["waybill_queue_oldest_seconds"][()] < 1060
    changes = (
        (tasks[:1], "state = 'running', lease = gen_random_uuid(), lease_expire_time = now() + interval '1 hour'"),
        (tasks[1:3], "state = 'failure', error_code = 'HSS.0041', finish_time = now()"),
        (tasks[3:6], "state = 'success', file_id = gen_random_uuid(), file_size = 1000000000000, sha256 = sha256('x'),"
         " finish_time = now(), expire_time = now() + interval '1 hour'"),
        (tasks[6:7], "state = 'success', file_id = gen_random_uuid(), file_size = 7, sha256 = sha256('x'),"
         " finish_time = now(), expire_time = now() - interval '1 hour', file_removed = true"),
    )
    for some, change in changes:
        made.site.sql(f"UPDATE waybill.export_task SET {change} WHERE task_id = ANY (%s::uuid[])", some)
    states, found = gauges()
    assert states == {"queued": 3, "running": 1, "success": 4, "failure": 2}
    assert found["waybill_files_bytes"] == {(): 3e12}
    assert 0 <= found["waybill_queue_oldest_seconds"][()] < 60, "the oldest one runs now"


def test_no_label_is_a_callers_text(service, api):
    """Whatever a caller sends, the labels use a small fixed vocabulary."""
    before = samples(service.client)
    hostile = 'x"} 1\nwaybill_fake{a="'
    for method, target in (("GET", "/v5/%22%7D/export-task/x"), ("BREW", "/metrics"), ("GET", '/"},x="1'),
                           ("GET", "/v5/demo/export-tasks?limit=%22%0A"), ("DELETE", "/v5/p1/export-task/%22%0A"),
                           ("G\nET", "/healthz"), ("GET", "/metrics?" + "x" * 3000), ("GET", "/" + "y" * 3000)):
        service.client.request(method, target, {"X-Auth-Token": hostile})
        api.request(method, target)
    api.create({"container_name": hostile, "export_headers": [["container_id", hostile]]})
    service.api(hostile).finished(MINIMAL)
    after = samples(service.client)
    for numbers in after.values():
        for pairs in numbers:
            for name, text in pairs:
                assert re.fullmatch(LABELS[name], text), f"{name} = {text!r}"
    assert {dict(pairs)["operation"] for pairs in after["waybill_http_requests_total"]} <= OPERATIONS
    for _ in range(5):
        service.client.request("GET", f"/{uuid.uuid4()}")
        api.status(uuid.uuid4())
    again = samples(service.client)
    size = sum(len(numbers) for numbers in after.values())
    assert sum(len(numbers) for numbers in again.values()) <= size + 12, "a series for each request"
    assert set(after) >= set(before)


def test_methods_and_parameters(service):
    get = service.client.request("GET", "/metrics")
    head = service.client.request("HEAD", "/metrics")
    assert head.status == 200 and head.body == b"", f"{head}"
    assert head.headers["content-type"] == get.headers["content-type"], f"{head}"
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        response = service.client.request(method, "/metrics", body=b"" if method != "DELETE" else None)
        expect_error(response, 405, "APIGW.0101", method)
        assert {name.strip() for name in response.headers["allow"].split(",")} == {"GET", "HEAD"}, f"{response}"
    for query, mention in (("?x=1", "x"), ("?limit=1", "limit"), ("?name[]=up", "name[]")):
        expect_error(service.client.request("GET", "/metrics" + query), 400, "HSS.0001", mention)
    assert service.client.request("GET", "/metrics?").status == 200
    assert service.client.request("GET", "/metrics", {"X-Auth-Token": "nobody's"}).status == 200
    for path in ("/metrics/", "/Metrics", "/metrics/x", "/v5/metrics"):
        expect_error(service.client.request("GET", path), 404, "APIGW.0101")


def test_through_the_web_server(web):
    """A request from this host is answered."""
    response = web.client.request("GET", "/metrics")
    assert response.status == 200 and b"\nwaybill_database_up 1\n" in response.body, f"{response}"
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8", f"{response}"
    # A CGI program counts after its response.
    requests = "waybill_http_requests_total"
    wait_until(lambda: value(samples(web.client), requests, operation="metrics", status="200") >= 1, "it is counted")


def test_the_database_unreachable(detoured):  # noqa: F811
    """The metrics still respond, and what happens in the meantime is counted in the end."""
    made = detoured("metrics_cut", {"export.threads": 0})
    client = made.start().client
    api = made.api()
    api.create_task(MINIMAL)
    before = samples(client)
    assert before["waybill_database_up"] == {(): 1}
    with made.detour.cut():
        for _ in range(4):
            expect_error(api.create(MINIMAL), 503, "APIGW.0201")
        found = samples(client)
        assert found["waybill_database_up"] == {(): 0}
        assert found["waybill_build_info"] == before["waybill_build_info"]
        head = client.request("HEAD", "/metrics")
        assert head.status == 200 and head.body == b"", f"{head}"
    wait_until(lambda: samples(client)["waybill_database_up"] == {(): 1}, "the database is found again")
    after = samples(client)
    grown = difference(before, after)
    assert grown["waybill_http_requests_total", "create", "503"] == 4, f"{grown}"
    assert grown["waybill_database_errors_total", "unavailable"] >= 5, f"{grown}"
    assert set(grown) <= {*requests(create={503: 4}), ("waybill_database_errors_total", "unavailable")}, f"{grown}"
    expect_consistent(after)


def test_a_database_that_is_slow(start):
    service = start("metrics_slow", options={"database.query_timeout_ms": 3000})
    api = service.api()
    before = samples(service.client)
    holder = service.site.connect()
    holder.autocommit = False
    holder.cursor().execute("LOCK TABLE waybill.credential IN ACCESS EXCLUSIVE MODE")
    try:
        expect_error(api.create(MINIMAL), 500, "HSS.0041")
    finally:
        holder.close()
    grown = difference(before, samples(service.client))
    assert grown == {**requests(create={500: 1}), ("waybill_database_errors_total", "timeout"): 1}, f"{grown}"
