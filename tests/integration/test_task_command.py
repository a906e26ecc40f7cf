"""waybill task and waybill worker: how an operator sees and controls exports."""

import itertools
import json
import os
import re
import subprocess
import threading
import uuid

import inventory
import pytest
from api import MINIMAL, expect_error
from deadline import DEADLINE, wait_until
from faults import ASYNC, BODY, add_gate, closed_gate, detoured, expect_right_file, fleet  # noqa: F401
from service import BUILD, LOG_LINE, Site, environment, worker

HEADER = "TASK STATE PROJECT ATTEMPTS ROWS CREATED FINISHED ERROR".split()
SHOWN = ("task_id state project_id enterprise_project_id export_size request request_id attempts lease"
         " lease_expire_time progress exported_rows file_id file_size sha256 error_code error_msg create_time"
         " start_time finish_time expire_time").split()
CANCELLED = "the export was cancelled by the operator"
TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d.*"
numbers = itertools.count()


def task(site, *arguments):
    """Returns the output of a call that must succeed."""
    done = site.waybill("task", *arguments)
    assert done.returncode == 0 and not done.stderr, f"{arguments}: {done}"
    return done.stdout


def listed(site, *arguments):
    """Returns the rows of a list, as {column: text}."""
    first, *rows = task(site, "list", *arguments).split("\n")[:-1]
    assert first.split("\t") == HEADER
    assert all(len(row.split("\t")) == len(HEADER) for row in rows), f"{rows}"
    return [dict(zip(HEADER, row.split("\t"))) for row in rows]


def shown(site, task_id):
    lines = task(site, "show", task_id).split("\n")[:-1]
    assert all(re.match("[a-z0-9_]+: ?", line) for line in lines), f"{lines}"
    fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    assert [name for name, _ in fields if name in SHOWN] == SHOWN, f"{fields}"
    return dict(fields)


def refused(site, task_id, *arguments):
    """Makes a call that does not apply to this task: it prints the reason and nothing else."""
    done = site.waybill("task", *arguments, task_id)
    assert done.returncode == 1 and not done.stdout, f"{done}"
    assert task_id in done.stderr and done.stderr.count("\n") == 1, f"{done}"


@pytest.fixture
def project():
    return f"operated {next(numbers)}"


def set_state(site, task_id, state):
    changes = {
        "queued": "state = 'queued'",
        "running": "state = 'running', attempts = 1, lease = gen_random_uuid(), progress = 40, exported_rows = 12,"
                   " lease_expire_time = now() + interval '1 hour', start_time = now()",
        "success": "state = 'success', attempts = 1, file_id = gen_random_uuid(), file_size = 6, progress = 100,"
                   " sha256 = sha256('x'), start_time = now(), finish_time = now(), expire_time = now()",
        "failure": "state = 'failure', attempts = 3, error_code = 'HSS.0041', error_msg = 'as a test',"
                   " finish_time = now()",
    }
    site.sql(f"UPDATE waybill.export_task SET {changes[state]} WHERE task_id = %s", task_id)


@pytest.fixture
def tasks(stalled, project):
    """A task in each state, oldest first."""
    api = stalled.api(project)
    made = {}
    for state in ("queued", "running", "success", "failure"):
        made[state] = api.create_task(MINIMAL)
        set_state(stalled.site, made[state], state)
    return made


def test_list(stalled, project, tasks):
    rows = listed(stalled.site, "--project", project)
    assert [(row["TASK"], row["STATE"]) for row in rows] == [(tasks[state], state) for state in reversed(tasks)]
    for row in rows:
        assert row["PROJECT"] == project and re.fullmatch(TIME, row["CREATED"]), f"{row}"
        ended = row["STATE"] in ("success", "failure")
        assert bool(re.fullmatch(TIME, row["FINISHED"])) == ended == (row["FINISHED"] != ""), f"{row}"
        assert row["ERROR"] == ("as a test" if row["STATE"] == "failure" else ""), f"{row}"
    assert [row["ATTEMPTS"] for row in rows] == ["3", "1", "1", "0"]
    assert [row["ROWS"] for row in rows] == ["0", "0", "12", "0"]


