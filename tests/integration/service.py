"""What the tests run: a site (database, files, configuration) and the processes that serve it."""

import glob
import json
import os
import re
import signal
import socket
import subprocess

import inventory
from api import Api
from build import BUILD, TOP
from clients import DirectClient
from deadline import DEADLINE, wait_until
from postgres import TEMPLATE

MIGRATIONS = os.path.join(TOP, "sql", "migrations")
SBIN = os.environ["PATH"] + ":/usr/sbin:/sbin"
LOG_LINE = re.compile(
    r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warning|info|debug)'
    r'( [a-z0-9_]+=("(\\.|[^"\\])*"|[^\s"]*))+')

LOG_LEVELS = ("error", "warning", "info", "debug")


def is_json_line(line):
    """Returns whether a line is one log event as JSON: time, level, event, then other fields; no field twice."""
    try:
        pairs = json.loads(line, object_pairs_hook=list)
    except ValueError:
        return False
    if not isinstance(pairs, list) or [name for name, _ in pairs[:3]] != ["time", "level", "event"]:
        return False
    fields = dict(pairs)
    return (len(fields) == len(pairs) and fields["level"] in LOG_LEVELS and isinstance(fields["event"], str)
            and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", fields["time"]) is not None
            and all(re.fullmatch("[a-z0-9_]+", name) and type(value) in (str, int) for name, value in pairs))


def environment(**more):
    """Returns the environment without variables that would redirect a program."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "WAYBILL_"))}
    return {**kept, **more}


def processes_of_session(session):
    found = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as stat:
                state, _, _, of_session = stat.read().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(of_session) == session and state != "Z":
            found.append(int(path.split("/")[2]))
    return found


# A busy machine must not make tests fail: only tests of these limits set shorter ones.
PATIENCE = {"database.connect_timeout_ms": 30000, "database.query_timeout_ms": 30000}


class Site:
    """A database with Waybill's schema, a directory for files, and the configuration for them. `migrations` is a
    directory to use instead of Waybill's own, or None for a database that only setup.sql has prepared. `template` is
    the database to clone."""

    def __init__(self, postgres, directory, options=None, migrations=MIGRATIONS, template=TEMPLATE):
        self.postgres = postgres
        self.directory = directory
        self.database = os.path.basename(directory)
        self.files = os.path.join(directory, "files")
        self.key_file = os.path.join(directory, "access.key")  # which make_keys makes
        self.accepted = 0
        self.tokens = {}
        os.makedirs(self.files)
        self.config = self.write_config(options or {})
        if postgres.template is not None and migrations == MIGRATIONS:
            postgres.clone_database(self.database, template)
        else:
            postgres.create_database(self.database, os.path.join(TOP, "sql", "setup.sql"))
            if migrations is not None:
                self.migrate(migrations)
        self.superuser = self.connect()

    def write_config(self, options, name="waybill.conf"):
        """Writes a configuration and returns its path. Options are {"section.name": value}; None means the default."""
        options = {
            **PATIENCE,
            "database.conninfo": self.postgres.conninfo(self.database, "waybill_service"),
            "database.owner_conninfo": self.postgres.conninfo(self.database, "waybill_owner"),
            "files.directory": self.files,
            "access.key_file": self.key_file,
            "access.failed_signins": 0,  # tests fail more often than users
            **options,
        }
        path = os.path.join(self.directory, name)
        self.log_format = options.get("log.format", "text")
        with open(path, "w", encoding="utf-8") as config:
            for section in sorted({option.partition(".")[0] for option in options}):
                config.write(f"[{section}]\n")
                for option, value in options.items():
                    if option.startswith(section + ".") and value is not None:
                        config.write(f"{option.partition('.')[2]} = {value}\n")
        return path

    def connect(self, user="postgres"):
        return self.postgres.connect(self.database, user)

    def connect_worker(self):
        """Connects as the parts of the service do that serve all projects."""
        connection = self.connect("waybill_service")
        connection.cursor().execute("SET ROLE waybill_worker")
        return connection

    def sql(self, statement, *values):
        """Runs a statement as superuser and returns its rows, if any."""
        cursor = self.superuser.cursor()
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else None

    def waybill(self, *arguments):
        """Runs the operator's command."""
        return subprocess.run(
            [os.path.join(BUILD, "waybill"), "--config", self.config, *arguments],
            env=environment(), cwd=self.directory, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=DEADLINE)

    def migrate(self, migrations=MIGRATIONS):
        done = self.waybill("migrate", "--sql-dir", migrations)
        assert done.returncode == 0, f"waybill migrate: {done}"
        return done.stdout

    def make_keys(self):
        done = self.waybill("key", "init")
        assert done.returncode == 0, f"waybill key init: {done}"

    def token(self, project, enterprise_projects=None):
        """Makes a token for the project and these enterprise projects; None: for all of them."""
        key = project, enterprise_projects
        if key not in self.tokens:
            scope = () if enterprise_projects is None else ("--enterprise-project", ",".join(enterprise_projects))
            self.tokens[key] = self.new_token(project, *scope)
        return self.tokens[key]

    def new_token(self, project, *options):
        """Makes a token, which no process has looked up yet."""
        done = self.waybill("token", "create", "--project", project, *options)
        assert done.returncode == 0 and done.stdout.strip(), f"waybill token create: {done}"
        return done.stdout.strip()

    def tasks(self):
        return self.sql("SELECT count(*) FROM waybill.export_task")[0][0]

    def unfinished(self):
        return self.sql("SELECT count(*) FROM waybill.export_task WHERE state IN ('queued', 'running')")[0][0]

    def close(self):
        self.superuser.close()


