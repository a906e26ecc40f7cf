"""An export that runs beside a load has the inventory before the load or after it, never a part of it."""

import contextlib
import os
import subprocess

import pytest
from deadline import DEADLINE
from loading import Inventory, numbered, pod, pods, summary
from pgproxy import HOLD, Proxy
from service import BUILD, Site, environment

SELECTIONS = ((), ("--filter=status=Running",), ("--filter=image_name=nginx:*",), ("--filter=pod_name=web-*",))
projects = numbered("beside")


def web(number, image, state):
    statuses = [{"name": "app", "containerID": f"containerd://{number}", "state": {state: {}}}]
    return pod(f"web-{number}", [{"name": "app", "image": image}], statuses)


# The load changes, adds and removes rows, so that each of its statements would show.
OLD = pods(web(1, "nginx:1", "waiting"), web(2, "nginx:1", "running"), web(3, "nginx:1", "running"))
NEW = pods(web(1, "nginx:1", "running"), web(2, "nginx:2", "running"), web(4, "httpd:2", "waiting"))
DONE = summary(added=1, changed=2, removed=1)


@pytest.fixture(scope="module")
def proxy(postgres, scratch):
    with contextlib.closing(Proxy(postgres, os.path.join(scratch, "load_isolation"))) as made:
        yield made


@pytest.fixture(scope="module")
def site(postgres, scratch, proxy):
    made = Site(postgres, os.path.join(scratch, "load_isolation"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def held(site, proxy):
    """A configuration that leads loads and exports through the proxy."""
    service = proxy.options["database.conninfo"]
    return site.write_config({"inventory.conninfo": service, "inventory.loader_conninfo":
                              service.replace("waybill_service", "waybill_owner")}, name="held.conf")


def stocked(site):
    """Returns a project of its own, which has been loaded."""
    made = Inventory(site, next(projects))
    made.load(OLD, "--source=prod")
    return made


@pytest.fixture
def stock(site):
    return stocked(site)


def begin(stock, config, *arguments):
    return subprocess.Popen([os.path.join(BUILD, "waybill"), "--config", config, *arguments, "--project",
                             stock.project], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=environment())


def end(process):
    output, messages = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0 and messages == b"", messages
    return output


def begin_load(stock, config):
    load = begin(stock, config, "inventory", "load", "--replace", "--source=prod")
    load.stdin.write(NEW.encode())
    load.stdin.close()
    load.stdin = None
    return load


def exports(stock):
    return [end(begin(stock, stock.site.config, "export", *selection)) for selection in SELECTIONS]


@contextlib.contextmanager
def holding(proxy, text, after=""):
    """Holds the next statement with this text back until the block ends."""
    rule = proxy.on(text, HOLD, after=after)
    try:
        yield rule
    finally:
        proxy.off(rule)
        rule.release()


@pytest.mark.parametrize("statement, after", [
    ("UPDATE waybill.container", ""), ("INSERT INTO waybill.container", ""), ("DELETE FROM waybill.container", ""),
    ("INSERT INTO waybill.inventory_load", ""), ("COMMIT", "waybill.inventory_load"),
])
def test_exports_during_a_load(stock, proxy, held, statement, after):
    before = exports(stock)
    with holding(proxy, statement, after=after) as rule:
        load = begin_load(stock, held)
        rule.seen.wait()
        assert exports(stock) == before
    assert end(load).decode().strip() == DONE
    behind = exports(stock)
    assert all(one != other for one, other in zip(before, behind))
    assert stock.load(NEW, "--replace", "--source=prod") == summary(unchanged=3)
    assert exports(stock) == behind


@pytest.mark.parametrize("statement, after, selections", [
    ("BEGIN ISOLATION LEVEL REPEATABLE READ", "", SELECTIONS), ("FROM waybill.inventory_profile", "", SELECTIONS),
    ("FROM waybill.inventory_label", "", SELECTIONS[2:]), ("COPY (", "", SELECTIONS),
])
def test_a_load_during_an_export(site, proxy, held, statement, after, selections):
    """The export has the rows of the moment at which its transaction began, and finds them with the combinations of
    that moment."""
    for selection in selections:
        stock = stocked(site)
        before = exports(stock)[SELECTIONS.index(selection)]
        with holding(proxy, statement, after) as rule:
            export = begin(stock, held, "export", *selection)
            rule.seen.wait()
            assert stock.load(NEW, "--replace", "--source=prod") == DONE
            behind = exports(stock)[SELECTIONS.index(selection)]
        assert end(export) == (behind if statement.startswith("BEGIN") else before) and before != behind, selection


@pytest.mark.parametrize("statement, after", [
    ("DELETE FROM waybill.container", ""), ("COMMIT", "waybill.inventory_load"),
])
def test_loads_of_other_projects_do_not_wait(site, stock, proxy, held, statement, after):
    other = Inventory(site, next(projects))
    with holding(proxy, statement, after) as rule:
        load = begin_load(stock, held)
        rule.seen.wait()
        assert other.load("container_id\na\n") == summary(added=1)
    assert end(load).decode().strip() == DONE
