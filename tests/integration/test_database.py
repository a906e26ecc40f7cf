"""The programs in tests/database, which test src/db and src/inventory against a real server."""

import os
import subprocess

import pytest
from deadline import DEADLINE
from service import BUILD, TOP, environment

SOURCES = os.path.join(TOP, "tests", "database")
PROGRAMS = sorted(name[:-2] for name in os.listdir(SOURCES) if name.startswith("test_") and name.endswith(".c"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(postgres, name):
    """Each program has a database of its own, with Waybill's schema, and connects as a superuser."""
    program = os.path.join(BUILD, "tests", "database", name)
    assert os.access(program, os.X_OK), f"no {program}: make builds it where configure finds cmocka"
    database = "database_" + name
    postgres.clone_database(database)
    done = subprocess.run([program], env=environment(WAYBILL_TEST_CONNINFO=postgres.conninfo(database, "postgres")),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, f"{name} exits with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    cases = [line for line in done.stdout.splitlines() if line.startswith("ok ")]
    assert cases, f"{name} has run no case:\n{done.stdout}"
