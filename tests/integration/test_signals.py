"""Signals that make other programs reload their configuration: Waybill logs them and continues."""

import os
import signal

import pytest
from api import MINIMAL
from deadline import DEADLINE, wait_until
from faults import fleet  # noqa: F401
from service import worker

IGNORED = ("SIGHUP", "SIGUSR1", "SIGUSR2")


def lines(process, name):
    return sum(f" signal={name}" in line and " event=\"signal ignored" in line
               for line in process.log_text().split("\n"))


def expect_ignored(process):
    """Each signal is logged once, however often it comes."""
    for name in IGNORED:
        for times in (1, 2):
            process.process.send_signal(getattr(signal, name))
            wait_until(lambda: lines(process, name) == times, f"{name} is logged")


def test_the_service_goes_on(fleet):  # noqa: F811
    made = fleet("signals_service", p1=1)
    process = made.start()
    expect_ignored(process)
    assert made.api().finished(MINIMAL)
    assert os.path.exists(process.socket_path)
    process.stop()
    assert not os.path.exists(process.socket_path)


def test_a_worker_goes_on(fleet):  # noqa: F811
    made = fleet("signals_worker", p1=1)
    made.start_front()
    process = worker(made.site)
    try:
        wait_until(lambda: "worker started" in process.log_text(), "the worker starts")
        expect_ignored(process)
        assert made.api("front").finished(MINIMAL)
    finally:
        process.stop()
    assert "worker stopped" in process.log_text()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_the_end_comes_all_the_same(fleet, name):  # noqa: F811
    made = fleet("signals_" + name.lower(), p1=1)
    process = made.start()
    process.process.send_signal(signal.SIGHUP)
    process.process.send_signal(getattr(signal, name))
    assert process.process.wait(timeout=DEADLINE) == 0
    assert "event=stopped" in process.log_text()
