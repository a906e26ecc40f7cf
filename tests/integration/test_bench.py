"""The programs in bench run and measure everything. Their figures are not checked."""

import contextlib
import glob
import http.server
import importlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import xml.etree.ElementTree

import pytest
from deadline import DEADLINE, wait_until
from service import BUILD, TOP, environment
from web import WAYS


def measured(name, *arguments):
    done = subprocess.run([sys.executable, os.path.join(TOP, "bench", name), *arguments],
                          env=environment(WAYBILL_BUILDDIR=BUILD), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=4 * DEADLINE)
    assert done.returncode == 0 and not done.stderr, f"{done}"
    return done.stdout


def test_downloads_with_each_offload():
    lines = measured("offload", "--rounds", "1", "--size", "1").splitlines()
    assert [line.split()[0] for line in lines] == list(WAYS), f"{lines}"
    for line in lines:
        assert "ratio of medians" in line, f"{lines}"


def test_exports():
    text = measured("exports", "--build", BUILD, "--rows", "200", "--runs", "1")
    for part in ("with / without the variant", "4 export threads"):
        assert part in text, text


def test_inventory():
    text = measured("inventory", "--build", BUILD, "--rows", "2000", "--projects", "2", "--project-rows", "200",
                    "--runs", "1", "--only", "load", "--only", "rare", "--only", "growth")
    for part in ("first load / \\copy", "(indexes + combinations) / rows", "filters that match 100 of 2000 rows",
                 "projects one after another"):
        assert part in text, text


def test_schedules():
    text = measured("schedules", "--schedules", "20", "--per-minute", "6000", "--seconds", "4")
    assert text.startswith("20 schedules, ") and " runs in 4 s: connections " in text, text


@contextlib.contextmanager
def targets(*arguments, **variables):
    """Starts bench/targets. It ends with the tests, however they end. If the tests run in the background of a shell,
    they ignore SIGINT, and so would their children."""
    command = ["env", "--default-signal=INT", "setpriv", "--pdeathsig", "TERM",
               sys.executable, os.path.join(TOP, "bench", "targets"), *arguments]
    with subprocess.Popen(command, env=environment(**variables), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def test_targets(tmp_path):
    """All targets are in the results, the table, the plot and the rows for the document."""
    build = ("--build", BUILD)
    with targets(*build, "--short", "--output", str(tmp_path)) as process:
        printed, errors = process.communicate(timeout=4 * DEADLINE)
    assert process.returncode == 0, f"{printed}{errors}"
    results = json.loads((tmp_path / "bench.json").read_text())
    names = [(row["target"], row["name"]) for row in results["targets"]]
    assert {target: sum(name[0] == target for name in names) for target in "ABCDEFG"} == {
        "A": 3, "B": 2, "C": 3, "D": 2, "E": 2, "F": 2, "G": 4}, f"{names}"
    for row in results["targets"]:
        assert row["min"] <= row["median"] <= row["max"] and row["max"] > 0, f"{row}"
        assert row["bound"] > 0 and row["sense"] in ("at least", "at most"), f"{row}"
    assert {"cores", "PostgreSQL", "fsync", "file system", "compiler"} <= set(results["machine"])
    plot = xml.etree.ElementTree.parse(tmp_path / "bench.svg").getroot()
    labels = {text.text for text in plot.iter("{http://www.w3.org/2000/svg}text")}
    rows = measured("targets", "--markdown", str(tmp_path / "bench.json"))
    for target, name in names:
        assert f"{target}  {name}" in labels, f"{labels}"
        assert name in printed and f"| {target} | {name} |" in rows, f"{printed}{rows}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_targets_leave_nothing(scratch, tmp_path, number):
    """PostgreSQL must be able to enter the directory, and its path must be short."""
    home = pathlib.Path(scratch, f"interrupted{number:d}")
    home.mkdir()
    with targets("--build", BUILD, "--short", "--only", "D", "--output", str(tmp_path), TMPDIR=str(home)) as process:
        wait_until(lambda: list(home.glob("*/targets/web*/*.log")) or process.poll() is not None,
                   "a service is started")
        process.send_signal(number)
        printed, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1 and "bench/targets: " in errors and not printed, f"{printed}{errors}"
    assert list(home.iterdir()) == [] and not (tmp_path / "bench.json").exists()
    wait_until(lambda: not any(str(home) in readable(path) for path in glob.glob("/proc/[0-9]*/cmdline")),
               "no process is left")


def readable(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def test_targets_refuse_a_build_with_sanitizers(tmp_path):
    (tmp_path / "bench").mkdir()
    for name in ("waybill", "waybill.fcgi", "bench/empty"):
        (tmp_path / name).symlink_to(os.path.join(BUILD, name))
    for flags, instrumentation in (("-g -O2", "-fsanitize=address,undefined"), ("-g -O1", "")):
        (tmp_path / "Makefile").write_text(f"CC = gcc\nCFLAGS = {flags}\nINSTRUMENTATION = {instrumentation}\n")
        with targets("--build", str(tmp_path)) as process:
            assert "only a build with -O2" in process.communicate(timeout=DEADLINE)[1] and process.returncode == 1


def test_an_error_makes_a_turn_of_requests_void(tmp_path):
    """Otherwise, the rate of refusals would be measured."""
    class Refuser(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    sys.path.insert(0, os.path.join(TOP, "bench"))
    load = importlib.import_module("load")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuser)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        requests = [load.Request("GET", "/", {})]
        status = 200
        assert load.http(server.server_port, requests, 1, str(tmp_path)) > 0
        status = 429
        with pytest.raises(RuntimeError, match="void"):
            load.http(server.server_port, requests, 1, str(tmp_path))
    finally:
        server.shutdown()
        server.server_close()