def test_list_of_some(stalled, project, tasks):
    for state in tasks:
        rows = listed(stalled.site, "--project", project, "--state", state)
        assert [row["TASK"] for row in rows] == [tasks[state]]
        assert all(row["STATE"] == state for row in listed(stalled.site, "--state", state))
    everything = [tasks[state] for state in reversed(tasks)]
    for limit in (1, 2, 4, 5):
        rows = listed(stalled.site, "--limit", str(limit), "--project", project)
        assert [row["TASK"] for row in rows] == everything[:limit]
    assert [row["TASK"] for row in listed(stalled.site, "--limit", "3")] == everything[:3], "of all projects"
    assert listed(stalled.site, "--project", "operated by nobody") == []
    assert listed(stalled.site, "--project", project.upper()) == []


def test_50_are_listed(stalled, project):
    stalled.site.sql(
        "INSERT INTO waybill.export_task (project_id, enterprise_project_id, export_size, request, request_id,"
        " create_time) SELECT %s, '0', 1, '{}', '', now() + n * interval '1 ms' FROM generate_series(1, 60) n", project)
    newest = [task_id for task_id, in stalled.site.sql(
        "SELECT task_id::text FROM waybill.export_task WHERE project_id = %s ORDER BY create_time DESC", project)]
    assert [row["TASK"] for row in listed(stalled.site, "--project", project)] == newest[:50]
    assert [row["TASK"] for row in listed(stalled.site, "--project", project, "--limit", "100")] == newest
    stalled.site.sql("DELETE FROM waybill.export_task WHERE project_id = %s", project)


def test_show(stalled, project, tasks):
    for state, task_id in tasks.items():
        fields = shown(stalled.site, task_id)
        expected = dict(zip(SHOWN, stalled.site.sql(
            f"SELECT {', '.join(name if name != 'sha256' else chr(39) * 2 for name in SHOWN)}"
            " FROM waybill.export_task WHERE task_id = %s", task_id)[0]))
        for name in SHOWN:
            if name == "sha256":
                assert bool(re.fullmatch("[0-9a-f]{64}", fields[name])) == (state == "success"), f"{fields}"
            elif name == "request":
                assert json.loads(fields[name]) == expected[name], f"{fields}"
            elif name.endswith("_time"):
                assert bool(re.fullmatch(TIME, fields[name])) == (expected[name] is not None), f"{name} of {fields}"
            else:
                assert fields[name] == ("" if expected[name] is None else str(expected[name])), f"{name} of {fields}"
        assert fields["state"] == state and fields["project_id"] == project


UNKNOWN = ("00000000-0000-0000-0000-000000000000", "x", "1", "", "*", "' OR true --", "😀", "x" * 3000)


@pytest.mark.parametrize("action", ["show", "cancel", "retry"])
def test_unknown_tasks(stalled, action):
    for task_id in (str(uuid.uuid4()), *UNKNOWN):
        done = stalled.site.waybill("task", action, task_id)
        assert done.returncode == 1 and not done.stdout and done.stderr.startswith("waybill: "), f"{done}"
        assert task_id[:20] in done.stderr and len(done.stderr) < 1000, f"{done}"
    done = stalled.site.waybill("task", action, "\x1b[31m\nx\x07")
    assert done.returncode == 1 and not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.stderr), f"{done}"


@pytest.mark.parametrize("arguments", [
    [], ["nothing"], ["--nothing"], ["list", "x"], ["list", "--nothing"], ["list", "--state"], ["list", "--state", ""],
    ["list", "--state", "ended"], ["list", "--state", "Queued"], ["list", "--limit"], ["list", "--limit", ""],
    ["list", "--limit", "0"], ["list", "--limit", "-1"], ["list", "--limit", "1.5"], ["list", "--limit", "x"],
    ["list", "--limit", "99999999999999999999"], ["list", "--project"], ["show"], ["show", "a", "b"],
    ["show", "--nothing"], ["cancel"], ["cancel", "a", "b"], ["cancel", "--all"], ["retry"], ["retry", "a", "b"],
    ["retry", "--all"], ["purge", "x"], ["purge", "--nothing"],
], ids=lambda arguments: " ".join(arguments) or "none")
def test_wrong_calls(stalled, arguments):
    done = stalled.site.waybill("task", *arguments)
    assert done.returncode == 2 and done.stderr and not done.stdout, f"{done}"


