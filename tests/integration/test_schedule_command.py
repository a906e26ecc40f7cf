"""waybill schedule: how an operator makes and controls schedules."""

import datetime
import itertools
import json
import os
import re
import subprocess
import uuid

import pytest
from api import expect_error
from deadline import DEADLINE, wait_until
from faults import fleet  # noqa: F401
from service import BUILD, environment, worker

LISTED = "NAME,STATE,NEXT RUN,LAST RUN,LAST STATE,RULE,TIME ZONE,ID".split(",")
KEYS = ("container_id container_name image_name pod_name cluster_name cluster_type status risky low_risk medium_risk"
        " high_risk fatal_risk create_time restart_count cpu_limit memory_limit").split()
RUNS = "OCCURRENCE STATE TASK REASON".split()
SHOWN = ("schedule_id project_id name rule time_zone start_time enabled keep enterprise_project_id export_size request"
         " notify_url create_time next_run_time pause_reason last_occurrence_time last_task_id"
         " last_task_status").split()
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
DAILY = ("--daily", "03:00")
NOTIFY = {"notify.hosts": "hooks.example.com"}
numbers = itertools.count()


@pytest.fixture(scope="module")
def site(start):
    """A site whose schedules do not run: its service has no export threads, and is stopped."""
    made = start("schedule_command", options={"export.threads": 0, **NOTIFY})
    made.process.begin_to_stop()
    made.process.process.wait(timeout=DEADLINE)
    return made.site


@pytest.fixture
def project():
    return f"scheduled {next(numbers)}"


def call(site, project, action, *arguments, text=None):
    """Runs the command with this standard input."""
    return subprocess.run(
        [os.path.join(BUILD, "waybill"), "--config", site.config, "schedule", action, "--project", project, *arguments],
        env=environment(), cwd=site.directory, input=text or "", capture_output=True, text=True, timeout=DEADLINE)


def schedule(site, project, action, *arguments, text=None):
    """Returns the output of a call that must succeed."""
    done = call(site, project, action, *arguments, text=text)
    assert done.returncode == 0 and not done.stderr, f"{arguments}: {done}"
    return done.stdout


def add(site, project, name, *arguments, text=None):
    """Makes a schedule and returns its id."""
    printed = schedule(site, project, "add", "--name", name, *arguments, text=text)
    found = re.fullmatch(r"schedule_id=([0-9a-f-]{36})\n", printed)
    assert found and str(uuid.UUID(found[1])) == found[1], f"{printed!r}"
    return found[1]


def table(printed, header):
    """Returns the rows of a table, as {column: text}."""
    first, *rows = printed.split("\n")[:-1]
    assert first.split("\t") == header
    assert all(len(row.split("\t")) == len(header) for row in rows), f"{rows}"
    return [dict(zip(header, row.split("\t"))) for row in rows]


def listed(site, project):
    return table(schedule(site, project, "list"), LISTED)


def runs(site, project, name, *arguments):
    return table(schedule(site, project, "runs", *arguments, name), RUNS)


def shown(site, project, name):
    lines = schedule(site, project, "show", name).split("\n")[:-1]
    fields = [(field, value.strip()) for field, _, value in (line.partition(":") for line in lines)]
    assert [field for field, _ in fields] == SHOWN, f"{fields}"
    return dict(fields)


def refused(site, project, action, *arguments, status=1, text=None):
    """Returns the message of a call that must fail and print nothing else."""
    done = call(site, project, action, *arguments, text=text)
    assert done.returncode == status and not done.stdout, f"{done}"
    assert done.stderr.startswith("waybill: "), f"{done}"
    message, _, usage = done.stderr.partition("\n")
    assert (usage != "") == (status == 2), f"{done}"
    return message


def instant(text):
    assert TIME.fullmatch(text), text
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_the_defaults(site, project):
    schedule_id = add(site, project, "nightly", *DAILY)
    fields = shown(site, project, "nightly")
    assert json.loads(fields.pop("request")) == {"export_headers": [[key, key] for key in KEYS]}
    times = [instant(fields.pop(name)) for name in ("start_time", "create_time", "next_run_time")]
    assert times[0] <= times[1] < times[2]
    assert (times[2].hour, times[2].minute, times[2].second, times[2].microsecond) == (3, 0, 0, 0)
    assert fields == {
        "schedule_id": schedule_id, "project_id": project, "name": "nightly",
        "rule": "FREQ=DAILY;BYHOUR=3;BYMINUTE=0;BYSECOND=0", "time_zone": "UTC", "enabled": "true", "keep": "10",
        "enterprise_project_id": "0", "export_size": "100000", "notify_url": "", "pause_reason": "",
        "last_occurrence_time": "", "last_task_id": "", "last_task_status": "",
    }


