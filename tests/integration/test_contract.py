"""The contract of [inventory] relation: `waybill check`, the log at the start, GET /healthz/ready and exports name
every missing or unusable column, and a view that fulfils the contract exports the right bytes."""

import contextlib
import os
import re

import inventory
import pytest
from api import SECRETS, Api
from calls import Detour
from deadline import wait_until
from faults import fleet  # noqa: F401
from service import MIGRATIONS, TOP, Direct, Site, worker

MINE = "site.containers"
ADVICE = re.compile(r"(?:use|for example as) (.+? AS [a-z_]+)(?: in a view)?(?:, if .*)?")
ROW = {
    "project_id": "'demo'::text", "enterprise_project_id": "'0'::text", "cluster_container": "true",
    "container_id": "'c1'::text", "container_name": "'web'::text", "image_name": "'nginx:1'::text",
    "pod_name": "'web-1'::text", "cluster_name": "'prod'::text", "cluster_type": "'cce'::text",
    "status": "'Running'::text", "risky": "true", "low_risk": "1", "medium_risk": "2", "high_risk": "3",
    "fatal_risk": "4", "create_time": "timestamptz '2026-04-03 08:15:00.123Z'", "restart_count": "5",
    "cpu_limit": "'500m'::text", "memory_limit": "'1Gi'::text",
}
assert sorted(ROW) == sorted(inventory.COLUMNS)
CELLS = {
    "container_id": "c1", "container_name": "web", "image_name": "nginx:1", "pod_name": "web-1", "cluster_name": "prod",
    "cluster_type": "cce", "status": "Running", "risky": "true", "low_risk": "1", "medium_risk": "2", "high_risk": "3",
    "fatal_risk": "4", "create_time": "2026-04-03T08:15:00.123Z", "restart_count": "5", "cpu_limit": "500m",
    "memory_limit": "1Gi",
}
FILTERS = {
    "cluster_container": True, "cluster_type": "cce", "cluster_name": "prod", "container_name": "w*",
    "pod_name": "web-1", "image_name": "*nginx*", "status": "Running", "risky": True, "cpu_limit": "0.5",
    "memory_limit": "1024 Mi", "create_time": {"start_time": 1775204100123, "end_time": 1775204100123},
}
TRIAL = {"risky": "'yes'::text", "create_time": "timestamp '2026-04-03 08:15:00.123'"}
TRIAL_PROBLEMS = [
    "risky has type text, but must be boolean: use (risky = 'yes') AS risky in a view, if 'yes' is the text for true",
    "create_time has type timestamp without time zone, but must be timestamp with time zone: use create_time AT TIME"
    " ZONE 'UTC' AS create_time in a view, if 'UTC' is their time zone",
]


def select(**changes):
    """Returns a SELECT of the row with other expressions for some columns. None leaves a column out."""
    row = {**ROW, **changes}
    return "SELECT " + ", ".join(f"{row[name]} AS {name}" for name in row if row[name] is not None)


def make_view(site, query, kind="VIEW"):
    """Makes the relation anew."""
    site.sql(f"DROP SCHEMA IF EXISTS site CASCADE; CREATE SCHEMA site; CREATE {kind} {MINE} AS {query};"
             f" GRANT USAGE ON SCHEMA site TO waybill_service; GRANT SELECT ON {MINE} TO waybill_service")


def mend_view(site, problems):
    """Renames the relation, and makes a view of it in its place with the advice of these problems."""
    advice = {text.split()[0]: ADVICE.search(text)[1] for text in problems}
    columns = ", ".join(advice.get(name, name) for name in inventory.COLUMNS)
    site.sql(f"ALTER VIEW {MINE} RENAME TO raw; CREATE VIEW {MINE} AS SELECT {columns} FROM site.raw;"
             f" GRANT SELECT ON {MINE} TO waybill_service")


@pytest.fixture(scope="module")
def site(scratch, postgres):
    made = Site(postgres, os.path.join(scratch, "contract"), {"inventory.relation": MINE})
    os.chmod(made.files, 0o750)
    yield made
    made.close()