@pytest.mark.parametrize("arguments", [["x"], ["--nothing"], ["1", "2"]])
def test_wrong_calls_of_the_worker(stalled, arguments):
    done = stalled.site.waybill("worker", *arguments)
    assert done.returncode == 2 and done.stderr and not done.stdout, f"{done}"


def test_help(stalled):
    done = stalled.site.waybill("--help")
    for words in ("task list", "task show", "task cancel", "task retry", "task purge", "worker"):
        assert words in done.stdout, f"{done}"


HOSTILE = 'a\tb\nc\rd\x1b[31me\x07f\x7fg\x85h\\i"j\u2028k😀 l'


def test_hostile_texts(hostile):
    """The terminal gets no control character, and a text adds neither a line nor a column."""
    site = hostile.site
    api = hostile.api(HOSTILE)
    task_id = api.finished({"container_name": HOSTILE, "pod_name": "*" + HOSTILE,
                            "export_headers": [["container_id", "a\u2028\u202e\\\"😀"]]})["task_id"]
    site.sql("UPDATE waybill.export_task SET state = 'failure', error_code = 'HSS.0041', error_msg = %s, file_id = NULL"
             " WHERE task_id = %s", HOSTILE, task_id)
    row, = listed(site, "--project", HOSTILE)
    assert row["TASK"] == task_id and row["STATE"] == "failure", f"{row}"
    assert row["PROJECT"] == row["ERROR"] != HOSTILE and row["PROJECT"].startswith("a\\"), f"{row}"
    assert row["PROJECT"].endswith("😀 l"), f"{row}"
    fields = shown(site, task_id)
    for name in ("project_id", "error_msg"):
        assert fields[name] == row["PROJECT"], f"{fields}"
    for text in (task(site, "list", "--project", HOSTILE), task(site, "show", task_id)):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", text), f"{text!r}"
    assert "\t" not in task(site, "show", task_id)
    assert task(site, "list", "--project", HOSTILE).count("\t") == 2 * (len(HEADER) - 1)


def expect_cancelled(api, task_id):
    status = api.status(task_id).json()
    assert (status["task_status"], status["error_code"], status["error_msg"]) == ("failure", "HSS.0041", CANCELLED)
    assert "file_id" not in status and "finish_time" in status, f"{status}"


def test_cancel_and_retry(stalled, project, tasks):
    """The states that each applies to, and its result."""
    site, api = stalled.site, stalled.api(project)
    for state in ("queued", "running"):
        refused(site, tasks[state], "retry")
        task(site, "cancel", tasks[state])
        expect_cancelled(api, tasks[state])
        refused(site, tasks[state], "cancel")
    before = api.status(tasks["success"]).json()
    for action in ("cancel", "retry"):
        refused(site, tasks["success"], action)
    assert api.status(tasks["success"]).json() == before
    refused(site, tasks["failure"], "cancel")
    assert api.status(tasks["failure"]).json()["error_msg"] == "as a test"
    for state in ("queued", "running", "failure"):
        task(site, "retry", tasks[state])
        refused(site, tasks[state], "retry")
        assert site.sql("SELECT state, attempts, progress, exported_rows, error_code, error_msg, finish_time, lease"
                        " FROM waybill.export_task WHERE task_id = %s", tasks[state]) == [
                            ("queued", 0, 0, 0, None, None, None, None)]
        status = api.status(tasks[state]).json()
        assert status["task_status"] == "running" and not {"error_code", "finish_time"} & set(status), f"{status}"


def test_cancel_while_it_runs(fleet):  # noqa: F811
    """The export stops, its thread is free for the next, and waiting callers are notified. The retry works."""
    made = fleet("operate_cancel", {"export.threads": 1, "export.lease": 3600,
                                    "inventory.relation": "faults.container"}, p1=20, p2=5)
    add_gate(made.site, 10)
    made.start()
    answers = []
    with closed_gate(made.site):
        task_id = made.api().create_task(BODY, headers=ASYNC)
        made.wait_for_query()
        waiting = threading.Thread(
            target=lambda: answers.append(made.api().status(task_id, headers={"Prefer": "wait=60"})))
        waiting.start()
        task(made.site, "cancel", task_id)
        expect_cancelled(made.api(), task_id)
        waiting.join()
        assert answers[0].json()["error_msg"] == CANCELLED, f"{answers}"
        made.wait_for_query(0)
        assert made.api(project="p2").finished(BODY)["exported_rows"] == 5
        refused(made.site, task_id, "cancel")
        task(made.site, "retry", task_id)
        made.wait_for_query()
    status = made.api().wait(task_id)
    assert status["task_status"] == "success", f"{status}"
    expect_right_file(made.api(), status, 20)
    assert made.task(task_id, "attempts") == (1,)
    refused(made.site, task_id, "retry")
    made.expect_files_of_tasks_alone()


