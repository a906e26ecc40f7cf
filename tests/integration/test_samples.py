"""The samples in docs/samples for sites with a scheduler of their own: the program, and the crontab and the systemd
units that run it."""

import json
import os
import re
import shutil
import stat
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from deadline import DEADLINE
from inventory import PROJECT
from samples import SAMPLES, crontab, sample, unit, verify_units
from service import environment

TASK_ID = "11111111-2222-4333-8444-555555555555"
FILE_ID = "66666666-7777-4888-8999-aaaaaaaaaaaa"
CONTENT = b'"Id"\r\n"c1"\r\n'
SHA256 = "0" * 64


class Reports:
    """A directory that is set up as the samples say, with other paths."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.token = "none"
        self.program = self.path("waybill-report")
        shutil.copy(os.path.join(SAMPLES, "waybill-report"), self.program)
        shutil.copy(os.path.join(SAMPLES, "waybill-report.json"), self.directory)
        os.mkdir(self.path("out"))

    def path(self, name):
        return os.path.join(self.directory, name)

    def write_token(self, token):
        self.token = token
        with open(os.open(self.path("token"), os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(f"X-Auth-Token: {token}\n")

    def variables(self, sampled, port):
        """Returns the variables of a sample with the values of this site. None is missing."""
        values = {"WAYBILL_URL": f"http://127.0.0.1:{port}", "WAYBILL_PROJECT": PROJECT,
                  "WAYBILL_TOKEN": self.path("token"), "WAYBILL_REQUEST": self.path("waybill-report.json")}
        assert set(values) <= set(sampled), f"{sampled}"
        assert sampled["WAYBILL_TOKEN"] == "/etc/waybill-report/token"
        assert sampled["WAYBILL_REQUEST"] == "/etc/waybill-report/waybill-report.json"
        return {**sampled, **values}

    def run(self, command, variables):
        path = f"{self.directory}:{os.environ['PATH']}"
        done = subprocess.run(["/bin/sh", "-c", command.replace("/var/lib/waybill-report", self.path("out"))],
                              env={**environment(**variables), "PATH": path}, cwd="/", stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=DEADLINE)
        assert self.token not in done.stdout + done.stderr, f"{done}"
        return done

    def report(self, port, name="report.csv"):
        """Runs the program as the unit does."""
        variables, command = unit("waybill-report.service")
        command = command.replace("/usr/local/bin", self.directory).replace("containers.csv", name)
        return self.run(command, self.variables(variables, port))

    def files(self):
        return sorted(os.listdir(self.path("out")))

    def read(self, name):
        with open(self.path(f"out/{name}"), "rb") as file:
            return file.read()


@pytest.fixture
def reports(tmp_path):
    return Reports(tmp_path)


def expect_report(reports, name, api):
    expected, _ = api.export(json.loads(sample("waybill-report.json")))
    assert reports.files() == [name] and reports.read(name) == expected
    assert stat.S_IMODE(os.stat(reports.path(f"out/{name}")).st_mode) == 0o640


def test_the_crontab(reports, hostile, webs):
    web = webs("lighttpd")
    reports.write_token(hostile.site.token(PROJECT))
    variables, command = crontab("waybill-report.cron")
    done = reports.run(command, reports.variables(variables, web.port))
    assert done.returncode == 0 and done.stdout == done.stderr == "", f"{done}"
    name, = reports.files()
    assert re.fullmatch(r"containers-\d{4}-\d\d-\d\d\.csv", name)
    expect_report(reports, name, hostile.api())


def test_the_service_unit(reports, hostile, webs):
    web = webs("lighttpd")
    reports.write_token(hostile.site.token(PROJECT))
    for _ in range(2):  # the second report replaces the first
        done = reports.report(web.port)
        assert done.returncode == 0 and done.stdout == done.stderr == "", f"{done}"
        expect_report(reports, "report.csv", hostile.api())


def test_the_units_are_valid(tmp_path):
    verify_units(tmp_path, "waybill-report.service", "waybill-report.timer")


def test_a_refused_request(reports, hostile, webs):
    """The reason of the service is in the message, and the earlier report stays."""
    reports.write_token("wbt_unknown")
    with open(reports.path("out/report.csv"), "wb") as file:
        file.write(b"earlier")
    done = reports.report(webs("lighttpd").port)
    assert done.returncode == 1 and "APIGW.0301" in done.stderr and done.stdout == "", f"{done}"
    assert reports.files() == ["report.csv"] and reports.read("report.csv") == b"earlier"


class Handler(BaseHTTPRequestHandler):
    """Plays a service whose responses a test determines."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(json.dumps({"task_id": TASK_ID}).encode())

    def do_GET(self):
        self.server.seen.append((self.path.rpartition("/")[2], self.headers["X-Auth-Token"], self.headers["Prefer"]))
        if "/download/" in self.path:
            self.answer(CONTENT, *self.server.download)
        else:
            self.answer(json.dumps({"task_id": TASK_ID, **self.server.states.pop(0)}).encode())

    def answer(self, body, status=200, length=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True


@pytest.fixture
def player():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.states, server.download, server.seen = [], (), []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_export_that_takes_long(reports, player):
    """The program waits until the task has ended. It compares the checksum of the file."""
    reports.write_token("secret")
    success = {"task_status": "success", "file_id": FILE_ID, "sha256": SHA256}
    player.states = [{"task_status": "running"}, {"task_status": "running"}, success]
    done = reports.report(player.server_port)
    assert done.returncode == 1 and "damaged" in done.stderr, f"{done}"
    assert reports.files() == []
    assert player.seen == [(TASK_ID, "secret", "wait=60")] * 3 + [(FILE_ID, "secret", None)]


def test_an_export_that_fails(reports, player):
    reports.write_token("secret")
    player.states = [{"task_status": "failure", "error_msg": 'a "task_status": "success" \\ of a kind'}]
    done = reports.report(player.server_port)
    assert done.returncode == 1 and TASK_ID in done.stderr and "of a kind" in done.stderr, f"{done}"
    assert reports.files() == [] and len(player.seen) == 1


@pytest.mark.parametrize("download", [(200, len(CONTENT) + 1), (410,)], ids=["cut", "gone"])
def test_a_download_that_fails(reports, player, download):
    reports.write_token("secret")
    with open(reports.path("out/report.csv"), "wb") as file:
        file.write(b"earlier")
    player.states = [{"task_status": "success", "file_id": FILE_ID, "sha256": SHA256}]
    player.download = download
    done = reports.report(player.server_port)
    assert done.returncode == 1 and "cannot be downloaded" in done.stderr, f"{done}"
    assert reports.files() == ["report.csv"] and reports.read("report.csv") == b"earlier"


@pytest.mark.parametrize("variable", ["WAYBILL_URL", "WAYBILL_PROJECT", "WAYBILL_TOKEN", "WAYBILL_REQUEST"])
def test_a_missing_variable(reports, player, variable):
    reports.write_token("secret")
    variables, command = unit("waybill-report.service")
    values = reports.variables(variables, player.server_port)
    del values[variable]
    done = reports.run(command.replace("/usr/local/bin", reports.directory), values)
    assert done.returncode != 0 and variable in done.stderr and not player.seen, f"{done}"


def test_the_command_lines_have_no_token(reports, player):
    """The token is not among the arguments of any process."""
    reports.write_token("wbt_hidden")
    seen = []

    class Watching(Handler):
        def do_POST(self):
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/cmdline", "rb") as cmdline:
                        seen.append(cmdline.read())
                except OSError:
                    continue
            super().do_POST()

    player.RequestHandlerClass = Watching
    player.states = [{"task_status": "failure"}]
    reports.report(player.server_port)
    assert any(line.startswith(b"curl\0") for line in seen) and not any(b"wbt_hidden" in line for line in seen)
