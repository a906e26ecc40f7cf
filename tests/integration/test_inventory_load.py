"""waybill inventory load: what it stores, what it refuses, and that it is all or nothing."""

import contextlib
import datetime
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import oracle
import pytest
from deadline import DEADLINE, wait_until
from inventory import EXPORTED
from loading import Inventory, numbered, pod, pods, summary
from pgproxy import CUT, RESET, Proxy
from plans import Plans, log_plans, nodes, rows_read
from service import BUILD, Site, environment
from terminal import with_terminal

HEADER = "container_id,container_name,status,enterprise_project_id\n"
projects = numbered("project")


@pytest.fixture(scope="module")
def site(start):
    return start("inventory_load").site


@pytest.fixture
def stock(site):
    return Inventory(site, next(projects))


def test_rows_are_added_changed_and_kept(stock):
    assert stock.load(HEADER + "a,one,Running,\nb,two,,\nc,three,Paused,ep1\n") == summary(added=3)
    assert stock.rows("container_id, container_name, status, enterprise_project_id, source, cluster_container") == [
        ("a", "one", "Running", "0", "", False), ("b", "two", None, "0", "", False),
        ("c", "three", "Paused", "ep1", "", False)]
    again = HEADER + "c,three,Paused,ep1\nb,two,Waiting,\nd,four,,\n"
    assert stock.load(again, "--dry-run") == summary(added=1, changed=1, unchanged=1)
    assert stock.rows() == ["a", "b", "c"]
    assert stock.load(again) == summary(added=1, changed=1, unchanged=1)
    assert stock.rows("container_id, status") == [("a", "Running"), ("b", "Waiting"), ("c", "Paused"), ("d", None)]
    assert json.loads(stock.load(again, "--json")) == {
        "added": 0, "changed": 0, "unchanged": 3, "removed": 0, "skipped": 0, "refused": 0}


def test_an_unchanged_row_is_not_written(stock):
    stock.load(HEADER + "a,one,Running,\n")
    before = stock.rows("xmin::text, ctid::text")
    assert stock.load(HEADER + "a,one,Running,\n") == summary(unchanged=1)
    assert stock.rows("xmin::text, ctid::text") == before


@pytest.mark.parametrize("column, value", [
    ("container_name", "a"), ("image_name", "a"), ("pod_name", "a"), ("cluster_name", "a"), ("cluster_type", "k8s"),
    ("status", "Running"), ("risky", False), ("low_risk", 0), ("medium_risk", 0), ("high_risk", 0), ("fatal_risk", 0),
    ("create_time", datetime.datetime.fromtimestamp(0, datetime.timezone.utc)), ("restart_count", 0), ("cpu_limit", ""),
    ("memory_limit", ""), ("enterprise_project_id", "1"), ("cluster_container", True),
])
def test_a_change_of_one_column(stock, column, value):
    """From NULL or the default, and back."""
    field = oracle.cell(value, "UTC", False)
    both = "container_id,cluster_container\na,{}\n" if column == "pod_name" else "container_id\na\n"
    header, row = both.format("false").splitlines()
    changed = f"{header},{column}\n{row},{field}\n"
    stock.load(both.format("false"))
    before = stock.rows(column)
    assert stock.load(changed) == summary(changed=1) and stock.rows(column) == [value] != before
    assert stock.load(changed) == summary(unchanged=1)
    assert stock.load(both.format("false")) == summary(changed=1) and stock.rows(column) == before


def test_replace_removes_only_its_source_and_enterprise_project(stock):
    stock.load("container_id\na\nb\n", "--source", "one")
    stock.load("container_id\nc\n", "--source", "two")
    stock.load("container_id\nd\n", "--source", "one", "--enterprise-project", "ep1")
    assert stock.load("container_id\na\n", "--source", "one", "--replace") == summary(unchanged=1, removed=1)
    assert stock.rows() == ["a", "c", "d"]
    # The row moves, and is then out of reach of the first source.
    assert stock.load("container_id\na\n", "--source", "two") == summary(changed=1)
    assert stock.load("container_id\nx\n", "--source", "one", "--replace") == summary(added=1)
    assert stock.rows("container_id, source") == [("a", "two"), ("c", "two"), ("d", "one"), ("x", "one")]


