"""A terminal for the output of a program."""

import contextlib
import os
import pty


def with_terminal(run):
    """Calls a function with a terminal. Returns its result, and what has been written to the terminal. The terminal
    passes this on bit by bit, so that one read may return only the beginning."""
    leader, follower = pty.openpty()
    printed = b""
    try:
        try:
            result = run(follower)
        finally:
            os.close(follower)
        with contextlib.suppress(OSError):  # EIO is the end
            while part := os.read(leader, 65536):
                printed += part
    finally:
        os.close(leader)
    return result, printed.decode()