def test_retry_of_a_real_failure(fleet):  # noqa: F811
    made = fleet("operate_retry", {"inventory.relation": "faults.container"}, p1=20)
    add_gate(made.site, 10)
    made.start()
    made.site.sql("ALTER VIEW faults.container RENAME TO away")
    task_id = made.api().create_task(BODY)
    assert made.api().wait(task_id)["task_status"] == "failure"
    made.site.sql("ALTER VIEW faults.away RENAME TO container")
    task(made.site, "retry", task_id)
    expect_right_file(made.api(), made.api().wait(task_id), 20)
    assert made.task(task_id, "attempts") == (1,)


def test_no_owner_is_needed(stalled, tasks, tmp_path):
    config = tmp_path / "waybill.conf"
    config.write_text(
        f"[database]\nconninfo = {stalled.site.postgres.conninfo(stalled.site.database, 'waybill_service')}\n"
        "owner_conninfo = host=/nowhere\n" f"[files]\ndirectory = {stalled.site.files}\n")
    for arguments in (["list"], ["show", tasks["queued"]], ["cancel", tasks["queued"]], ["retry", tasks["queued"]],
                      ["purge"]):
        done = subprocess.run([os.path.join(BUILD, "waybill"), "--config", str(config), "task", *arguments],
                              env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=DEADLINE)
        assert done.returncode == 0 and not done.stderr, f"{done}"


def test_an_unreachable_database(tmp_path):
    config = tmp_path / "waybill.conf"
    config.write_text(f"[database]\nconninfo = host={tmp_path} dbname=x\n[files]\ndirectory = {tmp_path}\n")
    for arguments in (["list"], ["show", str(uuid.uuid4())], ["cancel", str(uuid.uuid4())],
                      ["retry", str(uuid.uuid4())], ["purge"]):
        done = subprocess.run([os.path.join(BUILD, "waybill"), "--config", str(config), "task", *arguments],
                              env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=DEADLINE)
        assert done.returncode == 1 and not done.stdout, f"{done}"
        assert done.stderr.startswith("waybill: the database cannot be reached"), f"{done}"
        assert str(tmp_path) in done.stderr, f"the operator sees which address was tried: {done}"


def test_a_database_that_is_not_prepared(postgres, scratch):
    """It has no tables yet."""
    site = Site(postgres, os.path.join(scratch, "operate_bare"), migrations=None)
    try:
        for arguments in (["list"], ["show", str(uuid.uuid4())], ["purge"]):
            done = site.waybill("task", *arguments)
            assert done.returncode == 1 and done.stderr.startswith("waybill: "), f"{done}"
            assert done.stdout.count("\n") <= 1, f"{done}"
    finally:
        site.close()


def expect_log(process):
    odd = [line for line in process.log_text().rstrip("\n").split("\n") if not LOG_LINE.fullmatch(line)]
    assert not odd, f"{odd}"


def test_a_worker(fleet):  # noqa: F811
    """It runs tasks that others accept, and ends by a signal when idle."""
    made = fleet("operate_worker", {"export.threads": 0}, p1=20)
    made.start("front")
    before = [made.api("front").create_task(BODY, headers=ASYNC) for _ in range(3)]
    made.site.write_config({})
    process = worker(made.site)
    try:
        for task_id in before + [made.api("front").create_task(BODY) for _ in range(3)]:
            expect_right_file(made.api("front"), made.api("front").wait(task_id), 20)
    finally:
        process.stop()
    expect_log(process)
    assert process.log_text().count('event="export succeeded"') == 6
    task_id = made.api("front").create_task(BODY)
    assert made.api("front").status(task_id).json()["task_status"] == "running", "no process is left to run it"