def test_the_name_of_the_cluster_is_the_source(stock):
    stock.load(pods(pod()), "--cluster-name", "prod", "--cluster-type", "k8s")
    assert stock.rows("cluster_name, cluster_type, source") == [("prod", "k8s", "prod")]


@pytest.mark.parametrize("record, reason", [
    (",one,,", "container_id is required"), ("b,one,running,", 'status must be one of Running'),
    ("b,one", "the record has 2 fields, and the header has 4"),
    ("a,one,,", 'container_id "a" is already used by standard input: item 1 (line 2)'),
    ('b,one,,""', "enterprise_project_id must be 1 to 256 characters long"),
    ("b," + "x" * 4097 + ",,", "container_name must be at most 4096 characters long"),
    ("x" * 513 + ",one,,", "container_id must be at most 512 characters long"),
    (b"b,\xff,,", "container_name must be valid UTF-8"),
], ids=str)
def test_a_refused_record(stock, record, reason):
    """It stops the load, or is left out, and its stored row stays."""
    stock.load("container_id,container_name\nb,old\nold,\n")
    record = record if isinstance(record, bytes) else record.encode()
    content = HEADER.encode() + b"a,one,,\n" + record + b"\nc,one,,\n"
    assert stock.load(content, "--replace", status=1) == summary(refused=1)
    assert reason in stock.messages and "item 2 (line 3)" in stock.messages, stock.messages
    assert stock.rows() == ["b", "old"]
    # Without the ID, it may stand for any row, and none is removed.
    hides = record.count(b",") != 3 or record.startswith((b",", b"xxx"))
    kept = ["b", "old"] if hides else ["b"] if record.startswith(b"b,") else []
    assert stock.load(content, "--replace", "--on-error", "skip", status=3) == summary(
        added=2, removed=2 - len(kept), refused=1)
    assert reason in stock.messages and "item 2 (line 3)" in stock.messages, stock.messages
    assert stock.rows() == sorted(["a", *kept, "c"]) and ("no rows were removed" in stock.messages) is hides
    assert "1 record was refused" in stock.messages


def test_an_id_behind_refused_columns(stock):
    """It is known, so that the other rows are removed. The message has the first reason."""
    stock.load("container_id\nb\nold\n")
    content = "status,risky,container_id\nrunning,maybe,b\n"
    assert stock.load(content, "--replace", "--on-error", "skip", status=3) == summary(removed=1, refused=1)
    assert "status must be one of Running" in stock.messages and stock.rows() == ["b"]


def test_several_refused_records(stock):
    """One without an ID is enough to keep all rows. A refused record neither adds a row nor takes an ID."""
    stock.load("container_id\nold\n")
    content = HEADER + ",one,,\nnew,one,running,\ntwice,one,running,\ntwice,two,,\nlater,one,,\nlater,two,running,\n"
    assert stock.load(content, "--replace", "--on-error", "skip", status=3) == summary(added=2, refused=4)
    assert stock.rows("container_id, container_name") == [("later", "one"), ("old", None), ("twice", "two")]
    assert "no rows were removed" in stock.messages