def check(site, *arguments):
    """Returns the lines of `waybill check` about the inventory as [(finding, subject, text)]."""
    done = site.waybill("check", "--sql-dir", MIGRATIONS, *arguments)
    found = [re.fullmatch(r"(ok|warning|failed|skipped) +([a-z]+) +(\S.*)", line).groups()
             for line in done.stdout.splitlines()]
    failed = [line for line in found if line[0] == "failed"]
    assert done.returncode == (1 if failed else 0), f"{done}"
    assert all(subject == "inventory" for _, subject, _ in failed), f"{done}"
    return [line for line in found if line[1] in ("inventory", "rows", "values")]


def problems_of(site):
    """Returns the problems that `waybill check` finds. If there are none, the inventory must be ok."""
    lines = [line for line in check(site, "--no-counts") if line[1] == "inventory"]
    problems = [text for finding, _, text in lines if finding == "failed"]
    assert problems or [finding for finding, _, _ in lines] == ["ok"], f"{lines}"
    assert all(finding == "failed" for finding, _, _ in lines) or not problems, f"{lines}"
    return problems


def body(*keys, **filters):
    return {"export_headers": [[key, key] for key in keys], **filters}


def expected_file(*keys):
    return ("".join(",".join(f'"{value}"' for value in line) + "\r\n"
                    for line in (keys, [CELLS[key] for key in keys]))).encode()


def ready(client):
    """Returns the status of GET /healthz/ready, which /healthz repeats, and its field inventory."""
    responses = [client.request("GET", path) for path in ("/healthz/ready", "/healthz")]
    answers = [response.json() for response in responses]
    assert responses[0].status == responses[1].status, f"{responses}"
    assert answers[0]["inventory"] == answers[1]["inventory"], f"{answers}"
    assert answers[0]["ready"] == (responses[0].status == 200), f"{answers}"
    return responses[0].status, answers[0]["inventory"]


def kept_or(problem):
    """Returns what GET /healthz/ready may say after a change: a good result is kept for a minute."""
    return [(503, [problem]), (200, "ok")]


def logged(process, event):
    return [line for line in process.log_text().splitlines() if f'event="{event}"' in line]


def fail_export(api, wanted, *mentions):
    """Checks that an export fails, and that its message has these words and reveals nothing."""
    status = api.wait(api.create_task(wanted))
    assert status["task_status"] == "failure" and status["error_code"] == "HSS.0041", f"{status}"
    assert all(mention in status["error_msg"] for mention in ("waybill check", *mentions)), f"{status}"
    assert not SECRETS.search(status["error_msg"]), f"{status}"
    return status["error_msg"]


# The view of a trial: `risky: true` used to export nothing, and times lost T, Z and milliseconds.


def test_the_view_of_a_trial(start):
    service = start("contract_trial", options={"inventory.relation": MINE},
                    prepare=lambda made: make_view(made, select(**TRIAL)))
    site, client, api = service.site, service.client, service.api()
    os.chmod(site.files, 0o750)
    assert problems_of(site) == TRIAL_PROBLEMS
    assert ready(client) == (503, TRIAL_PROBLEMS)
    answer = client.request("GET", "/healthz").json()
    assert answer["database"] == answer["files"] == "ok" and answer["error_code"] == "HSS.0041", f"{answer}"
    assert "inventory" in answer["error_msg"] and not SECRETS.search(str(answer)), f"{answer}"
    assert client.request("GET", "/healthz/live").status == 200
    lines = logged(service.process, "inventory is not usable")
    assert len(lines) == 2 and all(" error " in line and MINE in line for line in lines), f"{lines}"
    assert all(f'problem="{text}"' in line for line, text in zip(lines, TRIAL_PROBLEMS)), f"{lines}"

    message = fail_export(api, body("container_id", risky=True), "risky")
    assert "create_time" not in message, f"{message}"
    fail_export(api, body("risky", "create_time"), "risky, create_time")
    fail_export(api, body("container_id", create_time={"end_time": 1}), "create_time")
    assert "'yes'" in logged(service.process, "export failed")[0]
    assert api.export(body("container_id", status="Running"))[0] == expected_file("container_id")

    mend_view(site, TRIAL_PROBLEMS)
    assert ready(client) == (200, "ok")  # without a restart, and at once
    assert problems_of(site) == []
    assert api.export(body(*CELLS, **FILTERS))[0] == expected_file(*CELLS)
    assert len(logged(service.process, "inventory is usable again")) == 1
    assert len(logged(service.process, "inventory is not usable")) == 2


