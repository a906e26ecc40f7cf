"""Counts what one export costs: round trips to PostgreSQL, and files and logs that are synced to disk."""

import os
import re
import socket
import threading

from pgproxy import read_frame

SYNC = re.compile(r"(?:fsync|fdatasync)\(\d+<([^>]*)>")


def trace(path):
    """Returns the prefix of a command whose syncs, and those of its children, are written to a file. The tracer is not
    the parent of the command, so that signals reach the command itself."""
    return ["strace", "-D", "-f", "-y", "-qq", "--seccomp-bpf", "-e", "trace=fsync,fdatasync", "-e", "signal=none",
            "-o", path]


class Syncs:
    """The files that a traced program has synced. A line is written before the program continues."""

    def __init__(self, path):
        self.path = path

    def paths(self):
        with open(self.path, encoding="utf-8", errors="replace") as lines:
            return [found[1] for line in lines if (found := SYNC.search(line))]

    def count(self, directory):
        """Returns the numbers of synced files in a directory, and of syncs of the directory itself."""
        paths = self.paths()
        return sum(path.startswith(directory + "/") for path in paths), paths.count(directory)


class RoundTrips:
    """A proxy in front of a PostgreSQL that counts round trips. One begins when a client sends a message while the
    server owes it no ReadyForQuery, so statements that are sent together are one round trip."""

    def __init__(self, postgres, directory):
        self.target = os.path.join(postgres.directory, ".s.PGSQL.5432")
        self.directory = directory
        self.count = 0
        self.lock = threading.Lock()
        os.makedirs(directory)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(directory, ".s.PGSQL.5432"))
        self.listener.listen(64)
        self.start(self.accept)

    @staticmethod
    def start(work, *arguments):
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.target)
            state = {"owed": 0, "open": False}
            self.start(self.guarded, self.from_client, client, server, state)
            self.start(self.guarded, self.from_server, client, server, state)

    @staticmethod
    def guarded(work, client, server, state):
        try:
            work(client, server, state)
        except (OSError, EOFError):
            pass
        for end in (client, server):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def from_client(self, client, server, state):
        with client.makefile("rb") as stream:
            server.sendall(read_frame(stream, has_kind=False))  # the startup message
            while True:
                frame = read_frame(stream)
                with self.lock:
                    self.count += not state["open"]
                    state["open"] = True
                    state["owed"] += frame[:1] in (b"Q", b"S", b"F")
                server.sendall(frame)

    def from_server(self, client, server, state):
        state["owed"] = 1  # for the startup
        state["open"] = True
        with server.makefile("rb") as stream:
            while True:
                frame = read_frame(stream)
                if frame[:1] == b"Z":
                    with self.lock:
                        state["owed"] -= 1
                        state["open"] = state["owed"] > 0
                client.sendall(frame)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