def test_all_options(site, project):
    add(site, project, "all", "--weekly", "mon,wed,08:00", "--time-zone", "Europe/Berlin", "--start",
        "2030-06-01T00:00:00+02:00", "--keep", "3", "--enterprise-project", "ep1", "--size", "7", "--column",
        "image_name=Bild=ä", "--column", "risky", "--filter", "risky=true", "--filter", "image_name=*=*", "--filter",
        "create_time=2026-04-03T08:15:00Z..1800000000000", "--paused")
    fields = shown(site, project, "all")
    assert json.loads(fields["request"]) == {
        "risky": "true", "image_name": "*=*",
        "create_time": {"start_time": 1775204100000, "end_time": 1800000000000},
        "export_headers": [["image_name", "Bild=ä"], ["risky", "risky"]]}
    expected = {"rule": "FREQ=WEEKLY;BYDAY=MO,WE;BYHOUR=8;BYMINUTE=0;BYSECOND=0", "time_zone": "Europe/Berlin",
                "start_time": "2030-05-31T22:00:00.000Z", "keep": "3", "enterprise_project_id": "ep1",
                "export_size": "7", "enabled": "false", "next_run_time": ""}
    assert {name: fields[name] for name in expected} == expected
    schedule(site, project, "resume", "all")
    assert shown(site, project, "all")["next_run_time"] == "2030-06-03T06:00:00.000Z"


def test_a_local_start(site, project):
    """A start without an offset is a time in the zone of the schedule."""
    add(site, project, "local", *DAILY, "--time-zone", "Asia/Kathmandu", "--start", "2030-06-01")
    fields = shown(site, project, "local")
    assert (fields["start_time"], fields["next_run_time"]) == ("2030-05-31T18:15:00.000Z", "2030-05-31T21:15:00.000Z")
    add(site, project, "default", *DAILY, "--start", "2030-06-01T00:00:01")
    assert shown(site, project, "default")["start_time"] == "2030-06-01T00:00:01.000Z"
    message = refused(site, project, "add", "--name", "bad", *DAILY, "--time-zone", "Mars", "--start", "2030-06-01",
                      status=2)
    assert "--time-zone" in message


@pytest.mark.parametrize("arguments, rule", [
    (("--rule", "FREQ=HOURLY;INTERVAL=6"), "FREQ=HOURLY;INTERVAL=6"),
    (("--daily", "23:59"), "FREQ=DAILY;BYHOUR=23;BYMINUTE=59;BYSECOND=0"),
    (("--weekly", "sun,00:00"), "FREQ=WEEKLY;BYDAY=SU;BYHOUR=0;BYMINUTE=0;BYSECOND=0"),
    (("--monthly", "-1,06:00"), "FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=6;BYMINUTE=0;BYSECOND=0"),
    (("--monthly", "1,15,06:00"), "FREQ=MONTHLY;BYMONTHDAY=1,15;BYHOUR=6;BYMINUTE=0;BYSECOND=0"),
], ids=" ".join)
def test_rules(site, project, arguments, rule):
    add(site, project, "rule", *arguments)
    fields = shown(site, project, "rule")
    assert fields["rule"] == rule and instant(fields["next_run_time"])


def test_all_enterprise_projects(site, project):
    for name, given in (("alias", "all"), ("name of the API", "all_granted_eps")):
        add(site, project, name, *DAILY, "--enterprise-project", given)
        assert shown(site, project, name)["enterprise_project_id"] == "all_granted_eps"
    add(site, project, "one", *DAILY, "--enterprise-project", "ep1")
    assert site.sql("SELECT name, enterprise_projects FROM waybill.export_schedule WHERE project_id = %s ORDER BY name",
                    project) == [("alias", None), ("name of the API", None), ("one", ["ep1"])]


REQUEST = {"pod_name": "*ü*", "create_time": {"last": "P7D"}, "export_headers": [["pod_name", "Pod"]]}


