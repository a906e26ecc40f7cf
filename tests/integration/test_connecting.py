"""Several hosts of PostgreSQL, in each way to name them: each host is connected to once, and one that says nothing is
left for the next."""

import os
import socket
import subprocess
import threading

import pytest
from deadline import DEADLINE
from service import BUILD, Site, environment


class Mute:
    """A server that takes connections, counts them and says nothing."""

    def __init__(self, directory):
        self.directory = directory
        self.taken = []
        os.mkdir(directory)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(directory, ".s.PGSQL.5432"))
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


def uri(site, hosts):
    hosts = ",".join(host.replace("/", "%2F") for host in hosts)
    return f"postgresql://waybill_owner@{hosts}/{site.database}"


def service_file(site, hosts):
    path = os.path.join(site.directory, "services.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"[several]\nhost={','.join(hosts)}\n")
    return path


# How the hosts may be named: the connection string but its rest, and the variables of libpq.
WAYS = {
    "string": lambda site, hosts: ({"host": ",".join(hosts)}, {}),
    "string_over_variable": lambda site, hosts: ({"host": ",".join(hosts)}, {"PGHOST": "/nowhere"}),
    "variable": lambda site, hosts: ({}, {"PGHOST": ",".join(hosts)}),
    "service": lambda site, hosts: ({"service": "several"}, {"PGSERVICEFILE": service_file(site, hosts)}),
    "service_of_variable": lambda site, hosts: ({}, {"PGSERVICE": "several",
                                                     "PGSERVICEFILE": service_file(site, hosts)}),
    "uri": None,
}


@pytest.mark.parametrize("way", WAYS)
def test_several_hosts(site, way):
    """The first says nothing: libpq leaves it when its time is over. One connection was enough to find out."""
    with Mute(os.path.join(site.directory, way)) as mute:
        hosts = mute.directory, site.postgres.directory
        if WAYS[way] is None:
            conninfo, variables = uri(site, hosts), {}
        else:
            parts, variables = WAYS[way](site, hosts)
            parts = {**parts, "dbname": site.database, "user": "waybill_owner"}
            conninfo = " ".join(f"{name}={value}" for name, value in parts.items())
        config = site.write_config({"database.owner_conninfo": conninfo, "database.connect_timeout_ms": 1000},
                                   f"{way}.conf")
        done = subprocess.run([os.path.join(BUILD, "waybill"), "--config", config, "token", "list"],
                              env=environment(**variables), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=DEADLINE)
        assert done.returncode == 0, f"{done}"
        assert len(mute.taken) == 1, f"{len(mute.taken)} connections"


def test_one_host(site):
    """Its time is the configured one, below the two seconds that libpq takes at least."""
    with Mute(os.path.join(site.directory, "one")) as mute:
        config = site.write_config({"database.owner_conninfo": f"host={mute.directory} dbname=x",
                                    "database.connect_timeout_ms": 100}, "one.conf")
        done = subprocess.run([os.path.join(BUILD, "waybill"), "--config", config, "token", "list"],
                              env=environment(PGHOST="a,b"), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=DEADLINE)
        assert done.returncode == 1 and "no connection within the time allowed" in done.stderr, f"{done}"
        assert len(mute.taken) == 1, f"{len(mute.taken)} connections"