def test_the_log_of_a_worker(site):
    make_view(site, select(**TRIAL))
    process = worker(site, "trial")
    wait_until(lambda: len(logged(process, "inventory is not usable")) == 2, "the worker logs the problems")
    assert process.process.poll() is None
    process.stop()
    assert [text for text in TRIAL_PROBLEMS if text in process.log_text()] == TRIAL_PROBLEMS


def test_a_start_without_the_inventory(site, postgres, scratch):
    """A process starts, is not ready, and finds and logs the problems once the inventory can be reached."""
    make_view(site, select(**TRIAL))
    detour = Detour(postgres, os.path.join(scratch, "contract"))
    config = site.write_config({"inventory.relation": MINE, "inventory.conninfo": detour.options["database.conninfo"]},
                               "detour.conf")
    with contextlib.closing(detour):
        with detour.cut():
            process = Direct(site, "detour", config=config)
            assert ready(process.client) == (503, "unavailable")
            answer = process.client.request("GET", "/healthz/ready").json()
            assert answer["database"] == "ok" and answer["error_code"] == "APIGW.0201", f"{answer}"
            assert logged(process, "inventory is not usable") == []
        wait_until(lambda: logged(process, "inventory is not usable"), "the process finds the problems by itself")
        assert ready(process.client) == (503, TRIAL_PROBLEMS)
        process.stop()


# Missing columns.


@pytest.mark.parametrize("column", inventory.COLUMNS)
def test_a_missing_column(site, column):
    make_view(site, select(**{column: None}))
    problems = problems_of(site)
    assert len(problems) == 1 and problems[0].startswith(f"{column} is missing: add it to the view"), f"{problems}"
    if column == "container_id":
        return  # nothing can replace it
    mend_view(site, problems)
    assert problems_of(site) == []


def test_all_columns_are_missing(site):
    """All are listed at once, in the same order everywhere. A column of the site that the contract does not have, and
    one that was dropped, do no harm."""
    site.sql(f"DROP SCHEMA IF EXISTS site CASCADE; CREATE SCHEMA site; CREATE TABLE {MINE} (more text, pod_name text);"
             f" ALTER TABLE {MINE} DROP pod_name; GRANT USAGE ON SCHEMA site TO waybill_service;"
             f" GRANT SELECT ON {MINE} TO waybill_service")
    problems = problems_of(site)
    assert sorted(text.split()[0] for text in problems) == sorted(inventory.COLUMNS)
    process = Direct(site, "all_missing")
    assert ready(process.client) == (503, problems)
    process.stop()


# Unusable types. The expression of each has the value of ROW.