def test_the_request(site, project, tmp_path):
    """It comes from a file, from standard input, or from the options; a duration is stored as such."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(REQUEST), encoding="utf-8")
    add(site, project, "file", *DAILY, "--request", str(path))
    add(site, project, "input", *DAILY, "--request", "-", text=json.dumps(REQUEST, ensure_ascii=False))
    add(site, project, "options", *DAILY, "--column", "pod_name=Pod", "--filter", "pod_name=*ü*", "--filter",
        "create_time=P7D")
    for name in ("file", "input", "options"):
        assert json.loads(shown(site, project, name)["request"]) == REQUEST


def test_the_secret(site, project):
    printed = schedule(site, project, "add", "--name", "told", *DAILY, "--notify-url", "https://hooks.example.com/x")
    found = re.fullmatch(r"schedule_id=(\S{36})\nnotify_secret=(whsec_[A-Za-z0-9+/]+=*)\n", printed)
    assert found, f"{printed!r}"
    fields = shown(site, project, "told")
    assert fields["schedule_id"] == found[1] and fields["notify_url"] == "https://hooks.example.com/x"
    for text in (str(fields), schedule(site, project, "list")):
        assert "whsec_" not in text


@pytest.mark.parametrize("arguments, status, mentions", [
    ((), 2, ["--rule", "--daily", "--weekly", "--monthly"]),
    (("--rule", "FREQ=MINUTELY"), 2, ["--rule", "FREQ"]),
    (("--rule", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), 2, ["--rule"]),
    (("--rule", ""), 2, ["--rule"]),
    (("--rule", "FREQ=DAILY;COUNT=10001"), 2, ["--rule", "10000"]),
    (("--daily", "25:00"), 2, ["--daily", '"25:00"']),
    (("--weekly", "monday,08:00"), 2, ["--weekly", '"monday,08:00"']),
    (("--monthly", "32,08:00"), 2, ["--monthly", '"32,08:00"']),
    ((*DAILY, "--weekly", "mon,08:00"), 2, ["--weekly", "only one"]),
    ((*DAILY, "--time-zone", "Mars/Phobos"), 2, ["--time-zone", '"Mars/Phobos"']),
    ((*DAILY, "--time-zone", "../../etc/passwd"), 2, ["--time-zone"]),
    ((*DAILY, "--time-zone", "\x1b[31m\xff"), 2, ["--time-zone"]),
    ((*DAILY, "--start", "tomorrow"), 2, ["--start", '"tomorrow"']),
    ((*DAILY, "--start", "2026-02-30T00:00:00Z"), 2, ["--start"]),
    ((*DAILY, "--keep", "0"), 2, ["--keep", "1 to 1000"]),
    ((*DAILY, "--keep", "1001"), 2, ["--keep", "1 to 1000"]),
    ((*DAILY, "--size", "0"), 2, ["--size", "1 to 100000"]),
    ((*DAILY, "--size", "100001"), 2, ["--size", "1 to 100000"]),
    ((*DAILY, "--enterprise-project", ""), 2, ["--enterprise-project"]),
    ((*DAILY, "--enterprise-project", "x" * 257), 2, ["--enterprise-project"]),
    ((*DAILY, "--notify-url", "https://elsewhere.example.com/"), 2, ["--notify-url", "hosts"]),
    ((*DAILY, "--notify-url", "http://hooks.example.com/"), 2, ["--notify-url", "https"]),
    ((*DAILY, "--notify-url", "nonsense"), 2, ["--notify-url"]),
    ((*DAILY, "--column", "nothing"), 2, ["--column", "container_id", '"nothing"']),
    ((*DAILY, "--column", "risky", "--column", "risky=x"), 2, ["--column", "repeat"]),
    ((*DAILY, "--filter", "nothing=1"), 2, ["--filter", "cluster_container", '"nothing=1"']),
    ((*DAILY, "--filter", "status=running"), 2, ["--filter", "status", "Running", '"status=running"']),
    ((*DAILY, "--filter", "create_time=P7"), 2, ["--filter", "create_time", "START..END"]),
    ((*DAILY, "--request", "-", "--column", "risky"), 2, ["--request", "--column"]),
    ((*DAILY, "--request", "-", "--filter", "risky=true"), 2, ["--request", "--filter"]),
    ((*DAILY, "--request", "/no/such/file"), 1, ["--request", "/no/such/file", "No such file"]),
    ((*DAILY, "--request", "/"), 1, ["--request", "/", "directory"]),
    ((*DAILY, "--paused=on"), 2, ["--paused"]),
    ((*DAILY, "NAME"), 2, ["NAME"]),
], ids=lambda value: " ".join(map(str, value))[:60] if isinstance(value, tuple) else "")
def test_bad_options(site, project, arguments, status, mentions):
    message = refused(site, project, "add", "--name", "bad", *arguments, status=status)
    assert all(mention in message for mention in mentions), message
    assert not re.search("[\x00-\x1f\x7f-\x9f]", message), f"{message!r}"
    assert listed(site, project) == []


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "\x1b[31m"])
def test_bad_names(site, project, name):
    message = refused(site, project, "add", "--name", name, *DAILY, status=2)
    assert "--name" in message and listed(site, project) == []


@pytest.mark.parametrize("text, mention", [
    ("", "request"), ("{", "request"), ("[]", "request"), ("null", "request"),
    ('{"export_headers":[]}', "export_headers"),
    ('{"export_headers":[["risky","x"]],"riskier":true}', "riskier"),
    ('{"export_headers":[["risky","x"]]} x', "request"),
    ('{"export_headers":[["risky","x"]],"create_time":{"last":"7D"}}', "create_time.last"),
    ("[" * 100000, "request"), (" " * 1048576 + "{}", "1048576 bytes"),
], ids=range(10))
def test_bad_requests(site, project, text, mention):
    message = refused(site, project, "add", "--name", "bad", *DAILY, "--request", "-", text=text)
    assert mention in message and len(message) < 1000, message
    assert listed(site, project) == []


def test_a_name_that_is_taken(site, project):
    add(site, project, "once", *DAILY)
    message = refused(site, project, "add", "--name", "once", *DAILY)
    assert "once" in message
    add(site, project + " other", "once", *DAILY)
    assert len(listed(site, project)) == 1


def test_list(site, project):
    assert listed(site, project) == []
    made = {name: add(site, project, name, *DAILY, *options)
            for name, options in (("b", ()), ("a", ("--paused",)), ("ä", ("--time-zone", "Asia/Kathmandu")))}
    rows = listed(site, project)
    assert [row["NAME"] for row in rows] == ["a", "b", "ä"]
    assert [row["ID"] for row in rows] == [made[row["NAME"]] for row in rows]
    assert [row["STATE"] for row in rows] == ["paused", "enabled", "enabled"]
    assert [row["NEXT RUN"] != "" for row in rows] == [False, True, True]
    assert [row["TIME ZONE"] for row in rows] == ["UTC", "UTC", "Asia/Kathmandu"]
    for row in rows:
        assert row["RULE"] == "FREQ=DAILY;BYHOUR=3;BYMINUTE=0;BYSECOND=0" and row["LAST RUN"] == row["LAST STATE"] == ""
    assert instant(rows[2]["NEXT RUN"]).strftime("%H:%M") == "21:15"


def test_many_are_listed(site, project):
    """More than are read at a time."""
    add(site, project, "000", *DAILY)
    columns = ("project_id, rule, time_zone, start_time, enabled, keep, enterprise_project_id, export_size, request,"
               " create_time, pending_from")
    site.sql(f"INSERT INTO waybill.export_schedule (name, {columns}) SELECT to_char(n, 'FM000'), {columns}"
             " FROM waybill.export_schedule, generate_series(1, 400) AS n WHERE project_id = %s", project)
    assert [row["NAME"] for row in listed(site, project)] == [f"{n:03}" for n in range(401)]
    site.sql("DELETE FROM waybill.export_schedule WHERE project_id = %s", project)


HOSTILE = "ä <b> \"q\" \\ 😀 ' %s;--"


def test_hostile_texts(site, project):
    """The terminal gets no control character, and a text adds neither a line nor a column."""
    add(site, project, HOSTILE, *DAILY, "--column", "risky=\u2028x")
    assert [row["NAME"] for row in listed(site, project)] == [HOSTILE]
    assert shown(site, project, HOSTILE)["name"] == HOSTILE
    name = "a\tb\nc\x1b[31m\x85é"
    site.sql("UPDATE waybill.export_schedule SET name = %s, enabled = false, next_run_time = NULL, pause_reason = %s"
             " WHERE project_id = %s", name, "reason\n" + name, project)
    row, = listed(site, project)
    assert row["NAME"] == r"a\x09b\x0ac\x1b[31m\xc2\x85é", f"{row}"
    assert shown(site, project, name)["pause_reason"] == r"reason\x0a" + row["NAME"]


def test_pause_and_resume(site, project):
    add(site, project, "p", "--rule", "FREQ=HOURLY;BYMINUTE=0;BYSECOND=0", "--start", "2026-01-01T00:00:00Z")
    before = shown(site, project, "p")
    for _ in range(2):  # the second has no effect
        schedule(site, project, "pause", "p")
        paused = shown(site, project, "p")
        assert {**before, "enabled": "false", "next_run_time": ""} == paused
    for _ in range(2):  # the occurrences from the start until now do not run
        schedule(site, project, "resume", "p")
        now = site.sql("SELECT now()")[0][0]
        resumed = shown(site, project, "p")
        assert resumed["enabled"] == "true"
        assert now - datetime.timedelta(minutes=1) < instant(resumed["next_run_time"]) <= now + datetime.timedelta(
            hours=1)
    assert runs(site, project, "p") == []
    site.sql("UPDATE waybill.export_schedule SET enabled = false, next_run_time = NULL, pause_reason = 'as a test'"
             " WHERE project_id = %s", project)
    assert shown(site, project, "p")["pause_reason"] == "as a test"
    schedule(site, project, "resume", "p")
    assert shown(site, project, "p")["pause_reason"] == ""


def test_run_and_runs(site, project):
    add(site, project, "r", *DAILY, "--paused", "--size", "5", "--filter", "create_time=P1D")
    made = []
    for _ in range(3):
        task_id = schedule(site, project, "run", "r")
        assert str(uuid.UUID(task_id.strip())) + "\n" == task_id
        made.insert(0, task_id.strip())
    rows = runs(site, project, "r")
    assert [row["TASK"] for row in rows] == made and all(row["STATE"] == "running" for row in rows), f"{rows}"
    assert all(instant(row["OCCURRENCE"]) for row in rows)
    assert runs(site, project, "r", "--limit", "2") == rows[:2]
    row, = site.sql("SELECT project_id, export_size, request, request_id FROM waybill.export_task WHERE task_id = %s",
                    made[0])
    request = row[2]["create_time"]
    assert row[:2] == (project, 5) and row[3] == "waybill schedule run"
    assert request["end_time"] - request["start_time"] == 86400000
    site.sql("UPDATE waybill.export_task SET state = 'failure', error_code = 'HSS.0041', error_msg = 'as a\ttest',"
             " finish_time = now() WHERE task_id = %s", made[0])
    rows = runs(site, project, "r")
    assert [(row["STATE"], row["REASON"]) for row in rows] == [("failure", r"as a\x09test")] + 2 * [("running", "")]
    row, = listed(site, project)
    assert row["LAST STATE"] == "failure" and row["LAST RUN"] == rows[0]["OCCURRENCE"]
    fields = shown(site, project, "r")
    assert fields["last_task_id"] == made[0] and fields["last_task_status"] == "failure"
    assert fields["last_occurrence_time"] == rows[0]["OCCURRENCE"]


def test_too_many_tasks(site, project):
    site.write_config({"export.threads": 0, "limits.unfinished_tasks": 1, **NOTIFY})
    add(site, project, "r", *DAILY)
    schedule(site, project, "run", "r")
    assert "unfinished" in refused(site, project, "run", "r")
    site.write_config({"export.threads": 0, **NOTIFY})
    assert len(runs(site, project, "r")) == 1


def test_remove(site, project):
    add(site, project, "gone", *DAILY)
    add(site, project, "stays", *DAILY)
    task_id = schedule(site, project, "run", "gone").strip()
    assert schedule(site, project, "remove", "gone") == ""
    assert [row["NAME"] for row in listed(site, project)] == ["stays"]
    assert site.sql("SELECT count(*) FROM waybill.export_task WHERE task_id = %s", task_id) == [(1,)]
    assert "gone" in refused(site, project, "remove", "gone")
    add(site, project, "gone", *DAILY)
    assert runs(site, project, "gone") == []


def test_files_of_a_removed_schedule(site, project):
    """They expire like others, from now on."""
    add(site, project, "gone", *DAILY)
    task_id = schedule(site, project, "run", "gone").strip()
    site.sql("UPDATE waybill.export_task SET state = 'success', file_id = gen_random_uuid(), file_size = 6,"
             " sha256 = sha256('x'), finish_time = now() - interval '9 days' WHERE task_id = %s", task_id)
    site.write_config({"export.threads": 0, "files.retention_hours": 7, **NOTIFY})
    schedule(site, project, "remove", "gone")
    site.write_config({"export.threads": 0, **NOTIFY})
    hours, = site.sql("SELECT extract(epoch FROM expire_time - now()) / 3600 FROM waybill.export_task"
                      " WHERE task_id = %s", task_id)[0]
    assert 6 < hours <= 7


@pytest.mark.parametrize("action", ["show", "pause", "resume", "run", "runs", "remove"])
def test_unknown_names(site, project, action):
    """Another project's schedule is not found, and stays as it is."""
    add(site, project, "mine", *DAILY)
    before = listed(site, project)
    for name in ("mine ", "MINE", "", "*", "' OR true --", "x" * 3000, before[0]["ID"]):
        message = refused(site, project, action, name)
        assert name[:20] in message and len(message) < 1000, message
    assert "mine" in refused(site, project + " other", action, "mine")
    message = refused(site, project, action, "\x1b[31m\n")
    assert not re.search(r"[\x00-\x1f\x7f]", message), f"{message!r}"
    assert listed(site, project) == before and runs(site, project, "mine") == []


