"""Operations of callers and operators beside create, status and download, and a proxy that can cut one site off from
its database."""

import contextlib
import os
import re
import socket
import threading

import inventory
from api import expect_error
from deadline import wait_until

SAMPLE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-z_]+)="([^"\\\n]*)"')


def remove(api, task_id, query="", **arguments):
    return api.request("DELETE", api.path(f"export-task/{task_id}") + query, **arguments)


def expect_removed(response):
    """Checks a 204: it has neither a body nor headers that describe one."""
    assert response.status == 204 and response.body == b"", f"{response}"
    assert not {"content-type", "content-length", "transfer-encoding"} & set(response.headers), f"{response}"


def expect_gone(api, task_id, file_id=None):
    """Checks that neither the task nor its file can be found."""
    expect_error(api.status(task_id), 404, "HSS.0011", str(task_id))
    expect_error(remove(api, task_id), 404, "HSS.0011", str(task_id))
    if file_id is not None:
        expect_error(api.download(file_id), 404, "HSS.0011")


def page(api, query=""):
    return api.request("GET", api.path("export-tasks") + query)


def listed(api, query=""):
    """Returns the total number and the tasks of a list request that must succeed."""
    response = page(api, query)
    assert response.status == 200, f"{response}"
    answer = response.json()
    assert set(answer) == {"total_num", "data_list"} and type(answer["total_num"]) is int, f"{answer}"
    return answer["total_num"], answer["data_list"]


def without_link(task):
    """Returns a status without its link, which is a new one in each response."""
    return {name: value for name, value in task.items() if name != "download_url"}


def samples(client):
    """Returns the metrics: {name: {labels as a tuple of pairs: value}}."""
    response = client.request("GET", "/metrics")
    assert response.status == 200, f"{response}"
    found = {}
    for line in response.body.decode("utf-8").splitlines():
        if line.startswith("#"):
            continue
        match = SAMPLE.fullmatch(line)
        assert match, f"not a sample: {line!r}"
        name, labels, value = match.groups()
        pairs = tuple(LABEL.findall(labels or ""))
        assert ",".join(f'{key}="{text}"' for key, text in pairs) == (labels or ""), f"labels of {line!r}"
        assert pairs not in found.setdefault(name, {}), f"twice: {line!r}"
        found[name][pairs] = float(value)
    return found


def value(found, name, **labels):
    """Returns the value of one sample; 0 if it does not exist yet."""
    matching = [number for pairs, number in found.get(name, {}).items() if dict(pairs) == labels]
    return matching[0] if matching else 0


def add_volume(site, **rows):
    """Fills the relation faults.container with a number of rows for each project, each a little over 100,000 bytes."""
    columns = ", ".join("repeat('x', 100000) AS container_name" if name == "container_name" else name
                        for name in inventory.COLUMNS)
    site.sql(f"CREATE SCHEMA faults; CREATE VIEW faults.container AS SELECT {columns} FROM waybill.container;"
             "GRANT USAGE ON SCHEMA faults TO waybill_service;"
             "GRANT SELECT ON faults.container TO waybill_service")
    for project, count in rows.items():
        site.sql("INSERT INTO waybill.container (project_id, container_id)"
                 " SELECT %s, i::text FROM generate_series(1, %s) AS i", project, count)


CONNECTIONS = "FROM pg_stat_activity WHERE datname = current_database() AND usename = 'waybill_service'"


def close_connections(site):
    """Makes the server close the current connections of the service."""
    pids = [pid for pid, in site.sql(f"SELECT pid {CONNECTIONS}")]
    site.sql("SELECT pg_terminate_backend(pid) FROM unnest(%s) AS pid", pids)
    wait_until(lambda: site.sql(f"SELECT count(*) {CONNECTIONS} AND pid = ANY (%s)", pids) == [(0,)],
               "the server closes the connections")
    return len(pids)


class Detour:
    """A proxy between one site and PostgreSQL, made before the site. It forwards data, and can be cut."""

    def __init__(self, postgres, directory):
        self.postgres = postgres
        self.way = directory + ".pg"
        os.makedirs(self.way)
        conninfo = postgres.conninfo(os.path.basename(directory), "waybill_service")
        self.options = {"database.conninfo": conninfo.replace(f"host={postgres.directory}", f"host={self.way}")}
        self.lock = threading.Lock()
        self.ends = None  # of all connections; None while the proxy is cut
        self.open()

    def open(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(self.way, ".s.PGSQL.5432"))
        self.listener.listen(64)
        self.ends = []
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(os.path.join(self.postgres.directory, ".s.PGSQL.5432"))
            with self.lock:
                if self.ends is not None:
                    self.ends += [near, far]
                    for pair in ((near, far), (far, near)):
                        threading.Thread(target=self.pass_on, args=pair, daemon=True).start()

    @staticmethod
    def pass_on(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        """Cuts the proxy: the database becomes unreachable, and existing connections are lost."""
        os.unlink(os.path.join(self.way, ".s.PGSQL.5432"))
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
        with self.lock:
            ends, self.ends = self.ends, None
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def cut(self):
        self.close()
        try:
            yield
        finally:
            self.open()