WRONG = [
    ("risky", "'yes'::text", "text"),
    ("risky", "'yes'::varchar(3)", "character varying(3)"),
    ("risky", "'yes'::char(5)", "character(5)"),
    ("risky", "1", "integer"),
    ("risky", "1::numeric", "numeric"),
    ("risky", "1::real", "real"),
    ("risky", "B'1'::varbit", "bit varying"),
    ("risky", "'true'::jsonb", "jsonb"),
    ("cluster_container", "'yes'::name", "name"),
    ("cluster_container", "1::smallint", "smallint"),
    ("create_time", "timestamp '2026-04-03 08:15:00.123'", "timestamp without time zone"),
    ("create_time", "timestamp(3) '2026-04-03 08:15:00.123'", "timestamp(3) without time zone"),
    ("create_time", "'2026-04-03 10:15:00.123+02'::text", "text"),
    ("create_time", "1775204100123", "bigint"),
    ("create_time", "1775204100.123", "numeric"),
    ("create_time", "1775204100.123::float8", "double precision"),
    ("create_time", "'\"2026-04-03T08:15:00.123Z\"'::jsonb", "jsonb"),
    ("low_risk", "'1'::text", "text"),
    ("low_risk", "'1'::char(3)", "character(3)"),
    ("low_risk", "1.0", "numeric"),
    ("low_risk", "1::numeric(10, 2)", "numeric(10,2)"),
    ("low_risk", "1::float8", "double precision"),
    ("low_risk", "true", "boolean"),
    ("low_risk", "'1'::json", "json"),
    ("restart_count", "'5'::money", "money"),
    ("container_name", "'\"web\"'::jsonb", "jsonb"),
    ("container_name", "'web'::bytea", "bytea"),
    ("container_name", "ARRAY['web']", "text[]"),
    ("container_id", "'\"c1\"'::json", "json"),
    ("cluster_name", "'prod'::xml", "xml"),
    ("memory_limit", "1073741824::float8", "double precision"),
]
# Of these, the advice cannot keep the value.
LOSSY = [
    ("create_time", "date '2026-04-03'", "date"),
    ("create_time", "time '08:15'", "time without time zone"),
    ("restart_count", "now()", "timestamp with time zone"),
    ("pod_name", "true", "boolean"),
    ("cpu_limit", "now()", "timestamp with time zone"),
    ("project_id", "'192.0.2.1'::inet", "inet"),
    ("enterprise_project_id", "0::float8", "double precision"),
]


@pytest.fixture(scope="module")
def service(site):
    process = Direct(site, "types")
    yield Api(site, process.client, "demo", site.token("demo"))
    process.stop()


@pytest.mark.parametrize("column, expression, type_name", WRONG, ids=str)
def test_a_wrong_type(site, service, column, expression, type_name):
    """The advice repairs the view, with the same result for every filter."""
    make_view(site, select(**{column: expression}))
    problems = problems_of(site)
    assert len(problems) == 1 and problems[0].startswith(f"{column} has type {type_name}, but must be "), f"{problems}"
    fail_export(service, body(*CELLS, **FILTERS), column)
    mend_view(site, problems)
    if expression == "'5'::money":
        return  # $5.00 is no number
    assert problems_of(site) == []
    filters = {name: value for name, value in FILTERS.items() if name != column or column != "memory_limit"}
    exported = service.export(body(*CELLS, **filters))[0]
    if column == "memory_limit":
        exported = exported.replace(b"1073741824", b"1Gi")
    assert exported == expected_file(*CELLS)


@pytest.mark.parametrize("column, expression, type_name", LOSSY, ids=str)
def test_a_type_of_another_kind(site, column, expression, type_name):
    make_view(site, select(**{column: expression}))
    problems = problems_of(site)
    assert len(problems) == 1 and problems[0].startswith(f"{column} has type {type_name}, but must be "), f"{problems}"
    mend_view(site, problems)
    assert problems_of(site) == []


def test_missing_and_wrong_columns_at_once(site):
    make_view(site, select(**TRIAL, pod_name=None, low_risk="'1'::text", cluster_type="ARRAY['cce']"))
    problems = problems_of(site)
    assert [text.split()[0] for text in problems] == ["pod_name", "cluster_type", "risky", "low_risk", "create_time"]
    mend_view(site, problems)
    assert problems_of(site) == []


# Usable types.

TYPES = """
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE SCHEMA types;
GRANT USAGE ON SCHEMA types TO waybill_service;
CREATE DOMAIN types.word AS text CHECK (VALUE <> '');
CREATE DOMAIN types.short_word AS types.word CHECK (length(VALUE) < 100);
CREATE DOMAIN types.flag AS boolean;
CREATE DOMAIN types.amount AS numeric(12, 0) CHECK (VALUE >= 0);
CREATE DOMAIN types.instant AS timestamptz(6);
CREATE TYPE types.state AS ENUM ('Waiting', 'Running');
"""
USABLE = {
    "project_id": "'demo'::varchar(20)", "enterprise_project_id": "0", "cluster_container": "true::types.flag",
    "container_id": "'c1'::types.short_word", "container_name": "'web'::name", "image_name": "'nginx:1'::varchar",
    "pod_name": "'web-1'::char(20)", "cluster_name": "'prod'::public.citext", "cluster_type": "'cce'::types.word",
    "status": "'Running'::types.state", "risky": "true::types.flag", "low_risk": "1::smallint",
    "medium_risk": "2::bigint", "high_risk": "3::numeric(5, 0)", "fatal_risk": "4::types.amount",
    "create_time": "'2026-04-03 10:15:00.123456+02'::types.instant", "restart_count": "5::smallint",
    "cpu_limit": "0.50", "memory_limit": "1073741824",
}