@pytest.mark.parametrize("arguments", [
    [], ["nothing"], ["--project", "p"], ["add"], ["add", "--project", "p", *DAILY], ["add", "--name", "n", *DAILY],
    ["add", "--project", "", "--name", "n", *DAILY], ["list"], ["list", "--project"], ["list", "--project", "p", "x"],
    ["list", "--project", "x" * 257], ["show", "x"], ["show", "--project", "p"], ["show", "--project", "p", "a", "b"],
    ["pause", "--project", "p"], ["resume", "--project", "p"], ["run", "--project", "p"], ["remove", "--project", "p"],
    ["remove", "--project", "p", "--all"], ["show", "--project", "p", "--limit", "1", "x"],
    ["runs", "--project", "p"], ["runs", "--project", "p", "--limit", "0", "x"],
    ["runs", "--project", "p", "--limit", "x", "x"],
], ids=lambda arguments: " ".join(arguments)[:60] or "none")
def test_wrong_calls(site, arguments):
    done = site.waybill("schedule", *arguments)
    assert done.returncode == 2 and done.stderr and not done.stdout, f"{done}"


def test_an_unreachable_database(tmp_path):
    config = tmp_path / "waybill.conf"
    config.write_text(f"[database]\nconninfo = host={tmp_path} dbname=x\n[files]\ndirectory = {tmp_path}\n")
    for arguments in (["add", "--name", "n", *DAILY], ["list"], ["show", "x"], ["run", "x"]):
        done = subprocess.run([os.path.join(BUILD, "waybill"), "--config", str(config), "schedule", arguments[0],
                               "--project", "p", *arguments[1:]], env=environment(), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=DEADLINE)
        assert done.returncode == 1 and not done.stdout, f"{done}"
        assert done.stderr.startswith("waybill: the database cannot be reached"), f"{done}"


