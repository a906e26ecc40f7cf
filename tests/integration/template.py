"""The data directory that is copied for each PostgreSQL of the tests: one initdb and one `waybill migrate` serve a
whole run and all of its processes."""

import contextlib
import fcntl
import os
import shutil
import tempfile

from postgres import TEMPLATE, Postgres
from service import Site

VARIABLE = "WAYBILL_TEST_TEMPLATE"  # names the directory of the template, which may not exist yet


@contextlib.contextmanager
def shared():
    """Makes a directory for this process and those that it starts, unless there already is one."""
    if VARIABLE in os.environ:
        yield
        return
    os.environ[VARIABLE] = tempfile.mkdtemp(prefix="waybill-template-")
    try:
        yield
    finally:
        shutil.rmtree(os.environ.pop(VARIABLE))


def use():
    """Makes each later Postgres a copy of the template. The first process that gets here makes the template."""
    home = os.environ[VARIABLE]
    made = os.path.join(home, "data")
    os.makedirs(home, exist_ok=True)
    os.chmod(home, 0o711)
    with open(os.path.join(home, "lock"), "a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(made):
            os.rename(make(home), made)
    Postgres.template = made


def make(home):
    server = Postgres(tempfile.mkdtemp(dir=home))
    server.start()
    site = Site(server, os.path.join(server.directory, TEMPLATE))
    site.close()
    server.ask(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{TEMPLATE}'")
    server.run(f"ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false")
    server.stop()
    return server.data
