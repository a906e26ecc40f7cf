"""Several hosts: each has a service in a network namespace of its own. PostgreSQL is on a third host, and all share one
directory of files."""

import os
import shutil
import subprocess
import time

import pytest
from deadline import wait_until
from faults import (ASYNC, BODY, LEASE, add_gate, closed_gate, expect_right_file,
                    fleet)  # noqa: F401
from postgres import Postgres
from service import SBIN

ROWS = 3000
HOSTS = {"one": 1, "two": 2}


def ip(*arguments, check=True):
    return subprocess.run([shutil.which("ip", path=SBIN), *arguments], check=check, capture_output=True, text=True)


class Network:
    """A host for the database, "db", and a link from it to each of the other hosts."""

    def __init__(self):
        self.names = {host: f"waybill-{host}-{os.getpid()}" for host in ("db", *HOSTS)}

    def build(self):
        for name in self.names.values():
            ip("netns", "add", name)
        for host, number in HOSTS.items():
            ip("-n", self.names["db"], "link", "add", f"to-{host}", "type", "veth", "peer", "name", "eth0", "netns",
               self.names[host])
            for name, device, address in ((self.names["db"], f"to-{host}", f"10.77.{number}.1/24"),
                                          (self.names[host], "eth0", f"10.77.{number}.2/24")):
                ip("-n", name, "address", "add", address, "dev", device)
                ip("-n", name, "link", "set", device, "up")

    def remove(self):
        for name in self.names.values():
            ip("netns", "delete", name, check=False)

    def command(self, host):
        """Returns the prefix that runs a command on a host."""
        return [shutil.which("ip", path=SBIN), "netns", "exec", self.names[host]]

    def cut(self, host):
        ip("-n", self.names["db"], "link", "set", f"to-{host}", "down")

    def mend(self, host):
        ip("-n", self.names["db"], "link", "set", f"to-{host}", "up")


@pytest.fixture
def network():
    if os.geteuid() != 0 or shutil.which("ip", path=SBIN) is None:
        pytest.skip("only root can make hosts, with ip")
    made = Network()
    try:
        made.build()
    except subprocess.CalledProcessError as error:
        made.remove()
        pytest.skip(f"no hosts can be made here: {error.stderr.strip()}")
    yield made
    made.remove()


@pytest.fixture
def server(scratch, network):
    """A PostgreSQL that only the two other hosts can reach by address."""
    made = Postgres(os.path.join(scratch, f"postgres-hosts-{time.monotonic_ns()}"), network.command("db"))
    with open(os.path.join(made.data, "pg_hba.conf"), "a", encoding="utf-8") as hba:
        hba.write("host all waybill_service 10.77.0.0/16 trust\n")
    made.start(listen_addresses=",".join(f"10.77.{number}.1" for number in HOSTS.values()))
    yield made
    made.remove()


@pytest.fixture
def made(fleet, server, network, request):  # noqa: F811
    site_of_all = fleet(request.node.name[5:], server=server, p1=ROWS)
    site = site_of_all.site
    add_gate(site, ROWS // 2)
    for host, number in HOSTS.items():
        config = site.write_config({
            "database.conninfo": f"host=10.77.{number}.1 dbname={site.database} user=waybill_service",
            "database.connect_timeout_ms": None, "database.query_timeout_ms": None,
            "inventory.relation": "faults.container", "export.lease": LEASE, "export.threads": 1}, f"{host}.conf")
        site_of_all.start(host, config=config, prefix=network.command(host))
    return site_of_all


def hosts_of_queries(made):
    """Returns the hosts that read the inventory now. Before that, a host is briefly active with other statements."""
    return [row[0] for row in made.site.sql(
        "SELECT split_part(host(client_addr), '.', 3)::integer FROM pg_stat_activity"
        " WHERE application_name = 'waybill export' AND state = 'active' AND query LIKE 'COPY%'")]


def test_work_is_shared(made):
    """Both run tasks, whichever host has accepted them, and each serves the files of both."""
    with closed_gate(made.site):
        tasks = [made.api(host).create_task(BODY, headers=ASYNC) for host in ("one", "two") * 3]
        wait_until(lambda: sorted(hosts_of_queries(made)) == [1, 2], "both hosts have an export in hand")
    for number, task_id in enumerate(tasks):
        other = made.api(("two", "one")[number % 2])
        expect_right_file(other, other.wait(task_id), ROWS)

    def done():
        return [made.processes[host].log_text().count("export succeeded") for host in HOSTS]
    # An export thread logs after the commit that makes the status visible.
    wait_until(lambda: sum(done()) == len(tasks), "each export is logged")
    assert min(done()) > 0, f"{done()}"
    made.expect_files_of_tasks_alone()


def test_a_host_that_is_cut_off(made, network):
    """The link is cut in the middle of an export: the other host does the work, and there is one file. When the link is
    restored, the host works again."""
    with closed_gate(made.site) as open_gate:
        task_id = made.api("one").create_task(BODY, headers=ASYNC)
        wait_until(lambda: len(hosts_of_queries(made)) == 1, "a host reads the inventory")
        lost, = hosts_of_queries(made)
        lost, other = ("one", "two") if lost == HOSTS["one"] else ("two", "one")
        network.cut(lost)
        wait_until(lambda: made.task(task_id, "attempts") == (2,), "the other host takes over")
        open_gate()
        status = made.api(other).wait(task_id)
        assert status["task_status"] == "success", f"{status}"
        response = made.api(lost).request("GET", "/healthz/ready")
        assert response.status == 503, f"{response}"
    expect_right_file(made.api(other), status, ROWS)
    network.mend(lost)
    wait_until(lambda: made.api(lost).request("GET", "/healthz/ready").status == 200, "the host is back")
    expect_right_file(made.api(lost), status, ROWS)
    expect_right_file(made.api(lost), made.api(lost).finished(BODY), ROWS)
    made.expect_files_of_tasks_alone()
