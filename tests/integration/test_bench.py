"""The programs in bench run and measure everything. Their figures are not checked."""

import os
import subprocess
import sys

from service import BUILD, TOP, environment
from web import WAYS


def measured(name, *arguments):
    done = subprocess.run([sys.executable, os.path.join(TOP, "bench", name), *arguments],
                          env=environment(WAYBILL_BUILDDIR=BUILD), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0 and not done.stderr, f"{done}"
    return done.stdout


def test_downloads_with_each_offload():
    lines = measured("offload", "--rounds", "1", "--size", "1").splitlines()
    assert [line.split()[0] for line in lines] == list(WAYS), f"{lines}"
    for line in lines:
        assert "ratio of medians" in line, f"{lines}"


def test_exports():
    text = measured("exports", "--build", BUILD, "--rows", "200", "--runs", "1")
    for part in ("export / \\copy", "with / without the variant", "4 export threads", "2 processes:"):
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
