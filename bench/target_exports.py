"""Targets A, E and F: exports of 100,000 rows."""

import os
import statistics
import time

import stand
from api import Api
from measure import in_turns, ratios, timed
from results import Row
from service import Direct

QUEUED = 32
AT_ONCE = 2  # the default of [export] threads


def load_rows(bench):
    """Adds a project whose rows are stored together, and one whose rows are scattered among those of eight others."""
    names = [name for name, in bench.site.sql(stand.NEIGHBOURS)]
    bench.site.sql("SET work_mem = '256MB'")  # for the triggers, which see all rows of a statement
    bench.site.sql(stand.ROWS, ["together"], ["together"], bench.options.rows)
    bench.site.sql(stand.ROWS, names, names, bench.options.rows * len(names))
    bench.site.sql("RESET work_mem")
    bench.site.sql("VACUUM ANALYZE")


def finished(bench, api):
    status = api.finished(stand.WHOLE)
    assert status["exported_rows"] == bench.options.rows, f"{status}"


def copied(bench, project, name="copy.csv"):
    """Starts psql's \\copy of the rows of a project into a file, as a user would type it."""
    path = os.path.join(bench.scratch, name)
    return bench.psql(f"\\copy ({stand.QUERY.format(project)}) TO '{path}' {stand.FORM}")


def wait_for(*processes):
    for process in processes:
        if process.wait() != 0:
            raise RuntimeError("psql failed")


def server_copy(bench, project, cost):
    """Lets the server itself copy the rows to nowhere, with this random_page_cost. Returns the seconds."""
    connection = bench.site.connect()
    try:
        cursor = connection.cursor()
        if cost is not None:
            cursor.execute("SET random_page_cost = %s", [cost])
        return timed(lambda: cursor.execute(f"COPY ({stand.QUERY.format(project)}) TO '/dev/null' {stand.FORM}"))
    finally:
        connection.close()


def target_a(bench):
    with bench.serving(bench.site) as web:
        together, scattered = (stand.api(web, project) for project in ("together", "scattered-0"))
        ours, copies, default, index = in_turns(
            bench.options.turns,
            lambda: timed(lambda: finished(bench, together)),
            lambda: timed(lambda: wait_for(copied(bench, "together"))),
            lambda: server_copy(bench, "together", None),
            lambda: server_copy(bench, "together", 1.1))
        theirs, others = in_turns(
            bench.options.turns,
            lambda: timed(lambda: finished(bench, scattered)),
            lambda: timed(lambda: wait_for(copied(bench, "scattered-0"))))
    stand.clear(bench.site)
    floors = {"default settings": default, "random_page_cost 1.1": index}
    cheaper = min(floors, key=lambda plan: statistics.median(floors[plan]))
    note = ", ".join(f"{plan}: {statistics.median(times):.3f} s" for plan, times in floors.items())
    return [
        Row("A", "export of rows stored together / \\copy", "at most", 0.4, ratios(ours, copies),
            ("export", "s", ours), ("\\copy", "s", copies)),
        Row("A", "export of rows stored together / COPY to /dev/null", "at most", 1.4, ratios(ours, floors[cheaper]),
            ("export", "s", ours), (f"COPY, {cheaper}", "s", floors[cheaper]), note=f"the cheaper floor of {note}"),
        Row("A", "export of scattered rows / \\copy", "at most", 0.6, ratios(theirs, others),
            ("export", "s", theirs), ("\\copy", "s", others)),
    ]


def peak(bench, project):
    """Returns the peak of resident memory, in MiB, of a new process after some exports."""
    process = Direct(bench.site, f"memory{next(bench.numbers)}", config=bench.site.write_config({}, "memory.conf"))
    try:
        api = Api(bench.site, process.client, project, bench.site.token(project))
        for _ in range(4):
            api.finished(stand.WHOLE)
        return process.memory("VmHWM") / 1024
    finally:
        process.stop()


def target_e(bench):
    large, small = in_turns(bench.options.turns, lambda: peak(bench, "together"), lambda: peak(bench, "project-0"))
    stand.clear(bench.site)
    name = f"{bench.options.rows:,} rows"
    return [
        Row("E", f"peak memory: {name} / {stand.SMALL_ROWS} rows", "at most", 1.1, ratios(large, small),
            (name, "MiB", large), (f"{stand.SMALL_ROWS} rows", "MiB", small)),
        Row("E", f"peak memory after exports of {name}", "at most", 24, large, (name, "MiB", large), unit="MiB"),
    ]


def copies_at_once(bench, count):
    """Returns the seconds for copies of a project to files, as many at a time as Waybill has threads."""
    began = time.monotonic()
    running = []
    for number in range(count):
        running = [process for process in running if process.poll() is None]
        while len(running) >= AT_ONCE:
            time.sleep(0.001)
            running = [process for process in running if process.poll() is None]
        running.append(copied(bench, "together", f"copy{number}.csv"))
    wait_for(*running)
    seconds = time.monotonic() - began
    for number in range(count):
        os.unlink(os.path.join(bench.scratch, f"copy{number}.csv"))
    return seconds


def p99(values):
    return sorted(values)[int(len(values) * 0.99)]


def status_times(api, connection, task, is_enough):
    """Requests a status again and again, by one client on one connection. Returns the milliseconds of each. The pauses
    keep the load small, because it is measured together with the exports."""
    times = []
    while not is_enough(times):
        began = time.monotonic()
        connection.request("GET", api.path(f"export-task/{task}"), headers={"X-Auth-Token": api.token})
        response = connection.getresponse()
        response.read()
        times.append((time.monotonic() - began) * 1000)
        assert response.status == 200, f"{response.status}"
        time.sleep(0.02)
    return times


def exports_at_once(bench, web, count):
    """Returns the seconds for exports that are queued at once, and the times of statuses before and meanwhile."""
    api = stand.api(web, "together")
    connection = web.client.connection()
    task, _ = stand.add_file(bench.site, "together", 1024)
    idle = status_times(api, connection, task, lambda times: len(times) >= bench.options.statuses)
    for _ in range(count):
        api.create_task(stand.WHOLE, headers=stand.ASYNC)
    busy = status_times(api, connection, task, lambda times: len(times) % 10 == 0 and bench.site.unfinished() == 0)
    connection.close()
    rows = bench.site.sql("SELECT count(*), extract(epoch FROM max(finish_time) - min(create_time))::float"
                          " FROM waybill.export_task WHERE state = 'success' AND task_id <> %s", task)
    assert rows[0][0] == count, f"{rows}"
    stand.clear(bench.site)
    return rows[0][1], idle, busy or idle


def target_f(bench):
    count = min(QUEUED, bench.options.at_once)
    idle, busy, ratios_of_p99 = [], [], []

    def export():
        with bench.serving(bench.site) as web:
            seconds, before, meanwhile = exports_at_once(bench, web, count)
        idle.append(p99(before))
        busy.append(p99(meanwhile))
        ratios_of_p99.append(busy[-1] / idle[-1])
        return seconds
    turns = max(1, bench.options.turns // 4)
    pairs = [(copies_at_once(bench, count), export()) for _ in range(turns)]
    copies, ours = zip(*pairs)
    return [
        Row("F", f"{count} exports at once / \\copy, {AT_ONCE} at a time", "at most", 1.15, ratios(ours, copies),
            ("exports", "s", list(ours)), ("\\copy", "s", list(copies))),
        Row("F", "p99 of a status meanwhile / idle", "at most", 10, ratios_of_p99,
            ("meanwhile", "ms", busy), ("idle", "ms", idle)),
    ]