@pytest.fixture(scope="module")
def types(site):
    site.sql(TYPES)


def test_usable_types(site, service, types):
    make_view(site, select(**USABLE))
    assert problems_of(site) == []
    expected = expected_file(*CELLS).replace(b"500m", b"0.50").replace(b"1Gi", b"1073741824")
    assert service.export(body(*CELLS, **FILTERS))[0] == expected
    other_case = service.export(body("container_id", cluster_name="PROD"))[0]
    assert other_case == expected_file("container_id").splitlines(True)[0], "texts of citext compare bytewise"


def test_a_uuid(site, service, types):
    identifier = "0b5c5b0f-6a39-4b0e-8e0e-7e0d3b7f4a11"
    make_view(site, select(container_id=f"'{identifier}'::uuid"))
    assert problems_of(site) == []
    expected = expected_file("container_id", "risky").replace(b"c1", identifier.encode())
    assert service.export(body("container_id", "risky"))[0] == expected


# Kinds of relations.


def test_a_materialized_view(site, service):
    make_view(site, select() + " WITH NO DATA", "MATERIALIZED VIEW")
    text = f"{MINE} has not been populated: run REFRESH MATERIALIZED VIEW"
    assert problems_of(site) == [text] and ready(service.client) in kept_or(text)
    fail_export(service, body("container_id"), "cannot be read")
    site.sql(f"REFRESH MATERIALIZED VIEW {MINE}")
    assert problems_of(site) == [] and ready(service.client) == (200, "ok")
    assert service.export(body(*CELLS, **FILTERS))[0] == expected_file(*CELLS)


def test_a_partitioned_table(site, service):
    make_view(site, select() + " WITH NO DATA", "TABLE")
    site.sql(f"ALTER TABLE {MINE} RENAME TO part; CREATE TABLE {MINE} (LIKE site.part) PARTITION BY LIST (project_id);"
             f" ALTER TABLE {MINE} ATTACH PARTITION site.part DEFAULT; GRANT SELECT ON {MINE} TO waybill_service;"
             f" REVOKE ALL ON site.part FROM waybill_service; INSERT INTO {MINE} {select()}")
    assert problems_of(site) == []
    assert service.export(body(*CELLS, **FILTERS))[0] == expected_file(*CELLS)


def test_a_foreign_table(site, service):
    make_view(site, select())
    columns = ", ".join(f"{name} {type_name}" for name, type_name in site.sql(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attnum > 0 AND attrelid ="
        f" '{MINE}'::regclass ORDER BY attnum"))
    site.sql(f"""
        CREATE EXTENSION IF NOT EXISTS postgres_fdw SCHEMA public;
        DROP SERVER IF EXISTS elsewhere CASCADE;
        ALTER VIEW {MINE} RENAME TO raw;
        CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw
            OPTIONS (host '{site.postgres.directory}', dbname '{site.database}');
        CREATE USER MAPPING FOR waybill_service SERVER elsewhere
            OPTIONS (user 'waybill_service', password_required 'false');
        CREATE FOREIGN TABLE {MINE} ({columns}) SERVER elsewhere OPTIONS (schema_name 'site', table_name 'raw');
        GRANT SELECT ON {MINE} TO waybill_service""")
    assert problems_of(site) == []
    assert service.export(body(*CELLS, **FILTERS))[0] == expected_file(*CELLS)
    site.sql("DROP SERVER elsewhere CASCADE")


