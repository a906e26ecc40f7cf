"""Targets B, C and D: creates, small exports, statuses and downloads from 16 connections."""

import os
import statistics

import counting
import load
import stand
from api import Api
from deadline import wait_until
from measure import DURABLE, directory_for, in_turns, ratios
from pgproxy import Proxy
from postgres import Postgres
from results import Row
from service import Direct, Site

WAIT = {"Prefer": "wait=10"}
EXPORTING = {"export__threads": 16, "limits__running_exports": 0}
IDLE = {"export__threads": 0}
COUNTED = 20


def created(bench, web, projects):
    """Returns the creates per second in these projects, without exports."""
    try:
        return bench.http(web, stand.creates(web.site, projects, stand.ASYNC))
    finally:
        stand.forget_tasks(web.site)


def target_b(bench):
    one = stand.creates(bench.site, bench.projects[:1], stand.ASYNC)
    with bench.empty() as empty, bench.serving(bench.site, **IDLE) as web:
        answers, inserts, ours, many = in_turns(
            bench.options.turns,
            lambda: bench.http(empty, one),
            bench.inserts,
            lambda: created(bench, web, bench.projects[:1]),
            lambda: created(bench, web, bench.projects))
    bound = [stand.serial(*pair) for pair in zip(answers, inserts)]
    note = "1/(1/f + 1/p), f: empty answers, p: pgbench's inserts"
    return [Row("B", f"creates, {name} / f and p in series", "at least", 0.7, ratios(rates, bound),
                ("creates", "/s", rates), ("f and p", "/s", bound), note=note)
            for name, rates in (("one project", ours), (f"{len(bench.projects)} projects", many))]


def exported(bench, web):
    """Returns the small exports per second of callers that wait for them."""
    try:
        return bench.http(web, stand.creates(web.site, bench.projects[:1], WAIT))
    finally:
        wait_until(lambda: not web.site.unfinished(), "the queue is empty")
        stand.forget_tasks(web.site)


def target_c(bench):
    with bench.serving(bench.site, **EXPORTING) as web:
        inserts, ours = in_turns(bench.options.turns, bench.inserts, lambda: exported(bench, web))
    return [Row("C", f"exports of {stand.SMALL_ROWS} rows / pgbench's inserts", "at least", 0.35, ratios(ours, inserts),
                ("exports", "/s", ours), ("inserts", "/s", inserts)), *counts(bench)]


def counts(bench):
    """Counts syncs and round trips in a PostgreSQL and a process of their own, with one caller, export by export."""
    logs = {name: os.path.join(bench.scratch, name + ".syncs") for name in ("postgres", "waybill")}
    postgres = Postgres(directory_for(bench.postgres, "traced"), prefix=counting.trace(logs["postgres"]))
    directory = directory_for(bench.postgres, "counted")
    proxy = Proxy(postgres, directory)
    try:
        postgres.start(**DURABLE)
        site = Site(postgres, directory)
        site.make_keys()
        site.sql(stand.ROWS, ["counted"], ["counted"], stand.SMALL_ROWS)
        site.sql("VACUUM ANALYZE")
        site.config = site.write_config({"database.conninfo": proxy.options["database.conninfo"]})
        process = Direct(site, prefix=counting.trace(logs["waybill"]))
        try:
            api = Api(site, process.client, "counted", site.token("counted"))
            return count_each(api, proxy, counting.Syncs(logs["postgres"]), counting.Syncs(logs["waybill"]))
        finally:
            process.stop()
            site.close()
    finally:
        postgres.stop()
        proxy.close()


def count_each(api, proxy, in_postgres, in_waybill):
    wal = os.path.join(api.site.postgres.data, "pg_wal")
    seen = []
    for _ in range(COUNTED + 6):
        commits, _ = in_postgres.count(wal)
        files, directories = in_waybill.count(api.site.files)
        trips = proxy.round_trips.total()
        api.create_task(stand.WHOLE, headers=WAIT)
        seen.append([proxy.round_trips.total() - trips, in_postgres.count(wal)[0] - commits,
                     *(after - before for after, before in zip(in_waybill.count(api.site.files),
                                                               (files, directories)))])
    trips, commits, files, directories = map(list, zip(*seen[6:]))  # without those that open connections
    syncs = [sum(pair) for pair in zip(commits, files)]
    return [
        Row("C", "syncs of an export, without those of the directory", "at most", 3, syncs,
            ("commits", "", commits), ("files", "", files), unit="per export",
            note=f"syncs of the directory: {statistics.median(directories):g}"),
        Row("C", "round trips of an export to PostgreSQL", "at most", 4, trips, ("round trips", "", trips),
            unit="per export"),
    ]


def reads(site):
    """Returns the requests for the status and for the file of a task."""
    task, file = stand.add_file(site, "project-0", 1024)
    headers = {"X-Auth-Token": site.token("project-0")}
    return {"status": load.Request("GET", f"/v5/project-0/export-task/{task}", headers),
            "download": load.Request("GET", f"/v5/project-0/download/{file}", headers)}


def target_d(bench):
    requests = reads(bench.site)
    with bench.empty() as empty, bench.serving(bench.site, **IDLE) as web:
        answers, selects, statuses, downloads = in_turns(
            bench.options.turns,
            lambda: bench.http(empty, [requests["status"]]),
            bench.selects,
            lambda: bench.http(web, [requests["status"]]),
            lambda: bench.http(web, [requests["download"]]))
    stand.clear(bench.site)
    bound = [stand.serial(*pair) for pair in zip(answers, selects)]
    note = "1/(1/f + 1/s), f: empty answers, s: pgbench's selects by key"
    return [Row("D", f"{name} / f and s in series", "at least", 0.6, ratios(rates, bound), (name, "/s", rates),
                ("f and s", "/s", bound), note=note)
            for name, rates in (("status", statuses), ("download of 1 KiB", downloads))]
