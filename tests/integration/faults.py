"""What the tests of faults share: sites whose processes are killed, stopped and restarted, exports that take as long
as a test needs, and checks of the final state."""

import contextlib
import csv
import glob
import hashlib
import io
import os
import shutil
import signal
import subprocess
import time

import inventory
import pytest
from api import Api
from build import built_with_sanitizers
from calls import Detour
from deadline import OwnClock, wait_until
from postgres import TEMPLATE
from service import SBIN, Direct, Site

HERE = os.path.dirname(os.path.abspath(__file__))
ALL = [[key, key] for key in inventory.EXPORTED]
BODY = {"export_headers": ALL}
ASYNC = {"Prefer": "respond-async"}
FINDINGS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer")
LEASE = 3  # the shortest lease allowed
# Why an export fails, as its status says.
FULL = "no space is left for the file"
FAILED = "the file cannot be written to the storage of the service"

# Rows in export order.
ROWS = """
INSERT INTO waybill.container (
    project_id, container_id, container_name, image_name, pod_name, cluster_name, cluster_type, status,
    cluster_container, risky, low_risk, medium_risk, high_risk, fatal_risk, restart_count, create_time, cpu_limit,
    memory_limit)
SELECT %s, lpad(i::text, 32, '0'), 'app-' || i %% 1000, 'registry.example.com/team-' || i %% 20 || '/app-' || i %% 1000,
       'app-' || i %% 1000 || '-' || md5('pod' || i), 'cluster, number "' || i %% 500 || '"', 'cce', 'Running',
       true, i %% 2 = 0, i %% 3, i %% 5, i %% 7, i %% 11, i,
       timestamptz '2026-01-01 00:00:00Z' + i * interval '1 second', '500m', E'1\\nGi'
FROM generate_series(1, %s) AS i
"""

# A gate is closed while a test holds this advisory lock. An export that reaches it waits.
GATE_LOCK = 20260403
GATE = f"""
CREATE SCHEMA faults;
CREATE FUNCTION faults.pass() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    WHILE NOT pg_catalog.pg_try_advisory_lock_shared({GATE_LOCK}) LOOP
        PERFORM pg_catalog.pg_sleep(0.02);
    END LOOP;
    RETURN pg_catalog.pg_advisory_unlock_shared({GATE_LOCK});
END
$$;
CREATE VIEW faults.container AS SELECT * FROM waybill.container WHERE CASE WHEN {{where}} THEN {{what}} ELSE true END;
GRANT USAGE ON SCHEMA faults TO waybill_service;
GRANT SELECT ON faults.container TO waybill_service;
"""


def fill(site, **rows):
    """Adds this number of rows for each project."""
    for project, count in rows.items():
        site.sql(ROWS, project, count)
    site.sql("VACUUM ANALYZE waybill.container")


def filled(server, **rows):
    """Returns a database with this number of rows for each project, to be cloned. It is made at the first call."""
    name = "_".join(["filled", *(f"{project}_{count}" for project, count in rows.items())])
    if not server.ask(f"SELECT count(*) FROM pg_database WHERE datname = '{name}'"):
        server.clone_database(name)
        with contextlib.closing(server.connect(name)) as connection:
            for project, count in rows.items():
                connection.cursor().execute(ROWS, (project, count))
            connection.cursor().execute("VACUUM ANALYZE waybill.container")
    return name


def slow_down(site, where, what):
    """Makes the relation faults.container. It is read in export order: the rows before a slow one come first."""
    site.sql(f"ALTER ROLE waybill_service IN DATABASE {site.database} SET enable_sort = off")
    site.sql(GATE.format(where=where, what=what))


def add_gate(site, row):
    """Makes the relation faults.container. Its exports wait before that row of a project while the gate is closed."""
    slow_down(site, f"restart_count = {row}", "faults.pass()")


def add_brake(site, rows, seconds):
    """Makes the relation faults.container. Its exports sleep this long after each such number of rows."""
    slow_down(site, f"mod(restart_count, {rows}) = 0", f"pg_catalog.pg_sleep({seconds}) IS NOT NULL")


@contextlib.contextmanager
def closed_gate(site, server=None):
    """Closes the gate, on one server of the site, and yields a function that opens it. It is opened at the end too."""
    connection = (server or site.postgres).connect(site.database)
    try:
        connection.cursor().execute(f"SELECT pg_advisory_lock({GATE_LOCK})")
        yield connection.close
    finally:
        connection.close()


def soon(condition, what, seconds=30):
    """Like wait_until, for the effect of a wake-up: it must come well before the next round of housekeeping."""
    with OwnClock() as clock:
        deadline = clock.now() + seconds
        while not condition():
            assert clock.now() < deadline, f"waited {seconds} seconds in vain: {what}"
            time.sleep(0.05)


def is_stopped(process):
    """Returns whether all threads of a process are stopped."""
    states = []
    for path in glob.glob(f"/proc/{process.pid}/task/*/stat"):
        with open(path, encoding="utf-8") as stat:
            states.append(stat.read().rpartition(")")[2].split()[0])
    return set(states) == {"T"}


def stop_and_continue(process):
    process.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: is_stopped(process), "the process stops")
    process.process.send_signal(signal.SIGCONT)


class Orders:
    """Faults of the file system, switched while a process runs that has the variables. See preload.c."""

    def __init__(self, site):
        if built_with_sanitizers():
            pytest.skip("a sanitizer must be loaded first")
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler")
        library = os.path.join(site.directory, "preload.so")
        subprocess.run([compiler, "-std=gnu11", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library,
                        os.path.join(HERE, "preload.c"), "-ldl"], check=True)
        self.path = os.path.join(site.directory, "orders")
        self.variables = {"LD_PRELOAD": library, "FAULTS_BELOW": site.files, "FAULTS_ORDERS": self.path}

    def give(self, *orders):
        """Replaces the current orders by these."""
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            file.writelines(order + "\n" for order in orders)
        os.replace(self.path + ".new", self.path)


