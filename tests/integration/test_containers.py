"""The list of containers (HSS ListContainers): its fields, filters, pages and scope."""

import concurrent.futures
import contextlib
import datetime
import itertools
import os
from urllib.parse import quote, urlencode

import inventory
import oracle
import pytest
from api import Judge, expect_error
from calls import Detour
from clients import each_way
from deadline import wait_until
from loading import Inventory
from pgproxy import HOLD, Proxy
from service import Site

FIELDS = ("id", "region_id", "container_id", "container_name", "image_name", "status", "create_time", "cpu_limit",
          "memory_limit", "restart_count", "pod_name", "cluster_name", "cluster_id", "cluster_type", "risky",
          "low_risk", "medium_risk", "high_risk", "fatal_risk")
NAME_FILTERS = ("container_name", "pod_name", "image_name")
PATTERNS = ("*", "**", "nginx", "Nginx", "nginx*", "*nginx", "*n*x*", "ng_nx", "ng%nx*", "*%*", "\\*", "*\\*", "*\n*",
            "日*", "*😀", "café", "a*b*a", "' OR*", "$1*", "*x", "長" * 127 + "*", "x" * 128, "no such", "NULL", " *",
            "ＮＧ*")
projects = (f"containers/{number}" for number in itertools.count())


def ask(api, query=""):
    return api.request("GET", api.path("container/kubernetes") + query)


def answer(api, **parameters):
    """Returns the answer to a request that must succeed, in the form of the contract."""
    response = ask(api, "?" + urlencode(parameters, quote_via=quote) if parameters else "")
    assert response.status == 200, f"{response}"
    assert response.headers["content-type"].split(";")[0] == "application/json", f"{response}"
    found = response.json()
    assert set(found) == {"total_num", "last_update_time", "data_list"}, f"{found}"
    for container in found["data_list"]:
        assert set(container) == set(FIELDS), f"{container}"
    return found


def listed(api, **parameters):
    found = answer(api, **parameters)
    return found["total_num"], found["data_list"]


def ids(api, **parameters):
    return [container["container_id"] for container in listed(api, **parameters)[1]]


def milliseconds(moment):
    return moment and (moment - inventory.moment(0)) // datetime.timedelta(milliseconds=1)


def item(row, region=""):
    """Returns the item of data_list for a row of the inventory."""
    found = {field: row[field] for field in FIELDS if field in row}
    return {**found, "id": row["container_id"], "region_id": region, "cluster_id": "",
            "create_time": milliseconds(row["create_time"])}


def every_page(api, limit=200, **parameters):
    """Returns the items of all pages, which must say the same total and be full up to the last."""
    total, items = listed(api, limit=limit, **parameters)
    for offset in range(limit, total, limit):
        again, more = listed(api, limit=limit, offset=offset, **parameters)
        assert again == total and len(items) == offset, f"{again}, {len(items)} at {offset}"
        items += more
    assert len(items) == total
    return items


@pytest.fixture(scope="module")
def rows(hostile):
    return inventory.fetch(hostile.site.superuser)


@pytest.fixture(scope="module")
def site(start):
    """A service whose inventory the tests of this module change, with a region."""
    return start("containers", options={"server.region": 'Région "1"'})


def add(site, project, count=1, **values):
    """Adds containers c0000, c0001, ... to a project."""
    columns = "".join(f", {name}" for name in values)
    site.sql(f"INSERT INTO waybill.container (project_id, container_id{columns})"
             f" SELECT %s, 'c' || to_char(i, 'FM0000'){', %s' * len(values)} FROM generate_series(0, %s) AS i",
             project, *values.values(), count - 1)


# ---- Items and filters ----

@pytest.mark.each_way
def test_everything(either, rows):
    """Each item is the row, NULL is null, and the order is that of the bytes of container_id."""
    expected = oracle.select(rows, {}, either.project, None)
    found = every_page(either, enterprise_project_id="all_granted_eps")
    assert found == [item(row) for row in expected]
    assert len(found) > 150
    for field in set(FIELDS) - {"id", "region_id", "cluster_id", "container_id"}:
        assert None in [container[field] for container in found], f"no NULL in {field}"


def test_types(api):
    """Booleans and numbers are no strings, in all rows."""
    kinds = dict.fromkeys(FIELDS, {str}) | {"risky": {bool}, "create_time": {int}} | dict.fromkeys(inventory.INTEGER,
                                                                                                 {int})
    for container in every_page(api, enterprise_project_id="all_granted_eps"):
        for field, value in container.items():
            assert value is None or {type(value)} == kinds[field], f"{field} of {container}"


