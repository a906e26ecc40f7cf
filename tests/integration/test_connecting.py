"""Several hosts of PostgreSQL, named in each possible way: each host is tried once, and a host that does not respond is
skipped."""

import concurrent.futures
import os
import socket
import subprocess
import threading

import pytest
from deadline import DEADLINE
from service import BUILD, Site, environment


class Mute:
    """A server that accepts connections, counts them and never responds: in a directory, or on a port of 127.0.0.1."""

    def __init__(self, directory=None):
        self.directory = directory
        self.taken = []
        self.listener = socket.socket(socket.AF_UNIX if directory else socket.AF_INET)
        if directory:
            os.mkdir(directory)
            self.listener.bind(os.path.join(directory, ".s.PGSQL.5432"))
        else:
            self.listener.bind(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
        self.listener.listen(64)
        self.thread = threading.Thread(target=self.accept)
        self.thread.start()

    def accept(self):
        while True:
            try:
                self.taken.append(self.listener.accept()[0])
            except OSError:
                return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        for connection in [*self.taken, self.listener]:
            connection.close()


@pytest.fixture(scope="module")
def site(scratch, postgres):
    made = Site(postgres, os.path.join(scratch, "connecting"))
    yield made
    made.close()


def uri(hosts, database):
    hosts = ",".join(host.replace("/", "%2F") for host in hosts)
    return f"postgresql://waybill_owner@{hosts}/{database}"


def service_file(site, hosts):
    path = os.path.join(site.directory, f"services-{os.path.basename(hosts[0])}.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"[several]\nhost={','.join(hosts)}\n")
    return path


# How hosts can be named: in the connection string, or by variables of libpq. "service" needs a file too.
HOSTS = {
    "string": ("host={hosts} {rest}", {}),
    "string_over_variable": ("host={hosts} {rest}", {"PGHOST": "/nowhere"}),
    "uri": ("{uri}", {}),
    "variable": ("{rest}", {"PGHOST": "{hosts}"}),
    "service": ("service=several {rest}", {"PGSERVICEFILE": "{services}"}),
    "service_of_variable": ("{rest}", {"PGSERVICE": "several", "PGSERVICEFILE": "{services}"}),
}
ADDRESSES = {
    "address": ("hostaddr={addresses} {rest}", {}),
    "address_of_variable": ("{rest}", {"PGHOSTADDR": "{addresses}"}),
}


def list_tokens(site, name, conninfo, variables):
    """Runs a command that needs one connection."""
    config = site.write_config({"database.owner_conninfo": conninfo, "database.connect_timeout_ms": 1000},
                               f"{name}.conf")
    return subprocess.run([os.path.join(BUILD, "waybill"), "--config", config, "token", "list"],
                          env=environment(**variables), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=DEADLINE)


def connect_to_hosts(site, name):
    """The first of two hosts does not respond. Returns how the command ended, and how often the first was tried."""
    with Mute(os.path.join(site.directory, name)) as mute:
        hosts = mute.directory, site.postgres.directory
        values = {"hosts": ",".join(hosts), "rest": f"dbname={site.database} user=waybill_owner",
                  "uri": uri(hosts, site.database), "services": service_file(site, hosts)}
        conninfo, variables = HOSTS[name]
        done = list_tokens(site, name, conninfo.format(**values),
                           {variable: value.format(**values) for variable, value in variables.items()})
        return done, [len(mute.taken)]


def connect_to_addresses(site, name):
    """Neither of two addresses responds."""
    with Mute() as one, Mute() as two:
        values = {"addresses": "127.0.0.1,127.0.0.1", "rest": f"port={one.port},{two.port} dbname=x"}
        conninfo, variables = ADDRESSES[name]
        done = list_tokens(site, name, conninfo.format(**values),
                           {variable: value.format(**values) for variable, value in variables.items()})
        return done, [len(one.taken), len(two.taken)]


@pytest.fixture(scope="module")
def outcomes(site):
    """Tries all ways at once: libpq waits two seconds for each host, even if the timeout is shorter."""
    with concurrent.futures.ThreadPoolExecutor(len(HOSTS) + len(ADDRESSES)) as pool:
        running = {name: pool.submit(connect_to_hosts, site, name) for name in HOSTS}
        running.update({name: pool.submit(connect_to_addresses, site, name) for name in ADDRESSES})
        return {name: outcome.result() for name, outcome in running.items()}


@pytest.mark.parametrize("name", HOSTS)
def test_several_hosts(outcomes, name):
    """A host that does not respond is left at the timeout, after one connection."""
    done, taken = outcomes[name]
    assert done.returncode == 0, f"{done}"
    assert taken == [1]


@pytest.mark.parametrize("name", ADDRESSES)
def test_several_addresses(outcomes, name):
    done, taken = outcomes[name]
    assert done.returncode == 1 and "timeout expired" in done.stderr, f"{done}"
    assert taken == [1, 1]


def test_one_host(site):
    """Its timeout is the configured one, which libpq alone does not enforce."""
    with Mute(os.path.join(site.directory, "one")) as mute:
        done = list_tokens(site, "one", f"host={mute.directory} dbname=x", {"PGHOST": "a,b"})
        assert done.returncode == 1 and "no connection within the time limit" in done.stderr, f"{done}"
        assert len(mute.taken) == 1, f"{len(mute.taken)} connections"