def test_callers_see_the_schedule(hostile, project):
    """A schedule of the operator is visible to a caller with grants for all of the project, and to no other."""
    site = hostile.site
    schedule_id = add(site, project, "ours", *DAILY, "--paused", "--enterprise-project", "all")
    path = f"/v5/{project.replace(' ', '%20')}/container/export-schedules/{schedule_id}"
    response = hostile.api(project).request("GET", path)
    assert response.status == 200 and response.json()["name"] == "ours", f"{response}"
    expect_error(hostile.api(project, ("ep1",)).request("GET", path), 404, "HSS.0011")
    schedule(site, project, "remove", "ours")


def test_a_schedule_that_is_due(fleet):  # noqa: F811
    """A schedule of the operator runs in a worker, with its filters and columns."""
    made = fleet("schedule_due", p1=20)
    running = worker(made.site)
    add(made.site, "p1", "due", "--rule", "FREQ=HOURLY;BYMINUTE=0;BYSECOND=0", "--column", "container_id=Id",
        "--size", "7")
    made.site.sql("UPDATE waybill.export_schedule SET start_time = due, pending_from = due, next_run_time = due"
                  " FROM date_trunc('hour', now()) AS due")
    made.site.sql("NOTIFY waybill_schedule")
    wait_until(lambda: [row["STATE"] for row in runs(made.site, "p1", "due")] == ["success"], "the run succeeds")
    row, = runs(made.site, "p1", "due")
    file_id, exported = made.site.sql("SELECT file_id::text, exported_rows FROM waybill.export_task WHERE task_id = %s",
                                      row["TASK"])[0]
    with open(os.path.join(made.site.files, file_id), encoding="utf-8") as file:
        assert file.readline() == '"Id"\n' and exported == 7
    running.stop()
