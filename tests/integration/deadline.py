"""Waiting for conditions, without assumptions about the speed of the machine."""

import threading
import time

from build import built_with_sanitizers

DEADLINE = 300  # seconds; reached only if there is a bug, also on a machine that is slow or has other work


def wait_until(condition, what):
    """Waits until a condition is true and returns its result."""
    deadline = time.monotonic() + DEADLINE
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"waited {DEADLINE} seconds in vain: {what}"
        time.sleep(0.01)


class OwnClock:
    """A clock for use in `with` that does not count time during which the machine was busy with other work. It detects
    that time by short sleeps that last too long. It is slower for programs with a sanitizer, as they are."""

    STEP = 0.01  # seconds

    def __init__(self):
        self.slowness = 20 if built_with_sanitizers() else 1
        self.lost = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.measure)

    def measure(self):
        last = time.monotonic()
        while not self.ended.wait(self.STEP):
            now = time.monotonic()
            self.lost += max(now - last - self.STEP, 0)
            last = now

    def now(self):
        return (time.monotonic() - self.lost) / self.slowness

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def timed(call):
    """Returns the result of the call, its duration, and its duration without delays of a busy machine."""
    with OwnClock() as clock:
        began, own = time.monotonic(), clock.now()
        result = call()
        return result, time.monotonic() - began, clock.now() - own
