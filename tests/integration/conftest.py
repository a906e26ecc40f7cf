"""What the tests share: one PostgreSQL, and one service for each configuration that they need."""

import contextlib
import os
import shutil
import sys
import tempfile

import pytest

sys.dont_write_bytecode = True

import inventory  # noqa: E402
from deadline import wait_until  # noqa: E402
from postgres import Postgres  # noqa: E402
from service import BUILD, Service, Site  # noqa: E402
from web import WAYS, share_files, start_web  # noqa: E402


def pytest_collection_modifyitems(items):
    """Marks the HTTP suite, which is run through each web server, and the tests of faults."""
    for item in items:
        if {"server", "web"} & set(item.fixturenames):
            item.add_marker("http")
        elif "fleet" in item.fixturenames:
            item.add_marker("faults")


@pytest.fixture(scope="session")
def scratch():
    """A directory that PostgreSQL's user can pass through."""
    for program in ("waybill", "waybill.fcgi"):
        if not os.access(os.path.join(BUILD, program), os.X_OK):
            pytest.exit(f"no {program} in {BUILD}: build it, or say where it is with WAYBILL_BUILDDIR", 2)
    directory = tempfile.mkdtemp(prefix="waybill-tests-")
    os.chmod(directory, 0o711)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def postgres(scratch):
    server = Postgres(os.path.join(scratch, "postgres"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def running(postgres):
    """What runs until the end of the tests; then each has to end well."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def start(scratch, postgres, running):
    """Starts a service with a site of its own: start(name, rows, {"section.option": value}); prepare
    gets the site before."""
    services = []

    def begin(name, rows=(), options=None, prepare=None):
        site = Site(postgres, os.path.join(scratch, name), options)
        running.callback(site.close)
        if rows:
            inventory.load(site.superuser, rows)
        if prepare:
            prepare(site)
        service = Service(site)
        running.callback(service.stop)
        services.append(service)
        return service
    yield begin
    for service in services:
        service.process.begin_to_stop()  # all at once: each needs a moment for it


@pytest.fixture(scope="session")
def hostile(start):
    """The default configuration, over the hostile inventory."""
    return start("hostile", inventory.hostile(), prepare=share_files)


@pytest.fixture(scope="session")
def webs(hostile, running):
    """The web servers before the same site: webs(way) starts one when it is first asked for."""
    started = {}

    def get(way):
        if way not in started:
            started[way] = start_web(way, hostile.site)
            running.callback(started[way].stop)
        return started[way]
    return get


@pytest.fixture(scope="session", params=WAYS)
def web(request, webs):
    """Each web server before the same site."""
    return webs(request.param)


@pytest.fixture(scope="session", params=["direct", *WAYS])
def server(request, hostile, webs):
    """Each way to the same site: the process itself, and each web server."""
    return hostile.process if request.param == "direct" else webs(request.param)


@pytest.fixture(scope="session")
def client(server):
    return server.client


@pytest.fixture(scope="session")
def stalled(start):
    """A service that accepts tasks and runs none."""
    return start("stalled", options={"export.threads": 0})


@pytest.fixture(scope="session")
def big(start):
    """A service over a big inventory, whose database logs the plan of each query of the service."""
    def prepare(site):
        settings = {"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0",
                    "auto_explain.log_analyze": "on", "auto_explain.log_timing": "off",
                    "auto_explain.log_format": "json"}
        for name, value in settings.items():
            site.sql(f"ALTER ROLE waybill_service IN DATABASE big SET {name} = {value}")
        inventory.load_big(site.superuser)
    return start("big", prepare=prepare)


@pytest.fixture(scope="session")
def api(hostile):
    """A caller who may see all of the project, who speaks to the process directly."""
    return hostile.api()


@pytest.fixture(scope="session")
def either(hostile, client):
    """The same caller, each way."""
    return hostile.api(client=client)


@pytest.fixture(scope="module")
def ledger(hostile):
    """Holds the tests of a module to this: a task for each create that was accepted and for nothing
    else, and no file but those of tasks."""
    site = hostile.site
    before = site.tasks() - site.accepted
    yield
    made = site.tasks() - site.accepted - before
    assert made == 0, f"{made} tasks more than creates accepted"
    wait_until(lambda: not site.unfinished(), "all tasks end")
    strays = set(os.listdir(site.files)) - {row[0] for row in site.sql("SELECT file_id::text FROM waybill.export_task")}
    assert not strays, f"files of no task: {strays}"
