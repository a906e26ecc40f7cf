"""Many rows, many callers: memory, indexes, parallel creates."""

import json
import os
import re
import subprocess
import threading
from urllib.parse import urlencode

import inventory
import oracle
import pytest
from api import Judge
from deadline import DEADLINE, wait_until
from faults import ALL, BODY
from plans import Plans, rows_read
from service import BUILD, environment

IDS = [["container_id", "Id"]]


@pytest.fixture(scope="module")
def rows(big):
    return inventory.fetch(big.site.superuser)


def test_memory_does_not_grow_with_the_rows(big, rows):
    """A hundred thousand rows of sixteen columns take less than 8 MiB more than ten rows."""
    small = big.api("small")
    for _ in range(20):
        _, status = small.export(BODY)
        assert status["exported_rows"] == 10
    before = big.process.memory("VmRSS")
    Judge(rows).check(big.api("big"), BODY, export_size=100000)
    resident, peak = (big.process.memory(field) - before for field in ("VmRSS", "VmHWM"))
    assert resident < 8192 and peak < 8192, f"resident memory grew by {resident} KiB, its peak by {peak} KiB"


FILLER = {"managedFields": [{"fieldsV1": {f"f:{number}": {} for number in range(600)}}]}  # 9 KB, as in real pods


def pod_line(number):
    return json.dumps({"kind": "Pod", "metadata": {"name": f"p{number}", "uid": f"u{number}", **FILLER},
                       "spec": {"containers": [{"name": "app", "image": "nginx"}]}})


def report_line(number):
    found = [{"Severity": "LOW", "Title": "x" * 100} for _ in range(100)]
    return json.dumps({"SchemaVersion": 2, "ArtifactName": f"image-{number}", "Results": [{
        "Target": "x", "Vulnerabilities": found}]})