@pytest.mark.parametrize("content, reason", [
    ("", "is empty"), (" \n", "is empty"), ("nonsense", 'the CSV header has an unknown column: "nonsense"'),
    ("container_id,nonsense\n", "nonsense"),
    ("container_name\nx\n", "must have the column container_id"),
    ("container_id,container_id\n", 'repeats the column "container_id"'), ('container_id\n"a\n', "line 2"),
    ("container_id\na\0b\n", "NUL"), ('{"kind": "List", "items": [', "it ends before the JSON is complete"),
    (pods(pod())[:-5], "it ends before the JSON is complete"), ('{"kind": "List"]', "unexpected ]"),
    ("[" * 2000, "1000 levels"),
    ('{"kind": "DeploymentList", "items": []}', "DeploymentList"), ('{"a": 1}', "an object is in none of the formats"),
    ('{"kind":"List","items":[{"kind":"Service"}]}', 'kind must be Pod, got "Service"'),
    (b'{"kind":"List","items":[{"kind":"\xff"}]}', "item 1"),
    ('{"kind":"List","items":[{"kind":"\\u0000"}]}', "item 1"),
    ('{"kind":"List","items":[{"kind":"\\ud800"}]}', "item 1"),
    ('{"kind":"List","items":[9223372036854775808]}', "item 1"),
    ('{"kind":"PodList","items":{}}', "items must be an array"), ('{"kind":"PodList"}', "the list has no items"),
    ('{"kind":"PodList","\\u0069tems":[{"kind":"Pod"}]}', "items must be an array"),
    ('{"kind":"PodList","metadata":{"continue":"abc"},"items":[]}', "one page of a longer list"),
    ('{"kind":"List","items":[{"metadata":{"name":"a"},"spec":{"replicas":1}}]}', "spec.containers is required"),
    ('{"kind":"Pod","metadata":{"name":"a"}}', "spec.containers is required"),
    ('{"kind":"List","items":[,]}', "an element is missing"), ("\ufeff", "is empty"),
    ("\ufeff\ufeffcontainer_id\na\n", "has an unknown column"),
    (" " * 200000, "too much whitespace"), ('{"kind":5,"items":[]}', "an object is in none of the formats"),
    ('{"kind":"List","items":[{"kind":5,"metadata":{},"spec":{}}]}', "kind must be a string, got an integer"),
    ('{"kind":"List","items":[null]}', "null is in none of the formats"),
    (pods(pod(containers=[{"name": ""}])), "the name of a container is required"),
    ('{"kind":"List","items":[' + "[" * 101 + "]" * 101 + "]}", "nested more than 100 levels deep"),
    *(("\ufeffcontainer_id\na\n".encode(encoding), "is UTF-16") for encoding in ("utf-16-le", "utf-16-be")),
], ids=lambda value: str(value)[:40])
def test_bad_input_changes_nothing(stock, content, reason):
    stock.load("container_id\nold\n")
    stock.load(content, "--replace", status=1)
    assert reason in stock.messages, stock.messages
    assert stock.rows() == ["old"]


def test_formats_are_told_apart(stock, tmp_path):
    (tmp_path / "pods.json").write_text(pods(pod()))
    (tmp_path / "rows.csv").write_text("\ufeffcontainer_id\r\na\r\n")
    assert stock.load("", str(tmp_path / "pods.json"), str(tmp_path / "rows.csv")) == summary(added=2)
    assert stock.rows() == ["a", "uid-web-1/app"]
    stock.load("", "--format", "csv", str(tmp_path / "pods.json"), status=1)
    assert "the content is JSON, not csv" in stock.messages
    stock.load("", "--format", "kubernetes", str(tmp_path / "rows.csv"), status=1)
    assert "is not JSON" in stock.messages
    stock.load("", str(tmp_path / "rows.csv"), str(tmp_path / "missing.csv"), status=1)
    assert "missing.csv cannot be opened" in stock.messages
    assert stock.load(pods()) == summary()


def test_two_formats_in_a_file(stock):
    """It is not loaded at all, even without the refused records."""
    stock.load("container_id\nold\n")
    inspected = json.dumps([{"Id": "a", "State": {}}])
    for content, reason in ((pods(pod()) + inspected, "the content is docker, not kubernetes"),
                            (inspected + pods(pod()), "the content is kubernetes, not docker"),
                            ('{"Results": []}' + inspected, "the content is docker, not trivy")):
        stock.load(content, "--replace", "--on-error", "skip", "--image", "nginx", status=1)
        assert reason in stock.messages and stock.rows() == ["old"], stock.messages