class Process:
    """A program that runs in a session of its own until SIGTERM. `user` runs it as another user than the tests;
    `death` is the signal that it gets when the tests die."""

    def __init__(self, name, directory, command, variables=None, user=None, death="KILL", **arguments):
        self.name = name
        self.log = os.path.join(directory, name + ".log")
        as_user = [] if user is None else ["--reuid", user, "--regid", user, "--clear-groups"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", death, *as_user, *command], env=environment(**(variables or {})),
                cwd=directory, stdout=log, stderr=log, start_new_session=True,
                **{"stdin": subprocess.DEVNULL, **arguments})
        self.pid = self.process.pid

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def wait_for(self, answers):
        """Waits until the program responds. It must not end before."""
        def ready():
            assert self.process.poll() is None, f"{self.name} ended by itself: {self.log_text()}"
            try:
                return answers()
            except OSError:
                return False
        wait_until(ready, f"{self.name} answers")

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=DEADLINE)

    def begin_to_stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def stop(self, good=(0,)):
        self.begin_to_stop()
        status = self.process.wait(timeout=DEADLINE)
        assert status in good, f"{self.name} ended with {status}: {self.log_text()[-3000:]}"
        wait_until(lambda: not processes_of_session(self.pid), f"no process of {self.name} is left")


class Direct(Process):
    """waybill.fcgi on a unix socket, to which the tests speak FastCGI. `config`, `program` and `directory` replace
    those of the site, as for one that runs beside a web server. `prefix` is a command that starts it."""

    def __init__(self, site, name="direct", by_descriptor=False, variables=None, user=None, config=None, program=None,
                 directory=None, prefix=()):
        directory = directory or site.directory
        self.site = site
        self.log_format = site.log_format
        self.socket_path = os.path.join(directory, name + ".sock")
        self.client = DirectClient(self.socket_path)
        command = [*prefix, program or os.path.join(BUILD, "waybill.fcgi"), "--config", config or site.config]
        if by_descriptor:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(self.socket_path)
                listener.listen(64)
                super().__init__(name, directory, command, variables, user, stdin=listener)
        else:
            super().__init__(name, directory, command + ["--listen", self.socket_path], variables, user)
        self.service_log = self.log
        self.wait_for(lambda: self.client.request("GET", "/healthz"))

    def memory(self, field):
        """Returns a field of /proc/PID/status, in KiB."""
        with open(f"/proc/{self.pid}/status", encoding="utf-8") as status:
            return int(re.search(rf"^{field}:\s+(\d+) kB", status.read(), re.M)[1])

    def stop(self):
        super().stop()
        log = self.log_text()
        is_line = is_json_line if self.log_format == "json" else LOG_LINE.fullmatch
        odd = [line for line in log.rstrip("\n").split("\n") if log and not is_line(line)]
        assert not odd, f"log lines that are not {self.log_format}: {odd[:5]}"
        leaked = [name for name, token in self.site.tokens.items() if token in log]
        assert not leaked, f"tokens in the log: {leaked}"


def worker(site, name="worker"):
    """Starts `waybill worker`."""
    return Process(name, site.directory, [os.path.join(BUILD, "waybill"), "--config", site.config, "worker"])


class Service:
    """A site, the process that serves it, and its callers."""

    def __init__(self, site):
        self.site = site
        self.process = Direct(site)
        self.client = self.process.client

    def api(self, project=inventory.PROJECT, enterprise_projects=None, client=None):
        return Api(self.site, client or self.client, project, self.site.token(project, enterprise_projects))

    def stop(self):
        self.process.stop()
