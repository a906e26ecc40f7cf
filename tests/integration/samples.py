"""The samples in docs/samples, as cron, systemd and Kubernetes read them."""

import os
import re
import shlex
import shutil
import subprocess

import pytest
import yaml
from deadline import DEADLINE
from service import TOP

SAMPLES = os.path.join(TOP, "docs", "samples")


def sample(name):
    with open(os.path.join(SAMPLES, name), encoding="utf-8") as file:
        return file.read()


def crontab(name):
    """Returns what cron does with a crontab: its variables, and the command of its only entry."""
    variables, entries = {}, []
    for line in sample(name).splitlines():
        if not line or line.startswith("#"):
            continue
        assignment = re.fullmatch(r"([A-Z_]+)=(.*)", line)
        if assignment:
            variables[assignment[1]] = assignment[2]
        else:
            entries.append(line)
    times = re.fullmatch(r"((?:[0-9*/,-]+\s+){5})([a-z]+)\s+(.*)", *entries)
    assert times, f"{entries}"
    command = times[3]
    assert not re.search(r"(?<!\\)%", command), "cron would end the command at a %"
    return variables, command.replace("\\%", "%")


def unit(name):
    """Returns the environment and the command line of a service unit."""
    text = sample(name).replace("\\\n", " ")
    variables = dict(line.split("=", 1) for line in re.findall(r"^Environment=(.*)$", text, re.M))
    command, = re.findall(r"^ExecStart=(.*)$", text, re.M)
    assert not re.search("[%$]", command), "systemd would replace a part of the command"
    return variables, command


def manifest(name):
    """Returns the objects of a Kubernetes manifest by their kind, of which each occurs once."""
    documents = list(yaml.safe_load_all(sample(name)))
    objects = {document["kind"]: document for document in documents}
    assert len(objects) == len(documents)
    return objects


def verify_units(directory, *names):
    """Lets systemd check units, whose programs need not be installed here, and the times of timers."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing")
    for name in names:
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(re.sub(r"^ExecStart=/usr/local/bin/\S+", "ExecStart=/bin/true", sample(name), flags=re.M))
    analyze("verify", "--man=no", "--recursive-errors=no", *(os.path.join(directory, name) for name in names))
    for name in names:
        for calendar in re.findall("^OnCalendar=(.*)$", sample(name), re.M):
            assert "Next elapse" in analyze("calendar", calendar)


def analyze(*arguments):
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=DEADLINE,
                          check=False)
    assert done.returncode == 0 and done.stderr == "", f"{done}"
    return done.stdout


def words(command):
    """Returns the arguments of a command line of a unit."""
    return shlex.split(command)
