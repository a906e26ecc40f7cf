"""What the tests share: one PostgreSQL, and one service for each configuration that they need."""

import contextlib
import os
import shutil
import sys
import tempfile
import time

import pytest

sys.dont_write_bytecode = True

import inventory  # noqa: E402
import template  # noqa: E402
from deadline import wait_until  # noqa: E402
from plans import log_plans  # noqa: E402
from postgres import Postgres  # noqa: E402
from service import BUILD, Service, Site  # noqa: E402
from web import EACH_WAY, share_files, start_web  # noqa: E402

# The longest tests begin first, so that they do not run alone at the end.
LONGEST = ("test_quickstart", "big", "test_lease", "test_lost_answers", "test_kill", "test_wakeups", "test_restart",
           "test_leaks", "test_gzip", "test_attacks_web", "test_filters", "test_storage", "test_process", "test_hosts",
           "test_standby", "test_notifications", "test_history", "test_claims", "test_sigterm", "test_task_command",
           "test_web", "test_schedule_races")


def pytest_addoption(parser):
    parser.addoption("--all-ways", action="store_true",
                     help="the whole contract through each web server, not only the tests marked each_way")


def pytest_configure(config):
    config.stack = contextlib.ExitStack()
    for program in ("waybill", "waybill.fcgi"):
        if not config.option.collectonly and not os.access(os.path.join(BUILD, program), os.X_OK):
            raise pytest.UsageError(f"no {program} in {BUILD}: build it, or say where it is with WAYBILL_BUILDDIR")
    config.stack.enter_context(template.shared())


def pytest_unconfigure(config):
    config.stack.close()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    for item in items:
        place(item)
    if not config.getoption("all_ways"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("matrix")])
        items[:] = [item for item in items if not item.get_closest_marker("matrix")]
    order = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(kind_of(item), len(order)))  # tests of a module keep their order


def place(item):
    """Marks a test with its kind, and names its group. One process runs all tests of a group one after the other,
    because they share fixtures that are costly to make. Tests of faults share nothing."""
    web = item.get_closest_marker("web")
    if "fleet" in item.fixturenames:
        item.add_marker("faults")
    elif web is None and "hostile" in item.fixturenames:
        item.add_marker("contract")
    if web is not None and "server" in item.callspec.params and item.get_closest_marker("each_way") is None:
        item.add_marker("matrix")

    if web is not None and {"server", "web"} & set(item.callspec.params):
        group = web.args[0]
    elif shares_fixtures(item) or "fleet" not in item.fixturenames:
        group = kind_of(item) + ("" if web is None else "-" + web.args[0])
    else:
        return
    item.add_marker(pytest.mark.xdist_group(group))


def kind_of(item):
    return "big" if "big" in item.fixturenames else item.module.__name__


def shares_fixtures(item):
    definitions = item._fixtureinfo.name2fixturedefs.values()
    return any(definition[-1].scope == "module" for definition in definitions)


@pytest.fixture(scope="session")
def scratch():
    """A directory that PostgreSQL's user can enter."""
    template.use()
    directory = tempfile.mkdtemp(prefix="waybill-tests-")
    os.chmod(directory, 0o711)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def postgres(scratch):
    server = Postgres(os.path.join(scratch, "postgres"))
    server.start()
    yield server
    server.remove()


@pytest.fixture
def private_postgres(scratch):
    """A PostgreSQL that no other test uses."""
    server = Postgres(os.path.join(scratch, f"postgres-{time.monotonic_ns()}"))
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def running(postgres):
    """Everything that runs until the end of the tests. Each part must then stop without an error."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def start(scratch, postgres, running):
    """Starts a service with a site of its own: start(name, rows, {"section.option": value}). prepare is called with the
    site before the service starts."""
    services = []

    def begin(name, rows=(), options=None, prepare=None):
        directory = os.path.join(scratch, name)
        if os.path.exists(directory):  # the fixture is made again, because its tests did not run consecutively
            directory += f"_{len(services)}"
        site = Site(postgres, directory, options)
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
        service.process.begin_to_stop()  # all at once, because each takes a moment


@pytest.fixture(scope="session")
def hostile(start):
    """The default configuration with the hostile inventory, and keys."""
    def prepare(site):
        site.make_keys()
        share_files(site)
    return start("hostile", inventory.hostile(), prepare=prepare)


@pytest.fixture(scope="session")
def webs(hostile, running):
    """The web servers of the same site: webs(way) starts one when it is first used."""
    started = {}

    def get(way):
        if way not in started:
            started[way] = start_web(way, hostile.site)
            running.callback(started[way].stop)
        return started[way]
    return get


@pytest.fixture(scope="session", params=EACH_WAY)
def web(request, webs):
    """Each web server in front of the same site."""
    return webs(request.param)


@pytest.fixture(scope="session", params=["direct", *EACH_WAY])
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
    """A service with a big inventory. Its database logs the plan of each query of the service."""
    def prepare(site):
        log_plans(site)
        inventory.load_big(site.superuser)
    return start("big", prepare=prepare)


@pytest.fixture(scope="session")
def api(hostile):
    """A caller who may see the whole project and speaks to the process directly."""
    return hostile.api()


@pytest.fixture(scope="session")
def either(hostile, client):
    """The same caller, in each way."""
    return hostile.api(client=client)


@pytest.fixture(scope="module")
def ledger(hostile):
    """Checks after the tests of a module that there is exactly one task for each accepted create, and that every file
    belongs to a task or is about to be removed by housekeeping."""
    site = hostile.site
    before = site.tasks() - site.accepted
    yield
    made = site.tasks() - site.accepted - before
    assert made == 0, f"{made} tasks more than creates accepted"
    wait_until(lambda: not site.unfinished(), "all tasks end")
    known = site.sql("SELECT file_id::text FROM waybill.export_task"
                     " UNION SELECT file_id::text FROM waybill.discarded_file")
    strays = set(os.listdir(site.files)) - {file_id for file_id, in known}
    assert not strays, f"files of no task: {strays}"
