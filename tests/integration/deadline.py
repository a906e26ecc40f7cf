"""Waiting for something to become true: tests never count on how fast a machine is."""

import threading
import time

DEADLINE = 60  # seconds, which only a fault can reach


def wait_until(condition, what):
    """Waits for a condition; its result."""
    deadline = time.monotonic() + DEADLINE
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"waited {DEADLINE} seconds in vain: {what}"
        time.sleep(0.01)


class OwnClock:
    """Counts the seconds that this machine lets us have, while in `with`: not those by which short sleeps last too long,
    as they do when it is busy with other things."""

    STEP = 0.01  # seconds

    def __init__(self):
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
        return time.monotonic() - self.lost

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
