"""The configuration file: an error in it prevents the start, and the message has file, line and reason."""

import os
import re
import subprocess

import pytest
from deadline import DEADLINE
from service import BUILD, TOP, environment

SAMPLE = os.path.join(TOP, "conf", "waybill.conf")
WRONG = [
    ("[server]\nnothing = 1\n", 2, "nothing"),
    ("[nothing]\nlisten = x\n", 2, "nothing"),
    ("listen = x\n", 1, "listen"),
    ("# comment\n\n[csv]\n; comment\nbom = maybe\n", 5, "bom"),
    ("[csv]\nbom =\n", 2, "bom"),
    ("[csv]\ntime_zone = Nowhere/Land\n", 2, "time_zone"),
    ("[csv]\ntime_zone = ../../etc/passwd\n", 2, "time_zone"),
    ("[csv]\nformula_guard = 2\n", 2, "formula_guard"),
    ("[server]\nrequest_threads = 0\n", 2, "request_threads"),
    ("[server]\nrequest_threads = many\n", 2, "request_threads"),
    ("[server]\nrequest_threads = 4 threads\n", 2, "request_threads"),
    ("[server]\nrequest_threads = 99999999999999999999\n", 2, "request_threads"),
    ("[server]\nwait_ms = -1\n", 2, "wait_ms"),
    ("[server]\nwait_ms = 60001\n", 2, "wait_ms"),
    ("[server]\nwait_ms = 1.5\n", 2, "wait_ms"),
    ("[server]\nwait_ms = 1s\n", 2, "wait_ms"),
    ("[server]\ngrace = -1\n", 2, "grace"),
    ("[server]\ngrace = 3601\n", 2, "grace"),
    ("[export]\nthreads = -1\n", 2, "threads"),
    ("[database]\npool_size = 0\n", 2, "pool_size"),
    ("[files]\noffload = apache\n", 2, "offload"),
    ("[log]\nlevel = loud\n", 2, "level"),
    ("[inventory]\nrelation = waybill.container; DROP TABLE x\n", 2, "relation"),
    ("[inventory]\nrelation =\n", 2, "relation"),
    ("[server]\nthis is no option\n", 2, ""),
    ("[server\nlisten = x\n", 1, ""),
]


def load(program, text, tmp_path, by_environment=False):
    """Starts a program with a configuration. It stops early, because there is no database."""
    config = tmp_path / "waybill.conf"
    config.write_text(text)
    arguments = ["token", "list"] if program == "waybill" else ["--listen", str(tmp_path / "sock")]
    naming = [] if by_environment else ["--config", str(config)]
    return config, subprocess.run(
        [os.path.join(BUILD, program), *naming, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=DEADLINE,
        env=environment(PGHOST=str(tmp_path), **({"WAYBILL_CONFIG": str(config)} if by_environment else {})))


@pytest.mark.parametrize("program", ["waybill", "waybill.fcgi"])
@pytest.mark.parametrize("text, line, mention", WRONG, ids=[text.strip().replace("\n", "|") for text, _, _ in WRONG])
def test_what_is_wrong_stops_the_start(tmp_path, program, text, line, mention):
    config, done = load(program, text, tmp_path)
    assert done.returncode not in (0, None) and not done.stdout, f"{done}"
    assert f"{config}:{line}" in done.stderr, f"no file and line in {done.stderr!r}"
    reason = done.stderr.replace(f"{config}:{line}", "").strip()
    assert mention in reason and len(reason) > 10, f"no reason in {done.stderr!r}"


def test_named_by_the_environment(tmp_path):
    config, done = load("waybill", "[server]\nnothing = 1\n", tmp_path, by_environment=True)
    assert done.returncode not in (0, None) and f"{config}:2" in done.stderr, f"{done}"


@pytest.mark.parametrize("program", ["waybill", "waybill.fcgi"])
def test_a_file_that_is_not_there(tmp_path, program):
    config = str(tmp_path / "missing.conf")
    done = subprocess.run([os.path.join(BUILD, program), "--config", config,
                           *(["token", "list"] if program == "waybill" else [])],
                          env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode not in (0, None) and config in done.stderr, f"{done}"


def options():
    """Returns the options of the sample: section, name, and the line without its comment sign."""
    section, found = None, []
    with open(SAMPLE, encoding="utf-8") as sample:
        for line in sample:
            if line.startswith("["):
                section = line.strip()
            elif re.match(r"#\w+ =", line):
                found.append((section, line[1:].strip()))
    return found


def complaint(done, config):
    return f"{config}:" in done.stderr


def test_the_sample_loads(tmp_path):
    with open(SAMPLE, encoding="utf-8") as sample:
        text = sample.read()
    config, done = load("waybill", text, tmp_path)
    assert not complaint(done, config), f"{done}"
    config, done = load("waybill", re.sub(r"^#(\w+ =)", r"\1", text, flags=re.M), tmp_path)
    assert not complaint(done, config), f"{done}"


@pytest.mark.parametrize("section, line", options(), ids=lambda text: text)
def test_each_option_of_the_sample_loads(tmp_path, section, line):
    config, done = load("waybill", f"{section}\n{line}\n", tmp_path)
    assert not complaint(done, config), f"{done}"