def test_containers_of_pods(stock):
    limits = {"limits": {"cpu": 2, "memory": "1Gi"}}
    item = pod(
        containers=[{"name": "app", "image": "nginx:1", "resources": limits}, {"name": "log", "image": "fluent"}],
        initContainers=[{"name": "setup", "image": "busybox"},
                        {"name": "proxy", "image": "envoy", "restartPolicy": "Always"}],
        ephemeralContainers=[{"name": "debug", "image": "busybox"}],
        statuses=[  # in another order than the specification
            {"name": "log", "containerID": "containerd://f1", "image": "sha256:1", "restartCount": 3,
             "state": {"terminated": {"startedAt": "2026-04-03T10:15:00.1239+02:00"}}},
            {"name": "app", "containerID": "docker://a1", "restartCount": 0, "state": {"waiting": {}},
             "resources": {"limits": {"cpu": "1500m"}}}])
    assert stock.load(pods(item)) == summary(added=3, skipped=2)
    columns = ("container_id, container_name, image_name, pod_name, status, restart_count, create_time::text,"
               " cpu_limit, memory_limit, cluster_container, risky")
    assert stock.rows(columns) == [
        ("a1", "app", "nginx:1", "web-1", "Waiting", 0, "2026-04-03 08:15:00+00", "1500m", "1Gi", True, None),
        ("f1", "log", "fluent", "web-1", "Terminated", 3, "2026-04-03 08:15:00.123+00", None, None, True, None),
        ("uid-web-1/proxy", "proxy", "envoy", "web-1", "Waiting", 0, "2026-04-03 08:15:00+00", None, None, True, None)]
    assert stock.load(pods(item), "--include", "init,ephemeral") == summary(added=2, unchanged=3)


@pytest.mark.parametrize("phase, status", [
    ("Pending", "Waiting"), ("Running", "Waiting"), ("Succeeded", "Terminated"), ("Failed", "Terminated"),
    ("Unknown", None), (None, None),
])
def test_the_phase_of_a_pod_without_states(stock, phase, status):
    stock.load(json.dumps(pod(phase=phase)))
    assert stock.rows("status") == [status]


def test_pods_one_a_line_and_in_a_podlist(stock):
    lines = "\n".join(json.dumps(pod(f"p{number}")) for number in range(3))
    assert stock.load(lines) == summary(added=3)
    listed = [{name: part for name, part in pod(f"p{number}").items() if name not in ("kind", "apiVersion")}
              for number in range(4)]
    assert stock.load(json.dumps({"kind": "PodList", "items": listed})) == summary(added=1, unchanged=3)


def test_a_refused_pod_keeps_what_it_may_stand_for(stock):
    stock.load(pods(pod("p1"), pod("p2")))
    bad = pod("p1")
    bad["spec"]["containers"] = 1
    assert stock.load(pods(bad), "--replace", "--on-error", "skip", status=3) == summary(refused=1)
    assert stock.rows() == ["uid-p1/app", "uid-p2/app"]
    assert "containers must be an array" in stock.messages and "no rows were removed" in stock.messages


def test_a_refused_container_with_an_id_keeps_its_row(stock):
    """The other rows of the source are removed."""
    def status(name, **more):
        return {"name": name, "containerID": f"containerd://{name}", **more}

    stock.load(pods(pod(statuses=[status("app")]), pod("p2")))
    assert stock.rows() == ["app", "uid-p2/app"]
    bad = pod(containers=[{"name": "app", "image": 7}], statuses=[status("app")])
    assert stock.load(pods(bad), "--replace", "--on-error", "skip", status=3) == summary(removed=1, refused=1)
    assert "image must be a string, got an integer" in stock.messages and stock.rows() == ["app"]
    bad = pod(statuses=[status("app", state=1)])
    assert stock.load(pods(bad), "--replace", "--on-error", "skip", status=3) == summary(refused=1)
    assert "state must be an object" in stock.messages and stock.rows() == ["app"]


def test_the_first_item_may_be_refused(stock):
    """The format is that of a later item."""
    content = json.dumps({"kind": "List", "items": [None, pod()]})
    assert stock.load(content, "--on-error", "skip", status=3) == summary(added=1, refused=1)


@pytest.mark.parametrize("content", ['{"kind": nope}', '[nope]', '{"kind": "List" "items": []}'])
def test_all_of_a_file_is_refused(stock, content):
    """Its format stays unknown, and so does what it stands for."""
    stock.load("container_id\nold\n")
    status = 1 if content == "[nope]" else 3
    assert stock.load(content, "--replace", "--on-error", "skip", status=status) == summary(refused=1)
    assert stock.rows() == ["old"]