@pytest.mark.parametrize("field", NAME_FILTERS)
@pytest.mark.parametrize("pattern", PATTERNS, ids=ascii)
def test_name_filters(api, rows, field, pattern):
    expected = oracle.select(rows, {field: pattern}, api.project, ("0",))
    assert every_page(api, **{field: pattern}) == [item(row) for row in expected]


@pytest.mark.each_way
def test_patterns_in_each_way(either, rows):
    for pattern in ("*nginx*", "*%*", "日*", "*\n*", "+*", "* *"):
        expected = oracle.select(rows, {"container_name": pattern}, either.project, ("0",))
        assert every_page(either, container_name=pattern) == [item(row) for row in expected], ascii(pattern)


@pytest.mark.parametrize("value, wanted", [("true", True), ("false", False), (None, None)])
def test_cluster_container(api, rows, value, wanted):
    expected = oracle.select(rows, {"cluster_container": wanted}, api.project, ("0",))
    found = every_page(api, **({} if value is None else {"cluster_container": value}))
    assert found == [item(row) for row in expected] and found


def test_an_empty_name_is_no_filter(api):
    everything = listed(api, limit=200)
    for field in NAME_FILTERS:
        assert listed(api, limit=200, **{field: ""}) == everything
    assert listed(api, limit=200, container_name="", pod_name="", image_name="") == everything


def test_filters_are_joined_by_and(site):
    """Each filter alone excludes one container."""
    api = site.api(next(projects))
    filters = {"container_name": "c*", "pod_name": "p*", "image_name": "i", "cluster_container": "true"}
    good = {"container_name": "c1", "pod_name": "p1", "image_name": "i", "cluster_container": True}
    bad = {"container_name": "x", "pod_name": None, "image_name": "i1", "cluster_container": False}
    for number, field in enumerate((None, *filters)):
        values = {**good, **({field: bad[field]} if field else {})}
        site.site.sql(f"INSERT INTO waybill.container (project_id, container_id, {', '.join(values)})"
                      " VALUES (%s, %s, %s, %s, %s, %s)", api.project, f"{number} {field}", *values.values())
    assert ids(api, **filters) == ["0 None"]
    for number, field in enumerate(filters):
        rest = {name: value for name, value in filters.items() if name != field}
        assert ids(api, **rest) == ["0 None", f"{number + 1} {field}"]


@pytest.mark.parametrize("field", NAME_FILTERS)
def test_what_a_list_has_is_what_an_export_has(api, rows, field):
    """The same pattern means the same in both."""
    for pattern in ("*nginx*", "n*x", "*ab"):
        body = {field: pattern, "export_headers": [["container_id", "Id"]]}
        assert Judge(rows).check(api, body) == listed(api, **{field: pattern})[0]


# ---- Parameters that are refused ----

@pytest.mark.parametrize("field", NAME_FILTERS)
@pytest.mark.parametrize("character", ["x", "長", "😀"])
def test_lengths_of_names(api, field, character):
    assert listed(api, **{field: character * 128})[0] >= 0
    expect_error(ask(api, f"?{field}={quote(character * 129)}"), 400, "HSS.0001", field, "0 to 128", "129")


@pytest.mark.parametrize("parameter, value", [
    *(("limit", value) for value in ("0", "1", "9", "201", "1000", "010000")),
    *(("offset", value) for value in ("2000001", "20000000")),
    *itertools.product(("limit", "offset"), ("", "-1", "%2B10", "1.0", "abc", "1e1", "10%20", "%EF%BC%91%EF%BC%90",
                                             "18446744073709551626")),
    *(("cluster_container", value) for value in ("", "True", "1", "0", "yes", "null", "true%20", "*")),
    ("enterprise_project_id", ""), ("enterprise_project_id", "x" * 257),
], ids=lambda value: value[:30] or "empty")
def test_values_that_are_refused(api, parameter, value):
    expect_error(ask(api, f"?{parameter}={value}"), 400, "HSS.0001", parameter)


@pytest.mark.parametrize("query, mention", [
    each_way("?limit=10&limit=10", "limit"), ("?container_name=a&container%5Fname=b", "container_name"),
    ("?x=1", "x"), ("?status=Running", "status"), ("?cluster_name=prod", "cluster_name"), ("?Limit=10", "Limit"),
    ("?export_size=10", "export_size"), ("?container_id=a", "container_id"), ("?limit", "limit"),
    each_way("?pod_name=%ff", "pod_name"), ("?image_name=%00", ()), ("?container_name=%4", ()),
])
def test_queries_that_are_refused(either, query, mention):
    expect_error(ask(either, query), 400, "HSS.0001", *([mention] if mention else []))


