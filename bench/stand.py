"""The servers of `bench/targets`: a PostgreSQL, installations of Waybill behind lighttpd, and what they are compared
with."""

import contextlib
import glob
import itertools
import json
import os
import shutil
import subprocess
import uuid

import inventory
import load
from api import Api
from faults import ALL
from measure import directory_for
from service import BUILD, Site
from web import Lighttpd

ASYNC = {"Prefer": "respond-async"}
WHOLE = {"export_headers": ALL}
SMALL_ROWS = 100
QUERY = ("SELECT " + ", ".join(inventory.EXPORTED) + " FROM waybill.container WHERE project_id = '{}' AND"
         " enterprise_project_id = '0' ORDER BY container_id COLLATE \"C\" LIMIT 100000")
FORM = "WITH (FORMAT csv, HEADER, FORCE_QUOTE *)"

# Rows of the named projects, in turn.
ROWS = """
INSERT INTO waybill.container (
    project_id, container_id, container_name, image_name, pod_name, cluster_name, cluster_type, status,
    cluster_container, risky, low_risk, medium_risk, high_risk, fatal_risk, restart_count, create_time, cpu_limit,
    memory_limit)
SELECT (%s::text[])[i %% cardinality(%s::text[]) + 1], md5(i::text),
       'app-' || i %% 1000, 'registry.example.com/team-' || i %% 20 || '/app-' || i %% 1000 || ':1.' || i %% 10,
       'app-' || i %% 1000 || '-' || substr(md5('pod' || i), 1, 10), 'cluster-' || i %% 50, 'cce', 'Running',
       true, i %% 1000 = 4, i %% 3, i %% 5, i %% 7, i %% 11, i %% 13,
       timestamptz '2026-01-01 00:00:00Z' + i * interval '1 second', '500m', '1Gi'
FROM generate_series(0, %s - 1) AS i
"""
# Names of projects in the partition of the first one.
NEIGHBOURS = """
SELECT name FROM (SELECT 'scattered-' || i FROM generate_series(0, 1000) AS i) AS names (name)
WHERE satisfies_hash_partition('waybill.container'::regclass, 16, (
    SELECT remainder FROM generate_series(0, 15) AS remainder
    WHERE satisfies_hash_partition('waybill.container'::regclass, 16, remainder, 'scattered-0'::text)), name)
LIMIT 9
"""
TASK = """
INSERT INTO waybill.export_task (
    project_id, enterprise_project_id, enterprise_projects, export_size, request, request_id, state, attempts, file_id,
    file_size, sha256, finish_time, expire_time)
VALUES (%s, '0', '{0}', 1, '{}', 'r', 'success', 1, %s, %s, decode(repeat('00', 32), 'hex'), now(),
        now() + interval '1 day')
RETURNING task_id
"""

# Tables that are comparable with that of the tasks: one to write, one to read.
YARDSTICK = """
CREATE TABLE public.written (
    task_id uuid PRIMARY KEY DEFAULT gen_random_uuid(), project_id text, enterprise_project_id text,
    export_size integer, request jsonb, request_id text, state text, create_time timestamptz DEFAULT now());
CREATE TABLE public.read (LIKE public.written INCLUDING ALL);
INSERT INTO public.read (task_id, project_id, enterprise_project_id, export_size, request, request_id, state)
SELECT ('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid, 'project-0', '0', 100000, '{}', 'r', 'success'
FROM generate_series(1, 10000) AS i;
ANALYZE public.read;
"""
INSERT = ("INSERT INTO public.written (project_id, enterprise_project_id, export_size, request, request_id, state)"
          " VALUES ('project-0', '0', 100000, '%s', '3f0c0000-0000-4000-8000-000000000000', 'queued');")
SELECT = "SELECT * FROM public.read WHERE task_id = '00000000-0000-4000-8000-000000004711';"


def serial(one, other):
    """Returns the rate of two steps in series, from their rates."""
    return 1 / (1 / one + 1 / other)


class Stand:
    """One PostgreSQL, and all that runs beside it. `options` are those of bench/targets."""

    def __init__(self, postgres, options):
        self.postgres = postgres
        self.options = options
        self.numbers = itertools.count()
        self.projects = [f"project-{number}" for number in range(options.projects)]
        self.scratch = directory_for(postgres, "requests")
        os.mkdir(self.scratch)
        self.site = self.new_site("targets")

    def new_site(self, name):
        """Makes an installation whose inventory has 100 rows for each project."""
        site = Site(self.postgres, directory_for(self.postgres, name))
        site.make_keys()
        site.sql(ROWS, self.projects, self.projects, SMALL_ROWS * len(self.projects))
        site.sql("VACUUM ANALYZE waybill.container")
        return site

    @contextlib.contextmanager
    def serving(self, site, **options):
        """Starts lighttpd and Waybill, with the defaults except for the limit on the tasks of a project."""
        options = {"limits.unfinished_tasks": 0,
                   **{name.replace("__", "."): value for name, value in options.items()}}
        web = Lighttpd("lighttpd", site, options=options, name=f"web{next(self.numbers)}")
        try:
            yield web
        finally:
            web.stop()

    @contextlib.contextmanager
    def empty(self):
        """Starts the same lighttpd with a FastCGI program whose answers are empty."""
        web = Lighttpd("lighttpd", self.site, name=f"web{next(self.numbers)}",
                       program=os.path.join(BUILD, "bench", "empty"))
        try:
            yield web
        finally:
            web.stop()

    def http(self, web, requests, is_answered=True):
        return load.http(web.port, requests, self.options.seconds, self.scratch, is_answered)

    def inserts(self):
        """Returns the inserts per second of pgbench, into an empty table."""
        self.site.sql("TRUNCATE public.written")
        return load.sql(self.postgres, self.site.database, INSERT % json.dumps(WHOLE), self.options.seconds,
                        self.scratch)

    def selects(self):
        return load.sql(self.postgres, self.site.database, SELECT, self.options.seconds, self.scratch)

    def psql(self, statement):
        """Returns a process of psql that runs a statement."""
        return subprocess.Popen([shutil.which("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d",
                                 self.postgres.conninfo(self.site.database, "postgres"), "-c", statement],
                                stdin=subprocess.DEVNULL)

    def close(self):
        self.site.close()


def api(web, project):
    return Api(web.site, web.client, project, web.site.token(project))


def creates(site, projects, headers):
    """Returns the requests that create an export in each of the projects."""
    return [load.Request("POST", f"/v5/{project}/container/export-task",
                         {"X-Auth-Token": site.token(project), "Content-Type": "application/json", **headers},
                         json.dumps(WHOLE)) for project in projects]


def forget_tasks(site):
    """Removes the tasks, but not their files: for seconds after files were deleted, ext4 creates new ones slowly."""
    site.sql("TRUNCATE waybill.export_task CASCADE")


def clear(site):
    """Removes the tasks and their files."""
    forget_tasks(site)
    for path in glob.glob(os.path.join(site.files, "*")):
        os.unlink(path)


def add_file(site, project, size):
    """Adds a finished task with a file. Returns the ids of both."""
    file_id = str(uuid.uuid4())
    with open(os.path.join(site.files, file_id), "wb") as file:
        file.write(os.urandom(size))
    return site.sql(TASK, project, file_id, size)[0][0], file_id
