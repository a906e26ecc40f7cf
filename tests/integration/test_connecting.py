"""Several hosts of PostgreSQL, in each way to name them: each host is connected to once, and one that says nothing is
left for the next."""

import concurrent.futures
import os
import socket
import subprocess
import threading

import pytest
from deadline import DEADLINE
from service import BUILD, Site, environment


class Mute:
    """A server that takes connections, counts them and says nothing: in a directory, or on a port of 127.0.0.1."""

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


# How hosts may be named: by the connection string, or by variables of libpq. "service" needs a file besides.
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
    """The first of two says nothing: how the command ended, and how often the first was connected to."""
    with Mute(os.path.join(site.directory, name)) as mute:
        hosts = mute.directory, site.postgres.directory
        values = {"hosts": ",".join(hosts), "rest": f"dbname={site.database} user=waybill_owner",
                  "uri": uri(hosts, site.database), "services": service_file(site, hosts)}
        conninfo, variables = HOSTS[name]
        done = list_tokens(site, name, conninfo.format(**values),
                           {variable: value.format(**values) for variable, value in variables.items()})
        return done, [len(mute.taken)]


def connect_to_addresses(site, name):
    """Neither of two says anything."""
    with Mute() as one, Mute() as two:
        values = {"addresses": "127.0.0.1,127.0.0.1", "rest": f"port={one.port},{two.port} dbname=x"}
        conninfo, variables = ADDRESSES[name]
        done = list_tokens(site, name, conninfo.format(**values),
                           {variable: value.format(**values) for variable, value in variables.items()})
        return done, [len(one.taken), len(two.taken)]


@pytest.fixture(scope="module")
def outcomes(site):
    """Of all ways, tried at once: libpq waits two seconds for each host, however short its time is."""
    with concurrent.futures.ThreadPoolExecutor(len(HOSTS) + len(ADDRESSES)) as pool:
        running = {name: pool.submit(connect_to_hosts, site, name) for name in HOSTS}
        running.update({name: pool.submit(connect_to_addresses, site, name) for name in ADDRESSES})
        return {name: outcome.result() for name, outcome in running.items()}


@pytest.mark.parametrize("name", HOSTS)
def test_several_hosts(outcomes, name):
    """The one that says nothing is left when its time is over; one connection to it was enough to find out."""
    done, taken = outcomes[name]
    assert done.returncode == 0, f"{done}"
    assert taken == [1]


@pytest.mark.parametrize("name", ADDRESSES)
def test_several_addresses(outcomes, name):
    done, taken = outcomes[name]
    assert done.returncode == 1 and "timeout expired" in done.stderr, f"{done}"
    assert taken == [1, 1]


def test_one_host(site):
    """Its time is the configured one, which libpq does not go by."""
    with Mute(os.path.join(site.directory, "one")) as mute:
        done = list_tokens(site, "one", f"host={mute.directory} dbname=x", {"PGHOST": "a,b"})
        assert done.returncode == 1 and "no connection within the time allowed" in done.stderr, f"{done}"
        assert len(mute.taken) == 1, f"{len(mute.taken)} connections"
