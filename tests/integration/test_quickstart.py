"""tools/quickstart, end to end: what it starts, leaves, reuses and stops. It builds Waybill itself."""

import csv
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import tempfile

import pytest

from deadline import DEADLINE
from service import TOP, environment

BODY_HEADERS = ["Container Name", "Image Name", "Security Risk"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Quickstart:
    def __init__(self, home, top=TOP):
        self.home = home
        self.program = os.path.join(top, "tools", "quickstart")
        self.port = free_port()

    def run(self, *arguments, **variables):
        settings = {"WAYBILL_PORT": str(self.port), "CFLAGS": "-O0", **variables}  # built here; speed is irrelevant
        if self.home:
            settings["WAYBILL_HOME"] = self.home
        return subprocess.run([self.program, *arguments], env=environment(**settings), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=4 * DEADLINE)

    def start(self, *arguments, **variables):
        done = self.run(*arguments, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def shell(self, command):
        """Returns what a command prints for a user who has sourced the environment file."""
        done = subprocess.run(["bash", "-c", f'set -ae; . "{self.home}/env"; {command}'], env=environment(),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE)
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n")

    def sql(self, statement):
        return self.shell(f'psql -XAtc "{statement}"')

    def processes(self):
        """Returns the commands of processes that run from or in the home, by ID. Children with the command of their
        parent are left out: a web server starts and ends them according to its load."""
        found, parents = {}, {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                    command = file.read()
                with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                    parents[int(pid)] = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if self.home in command:
                found[int(pid)] = command
        return {pid: command for pid, command in found.items() if found.get(parents[pid]) != command}


@pytest.fixture(scope="module")
def home():
    directory = tempfile.mkdtemp(prefix="waybill-home-")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def quickstart(home):
    one = Quickstart(home)
    try:
        one.first = one.start()
        yield one
    finally:
        one.run("stop")  # also after an example that failed


def rows_of(quickstart):
    with open(os.path.join(quickstart.home, "containers.csv"), encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_the_example_is_shown(quickstart):
    assert re.search(r'"task_id":"[0-9a-f-]{36}"', quickstart.first)
    assert '"task_status":"success"' in quickstart.first
    assert '"Container Name","Image Name","Security Risk"' in quickstart.first
    assert f"http://127.0.0.1:{quickstart.port}" in quickstart.first


def test_the_example_downloads_by_a_link(quickstart):
    """The command that is shown needs no token, and works again."""
    link, = re.findall(r"^\$ DOWNLOAD_URL='(/v5/demo/download/[^']*)'$", quickstart.first, re.M)
    assert f'"download_url":"{link}"' in quickstart.first
    command, = re.findall(r'^\$ (curl .*DOWNLOAD_URL".*)$', quickstart.first, re.M)
    assert "TOKEN" not in command
    assert quickstart.shell(f"DOWNLOAD_URL='{link}'; TOKEN=; {command}") == ""
    assert quickstart.shell(f'curl -s "$BASE_URL{link}" | cmp - {quickstart.home}/containers.csv') == ""


def test_the_key_file(quickstart):
    """Only the user of the service can read it."""
    status = os.stat(os.path.join(quickstart.home, "access.key"))
    assert stat.S_IMODE(status.st_mode) == 0o640
    files = os.stat(os.path.join(quickstart.home, "files"))
    assert (status.st_uid, status.st_gid) == (files.st_uid, files.st_gid)


def test_the_csv_has_the_containers_of_the_demo(quickstart):
    header, *rows = rows_of(quickstart)
    assert header == BODY_HEADERS
    told = quickstart.sql("SELECT container_name || '|' || image_name || '|' || risky FROM waybill.container"
                          " WHERE project_id = 'demo' ORDER BY container_id").split("\n")
    assert len(rows) == 10000
    assert ["|".join(row) for row in rows] == told


def test_the_sample_files(quickstart):
    """What kubectl, docker and trivy would print, and the inventory that it becomes."""
    files = {}
    for name in os.listdir(os.path.join(quickstart.home, "sample")):
        with open(os.path.join(quickstart.home, "sample", name), encoding="utf-8") as file:
            files[name] = file.read()
    reports = {report["ArtifactName"]: report for report in map(json.loads, files.pop("trivy.json").splitlines())}
    hosts = json.loads(files.pop("docker.json"))
    clusters = {name.removesuffix(".json"): json.loads(content)["items"] for name, content in files.items()}
    images = {container["Id"]: container["Config"]["Image"] for container in hosts}
    for pod in (pod for pods in clusters.values() for pod in pods):
        status, = pod["status"]["containerStatuses"]
        images[status["containerID"].removeprefix("containerd://")] = pod["spec"]["containers"][0]["image"]
    assert len(images) == 10000 and set(images.values()) == set(reports)

    def count(image, severity):
        found = reports[image]["Results"][0]["Vulnerabilities"] or []
        return sum(vulnerability["Severity"] == severity for vulnerability in found)

    told = quickstart.sql("SELECT concat_ws('|', container_id, image_name, low_risk, medium_risk, high_risk,"
                          " fatal_risk, source) FROM waybill.container").split("\n")
    sources = {container["Id"]: "hosts" for container in hosts}
    sources.update((pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://"), cluster)
                   for cluster, pods in clusters.items() for pod in pods)
    assert sorted(told) == sorted("|".join(map(str, (
        key, image, *(count(image, severity) for severity in ("LOW", "MEDIUM", "HIGH", "CRITICAL")), sources[key])))
        for key, image in images.items())
    assert quickstart.sql("SELECT count(DISTINCT cluster_name || cluster_type), count(DISTINCT status),"
                          " bool_or(risky), bool_and(risky) FROM waybill.container") == "13|4|t|f"


def test_the_environment_file(quickstart):
    path = os.path.join(quickstart.home, "env")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with open(path, encoding="utf-8") as file:
        values = dict(line.rstrip("\n").split("=", 1) for line in file)
    assert list(values) == ["BASE_URL", "PROJECT_ID", "TOKEN", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE",
                            "WAYBILL_CONFIG", "FILES_DIR", "PATH"]
    assert quickstart.shell("command -v waybill") == os.path.join(quickstart.home, "prefix", "bin", "waybill")
    assert values["BASE_URL"] == f"http://127.0.0.1:{quickstart.port}"
    assert values["PROJECT_ID"] == "demo"
    assert os.path.isfile(values["WAYBILL_CONFIG"])
    assert os.listdir(values["FILES_DIR"])
    assert quickstart.sql("SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user") == "postgres|t"
    assert quickstart.shell('curl -s -o /dev/null -w "%{http_code}" -H "X-Auth-Token: $TOKEN"'
                            ' "$BASE_URL/v5/$PROJECT_ID/export-task/00000000-0000-0000-0000-000000000000"') == "404"


def run_readme(quickstart, title, before=""):
    """Returns what the commands of a section print, in one shell."""
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
        section = file.read().split(f"\n## {title}\n")[1].split("\n## ")[0]
    commands = "\n".join(re.findall(r"^ {4}(.*)", section, re.M))
    return quickstart.shell(f'cd "{quickstart.home}"\nset +a\nunset WAYBILL_CONFIG\n. ./env\n{before}\n{commands}')


def test_the_schedule_of_the_readme(quickstart):
    printed = run_readme(quickstart, "Exports on a schedule")
    assert re.fullmatch("[0-9a-f-]{36}(\n[0-9]{4}-[0-9]{2}-[0-9]{2}T08:00:00Z){3}", printed), printed
    with open(os.path.join(quickstart.home, "monday.csv"), encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["Container", "Image"] and 0 < len(rows) < 10000


def test_nobody_else_is_let_in(quickstart):
    assert quickstart.sql("SHOW listen_addresses") == ""
    assert "trust" not in quickstart.sql("SELECT string_agg(auth_method, ' ') FROM pg_hba_file_rules")
    assert quickstart.sql("SELECT count(*) FROM pg_authid WHERE rolpassword IS NOT NULL") == "0"


def test_a_second_run_reuses_what_is_there(quickstart):
    def found():
        with open(os.path.join(quickstart.home, "access.key"), encoding="ascii") as file:
            key = file.read()
        return (os.stat(os.path.join(quickstart.home, "build", "waybill.fcgi")).st_mtime_ns, key,
                quickstart.shell("echo $TOKEN"),
                quickstart.sql("SELECT count(*), max(xmin::text::bigint) FROM waybill.container"))
    before, running = found(), quickstart.processes()
    quickstart.start()
    assert found() == before
    assert set(running) <= set(quickstart.processes())


def test_another_number_of_rows_leaves_those_of_others(quickstart):
    quickstart.sql("INSERT INTO waybill.container (project_id, container_id) VALUES ('demo', 'mine')")
    before = quickstart.sql("SELECT md5(string_agg(c::text, '' ORDER BY container_id)) FROM waybill.container AS c")
    for rows in (10, 10500, 10000):
        quickstart.start("--no-example", WAYBILL_SAMPLE_ROWS=str(rows))
        assert quickstart.sql("SELECT count(*) FROM waybill.container") == str(rows + 1)
    assert quickstart.sql(
        "SELECT md5(string_agg(c::text, '' ORDER BY container_id)) FROM waybill.container AS c") == before
    quickstart.sql("DELETE FROM waybill.container WHERE container_id = 'mine'")


def test_a_failed_load_is_repeated(quickstart):
    """The clusters are loaded before the hosts, so the inventory has more rows than before when the load fails."""
    quickstart.sql("ALTER TABLE waybill.container ADD CONSTRAINT no_hosts CHECK (source <> 'hosts') NOT VALID")
    done = quickstart.run("--no-example", WAYBILL_SAMPLE_ROWS="10500")
    quickstart.sql("ALTER TABLE waybill.container DROP CONSTRAINT no_hosts")
    assert done.returncode != 0 and "no_hosts" in done.stderr
    assert quickstart.sql("SELECT count(*) > 10000 FROM waybill.container") == "t"
    quickstart.start("--no-example")
    assert quickstart.sql("SELECT count(*) FROM waybill.container") == "10000"


def test_the_loads_of_the_readme(quickstart):
    """Functions print what the tools would print: files of the sample."""
    printed = run_readme(quickstart, "Fill it from your cluster", """
        kubectl() { cat sample/cce-prod-01.json; }
        docker() { [ "$1" = inspect ] && cat sample/docker.json; [ "$1" != ps ] || echo 1 2; }
        trivy() { grep -m 1 CVE sample/trivy.json | sed 's/"Results".*/"Results": []}/'; }""").splitlines()
    loaded = [int(re.match(r"added=0 changed=(\d+) unchanged=0 removed=0 skipped=0 refused=0", line)[1])
              for line in printed]
    assert len(loaded) == 3 and all(loaded), printed
    assert quickstart.sql("SELECT source, count(*) FROM waybill.container WHERE source IN ('prod', 'host1') GROUP BY 1"
                          " ORDER BY 1") == f"host1|{loaded[1]}\nprod|{loaded[0]}"


def test_an_edited_configuration_is_used_and_kept(quickstart):
    path = quickstart.shell("echo $WAYBILL_CONFIG")
    with open(path, encoding="utf-8") as file:
        original = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(original + "[csv]\nbom = on\n[access]\nlink_minutes = 0\n")
    assert "download_url" not in quickstart.start()
    assert rows_of(quickstart)[0][0].startswith("\ufeff")
    with open(path, "w", encoding="utf-8") as file:
        file.write(original)
    quickstart.start()
    assert rows_of(quickstart)[0] == BODY_HEADERS


def test_a_key_file_outside_the_home_is_not_made(quickstart, tmp_path):
    """The example then does without a link."""
    path = quickstart.shell("echo $WAYBILL_CONFIG")
    with open(path, encoding="utf-8") as file:
        original = file.read()
    key_file = tmp_path / "access.key"
    with open(path, "w", encoding="utf-8") as file:
        file.write(re.sub("^key_file = .*", f"key_file = {key_file}", original, flags=re.M))
    assert "download_url" not in quickstart.start() and not key_file.exists()
    with open(path, "w", encoding="utf-8") as file:
        file.write(original)
    assert "download_url" in quickstart.start()


def test_a_revoked_token_is_replaced(quickstart):
    token = quickstart.shell("echo $TOKEN")
    quickstart.sql("UPDATE waybill.credential SET revoke_time = now()")
    quickstart.start()
    assert quickstart.shell("echo $TOKEN") != token


def test_a_taken_port_is_named(quickstart):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = quickstart.run(WAYBILL_PORT=str(other.getsockname()[1]))
    assert done.returncode == 1
    assert "WAYBILL_PORT" in done.stderr


def test_servers_that_died_are_restarted(quickstart):
    for pid, command in quickstart.processes().items():
        if command.startswith("lighttpd"):
            os.kill(pid, 9)
    quickstart.start()


def test_stop_leaves_no_process(quickstart):
    assert quickstart.processes()
    quickstart.start("stop")
    assert quickstart.processes() == {}
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", quickstart.port)) != 0
    quickstart.start("stop")


def test_after_a_stop_it_starts_with_what_it_had(quickstart):
    assert "Building" not in quickstart.start()
    assert len(rows_of(quickstart)) == 10001


@pytest.mark.parametrize("server, offload", [("apache", "x-sendfile"), ("nginx", "x-accel-redirect"),
                                             ("lighttpd", "x-sendfile")])
def test_another_web_server_in_the_same_home(quickstart, server, offload):
    """It replaces the previous one, with the delivered configuration, and its own offload setting."""
    containers = os.path.join(quickstart.home, "containers.csv")
    os.unlink(containers)
    quickstart.start(WAYBILL_SERVER=server)
    assert len(rows_of(quickstart)) == 10001
    with open(quickstart.shell("echo $WAYBILL_CONFIG"), encoding="utf-8") as file:
        assert [line for line in file if line.startswith("offload")] == [f"offload = {offload}\n"]
    answer = quickstart.shell('curl -sI "$BASE_URL/v5"')
    assert f"server: {server}" in answer.lower() and "x-request-id" in answer.lower(), f"{answer}"
    running = quickstart.processes()
    others = {"apache", "nginx", "lighttpd"} - {server}
    assert not [command for command in running.values() for other in others if command.startswith((other, other + "2"))]
    quickstart.start("--no-example", WAYBILL_SERVER=server)
    assert running == quickstart.processes(), "a second run reuses the servers"
    quickstart.start("stop")
    assert quickstart.processes() == {}
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", quickstart.port)) != 0


@pytest.mark.parametrize("setting", [
    {"WAYBILL_PORT": "0"}, {"WAYBILL_PORT": "65536"}, {"WAYBILL_PORT": "http"},
    {"WAYBILL_SAMPLE_ROWS": "-1"}, {"WAYBILL_SAMPLE_ROWS": "many"}, {"WAYBILL_SERVER": "other"}])
def test_a_bad_setting_is_named(quickstart, setting):
    done = quickstart.run(**setting)
    assert done.returncode == 1
    assert next(iter(setting)) in done.stderr


@pytest.mark.parametrize("name", ["with space", 'quote"', "x" * 120, "a,b"])
def test_a_home_that_cannot_be_is_refused(home, name):
    bad = os.path.join(home, name)
    done = Quickstart(bad).run()
    assert done.returncode == 1
    assert "WAYBILL_HOME cannot be" in done.stderr
    assert not os.path.exists(bad)


def test_an_unknown_argument_is_a_usage_error(home):
    assert Quickstart(home).run("begin").returncode == 2


def test_what_a_build_creates_is_no_source(tmp_path):
    """Otherwise a make in the checkout would make the next quickstart build again."""
    for name in ("src/a.c", "src/a.o", "tests/unit/test_a.c", "tests/unit/test_a", "tests/database/test_b.c",
                 "tests/database/test_b", "tests/database/server.h"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    done = subprocess.run(["bash", "-c", '. tools/common.sh; source_files "$0"', tmp_path], cwd=TOP,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE)
    assert done.stdout.split() == ["src/a.c", "tests/database/server.h", "tests/database/test_b.c",
                                   "tests/unit/test_a.c"], f"{done}"


@pytest.mark.skipif(os.getuid() != 0, reason="only root has servers that run as others")
def test_a_checkout_that_the_servers_cannot_enter():
    """stop names the home that it would use, and makes nothing there."""
    with tempfile.TemporaryDirectory(prefix="closed-") as closed:
        shutil.copytree(os.path.join(TOP, "tools"), os.path.join(closed, "checkout", "tools"))
        quickstart, var = Quickstart(None, os.path.join(closed, "checkout")), os.path.join(closed, "checkout", "var")
        said = quickstart.start("stop")
        other = re.match(r"The home is (/var/tmp/waybill-0-[0-9a-f]{12}) instead of (.*?): .*cannot enter", said)
        assert other and other[2] == var
        assert not os.path.exists(other[1])
        assert quickstart.start("stop") == said
        quickstart.home = var
        assert "cannot enter" in quickstart.run().stderr
        assert not os.path.exists(var)
