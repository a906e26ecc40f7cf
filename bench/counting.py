"""Counts the files and logs that are synced to disk."""

import re

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