def test_a_worker_requeues(fleet):  # noqa: F811
    made = fleet("operate_requeue", {"export.threads": 0}, p1=20)
    add_gate(made.site, 10)
    made.start("front")
    options = {"inventory.relation": "faults.container", "server.grace": 1, "export.lease": 3600, "export.threads": 2}
    made.site.write_config(options)
    process = worker(made.site)
    with closed_gate(made.site) as open_gate:
        try:
            tasks = [made.api("front").create_task(BODY, headers=ASYNC) for _ in range(3)]
            made.wait_for_query(2)
        finally:
            process.stop()
        rows = made.site.sql("SELECT state, attempts, lease FROM waybill.export_task")
        assert rows == [("queued", 0, None)] * 3, f"{rows}"
        made.wait_for_query(0)
        assert os.listdir(made.site.files) == []
        second = worker(made.site, "second")
        try:
            made.wait_for_query(2)
            open_gate()
            for task_id in tasks:
                expect_right_file(made.api("front"), made.api("front").wait(task_id), 20)
        finally:
            second.stop()
    expect_log(process)
    made.expect_files_of_tasks_alone()


def test_a_worker_that_is_killed(fleet):  # noqa: F811
    made = fleet("operate_killed", {"export.threads": 0}, p1=20)
    add_gate(made.site, 10)
    made.start("front")
    made.site.write_config({"inventory.relation": "faults.container", "export.threads": 1})
    process = worker(made.site)
    with closed_gate(made.site) as open_gate:
        task_id = made.api("front").create_task(BODY, headers=ASYNC)
        made.wait_for_query()
        process.kill()
        made.wait_for_query(0)
        made.site.sql("UPDATE waybill.export_task SET lease_expire_time = now()")
        open_gate()
    second = worker(made.site, "second")
    try:
        expect_right_file(made.api("front"), made.api("front").wait(task_id), 20)
        assert made.task(task_id, "attempts") == (2,)
    finally:
        second.stop()


def test_a_worker_does_the_housekeeping(fleet):  # noqa: F811
    made = fleet("operate_keeps", p1=20)
    made.start("one")
    status = made.api("one").finished(BODY)
    made.stop()
    made.site.sql("UPDATE waybill.export_task SET expire_time = now()")
    process = worker(made.site)
    try:
        wait_until(lambda: os.listdir(made.site.files) == [], "the file is removed")
    finally:
        process.stop()
    made.start("two")
    expect_error(made.api("two").download(status["file_id"]), 410, "HSS.0011")


def test_a_worker_without_the_database(detoured):  # noqa: F811
    """It starts, waits for the database, and then works."""
    made = detoured("operate_cut", p1=20)
    made.start("front")
    made.site.token("p1")
    made.processes.pop("front").stop()
    made.detour.close()
    process = worker(made.site)
    try:
        wait_until(lambda: "cannot claim tasks" in process.log_text(), "it finds no database")
        made.detour.open()
        made.site.write_config({**made.detour.options, "export.threads": 0})
        made.start("front")
        expect_right_file(made.api("front"), made.api("front").wait(made.api("front").create_task(BODY)), 20)
        with made.detour.cut():
            pass
        expect_right_file(made.api("front"), made.api("front").wait(made.api("front").create_task(BODY)), 20)
    finally:
        process.stop()
    expect_log(process)


@pytest.mark.parametrize("options, mention", [
    ({"export.threads": 0}, "threads"), ({"files.directory": "/nowhere/at/all"}, "/nowhere/at/all")])
def test_a_worker_that_can_not_work(stalled, options, mention):
    config = stalled.site.write_config(options, "worker.conf")
    done = subprocess.run([os.path.join(BUILD, "waybill"), "--config", config, "worker"], env=environment(),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 1 and mention in done.stderr and not done.stdout, f"{done}"


def test_the_projects_of_others_are_seen(hostile):
    """The operator's command sees the tasks of all projects."""
    for project in (inventory.PROJECT, inventory.NEIGHBOUR):
        task_id = hostile.api(project).finished(MINIMAL)["task_id"]
        assert listed(hostile.site, "--limit", "1")[0]["TASK"] == task_id
        assert shown(hostile.site, task_id)["project_id"] == project
