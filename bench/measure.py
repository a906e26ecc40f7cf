"""What the programs in bench share: their options, measurements in turns, and a private PostgreSQL.

A single measurement varies too much on a shared machine. Operations to compare therefore run in turns. The result is
the median of the ratios of neighbours, with the minimum and the maximum.
"""

import argparse
import contextlib
import os
import shutil
import statistics
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "integration"))

# PostgreSQL syncs to disk as in production. No checkpoint disturbs a measurement.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "512MB",
           "max_wal_size": "8GB", "checkpoint_timeout": "1h"}


def parser(text):
    made = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--build", default=os.environ.get("WAYBILL_BUILDDIR", TOP), help="the build directory")
    return made


def parse(made):
    """Parses the options. Modules of the integration tests can be imported afterwards: they use the build directory."""
    options = made.parse_args()
    os.environ["WAYBILL_BUILDDIR"] = options.build = os.path.abspath(options.build)
    return options


def timed(action):
    """Returns the seconds that an action takes."""
    began = time.monotonic()
    action()
    return time.monotonic() - began


def in_turns(turns, *actions):
    """Calls each action once in each turn. Returns the lists of what they returned. If there are several turns, an
    additional one comes first, which only warms up."""
    warm_up = int(turns > 1)
    rounds = [[action() for action in actions] for _ in range(warm_up + turns)]
    return [list(values) for values in zip(*rounds[warm_up:])]


def ratios(ones, others):
    return [one / other for one, other in zip(ones, others)]


def spread(values, form=".3g"):
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


@contextlib.contextmanager
def private_postgres(**settings):
    """Yields a PostgreSQL in a temporary directory, which is removed at the end with all that was put into it."""
    from postgres import Postgres
    scratch = tempfile.mkdtemp(prefix="waybill-bench-")
    os.chmod(scratch, 0o711)
    try:
        postgres = Postgres(os.path.join(scratch, "postgres"))
        try:
            postgres.start(**settings)
            yield postgres
        finally:
            postgres.stop()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def directory_for(postgres, name):
    """Returns the path of a new directory beside that of the PostgreSQL."""
    return os.path.join(os.path.dirname(postgres.directory), name)