class Fleet:
    """A site and the processes that serve it."""

    def __init__(self, site):
        self.site = site
        self.processes = {}

    def start(self, name="one", variables=None, **how):
        """Starts a process, or restarts one that was killed. Call it from the main thread: a process ends with its
        parent thread."""
        self.processes[name] = Direct(self.site, name, variables=variables, **how)
        return self.processes[name]

    def start_front(self, options=None):
        """Starts a process that accepts tasks and runs none. Processes started later have the same options."""
        self.site.write_config({**(options or {}), "export.threads": 0})
        self.start("front")
        self.site.write_config(options or {})

    def api(self, name="one", project="p1"):
        return Api(self.site, self.processes[name].client, project, self.site.token(project))

    def kill(self, name):
        self.processes[name].kill()

    def signal(self, name, number):
        self.processes[name].process.send_signal(number)

    def stop(self):
        """Stops all processes that still run. Each must exit without an error."""
        for process in self.processes.values():
            if process.process.poll() is None:
                process.process.send_signal(signal.SIGCONT)
        with contextlib.ExitStack() as stack:
            for process in self.processes.values():
                if process.process.returncode != -signal.SIGKILL:
                    stack.callback(process.stop)
        self.processes = {}

    def states(self):
        return dict(self.site.sql("SELECT state, count(*) FROM waybill.export_task GROUP BY state"))

    def task(self, task_id, *columns):
        return self.site.sql(f"SELECT {', '.join(columns)} FROM waybill.export_task WHERE task_id = %s", task_id)[0]

    def wait_for_query(self, count=1):
        """Waits until this number of exports read the inventory."""
        wait_until(lambda: self.queries() == count, f"{count} queries of exports run")

    def queries(self):
        """Returns the number of export queries that run on the server now."""
        return self.site.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'"
            " AND usename = 'waybill_service' AND query LIKE 'COPY%'")[0][0]

    def expect_files_of_tasks_alone(self):
        """Checks that the directory contains exactly the files of the tasks, at once or after some housekeeping."""
        def kept():
            return {row[0] for row in self.site.sql(
                "SELECT file_id::text FROM waybill.export_task WHERE state = 'success' AND NOT file_removed")}

        def listed():
            return set(os.listdir(self.site.files))
        try:
            wait_until(lambda: listed() == kept(), "no stray file is left")
        except AssertionError:
            raise AssertionError(f"stray: {listed() - kept()}, missing: {kept() - listed()}; discarded: "
                                 f"{self.site.sql('SELECT * FROM waybill.discarded_file')}") from None


def expect_right_file(api, status, rows):
    """Checks that the file of a task has the expected rows, and that rows, size and hash match its status."""
    response = api.download(status["file_id"])
    assert response.status == 200, f"{status}: {response}"
    assert len(response.body) == status["file_size"], f"{len(response.body)} bytes: {status}"
    assert hashlib.sha256(response.body).hexdigest() == status["sha256"], f"{status}"
    records = list(csv.reader(io.StringIO(response.body.decode("utf-8"), newline="")))
    assert len(records) - 1 == status["exported_rows"] == rows, f"{len(records)} records: {status}"
    assert {len(record) for record in records} == {len(records[0])}, f"{status}"


def expect_failure(made, reason, kept=()):
    """Checks that an export fails for that reason and leaves nothing beside the kept files, at once or a little later:
    its file is removed after the status has become failure."""
    status = made.api().wait(made.api().create_task(BODY, headers=ASYNC))
    assert status["task_status"] == "failure" and status["error_code"] == "HSS.0041", f"{status}"
    assert reason in status["error_msg"], f"{status}"
    assert "file_id" not in status, f"{status}"
    wait_until(lambda: set(os.listdir(made.site.files)) == set(kept), "nothing is left")
    assert made.task(status["task_id"], "attempts", "lease") == (1, None)


@pytest.fixture
def fleet(scratch, postgres):
    """Makes a site with that inventory: fleet(name, {"section.option": value}, project=rows, ...). All of its processes
    end with the test, and its database is dropped."""
    with contextlib.ExitStack() as stack:
        def begin(name, options=None, server=None, **rows):
            full = None
            if server is None and sum(rows.values()) >= 1000:
                full = filled(postgres, **rows)
            site = Site(server or postgres, os.path.join(scratch, name), options, template=full or TEMPLATE)
            if server is None:
                stack.callback(postgres.drop_database, site.database)
            stack.callback(site.close)
            if full is None:
                fill(site, **rows)
            made = Fleet(site)
            stack.callback(made.stop)
            return made
        yield begin


@pytest.fixture
def detoured(fleet, scratch, postgres):
    """Makes a fleet whose connections to the database lead through its `detour`, which can be cut. `kind` is the class
    of the detour; the other arguments are those of `fleet`."""
    with contextlib.ExitStack() as stack:
        def begin(name, options=None, kind=Detour, **rows):
            detour = kind(postgres, os.path.join(scratch, name))
            stack.callback(detour.close)
            made = fleet(name, {**detour.options, **(options or {})}, **rows)
            stack.callback(made.stop)
            made.detour = detour
            return made
        yield begin


def mounted_tmpfs(directory, size):
    """Mounts a small file system and returns a function that unmounts it, or skips the test."""
    mount, umount = (shutil.which(program, path=SBIN) for program in ("mount", "umount"))
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small file system")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory], capture_output=True,
                          text=True)
    if done.returncode != 0:
        pytest.skip(f"no small file system here: {done.stderr.strip()}")
    return lambda: subprocess.run([umount, directory], check=True)