def test_no_relation(site, service):
    site.sql("DROP SCHEMA IF EXISTS site CASCADE")
    text = f"{MINE} does not exist: create it, or correct [inventory] relation"
    assert problems_of(site) == [text] and ready(service.client) in kept_or(text)
    fail_export(service, body("container_id"), "cannot be read")
    make_view(site, select())
    assert problems_of(site) == [] and ready(service.client) == (200, "ok")


def test_a_relation_without_rows(site):
    site.sql(f"DROP SCHEMA IF EXISTS site CASCADE; CREATE SCHEMA site; CREATE SEQUENCE {MINE};"
             " GRANT USAGE ON SCHEMA site TO waybill_service")
    assert problems_of(site) == [f"{MINE} is neither a table nor a view: correct [inventory] relation"]


def test_a_view_that_does_not_work(site):
    """The catalog cannot show that the owner of a view has lost a privilege on the table below it."""
    make_view(site, select() + " WITH NO DATA", "TABLE")
    site.sql(f"ALTER TABLE {MINE} RENAME TO raw; CREATE VIEW {MINE} AS SELECT * FROM site.raw;"
             f" GRANT SELECT ON {MINE} TO waybill_service; GRANT USAGE ON SCHEMA site TO waybill_owner;"
             f" ALTER VIEW {MINE} OWNER TO waybill_owner")
    problems = problems_of(site)
    assert len(problems) == 1 and "permission denied for table raw" in problems[0], f"{problems}"
    site.sql("GRANT SELECT ON site.raw TO waybill_owner")
    assert problems_of(site) == []


# Privileges.


def test_without_the_schema(site, service):
    make_view(site, select())
    site.sql("REVOKE USAGE ON SCHEMA site FROM waybill_service")
    text = f"{MINE} cannot be read: grant the privilege USAGE on its schema to the role of the service"
    assert problems_of(site) == [text]
    fail_export(service, body("container_id"), "cannot be read")


def test_without_any_column(site, service):
    make_view(site, select())
    site.sql(f"REVOKE SELECT ON {MINE} FROM waybill_service")
    text = f"{MINE} cannot be read: grant the privilege SELECT on it to the role of the service"
    assert problems_of(site) == [text]
    assert ready(service.client) in kept_or(text)
    fail_export(service, body("container_id"), "cannot be read")


def test_without_one_column(site, service):
    """It matters only for exports that use it."""
    make_view(site, select(risky="1"))
    columns = ", ".join(set(inventory.COLUMNS) - {"risky", "pod_name"})
    site.sql(f"REVOKE SELECT ON {MINE} FROM waybill_service; GRANT SELECT ({columns}) ON {MINE} TO waybill_service")
    advice = "cannot be read: grant the privilege SELECT on it to the role of the service"
    assert problems_of(site) == [
        f"pod_name {advice}",
        f"risky has type integer, but must be boolean: use (risky <> 0) AS risky in a view; risky {advice}"]
    fail_export(service, body("container_id", "pod_name"), "pod_name")
    fail_export(service, body("container_id", pod_name="*"), "pod_name")
    keys = [key for key in CELLS if key not in ("risky", "pod_name")]
    filters = {name: value for name, value in FILTERS.items() if name in keys}
    assert service.export(body(*keys, **filters))[0] == expected_file(*keys)


# Rows and values.


def count(site, *arguments):
    return [(finding, subject, text) for finding, subject, text in check(site, *arguments) if subject != "inventory"]


ALL_SELECTABLE = ("ok", "values", "each can be selected by a filter")


def rows_of(*rows):
    """Returns a SELECT with a row for each of these sets of changes."""
    return " UNION ALL ".join(select(**row) for row in rows)


def test_an_empty_inventory(site):
    make_view(site, select() + " WHERE false")
    assert count(site) == [("ok", "rows", "none"), ALL_SELECTABLE]


def test_rows_per_enterprise_project(site):
    make_view(site, rows_of({}, {}, {"enterprise_project_id": "'a b'::text"}, *[{"project_id": "E'x\\ny'::text"}] * 3))
    assert count(site) == [
        ("ok", "rows", "project x\\x0ay, enterprise project 0: 3"),
        ("ok", "rows", "project demo, enterprise project 0: 2"),
        ("ok", "rows", "project demo, enterprise project a b: 1"), ALL_SELECTABLE]
    assert count(site, "--no-counts") == [("skipped", "rows", "--no-counts was given"),
                                          ("skipped", "values", "--no-counts was given")]


