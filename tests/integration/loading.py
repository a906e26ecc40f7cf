"""Loads into the inventory of a project, and pods for them."""

import itertools
import json
import os
import subprocess

from deadline import DEADLINE
from inventory import EXPORTED
from service import BUILD, environment

ALL_COLUMNS = [[key, key] for key in EXPORTED]


def numbered(name):
    """Yields names of projects."""
    return (f"{name}-{number}" for number in itertools.count())


class Inventory:
    """One project of a site, of its own for each test."""

    def __init__(self, site, project):
        self.site, self.project = site, project

    def load(self, content, *options, status=0, config=None):
        data = content if isinstance(content, bytes) else content.encode()
        done = subprocess.run([os.path.join(BUILD, "waybill"), "--config", config or self.site.config, "inventory",
                               "load", "--project", self.project, *options], input=data, capture_output=True,
                              env=environment(), timeout=DEADLINE)
        assert done.returncode == status, f"{done}"
        self.messages = done.stderr.decode()
        lines = done.stdout.decode().splitlines()
        return lines[-1] if lines else ""

    def rows(self, columns="container_id"):
        rows = self.site.sql(f"SELECT {columns} FROM waybill.container WHERE project_id = %s ORDER BY container_id",
                             self.project)
        return [row[0] if len(row) == 1 else row for row in rows]


def export(stock, *options):
    """Returns a file with all columns, whose header names are their keys."""
    return subprocess.run([os.path.join(BUILD, "waybill"), "--config", stock.site.config, "export", "--project",
                           stock.project, *(f"--column={key}={key}" for key in EXPORTED), *options],
                          capture_output=True, env=environment(), check=True, timeout=DEADLINE).stdout


def summary(added=0, changed=0, unchanged=0, removed=0, skipped=0, refused=0):
    return (f"added={added} changed={changed} unchanged={unchanged} removed={removed} skipped={skipped}"
            f" refused={refused}")


def pods(*items):
    return json.dumps({"apiVersion": "v1", "items": items, "kind": "List"})


def pod(name="web-1", containers=({"name": "app", "image": "nginx:1"},), statuses=(), phase="Running", **spec):
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "uid": "uid-" + name, "creationTimestamp": "2026-04-03T08:15:00Z"},
            "spec": {"containers": list(containers), **spec},
            "status": {"phase": phase, "containerStatuses": list(statuses)}}