def test_the_order_of_checks(hostile, api):
    path = "/v5/nowhere/container/kubernetes"
    no_token = {"X-Auth-Token": None}
    expect_error(api.request("POST", path, no_token, b"{}"), 405, "APIGW.0101")
    expect_error(api.request("GET", path + "?limit=1", no_token), 401, "APIGW.0301")
    expect_error(api.request("GET", path + "?limit=1"), 400, "HSS.0001", "limit")
    expect_error(api.request("GET", path), 403, "HSS.0013", "project_id")
    some = hostile.api(enterprise_projects=("ep-a",))
    expect_error(ask(some, "?enterprise_project_id=ep-b&cluster_container=x"), 400, "HSS.0001", "cluster_container")
    expect_error(ask(some, "?enterprise_project_id=ep-b"), 403, "HSS.0013", "enterprise_project_id")


@pytest.mark.parametrize("method", ["POST", each_way("PUT"), "DELETE", "PATCH", "HEAD"])
def test_other_methods(either, method):
    response = either.request(method, either.path("container/kubernetes"), body=None if method == "HEAD" else b"{}")
    assert response.status == 405 and response.headers["allow"] == "GET", f"{response}"


# ---- Tenants ----

def test_another_project(hostile, rows):
    """The same containers in another project, and projects whose names are similar."""
    for project in (inventory.NEIGHBOUR, "Demo", "demo ", "%", "_emo", "nobody"):
        expected = oracle.select(rows, {}, project, None)
        found = every_page(hostile.api(project), enterprise_project_id="all_granted_eps")
        assert found == [item(row) for row in expected]
    expect_error(hostile.api().request("GET", f"/v5/{inventory.NEIGHBOUR}/container/kubernetes"), 403, "HSS.0013")


@pytest.mark.parametrize("granted", [None, ("0",), ("ep-a",), ("ep-a", "Ep-A"), ("0", "ep-b"), ("none",)])
def test_enterprise_projects(hostile, rows, granted):
    """Absent means 0. One that is not granted is refused, whether it exists or not."""
    api = hostile.api(enterprise_projects=granted)
    for given in (None, *inventory.ENTERPRISE_PROJECTS, "none", "all_granted_eps"):
        wanted = given or "0"
        query = {} if given is None else {"enterprise_project_id": given}
        if wanted != "all_granted_eps" and granted is not None and wanted not in granted:
            expect_error(ask(api, f"?{urlencode(query)}"), 403, "HSS.0013", "enterprise_project_id", wanted)
            continue
        scope = granted if wanted == "all_granted_eps" else (wanted,)
        expected = oracle.select(rows, {"image_name": "*n*"}, api.project, scope)
        assert every_page(api, image_name="*n*", **query) == [item(row) for row in expected], f"{given}"


# ---- Pages ----

def test_pages_have_no_gaps_and_no_repeats(hostile, rows):
    api = hostile.api()
    expected = [row["container_id"] for row in oracle.select(rows, {}, api.project, None)]
    for limit in (10, 11, 199, 200):
        found = every_page(api, limit=limit, enterprise_project_id="all_granted_eps")
        assert [container["container_id"] for container in found] == expected, f"pages of {limit}"


def test_defaults_and_bounds(site):
    api = site.api(next(projects))
    assert listed(api) == (0, []) and listed(api, offset=1) == (0, [])
    add(site.site, api.project, 25)
    names = [f"c{number:04}" for number in range(25)]
    assert ids(api) == names[:10]
    for limit, offset in ((10, 0), (10, 1), (10, 20), (10, 24), (200, 0), (200, 24), (24, 1)):
        assert ids(api, limit=limit, offset=offset) == names[offset:offset + limit], f"{limit}, {offset}"
    for offset in (25, 26, 2000000):
        assert listed(api, offset=offset) == (25, []), f"{offset}"
    assert ids(api, limit="000000010", offset="000000020") == names[20:]


def test_order_is_bytewise(site):
    api = site.api(next(projects))
    names = ["a", "B", "é", "e\u0301", "Z", "z", "_", "-", "10", "9", "ab", "a b", "a-b", "日", "😀", "\uffee", " "]
    for name in names:
        site.site.sql("INSERT INTO waybill.container (project_id, container_id) VALUES (%s, %s)", api.project, name)
    assert ids(api, limit=200) == sorted(names, key=str.encode)
    assert ids(api, offset=10) == sorted(names, key=str.encode)[10:]