@pytest.mark.parametrize("begin, line, separator, end, count", [
    ('{"kind": "List", "items": [', pod_line, ",", "]}", 10000),
    ("container_id,image_name\n", lambda number: f"c{number},{'x' * 200}", "\n", "\n", 400000),
    ("", report_line, "\n", "\n", 5000),
], ids=["pods", "csv", "reports"])
def test_memory_of_a_load_does_not_grow_with_its_input(big, begin, line, separator, end, count):
    """About 80 MB are read. The peak is that of the loader alone, before the input ends."""
    load = subprocess.Popen([os.path.join(BUILD, "waybill"), "--config", big.site.config, "inventory", "load",
                             "--project", "loaded"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(),
                            encoding="utf-8")
    load.stdin.write(begin)
    for number in range(count):
        load.stdin.write((separator if number else "") + line(number))
    load.stdin.flush()
    with open(f"/proc/{load.pid}/status", encoding="ascii") as status:
        peak = int(re.search(r"VmHWM:\s*(\d+) kB", status.read())[1])
    assert load.communicate(end, timeout=4 * DEADLINE)[0].startswith(f"added={0 if line is report_line else count} ")
    assert load.returncode == 0 and peak < 32 * 1024, f"{peak} KiB"


def test_memory_of_a_load_does_not_grow_with_its_refused_records(big, tmp_path):
    """A file that is loaded twice at once. The peak is that before the end, because the load waits for a lock."""
    path = tmp_path / "rows.csv"
    path.write_text("container_id\n" + "".join(f"{number:064x}\n" for number in range(150000)))
    with big.site.connect() as other:
        other.cursor().execute("LOCK TABLE waybill.inventory_load IN ACCESS EXCLUSIVE MODE")
        load = subprocess.Popen([os.path.join(BUILD, "waybill"), "--config", big.site.config, "inventory", "load",
                                 "--project", "twice", "--on-error", "skip", str(path), str(path)],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment())
        wait_until(lambda: big.site.sql("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation ="
                                        " 'waybill.inventory_load'::regclass")[0][0] == 1, "the load stores its rows")
        with open(f"/proc/{load.pid}/status", encoding="ascii") as status:
            peak = int(re.search(r"VmHWM:\s*(\d+) kB", status.read())[1])
        other.rollback()
    assert load.communicate(timeout=DEADLINE)[0].startswith(b"added=150000 ") and load.returncode == 3
    assert peak < 32 * 1024, f"{peak} KiB"


# For each filter alone a value that at most 1 in 100 rows has.
SELECTIVE = [
    {"cluster_container": False}, {"cluster_type": "azure"}, {"status": "Isolated"}, {"risky": True},
    {"cluster_name": "cluster-42"}, {"container_name": "app-42"},
    {"image_name": "registry.example.com/team-2/app-42:1.2"}, {"pod_name": "app-42-*"}, {"container_name": "app-42*"},
    {"cluster_name": "cluster-427*"}, {"image_name": "*/app-427:*"}, {"container_name": "*-427*"},
    {"pod_name": "*-427-*"}, {"cluster_name": "*-427*"}, {"image_name": "registry*app-427:1.7"},
    {"create_time": {"start_time": 1767225700000, "end_time": 1767226000000}},
    {"create_time": {"end_time": 1767225900000}}, {"cpu_limit": "0.123"}, {"memory_limit": "777 MiB"},
    {"cpu_limit": "no such limit"}, {"container_name": "no such name"}, {"container_name": "*no such*"},
]


@pytest.mark.parametrize("export_size", [None, 1])
@pytest.mark.parametrize("filters", SELECTIVE, ids=str)
def test_a_filter_alone_reads_no_more_than_it_must(big, rows, filters, export_size):
    """Checks the plans of the queries that the service really sent. An export of one row must not walk through all rows
    in order to find it."""
    plans = Plans(big.site)
    matching = Judge(rows).check(big.api("big"), {**filters, "export_headers": IDS}, export_size=export_size)
    assert matching <= inventory.BIG_ROWS / 50, f"{matching} rows match: not selective"
    scans = [scan for scan in plans.scans("container") if "Actual Rows" in scan]
    assert scans or matching == 0, f"no plan reads containers: {plans.statements()}"
    for scan in scans:
        assert scan["Node Type"] != "Seq Scan", f"{scan}"
        read = rows_read(scan)
        assert read <= inventory.BIG_ROWS / 10, f"{read} rows read for {matching}: {scan}"


@pytest.mark.parametrize("filters", [
    filters for filters in SELECTIVE if set(filters) <= {"container_name", "pod_name", "image_name"}
] + [{"cluster_container": "false"}], ids=str)
def test_a_page_of_a_list_reads_no_more_than_it_must(big, filters):
    """Neither its total nor its rows, although a page ends early."""
    plans = Plans(big.site)
    api = big.api("big")
    response = api.request("GET", api.path("container/kubernetes") + "?" + urlencode(filters))
    assert response.status == 200 and response.json()["total_num"] <= inventory.BIG_ROWS / 50, f"{response}"
    scans = [scan for scan in plans.scans("container") if "Actual Rows" in scan]
    assert scans or response.json()["total_num"] == 0, f"no plan reads containers: {plans.statements()}"
    for scan in scans:
        read = rows_read(scan)
        assert scan["Node Type"] != "Seq Scan" and read <= inventory.BIG_ROWS / 10, f"{read} rows read: {scan}"


@pytest.mark.each_way
def test_fifty_creates_at_once(hostile, client):
    everything = inventory.fetch(hostile.site.superuser)
    patterns = ["*", "nginx*", "*a*", "*\n*", "no such"]
    outcomes = []
    gate = threading.Barrier(50)

    def export(number):
        api = hostile.api(inventory.PROJECT if number % 2 else inventory.NEIGHBOUR, client=client)
        body = {"container_name": patterns[number % 5], "export_headers": ALL[number % 16:] + ALL[:number % 16]}
        gate.wait()
        try:
            data, _ = api.export(body)
            expected = oracle.csv(oracle.select(everything, body, api.project), body["export_headers"])
            outcomes.append("right" if data == expected else f"{number}: other bytes")
        except Exception as error:  # a thread's failure is this test's
            outcomes.append(f"{number}: {error!r}")

    # Made in advance, because making a token starts a program.
    for project in (inventory.PROJECT, inventory.NEIGHBOUR):
        hostile.api(project)
    threads = [threading.Thread(target=export, args=[number]) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["right"] * 50