def test_many_enterprise_projects(site):
    """The 20 largest, then the rest in one line."""
    for number in (20, 25):
        make_view(site, select(enterprise_project_id="i::text")
                  + f" FROM generate_series(1, {number}) AS i, generate_series(1, i)")
        lines = count(site)
        assert [text for _, _, text in lines[:20]] == [
            f"project demo, enterprise project {number - i}: {number - i}" for i in range(20)]
        rest = [("ok", "rows", "5 more enterprise projects with 15 rows")] if number == 25 else []
        assert lines[20:] == [*rest, ALL_SELECTABLE]


def test_rows_that_no_export_contains(site):
    """They come first, even if they are few."""
    make_view(site, rows_of({}, {}, {"enterprise_project_id": "NULL::text"}, {"project_id": "NULL::text"}))
    lines = count(site)
    assert [finding for finding, _, _ in lines] == ["warning", "warning", "ok", "ok"], f"{lines}"
    assert [text for _, _, text in lines if "NULL" in text] == [
        "project demo, enterprise_project_id is NULL: 1 rows, which only exports of all enterprise projects contain:"
        " set enterprise_project_id", "project_id is NULL: 1 rows, which no export contains: set project_id"]


def test_values_that_no_filter_can_select(site):
    """All but NULL. The comparison is bytewise, like that of the filters."""
    site.sql("DROP SCHEMA IF EXISTS site CASCADE")
    site.sql("CREATE COLLATION IF NOT EXISTS public.any_case (provider = icu, locale = 'und-u-ks-level2',"
             " deterministic = false)")
    make_view(site, rows_of(*[{"status": f"'{status}'::text COLLATE public.any_case", "cluster_type": cluster_type}
                              for status, cluster_type in [
                                  ("Running", "'eks'::text"), ("running", "'k8s'::text"), ("running", "NULL::text"),
                                  ("", "'eks'::text"), ("a", "'cce'::text"), ("b", "'cce'::text"), ("c", "'cce'::text"),
                                  ("d", "'cce'::text"), ("Paused", "'aws'::text")]]))
    advice = "use those of waybill-inventory(7) instead"
    assert count(site)[1:] == [
        ("warning", "values",
         f'cluster_type has values that no filter can select: "eks" (2 rows), "k8s" (1 rows): {advice}'),
        ("warning", "values", 'status has values that no filter can select: "running" (2 rows), "" (1 rows),'
                              f' "a" (1 rows), "b" (1 rows), "c" (1 rows) and 1 more (1 rows): {advice}')]
    make_view(site, rows_of({"cluster_type": "'k8s'::text"}, {"cluster_type": "NULL::text", "status": "NULL::text"}))
    assert count(site)[1:] == [("ok", "values", 'valid in cluster_type, but selected by no filter: "k8s" (1 rows)')]


def test_a_count_that_takes_too_long(site):
    make_view(site, f"SELECT row.* FROM ({select()}) AS row, pg_sleep(60)")
    try:
        site.write_config({"inventory.relation": MINE, "export.timeout": 1})
        lines = check(site)
    finally:
        site.write_config({"inventory.relation": MINE})
    reason = "counting the rows takes too long: use --no-counts"
    assert lines == [
        ("ok", "inventory", f"{MINE}, readable"), ("skipped", "rows", reason), ("skipped", "values", reason)]


def test_a_count_of_unusable_columns(site):
    """Unusable types of other columns do not matter."""
    make_view(site, select(**TRIAL, status="'running'::text"))
    lines = check(site)
    assert [finding for finding, _, _ in lines] == ["failed", "failed", "ok", "warning"], f"{lines}"
    make_view(site, select(status=None))
    assert count(site) == [("skipped", "rows", "the rows cannot be counted"),
                           ("skipped", "values", "the rows cannot be counted")]


# waybill-inventory(7).


