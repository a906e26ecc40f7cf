"""Makes tasks by SQL, and compares the tallies with counts of the tasks themselves."""

INSERT = """
INSERT INTO waybill.export_task (project_id, enterprise_project_id, enterprise_projects, export_size, request,
    request_id, state, file_id, file_size, gzip_size, sha256, error_code, finish_time, expire_time)
SELECT %s, %s, %s::text[], 1, '{{}}', '', {} FROM generate_series(1, %s) AS n
"""
# Each takes a project, an enterprise project, the list of enterprise projects, for SUCCESSES the sizes of the file and
# its gzip variant, and the number of tasks. No two files have the same age.
SUCCESSES = INSERT.format("'success', gen_random_uuid(), %s, %s, sha256('x'), NULL, now() - n * interval '1 minute',"
                          " now() + interval '1 day'")
FAILURES = INSERT.format("'failure', NULL, NULL, NULL, NULL, 'HSS.0041', now(), NULL")
QUEUED = INSERT.format("'queued', NULL, NULL, NULL, NULL, NULL, NULL, NULL")

GROUPS = "project_id, enterprise_project_id, enterprise_projects"
BYTES = "file_size + coalesce(gzip_size, 0)"

# Each statement sees one snapshot.
WRONG_GROUPS = f"""
WITH counted AS (SELECT {GROUPS}, count(*)::numeric AS tasks FROM waybill.export_task GROUP BY {GROUPS}),
     tallied AS (SELECT {GROUPS}, sum(tasks) AS tasks FROM waybill.task_tally GROUP BY {GROUPS} HAVING sum(tasks) <> 0)
(SELECT 'counted', * FROM counted EXCEPT ALL SELECT 'counted', * FROM tallied)
UNION ALL (SELECT 'tallied', * FROM tallied EXCEPT ALL SELECT 'tallied', * FROM counted)
"""
ENDED = f"""
SELECT counted.*, tallied.* FROM
    (SELECT count(*) FILTER (WHERE state = 'success'), count(*) FILTER (WHERE state = 'failure'),
            coalesce(sum({BYTES}) FILTER (WHERE state = 'success' AND NOT file_removed), 0)
     FROM waybill.export_task) counted,
    (SELECT coalesce(sum(success), 0), coalesce(sum(failure), 0), coalesce(sum(file_bytes), 0)
     FROM waybill.ended_tally) tallied
"""


def expect_exact(sql):
    """Checks that the tallies equal the counts. `sql` runs a statement and returns its rows."""
    wrong = sql(WRONG_GROUPS)
    assert not wrong, f"{wrong}"
    ended = sql(ENDED)[0]
    assert ended[:3] == ended[3:], f"counted and tallied: {ended}"


def expect_folded(site):
    """Checks that each group has one row."""
    assert site.sql(f"SELECT {GROUPS} FROM waybill.task_tally GROUP BY {GROUPS} HAVING count(*) > 1") == []
    assert site.sql("SELECT count(*) FROM waybill.task_tally WHERE NOT folded OR tasks = 0") == [(0,)]
    assert site.sql("SELECT count(*) <= 1 FROM waybill.ended_tally") == [(True,)]
