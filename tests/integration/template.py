"""The data directory that each PostgreSQL of the tests is a copy of: one initdb and one `waybill migrate` do for all
of a run, and for all of its processes."""

import contextlib
import fcntl
import os
import shutil
import tempfile

from postgres import TEMPLATE, Postgres
from service import Site

VARIABLE = "WAYBILL_TEST_TEMPLATE"  # names the directory where the template is, or will be


@contextlib.contextmanager
def shared():
    """A directory for this process and those that it starts, unless there is one already."""
    if VARIABLE in os.environ:
        yield
        return
    os.environ[VARIABLE] = tempfile.mkdtemp(prefix="waybill-template-")
    try:
        yield
    finally:
        shutil.rmtree(os.environ.pop(VARIABLE))


def use():
    """From now on each Postgres is a copy of the template. The first process that comes here makes it."""
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
