"""Waiting for something to become true: tests never count on how fast a machine is."""

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
