"""A private PostgreSQL, made by initdb in a directory of the tests and reached only by unix socket."""

import glob
import os
import pwd
import re
import shutil
import signal
import subprocess
import time

import psycopg2
from deadline import DEADLINE, wait_until

# Nothing here has to survive a crash, so nothing is synced to disk.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "600",
    "shared_buffers": "256MB",
    "max_wal_size": "512MB",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %d ",
}

TEMPLATE = "waybill_template"  # a database that is ready to serve, in each copy of the template


def program(name):
    """Returns the path of a program of the newest installed PostgreSQL."""
    found = glob.glob(f"/usr/lib/postgresql/*/bin/{name}")
    if found:
        return max(found, key=lambda path: int(re.search(r"/(\d+)/bin/", path)[1]))
    bindir = subprocess.run(["pg_config", "--bindir"], check=True, capture_output=True, text=True)
    return os.path.join(bindir.stdout.strip(), name)


def as_server_user():
    """Returns the prefix that runs a command as a user that PostgreSQL accepts: it refuses root. The command ends with
    the tests, however they end."""
    command = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        command += ["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
    return command


class Postgres:
    """One cluster. Every user who can enter its socket directory is trusted."""

    template = None  # a data directory to copy, which has the database TEMPLATE; None: initdb makes an empty one

    def __init__(self, directory, prefix=()):
        """`prefix` is a command that starts the server, for example one that puts it on another host."""
        self.directory = directory
        self.prefix = list(prefix)
        self.data = os.path.join(directory, "data")
        self.log = os.path.join(directory, "log")
        self.process = None
        os.makedirs(directory, exist_ok=True)
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(directory, user.pw_uid, user.pw_gid)
        self.make()

    def make(self):
        if self.template is not None:
            subprocess.run(["cp", "-a", "--reflink=auto", self.template, self.data], check=True)
            return
        # A linguistic default collation: code that needs bytewise order must request it.
        subprocess.run(
            as_server_user()
            + [program("initdb"), "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
            + ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"],
            check=True, cwd="/", stdout=subprocess.DEVNULL)

    def start(self, **settings):
        options = [f"--{name}={value}" for name, value in {**SETTINGS, **settings}.items()]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.prefix + as_server_user() + [program("postgres"), "-D", self.data, "-k", self.directory] + options,
                cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                self.connect("postgres").close()
                return
            except psycopg2.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    with open(self.log, encoding="utf-8") as log:
                        raise RuntimeError(f"PostgreSQL did not start: {log.read()}") from None
                time.sleep(0.05)

    def stop(self, how=signal.SIGINT):
        """Stops the server by a fast shutdown: open connections are cut."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=DEADLINE)
            self.process = None

    def remove(self):
        """Stops the server and removes its data."""
        self.stop()
        shutil.rmtree(self.directory)

    def stop_immediately(self):
        """Stops the server like a crash: unfinished work is lost, and the next start recovers."""
        self.stop(signal.SIGQUIT)

    def conninfo(self, database, user):
        return f"host={self.directory} dbname={database} user={user}"

    def connect(self, database, user="postgres"):
        connection = psycopg2.connect(self.conninfo(database, user))
        connection.autocommit = True
        return connection

    def create_database(self, name, setup):
        """Makes a database and runs the SQL file that prepares it."""
        self.run(f'CREATE DATABASE "{name}"')
        self.psql(name, setup)

    def clone_database(self, name, template=TEMPLATE):
        """Clones a database and the privileges on it, which PostgreSQL does not copy."""
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy',
                 f"UPDATE pg_database SET datacl = t.datacl FROM pg_database AS t"
                 f" WHERE pg_database.datname = '{name}' AND t.datname = '{template}'")

    def drop_database(self, name):
        """Drops a database with the connections to it."""
        self.run(f'DROP DATABASE "{name}" WITH (FORCE)')

    def run(self, *statements):
        """Runs statements as superuser, each in a transaction of its own."""
        connection = self.connect("postgres")
        try:
            for statement in statements:
                connection.cursor().execute(statement)
        finally:
            connection.close()

    def ask(self, statement, database="postgres"):
        """Runs a statement that returns one value, as superuser."""
        connection = self.connect(database)
        try:
            cursor = connection.cursor()
            cursor.execute(statement)
            return cursor.fetchone()[0]
        finally:
            connection.close()

    def psql(self, database, path, **variables):
        """Runs an SQL file with these psql variables and returns the messages."""
        settings = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
        done = subprocess.run(
            [shutil.which("psql") or program("psql"), "-X", "-q", *settings, "-d",
             self.conninfo(database, "postgres"), "-f", path],
            check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 0, f"psql -f {path}: {done.stderr}"
        return done.stderr


class Standby(Postgres):
    """A hot standby that follows another cluster by streaming replication."""

    def __init__(self, directory, primary):
        self.primary = primary
        super().__init__(directory)

    def make(self):
        subprocess.run(
            as_server_user() + [program("pg_basebackup"), "-h", self.primary.directory, "-U", "postgres", "-D",
                                self.data, "-R", "-X", "stream", "-c", "fast", "--no-sync"],
            check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def catch_up(self):
        """Waits until everything that the primary has committed is replayed here."""
        target = self.primary.ask("SELECT pg_current_wal_lsn()")
        wait_until(lambda: self.ask(f"SELECT pg_last_wal_replay_lsn() >= '{target}'::pg_lsn"), "the standby catches up")

    def promote(self):
        assert self.ask("SELECT pg_promote()") is True