def test_an_id_in_two_files(stock, tmp_path):
    """Both positions name their file, and the first record is stored."""
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text("container_id,container_name\nx,\na,first\n")
    two.write_text("container_id,container_name\na,second\n")
    assert stock.load("", "--on-error", "skip", str(one), str(two), status=3) == summary(added=2, refused=1)
    assert f'{two}: item 1 (line 2): container_id "a" is already used by {one}: item 2 (line 3)' in stock.messages
    assert stock.rows("container_id, container_name") == [("a", "first"), ("x", None)]


def test_an_id_in_a_pod_and_in_a_list(stock):
    """The first record in the file counts."""
    first, second = pod("p2", containers=[{"name": "app", "image": "first"}]), pod("p2")
    content = "\n".join([json.dumps(pod("p1")), json.dumps(first), pods(second)])
    assert stock.load(content, "--on-error", "skip", status=3) == summary(added=2, refused=1)
    assert ('item 3 (line 3): container_id "uid-p2/app" is already used by standard input: item 2 (line 2)'
            in stock.messages), stock.messages
    assert stock.rows("image_name") == ["nginx:1", "first"]


def test_the_longest_key(site):
    """A key beyond the limit of an index is refused by position, not by PostgreSQL."""
    wide = Inventory(site, "\U0001f600" * 256)
    dice = random.Random(12)
    name = "".join(chr(dice.randint(0x10000, 0x1FFFF)) for _ in range(512))
    assert wide.load(f"container_id\n{name[:394]}\n") == summary(added=1)
    wide.load(f"container_id\n{name}\n", status=1)
    assert "item 1 (line 2): container_id and the ID of the project must have at most 2600 bytes" in wide.messages


@pytest.mark.parametrize("has_size", [True, False])
def test_the_progress_on_a_terminal(site, stock, tmp_path, has_size):
    """A bar for a file, the bytes and rows alone for a pipe. It is gone at the end."""
    path = tmp_path / "rows.csv"
    path.write_text("container_id\na\n")
    with open(path, "rb") as content:
        done, printed = with_terminal(lambda stderr: subprocess.run(
            [os.path.join(BUILD, "waybill"), "--config", site.config, "inventory", "load", "--project", stock.project,
             *([str(path)] if has_size else [])],
            stdout=subprocess.PIPE, stderr=stderr, env=environment(), timeout=DEADLINE,
            **({"stdin": subprocess.DEVNULL} if has_size else {"input": content.read()})))
    assert done.returncode == 0 and done.stdout.decode() == summary(added=1) + "\n"
    assert "1 rows" in printed and printed.endswith("\r\033[K") and ("] 100 %" in printed) is has_size, repr(printed)


@pytest.mark.parametrize("action, stored", [(RESET, True), (CUT, False)])
def test_a_lost_answer_to_the_commit(postgres, scratch, action, stored):
    """The message says that the load may have taken effect. Loading again gives the same rows."""
    directory = os.path.join(scratch, f"load_commit_{action}")
    with contextlib.closing(Proxy(postgres, directory)) as proxy:
        loader = proxy.options["database.conninfo"].replace("waybill_service", "waybill_owner")
        site = Site(postgres, directory, {"inventory.loader_conninfo": loader})
        stock = Inventory(site, "lost")
        proxy.on("COMMIT", action, after="waybill.inventory_load")
        assert stock.load("container_id\na\n", status=1) == summary()
        assert "the load may have taken effect" in stock.messages, stock.messages
        wait_until(lambda: site.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'waybill load'"
                                    " AND datname = current_database()")[0][0] == 0, "its session has ended")
        assert stock.rows() == (["a"] if stored else [])
        assert stock.load("container_id\na\n") == (summary(unchanged=1) if stored else summary(added=1))
        site.close()