def page():
    with open(os.path.join(TOP, "man", "waybill-inventory.7"), encoding="utf-8") as file:
        return file.read().replace("\\(aq", "'").replace("\\e", "\\").replace("\\-", "-")


FILL = """
INSERT INTO cmdb.workload VALUES
    (7, NULL, '0b5c5b0f-6a39-4b0e-8e0e-7e0d3b7f4a12', 'batch', NULL, NULL, NULL, NULL, 'exited', 'no', 0, 0, 0, 0,
     '2026-04-03 08:15', 0, NULL, NULL),
    (7, 3, '0b5c5b0f-6a39-4b0e-8e0e-7e0d3b7f4a11', 'web', 'nginx:1.25', 'web-1', 'prod', 'eks', 'running', 'yes', 1, 2,
     3, 4, '2026-04-03 08:15:00.123', 5, 500, 1024)
"""
WEB = ["0b5c5b0f-6a39-4b0e-8e0e-7e0d3b7f4a11", "web", "nginx:1.25", "web-1", "prod", "aws", "Running", "true", 1, 2, 3,
       4, "2026-04-03T08:15:00.123Z", 5, "500m", "1024Mi"]
BATCH = ["0b5c5b0f-6a39-4b0e-8e0e-7e0d3b7f4a12", "batch", None, None, None, None, "Terminated", "false", 0, 0, 0, 0,
         "2026-04-03T08:15:00.000Z", 0, None, None]


def test_the_example_of_the_manual(start):
    """The displays of the page are statements and a section of the configuration, to be used as they are."""
    table, view, config, walled = re.findall(r"^\.Bd -literal.*\n((?:.*\n)*?)\.Ed\n", page(), re.M)
    section, relation = re.fullmatch(r"\[(\w+)\]\nrelation = (\S+)\n", config).groups()
    service = start("manual", options={f"{section}.relation": relation},
                    prepare=lambda made: made.sql("CREATE SCHEMA cmdb;" + table + view + FILL))
    os.chmod(service.site.files, 0o750)
    assert ready(service.client) == (200, "ok")
    assert check(service.site) == [
        ("ok", "inventory", "cmdb.container, readable"), ("ok", "rows", "project 7, enterprise project 0: 1"),
        ("ok", "rows", "project 7, enterprise project 3: 1"), ALL_SELECTABLE]
    api = service.api("7")
    lines = "".join(",".join("" if cell is None else f'"{cell}"' for cell in cells) + "\r\n"
                    for cells in (CELLS, WEB, BATCH))
    assert api.export(body(*CELLS), "?enterprise_project_id=all_granted_eps")[0].decode() == lines
    filters = {"risky": True, "cluster_type": "aws", "memory_limit": "1Gi", "cluster_container": True}
    assert api.finished(body("container_id", **filters), "?enterprise_project_id=3")["exported_rows"] == 1
    assert api.finished(body("container_id", **filters))["exported_rows"] == 0

    service.site.sql(walled)
    for project, enterprise_projects, count in (("7", "all", 2), ("7", "{3}", 1), ("7", "", 0), ("8", "all", 0)):
        assert service.site.sql("SET ROLE waybill_service; SELECT set_config('waybill.project_id', %s, false);"
                                "SELECT set_config('waybill.enterprise_projects', %s, false);"
                                "SELECT count(*) FROM cmdb.walled", project, enterprise_projects) == [(count,)]
    service.site.sql("RESET ROLE")


def test_the_columns_of_the_manual(site):
    """The table and its comments have the columns, types and descriptions of the page."""
    described = {name: (type_name, " ".join(text.split())) for name, type_name, text in re.findall(
        r"^\.It Cm (\w+) Pq (.+)\n((?:(?!\.).*\n)+)", page().partition(".Ss Types")[0], re.M)}
    columns = {name: (type_name, comment) for name, type_name, comment in site.sql(
        "SELECT attname, format_type(atttypid, NULL), col_description(attrelid, attnum) FROM pg_attribute"
        " WHERE attrelid = 'waybill.container'::regclass AND attnum > 0 AND NOT attisdropped")}
    assert {name: columns[name] for name in inventory.COLUMNS} == described
