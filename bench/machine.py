"""Describes the machine, the servers and the build of a measurement."""

import os
import platform
import re
import shutil
import subprocess


def first(pattern, path):
    """Returns the first group of a pattern in a file, or "unknown"."""
    with open(path, encoding="utf-8", errors="replace") as file:
        found = re.search(pattern, file.read(), re.M)
    return found[1].strip() if found else "unknown"


def version(*command):
    """Returns the first line with a version number that a command prints."""
    path = shutil.which(command[0], path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    done = subprocess.run([path, *command[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    return next((line.strip() for line in done.stdout.splitlines() if re.search(r"\d\.\d", line)), "unknown")


def file_system(path):
    """Returns the type of the file system of a path, and how it is mounted."""
    best = ("", "unknown", "")
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            _, place, kind, how = line.split()[:4]
            if os.path.commonpath([place, path]) == place and len(place) >= len(best[0]):
                best = (place, kind, how)
    return f"{best[1]} ({best[2]})"


def flags(build):
    """Returns the compiler, its flags, and what instruments the programs: {"CC": ..., ...}."""
    path = os.path.join(build, "Makefile")
    return {name: first(rf"^{name} =([^\n]*)$", path) for name in ("CC", "CFLAGS", "INSTRUMENTATION")}


def facts(postgres, build):
    made = flags(build)
    return {
        "cores": os.cpu_count(),
        "processor": first(r"^model name\s*: (.*)$", "/proc/cpuinfo"),
        "memory": f"{int(first(r'^MemTotal: +([0-9]+) kB', '/proc/meminfo')) / 2**20:.1f} GiB",
        "kernel": platform.release(),
        "PostgreSQL": postgres.ask("SHOW server_version"),
        "fsync": f"{postgres.ask('SHOW fsync')}, {postgres.ask('SHOW wal_sync_method')}",
        "shared_buffers": postgres.ask("SHOW shared_buffers"),
        "file system": file_system(postgres.directory),
        "lighttpd": version("lighttpd", "-v"),
        "wrk": version("wrk", "-v"),
        "compiler": f"{version(*made['CC'].split()[:1], '--version')}, {made['CFLAGS']}",
    }