def test_an_export_loads_into_another_project(site, stock):
    """All 16 columns with every kind of value: the files have the same bytes."""
    other = Inventory(site, next(projects))
    config = site.write_config({"csv.formula_guard": "off"}, name="unguarded.conf")

    def export(inventory):
        return subprocess.run([os.path.join(BUILD, "waybill"), "--config", config, "export", "--project",
                               inventory.project], capture_output=True, env=environment(), check=True).stdout

    stock.load("container_id,container_name,image_name,risky,low_risk,create_time,restart_count,memory_limit,pod_name\n"
               'a,"",=1+1,true,0,2026-04-03T08:15:00.120Z,7,300 Mi,"x\r\ny"\n'
               "b,,,,,,,,\nc,日本,😀,false,2147483647,1969-12-31T23:59:59.999Z,,,p\n"
               "d,,,,,infinity,,,\ne,,,,,10000-01-01T00:00:00.000Z,,,\nf,,,,,0044-03-15 12:00:00+00 BC,,,\n")
    content = export(stock)
    assert content.count(b"\r\n") == 8
    assert other.load(content) == summary(added=6)
    assert export(other) == content
    assert content.startswith(oracle.csv([], [[key, key] for key in EXPORTED]))


def test_the_summary_without_a_database(site, stock):
    config = site.write_config({"inventory.loader_conninfo": "host=/nonexistent"}, name="nowhere.conf")
    assert stock.load("container_id\na\n", config=config, status=1) == summary()
    assert json.loads(stock.load("container_id\na\n", "--json", config=config, status=1))["added"] == 0


def test_two_loads_of_a_project_run_one_after_the_other(site, stock):
    """The second one waits for the lock, and sees what the first one stored."""
    with site.connect() as other:
        lock = hashlib.sha256(f"inventory {stock.project}".encode()).digest()[:8]
        other.cursor().execute("SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(lock, sys.byteorder, signed=True)])
        loads = [subprocess.Popen([os.path.join(BUILD, "waybill"), "--config", site.config, "inventory", "load",
                                   "--project", stock.project], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  env=environment()) for _ in range(2)]
        for load in loads:
            load.stdin.write(b"container_id\na\n")
            load.stdin.close()
        wait_until(lambda: site.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                                    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                                    )[0][0] == 2, "both loads wait")
        released = site.sql("SELECT date_trunc('milliseconds', clock_timestamp())")
        other.rollback()
    outcomes = {load.stdout.read().decode().strip() for load in loads}
    assert [load.wait(DEADLINE) for load in loads] == [0, 0]
    assert outcomes == {summary(added=1), summary(unchanged=1)}
    # The time of a load is not before those that it waited for.
    assert site.sql("SELECT load_time FROM waybill.inventory_load WHERE project_id = %s", stock.project) >= released


@pytest.mark.parametrize("moment", ["while it reads", "while it stores"])
def test_a_killed_load_changes_nothing(site, stock, moment):
    stock.load("container_id\nold\n")
    with site.connect() as other:
        if moment == "while it stores":
            other.cursor().execute("LOCK TABLE waybill.inventory_load IN ACCESS EXCLUSIVE MODE")
        load = subprocess.Popen([os.path.join(BUILD, "waybill"), "--config", site.config, "inventory", "load",
                                 "--project", stock.project, "--replace"], stdin=subprocess.PIPE, env=environment())
        load.stdin.write(b"container_id\n" + b"new\n")
        load.stdin.flush()
        if moment == "while it stores":
            load.stdin.close()
            wait_until(lambda: site.sql("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation ="
                                        " 'waybill.inventory_load'::regclass")[0][0] == 1, "the load stores its rows")
        else:
            wait_until(lambda: site.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'waybill load'"
                                        " AND query LIKE 'COPY%%' AND datname = current_database()")[0][0] == 1,
                       "the load reads")
        load.send_signal(signal.SIGKILL)
        load.wait(DEADLINE)
        other.rollback()
    wait_until(lambda: site.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'waybill load'"
                                " AND datname = current_database()")[0][0] == 0, "its session has ended")
    assert stock.rows() == ["old"]
    assert stock.load("container_id\nnew\n", "--replace") == summary(added=1, removed=1)


def test_the_time_of_the_last_load(site, stock):
    def load_time():
        return site.sql("SELECT load_time FROM waybill.inventory_load WHERE project_id = %s", stock.project)

    stock.load("container_id\na\n", "--dry-run")
    stock.load("container_id\na\na\n", status=1)
    assert load_time() == []
    stock.load("container_id\na\n")
    (first,), = load_time()
    time.sleep(0.01)  # load_time has milliseconds
    stock.load("container_id\na\n")
    assert load_time()[0][0] > first


