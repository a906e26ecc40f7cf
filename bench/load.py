"""Load from several clients at once: HTTP by wrk, with one thread, and SQL by pgbench, with two, which is faster. Both
return the number of operations per second."""

import json
import os
import re
import subprocess

from postgres import program

CALLERS = 16

# Each thread of wrk cycles through the requests. `done` prints what the summary contains.
SCRIPT = """
local requests, next_one = {}, 0
function init()
    for i, one in ipairs(%s) do
        requests[i] = wrk.format(one[1], one[2], one[3], one[4])
    end
end
function request()
    next_one = next_one %% #requests + 1
    return requests[next_one]
end
function done(summary, latency, every)
    local errors = summary.errors
    io.write(string.format('{"answers": %%d, "microseconds": %%d, "refused": %%d, "broken": %%d}\\n', summary.requests,
        summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"""


class Request:
    def __init__(self, method, path, headers, body=None):
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body

    def lua(self):
        headers = ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in self.headers.items())
        body = "nil" if self.body is None else json.dumps(self.body)
        return f"{{{json.dumps(self.method)}, {json.dumps(self.path)}, {{{headers}}}, {body}}}"


def repeated(measure, seconds):
    """Measures for longer if nothing was completed in this time, as on a machine that is busy with other work."""
    for longer in (1, 4, 16):
        if rate := measure(longer * seconds):
            return rate
    raise RuntimeError(f"nothing was completed in {longer * seconds} seconds")


def http(port, requests, seconds, scratch, is_answered=True):
    """Sends the requests in turn, on connections that stay open. Each answer must have a status of success. Without
    `is_answered`, there may be none."""
    path = os.path.join(scratch, "requests.lua")
    with open(path, "w", encoding="utf-8") as script:
        script.write(SCRIPT % ("{" + ", ".join(request.lua() for request in requests) + "}"))

    def rate(duration):
        done = run("wrk", "-t", "1", "-c", str(CALLERS), "-d", f"{duration}s", "--timeout", "60s", "-s", path,
                   f"http://127.0.0.1:{port}/")
        summary = json.loads(re.search(r"^\{.*\}$", done, re.M)[0])
        if summary["refused"] or summary["broken"]:
            raise RuntimeError(f"a turn of {requests[0].method} {requests[0].path} is void: {summary}")
        return summary["answers"] / summary["microseconds"] * 1e6
    return repeated(rate, seconds) if is_answered else rate(seconds)


def sql(postgres, database, statement, seconds, scratch):
    """Runs a prepared statement."""
    path = os.path.join(scratch, "statement.sql")
    with open(path, "w", encoding="utf-8") as script:
        script.write(statement + "\n")

    def rate(duration):
        done = run(program("pgbench"), "-n", "-M", "prepared", "-c", str(CALLERS), "-j", "2", "-T", str(duration),
                   "-f", path, "-h", postgres.directory, "-U", "postgres", database)
        found = re.search(r"^tps = ([0-9.]+)", done, re.M)
        return float(found[1]) if found else 0
    return repeated(rate, seconds)


def run(*command):
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")
    return done.stdout