# ---- Values ----

def test_the_region(site, api):
    """Empty by default."""
    own = site.api(next(projects))
    add(site.site, own.project)
    assert [container["region_id"] for container in listed(own)[1]] == ['Région "1"']
    assert {container["region_id"] for container in listed(api)[1]} == {""}


def test_the_time_of_the_last_load(site):
    """Dry runs, failed loads, rows that others write and other projects do not change it."""
    api, other = site.api(next(projects)), site.api(next(projects))
    stock = Inventory(site.site, api.project)
    stock.load("container_id\na\n", "--dry-run")
    stock.load("container_id\na\na\n", status=1)
    add(site.site, api.project)
    assert answer(api)["last_update_time"] is None
    ((before,),) = site.site.sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
    stock.load("container_id\na\n")
    ((after,),) = site.site.sql("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
    first = answer(api)
    assert before <= first["last_update_time"] <= after and first["total_num"] == 2
    stock.load("container_id\nb\n", "--dry-run")
    stock.load("container_id,risky\nc,x\n", status=1)
    assert answer(api) == first and answer(api, offset=2)["last_update_time"] == first["last_update_time"]
    assert answer(other)["last_update_time"] is None
    stock.load("container_id\na\n")
    assert answer(api)["last_update_time"] > first["last_update_time"]


# ---- Other relations and databases ----

# Times are computed with the time zone of the session, as an implicit cast would.
VIEW = """
CREATE SCHEMA site;
CREATE TABLE site.pod (name text COLLATE "en-x-icu", tenant varchar(20), restarts numeric(30, 0), low bigint,
                       high smallint, created timestamp, kind character(10));
INSERT INTO site.pod VALUES
    ('b', 'tenant', 7, 9223372036854775807, -32768, '2026-04-03 08:15:00.123999', 'cce'),
    ('B', 'tenant', 0, NULL, 0, '1969-12-31 23:59:59.9989', 'k8s'),
    ('a', 'tenant', -1, 0, NULL, 'infinity', 'other'), ('é', 'tenant', NULL, 1, 1, '-infinity', NULL),
    ('_', 'tenant', 5, 1, 1, '0044-03-15 12:00:00 BC', ''), ('x', 'other', 5, 1, 1, NULL, ''),
    ('n', 'tenant', 'NaN', 1, 1, '200000-12-31 23:59:59.999999', '');
CREATE VIEW site.containers AS SELECT
    kind AS cluster_type, created::timestamptz AS create_time, restarts AS restart_count, low AS low_risk,
    NULL::integer AS medium_risk, high AS high_risk, NULL::bigint AS fatal_risk, true AS risky, name AS container_id,
    tenant AS project_id, '0'::text AS enterprise_project_id, NULL::boolean AS cluster_container,
    name AS container_name, NULL::text AS image_name, NULL::uuid AS pod_name, NULL::text AS cluster_name,
    'Running'::text AS status, 1 AS cpu_limit, 1.50 AS memory_limit
FROM site.pod;
GRANT USAGE ON SCHEMA site TO waybill_service;
GRANT SELECT ON site.containers TO waybill_service;
"""


@pytest.fixture(scope="module")
def view(start):
    return start("containers_view", options={"inventory.relation": "site.containers", "csv.time_zone": "Etc/GMT+5"},
                 prepare=lambda site: site.sql(VIEW))


def test_a_view(view):
    """Other types and a collation that is not bytewise. Times are rounded down; JSON has neither infinity nor NaN."""
    hours = 5 * 3600 * 1000
    ((ides, last),) = view.site.sql("SELECT " + ", ".join(
        f"floor(extract(epoch FROM timestamptz '{time} UTC') * 1000)::bigint"
        for time in ("0044-03-15 12:00:00 BC", "200000-12-31 23:59:59.999")))
    total, found = listed(view.api("tenant"))
    assert [container["container_id"] for container in found] == ["B", "_", "a", "b", "n", "é"] and total == 6
    assert [container["create_time"] for container in found] == [
        hours - 2, ides + hours, None, 1775204100123 + hours, last + hours, None]
    assert [container["restart_count"] for container in found] == [0, 5, -1, 7, None, None]
    assert [container["low_risk"] for container in found] == [None, 1, 0, 2 ** 63 - 1, 1, 1]
    assert [container["cluster_type"] for container in found] == ["k8s", "", "other", "cce", "", None]
    assert {(container["cpu_limit"], container["memory_limit"], container["pod_name"], container["risky"])
            for container in found} == {("1", "1.50", None, True)}


def test_a_view_and_its_export_have_the_same_times(view):
    api = view.api("tenant")
    body = {"create_time": {"start_time": 10 ** 12, "end_time": 2 * 10 ** 12}, "export_headers": [["create_time", "T"]]}
    assert api.export(body)[0] == b'"T"\r\n"2026-04-03T08:15:00.123-05:00"\r\n'
    ((expected,),) = view.site.sql("SELECT (extract(epoch FROM timestamptz '2026-04-03T08:15:00.123-05:00') * 1000)"
                                   "::bigint")
    assert expected in [container["create_time"] for container in listed(api)[1]]


def test_filters_on_a_view(view):
    api = view.api("tenant")
    assert ids(api, container_name="b") == ["b"] and ids(api, container_name="B*") == ["B"]
    assert ids(api, pod_name="*") == [] and ids(api, cluster_container="false") == []


def test_the_time_of_a_load_behind_a_view(view):
    """A view of loaded containers has the time of the load, as long as the role may read it."""
    api = view.api("tenant")
    assert answer(api)["last_update_time"] is None
    Inventory(view.site, "tenant").load("container_id\na\n")
    assert isinstance(answer(api)["last_update_time"], int)
    view.site.sql("REVOKE SELECT ON waybill.inventory_load FROM waybill_service")
    try:
        assert answer(api)["last_update_time"] is None
    finally:
        view.site.sql("GRANT SELECT ON waybill.inventory_load TO waybill_service")
    assert isinstance(answer(api)["last_update_time"], int)


@pytest.mark.parametrize("damage, repair, mention", [
    ("ALTER VIEW site.containers RENAME COLUMN memory_limit TO gone",
     "ALTER VIEW site.containers RENAME COLUMN gone TO memory_limit", "memory_limit"),
    ("REVOKE SELECT ON site.containers FROM waybill_service", "GRANT SELECT ON site.containers TO waybill_service",
     "waybill check"),
    ("ALTER VIEW site.containers RENAME TO gone", "ALTER VIEW site.gone RENAME TO containers", "waybill check"),
])
def test_a_relation_that_cannot_be_used(view, damage, repair, mention):
    """The answer says so, as the status of an export does. A corrected relation is used at once."""
    api = view.api("tenant")
    view.site.sql(damage)
    try:
        expect_error(ask(api), 500, "HSS.0041", "the inventory of the service", mention)
    finally:
        view.site.sql(repair)
    assert listed(api)[0] == 6


def test_a_query_that_takes_too_long(start):
    """It ends at [database] query_timeout_ms, and the connection remains usable."""
    view = ("CREATE VIEW public.slow AS SELECT c.* FROM waybill.container AS c"
            " WHERE project_id <> 'slow' OR pg_sleep(60) IS NULL; GRANT SELECT ON public.slow TO waybill_service")
    service = start("containers_slow", options={"inventory.relation": "public.slow", "database.query_timeout_ms": 500,
                                                "database.pool_size": 1}, prepare=lambda site: site.sql(view))
    slow, fast = service.api("slow"), service.api("fast")
    add(service.site, "slow"), add(service.site, "fast")
    for _ in range(2):
        expect_error(ask(slow), 500, "HSS.0041", "time")
        assert ids(fast) == ["c0000"]
    assert "error=timeout" in service.process.log_text()


@pytest.fixture(scope="module")
def apart(start, scratch, postgres):
    """A service whose inventory is in another database than its tasks: (service, site of the inventory, detour)."""
    detour = Detour(postgres, os.path.join(scratch, "containers_inventory"))
    conninfo = detour.options["database.conninfo"]
    stock = Site(postgres, os.path.join(scratch, "containers_inventory"))
    yield start("containers_apart", options={"inventory.conninfo": conninfo}), stock, detour
    stock.close()


def test_another_database(apart):
    """The containers and the time of the load are those of the inventory."""
    service, stock, _ = apart
    api = service.api(next(projects))
    add(service.site, api.project, 3)
    Inventory(service.site, api.project).load("container_id\nwrong\n")
    assert answer(api) == {"total_num": 0, "last_update_time": None, "data_list": []}
    Inventory(stock, api.project).load("container_id\nright\n")
    assert ids(api) == ["right"] and answer(api)["last_update_time"] is not None


def test_another_database_that_is_down(apart):
    """Tasks go on. Afterwards no restart is needed."""
    service, stock, detour = apart
    api = service.api(next(projects))
    add(stock, api.project, 1)
    assert ids(api) == ["c0000"]
    with detour.cut():
        for _ in range(3):
            response = ask(api)
            expect_error(response, 503, "APIGW.0201")
            assert int(response.headers["retry-after"]) >= 1, f"{response}"
        assert api.create().status == 200
    wait_until(lambda: ask(api).status == 200, "the service finds the inventory again")
    assert ids(api) == ["c0000"]


def test_a_database_without_loads(start, scratch, postgres):
    """A site can have an inventory in a database that Waybill's migrations have never seen, or whose schema waybill the
    role may not use."""
    stock = Site(postgres, os.path.join(scratch, "containers_foreign"), migrations=None)
    stock.sql(VIEW.replace("CREATE SCHEMA site;", "CREATE SCHEMA site; DROP SCHEMA waybill;"))
    service = start("containers_of_foreign", options={
        "inventory.relation": "site.containers",
        "inventory.conninfo": postgres.conninfo(stock.database, "waybill_service")})
    found = answer(service.api("tenant"), container_name="b")
    assert (found["total_num"], found["last_update_time"]) == (1, None)
    stock.sql("CREATE SCHEMA waybill; CREATE TABLE waybill.inventory_load (load_time timestamptz);"
              " GRANT SELECT ON waybill.inventory_load TO waybill_service")
    assert answer(service.api("tenant"), container_name="b") == found
    stock.close()


def test_connections_of_the_inventory(start, scratch, postgres):
    """Lists that hang use only connections of the inventory, at most pool_size of them."""
    stock = Site(postgres, os.path.join(scratch, "containers_pool"))
    service = start("containers_of_pool", options={
        "inventory.conninfo": postgres.conninfo(stock.database, "waybill_service"), "database.pool_size": 2,
        "export.threads": 0})
    api = service.api(next(projects))
    holder = stock.connect()
    holder.autocommit = False
    hanging = "SELECT count(*) FROM pg_locks WHERE relation = 'waybill.container'::regclass AND NOT granted"
    connections = ("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                   " AND usename = 'waybill_service' AND application_name = 'waybill'")
    with concurrent.futures.ThreadPoolExecutor(5) as callers:
        holder.cursor().execute("LOCK TABLE waybill.container IN ACCESS EXCLUSIVE MODE")
        requests = [callers.submit(ask, api) for _ in range(5)]
        wait_until(lambda: stock.sql(hanging) == [(2,)], "the lists have all of their connections")
        assert api.create().status == 200, "creates go on"
        assert stock.sql(hanging) == [(2,)] and stock.sql(connections) == [(2,)]
        holder.rollback()
        assert {request.result().status for request in requests} == {200}
    assert stock.sql(connections) == [(2,)]
    holder.close()
    stock.close()


@pytest.fixture(scope="module")
def proxied(start, scratch, postgres):
    """A service, and the proxy between it and its inventory."""
    with contextlib.closing(Proxy(postgres, os.path.join(scratch, "containers_proxied"))) as proxy:
        yield start("containers_proxied", options={"inventory.conninfo": proxy.options["database.conninfo"]}), proxy


def test_the_total_and_the_page_are_from_one_snapshot(proxied):
    """Containers that appear and disappear between both statements change neither."""
    service, proxy = proxied
    api = service.api(next(projects))
    add(service.site, api.project, 3)
    rule = proxy.on(" OFFSET ", HOLD)
    with concurrent.futures.ThreadPoolExecutor(1) as caller:
        request = caller.submit(answer, api)
        rule.seen.wait()
        service.site.sql("DELETE FROM waybill.container WHERE project_id = %s", api.project)
        Inventory(service.site, api.project).load("container_id\nz\n")
        rule.release()
        found = request.result()
    assert [container["container_id"] for container in found["data_list"]] == ["c0000", "c0001", "c0002"]
    assert (found["total_num"], found["last_update_time"]) == (3, None)
    assert ids(api) == ["z"]


def test_nothing_is_read_beyond_the_last_row(proxied):
    """The total is enough."""
    service, proxy = proxied
    api = service.api(next(projects))
    add(service.site, api.project, 12)
    rule = proxy.on(" OFFSET ", HOLD)
    rule.release()
    assert listed(api, offset=12) == (12, []) and not rule.seen.is_set()
    assert ids(api, offset=11) == ["c0011"] and rule.seen.is_set()