def test_the_loader_role_is_enough(site, stock):
    config = site.write_config({"inventory.loader_conninfo": site.postgres.conninfo(site.database, "waybill_loader")},
                               name="loader.conf")
    assert stock.load("container_id\na\n", "--replace", config=config) == summary(added=1)
    for table in ("credential", "export_task", "export_schedule"):
        assert site.sql("SELECT has_table_privilege('waybill_loader', %s, 'SELECT, INSERT, UPDATE, DELETE')",
                        f"waybill.{table}") == [(False,)]
    stock.load("container_id\na\nb\n")
    assert stock.load("container_id\na\n", "--replace") == summary(unchanged=1, removed=1)


def test_the_time_of_a_load_is_linear(start):
    """The planner expects no rows of a project or a source that it does not know. The second source must not compare
    each row with each record, and reports must not compare each image with each report."""
    site = start("load_plans").site
    log_plans(site, "waybill_owner")
    stock, count = Inventory(site, "p"), 2000
    rows = ["".join(f"{source}{number},image-{number}\n" for number in range(count)) for source in "ab"]
    reports = "".join(json.dumps({"ArtifactName": f"image-{number}"}) + "\n" for number in range(count))
    plans = Plans(site)
    for content, source in zip(rows * 2, "abab"):
        stock.load("container_id,image_name\n" + content, "--source", source, "--replace")
    assert stock.load(reports) == summary(changed=2 * count)
    assert len(stock.rows()) == 2 * count
    for statement in plans.statements():
        for node in nodes(statement["Plan"]):
            assert rows_read(node) <= 10 * count, json.dumps(statement)


def test_the_statistics_are_current_after_a_load(start):
    """Also those of a project that is new."""
    stock = Inventory(start("load_statistics").site, "p")
    stock.load("container_id,cluster_name\n" + "".join(f"{number},c{number % 2}\n" for number in range(100)))
    assert stock.site.sql("SELECT regexp_replace(relname, '_[0-9]+$', ''), sum(reltuples)::integer FROM pg_class"
                          " WHERE relname ~ '^(container|inventory_(label|profile))_[0-9]+$' AND reltuples > 0"
                          " GROUP BY 1 ORDER BY 1") == [
                              ("container", 100), ("inventory_label", 1), ("inventory_profile", 2)]


def test_combinations_that_are_gone_are_removed(site, stock):
    """Whether rows are removed or changed, and only those of the project."""
    def combinations(inventory):
        return [site.sql(f"SELECT {column} FROM waybill.inventory_{table} WHERE project_id = %s ORDER BY 1",
                         inventory.project) for table, column in (("label", "pod_stem"), ("profile", "status"))]

    other = Inventory(site, next(projects))
    other.load("container_id,pod_name,status\na,other-x2k4p,Paused\n")
    stock.load("container_id,pod_name,status\na,one-x2k4p,Running\nb,one-b7,Running\nc,two,Waiting\n")
    assert combinations(stock) == [[("one-",), ("two",)], [("Running",), ("Waiting",)]]
    stock.load("container_id,pod_name,status\na,one-x2k4p,Running\n", "--replace")
    assert combinations(stock) == [[("one-",)], [("Running",)]]
    stock.load("container_id,pod_name,status\na,three-x2k4p,Isolated\n")
    assert combinations(stock) == [[("three-",)], [("Isolated",)]]
    assert combinations(other) == [[("other-",)], [("Paused",)]]


@pytest.mark.parametrize("options, reason", [
    (["--include", "all"], "--include must be init, ephemeral or both"),
    (["--include", ""], "--include must be init"), (["--include", "init,"], "--include must be init"),
    (["--on-error", "x"], "stop or skip"),
    (["--format", "xml"], "kubernetes, docker, trivy or csv"), (["--cluster-type", "eks"], "--cluster-type must be"),
    (["--enterprise-project", ""], "--enterprise-project must be"), (["--source", "x" * 4097], "--source must be"),
])
def test_bad_options(stock, options, reason):
    stock.load("container_id\na\n", *options, status=2)
    assert reason in stock.messages and stock.rows() == []
