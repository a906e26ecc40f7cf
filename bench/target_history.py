"""Target G: creates, small exports, statuses and downloads with a long history and a long queue, compared with the same
without them."""

import json
import time

import stand
from measure import in_turns, ratios
from results import Row
from target_requests import EXPORTING, IDLE, WAIT, reads

# A fifth of the finished tasks still have a file, as with the default retention. None expires during the measurement.
HISTORY = """
SET LOCAL session_replication_role = replica;
INSERT INTO waybill.export_task (
    project_id, enterprise_project_id, enterprise_projects, export_size, request, request_id, state, attempts, file_id,
    file_size, sha256, create_time, start_time, finish_time, expire_time, file_removed)
SELECT 'project-' || i %% {projects}, '0', '{{0}}', 100000, %s, 'r', 'success', 1, gen_random_uuid(), 20000,
       decode(repeat('00', 32), 'hex'), ended, ended, ended,
       CASE WHEN i %% 5 = 0 THEN now() + interval '7 days' ELSE ended + interval '7 days' END, i %% 5 <> 0
FROM generate_series(1, %s) AS i,
     LATERAL (SELECT now() - interval '8 days' - i * interval '20 days' / %s) AS times (ended);
INSERT INTO waybill.export_task (
    project_id, enterprise_project_id, enterprise_projects, export_size, request, request_id, create_time)
SELECT 'project-' || i %% {projects}, '0', '{{0}}', 100000, %s, 'r', now() - interval '1 hour' + i * interval '1 ms'
FROM generate_series(1, %s) AS i;
INSERT INTO waybill.task_tally (project_id, enterprise_project_id, enterprise_projects, tasks, folded)
SELECT project_id, enterprise_project_id, enterprise_projects, count(*), true FROM waybill.export_task GROUP BY 1, 2, 3;
INSERT INTO waybill.ended_tally (success, failure, file_bytes)
SELECT count(*) FILTER (WHERE state = 'success'), count(*) FILTER (WHERE state = 'failure'),
       coalesce(sum(waybill.file_bytes(task)), 0)
FROM waybill.export_task task;
"""
# The tasks that ended in the last seconds, by index.
ENDED = """
SELECT count(*) FROM waybill.export_task
WHERE state = 'success' AND NOT file_removed AND expire_time IS NOT NULL
      AND finish_time > clock_timestamp() - %s * interval '1 second'
"""


INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = 'waybill.export_task'::regclass AND NOT indisunique
"""


def fill(site, projects, finished, queued):
    """Adds tasks, without indexes meanwhile, because this is faster."""
    request = json.dumps(stand.WHOLE)
    indexes = site.sql(INDEXES)
    site.sql("BEGIN")
    for name, _ in indexes:
        site.sql(f"DROP INDEX {name}")
    site.sql(HISTORY.format(projects=projects), request, finished, finished, request, queued)
    for _, definition in indexes:
        site.sql(definition)
    site.sql("COMMIT")
    site.sql("VACUUM ANALYZE waybill.export_task, waybill.task_tally, waybill.ended_tally")


def created(bench, web):
    """Returns the creates per second, and removes what was created."""
    rate = bench.http(web, stand.creates(web.site, ["project-0"], stand.ASYNC))
    web.site.sql("DELETE FROM waybill.export_task WHERE create_time > now() - interval '10 minutes'"
                 " AND state = 'queued'")
    return rate


def ended(bench, site):
    """Returns the exports per second that end, while callers create others and wait for them. The process is a new one
    each time, because it would export the queue meanwhile, so it opens its connections first."""
    callers = stand.creates(site, ["project-0"], WAIT)
    with bench.serving(site, **EXPORTING) as web:
        bench.http(web, callers, is_answered=False)
        began = time.monotonic()
        bench.http(web, callers, is_answered=False)
        seconds = time.monotonic() - began
        count = site.sql(ENDED, seconds)[0][0]
    return count / seconds


def target_g(bench):
    plain, full = bench.new_site("plain"), bench.new_site("full")
    fill(full, len(bench.projects), bench.options.history, bench.options.queued)
    requests = {site: reads(site) for site in (plain, full)}
    turns = bench.options.turns
    with bench.serving(plain, **IDLE) as one, bench.serving(full, **IDLE) as other:
        pairs = {"creates": in_turns(turns, lambda: created(bench, one), lambda: created(bench, other))}
        for name in ("status", "download"):
            pairs[name] = in_turns(turns, lambda: bench.http(one, [requests[plain][name]]),
                                   lambda: bench.http(other, [requests[full][name]]))
    pairs["small exports"] = in_turns(turns, lambda: ended(bench, plain), lambda: ended(bench, full))
    for site in (plain, full):
        site.close()
    return [Row("G", f"{name}: without / with a history and a queue", "at most", 1.2, ratios(without, with_them),
                ("with", "/s", with_them), ("without", "/s", without)) for name, (without, with_them) in pairs.items()]
