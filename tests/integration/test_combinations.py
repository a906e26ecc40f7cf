"""The combinations of attributes and names lead to the right rows, whoever writes them and whatever the pattern is."""

import concurrent.futures
import itertools
import random
import string

import oracle
import pytest
from deadline import wait_until
from plans import Plans, log_plans, nodes, scans

STEMS = ("payment-api-7d4b9c-", "db", "mqtt-", "nginx", "a", "", "-", "x2k4p-", "api-0-", "日本-", "web-é")
CHARACTERS = string.ascii_lowercase + string.digits + "Z."
ENDS = ("x2k4p", "bcdfg", "0", "17", "", "zzzzz", "a", "xaxxx")
PATTERNS = (
    "*", "payment-*", "*payment*", "*x2k4p", "*-x2k4p", "*x2*", "db*", "*db*", "*db", "*mqtt*", "*-0", "*-*", "*a",
    "pay*x2k4p", "*api*17", "*i-*", "nginx*", "n*x", "*gin*0", "日*", "*é*", "*é0", "**", "x*", "*x*", "*4p*z",
    "payment-api-7d4b9c-x2k4p", "nginxbcdfg", "0", "bcdfg", "-x2k4p", "web-é", "*nx0", "a*", "*-7d4b9c-*",
)
projects = (f"project-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def service(start):
    return start("combinations")


def insert(site, project, names, **columns):
    for name in names:
        site.sql(f"INSERT INTO waybill.container (project_id, container_id, pod_name, {', '.join(columns)})"
                 f" VALUES (%s, %s, %s, {', '.join(['%s'] * len(columns))})", project, name or "none", name,
                 *columns.values())


def exported(service, project, query="", **filters):
    data, _ = service.api(project).export({**filters, "export_headers": [["container_id", "Id"]]}, query)
    return [line.strip('"') for line in data.decode().split("\r\n")[1:-1]]


def test_patterns_of_generated_names(service):
    project = next(projects)
    names = {stem + end for stem in STEMS for end in ENDS} | {f"s-{character}" for character in CHARACTERS}
    names = sorted(names - {""}, key=str.encode)
    insert(service.site, project, names, status="Running")
    dice = random.Random(12)
    letters = "".join(STEMS + ENDS)
    patterns = list(PATTERNS) + [f"s-{character}" for character in CHARACTERS]
    for _ in range(100):
        patterns.append("".join(dice.choice(letters + "***") for _ in range(dice.randint(1, 6))))
    for pattern in patterns:
        expected = [name for name in names if oracle.like(name, pattern)]
        found = exported(service, project, pod_name=pattern)
        assert [name.removeprefix("'") for name in found] == expected, pattern


def test_rows_that_are_written_to_a_partition_are_found(service):
    site, project = service.site, next(projects)
    insert(site, project, ["one-1"], status="Running")
    partition, = site.sql("SELECT tableoid::regclass::text FROM waybill.container WHERE project_id = %s", project)[0]
    site.sql(f"INSERT INTO {partition} (project_id, container_id, pod_name, status) VALUES (%s, 'two', 'two-1',"
             " 'Paused')", project)
    assert exported(service, project, status="Paused") == exported(service, project, pod_name="two-*") == ["two"]


def test_changed_rows_are_found(service):
    """By an update in SQL, by one in a partition, and by one that moves the row to another project."""
    site, project, other = service.site, next(projects), next(projects)
    insert(site, project, ["one-1", "two-1"], status="Running", container_name="app")
    insert(site, other, ["other-1"], status="Running")
    partition, = site.sql("SELECT DISTINCT tableoid::regclass::text FROM waybill.container WHERE project_id = %s",
                          project)[0]
    site.sql("UPDATE waybill.container SET status = 'Paused' WHERE project_id = %s AND container_id = 'one-1'", project)
    site.sql(f"UPDATE {partition} SET container_name = 'changed' WHERE project_id = %s AND container_id = 'two-1'",
             project)
    assert exported(service, project, status="Paused") == ["one-1"]
    assert exported(service, project, container_name="chang*") == ["two-1"]
    site.sql("UPDATE waybill.container SET project_id = %s WHERE project_id = %s AND container_id = 'one-1'", other,
             project)
    assert exported(service, other, status="Paused") == ["one-1"]
    assert exported(service, project, status="Paused") == []


def test_a_combination_that_a_writer_relies_on_is_not_removed(service):
    """A writer finds the combination of a removed row before it would be removed. The project has another combination:
    without any, an export reads all rows."""
    site, project = service.site, next(projects)
    insert(site, project, ["one-1"], status="Paused")
    insert(site, project, ["other-1"], status="Running")
    with site.connect() as writer:
        writer.cursor().execute("INSERT INTO waybill.container (project_id, container_id, pod_name, status)"
                                " VALUES (%s, 'two', 'one-2', 'Paused')", [project])
        site.sql("DELETE FROM waybill.container WHERE project_id = %s AND container_id = 'one-1'", project)
        site.sql("SELECT waybill.inventory_tidy(%s)", project)
        writer.commit()
    assert exported(service, project, status="Paused", pod_name="one-*") == ["two"]
    site.sql("SELECT waybill.inventory_tidy(%s)", project)
    assert exported(service, project, status="Paused", pod_name="one-*") == ["two"]


def test_a_combination_that_came_after_the_snapshot_is_not_removed(service):
    """The default isolation of a role can give a transaction one snapshot, from before the writer was done."""
    site, project = service.site, next(projects)
    insert(site, project, ["one-1"], status="Paused")
    insert(site, project, ["other-1"], status="Running")
    site.sql("DELETE FROM waybill.container WHERE project_id = %s AND container_id = 'one-1'", project)
    with site.connect() as other:
        other.cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        insert(site, project, ["one-2"], status="Paused")
        other.cursor().execute("SELECT waybill.inventory_tidy(%s)", [project])
        other.commit()
    assert exported(service, project, status="Paused", pod_name="one-*") == ["one-2"]


@pytest.mark.parametrize("table, column", [("inventory_profile", "cluster_name"),
                                           ("inventory_label", "container_name")])
def test_writers_add_combinations_in_the_order_of_their_keys(service, table, column):
    """Two writers could otherwise wait for each other. While one waits to add a combination, it has added none that
    comes later."""
    site, project = service.site, next(projects)
    names = [f"name-{number}" for number in range(100)]
    write = (f"INSERT INTO waybill.container (project_id, container_id, {column})"
             " SELECT %s, %s || name, name FROM unnest(%s) AS name")
    site.sql(write, project, "", ["name"])  # with the combinations of the other table
    holder, writer = site.connect(), site.connect()
    try:
        holder.autocommit = False
        cursor = holder.cursor()
        cursor.execute(write, [project, "", names])
        cursor.execute(f"SELECT {column} FROM waybill.{table} WHERE project_id = %s AND {column} LIKE 'name-%%'"
                       " ORDER BY key, check_key", [project])
        ordered = [name for name, in cursor]
        holder.rollback()
        cursor.execute(write, [project, "held-", ordered[50:51]])
        with concurrent.futures.ThreadPoolExecutor() as threads:
            written = threads.submit(writer.cursor().execute, write, [project, "written-", names])
            wait_until(lambda: site.sql("SELECT cardinality(pg_blocking_pids(%s)) = 1", writer.info.backend_pid)[0][0],
                       "the writer waits")
            site.sql("SET lock_timeout = 5000")
            try:
                site.sql(write, project, "later-", ordered[51:])
            finally:
                site.sql("RESET lock_timeout")
                holder.commit()
            written.result()
    finally:
        holder.close()
        writer.close()
    count = f"SELECT count(*) FROM waybill.{table} WHERE project_id = %s AND {column} LIKE 'name-%%'"
    assert site.sql(count, project) == [(len(names),)]


def test_columns_of_the_site_do_not_disturb(service):
    """They can have the name of a parameter of waybill.inventory_tidy, or of a column that it uses."""
    site, project = service.site, next(projects)
    site.sql("ALTER TABLE waybill.container ADD project text, ADD key bigint")
    insert(site, project, ["one-1", "two-2"], status="Paused")
    site.sql("DELETE FROM waybill.container WHERE project_id = %s AND container_id = 'one-1'", project)
    site.sql("SELECT waybill.inventory_analyze(%s), waybill.inventory_tidy(%s)", project, project)
    assert site.sql("SELECT pod_stem FROM waybill.inventory_label WHERE project_id = %s", project) == [("two-",)]
    assert exported(service, project, pod_name="two-*") == ["two-2"]
    site.sql("ALTER TABLE waybill.container DROP project, DROP key")


@pytest.mark.parametrize("image, key", [
    ("nginx", "nginx:latest"), ("nginx:latest", "nginx:latest"), ("docker.io/nginx", "nginx:latest"),
    ("docker.io/library/nginx:1", "nginx:1"), ("index.docker.io/library/nginx", "nginx:latest"),
    ("library/nginx", "library/nginx:latest"), ("host:5000/nginx", "host:5000/nginx:latest"),
    ("host:5000/nginx:1", "host:5000/nginx:1"), ("nginx:1@sha256:ab", "nginx@sha256:ab"),
    ("docker.io/nginx@sha256:ab", "nginx@sha256:ab"), ("host:5000/nginx@sha256:ab", "host:5000/nginx@sha256:ab"),
    ("", ":latest"), (None, None),
])
def test_keys_of_images(service, image, key):
    assert service.site.sql("SELECT waybill.image_key(%s)", image) == [(key,)]


@pytest.mark.parametrize("column", ["container_name", "cluster_name"])
@pytest.mark.parametrize("count", [10000, 10001])
def test_many_combinations_match(service, column, count):
    """A statement has at most 10,000 keys. No row is lost if more combinations match."""
    project = next(projects)
    service.site.sql(f"INSERT INTO waybill.container (project_id, container_id, {column})"
                     " SELECT %s, i, CASE i WHEN 0 THEN 'other' ELSE 'app-' || i END FROM generate_series(0, %s) AS i",
                     project, count)
    found = exported(service, project, "?export_size=100000", **{column: "app-*"})
    assert sorted(map(int, found)) == list(range(1, count + 1))


@pytest.mark.parametrize("column", ["container_name", "image_name", "pod_name", "cluster_name", "cluster_type",
                                    "status", "cpu_limit", "memory_limit", "enterprise_project_id", "source"])
def test_long_values_are_stored(service, column):
    """4,096 characters that cannot be compressed, of four bytes each."""
    project = next(projects)
    dice = random.Random(column)
    value = "".join(chr(dice.randint(0x10000, 0x1FFFF)) for _ in range(4096))
    service.site.sql(f"INSERT INTO waybill.container (project_id, container_id, {column}) VALUES (%s, 'a', %s)",
                     project, value)
    assert service.site.sql(f"SELECT {column} FROM waybill.container WHERE project_id = %s", project) == [(value,)]


def colocated(site, count):
    """Returns names of projects whose rows are in the same partition."""
    partitions = {}
    for name in projects:
        oid, = site.sql("SELECT i FROM generate_series(0, 15) AS i WHERE satisfies_hash_partition("
                        "'waybill.container'::regclass, 16, i, %s::text COLLATE \"C\")", name)[0]
        partitions.setdefault(oid, []).append(name)
        if len(partitions[oid]) == count:
            return partitions[oid]


@pytest.fixture(scope="module")
def crowded(start):
    """A site, and one of eight projects whose rows are in the same partition and have the same values."""
    service = start("estimates")
    names = colocated(service.site, 8)
    service.site.sql("""INSERT INTO waybill.container (project_id, container_id, container_name, image_name, pod_name,
        status, cluster_name) SELECT project, number, 'name-' || number %% 10, 'image-' || number %% 10, 'pod-'
        || number %% 10 || '-x', CASE number %% 7 WHEN 0 THEN 'Paused' ELSE 'Running' END, 'cluster-' || number %% 10
        FROM unnest(%s) AS project, generate_series(1, 3000) AS number""", names)
    service.site.sql("ANALYZE waybill.container")
    log_plans(service.site)
    return service.site, names[0]


@pytest.mark.parametrize("filters", [
    {"container_name": "name-3"}, {"image_name": "image-3*"}, {"status": "Paused"}, {"cluster_name": "*-3"},
    {"pod_name": "pod-3-*"},
], ids=str)
def test_the_planner_knows_how_many_rows_match(crowded, filters):
    """Neither the other projects in the partition nor the filters that the keys imply reduce the number that it
    expects. It would otherwise read all matching rows, and sort them, where ten rows in order are enough."""
    site, project = crowded
    plans = Plans(site)
    done = site.waybill("export", "--project", project,
                        *(f"--filter={name}={value}" for name, value in filters.items()))
    assert done.returncode == 0, f"{done}"
    count = done.stdout.count("\n") - 1
    copy, = [statement for statement in plans.statements() if statement["Query Text"].startswith("COPY")]
    scan, = [node for node in scans(copy["Plan"], ["container"]) if node["Node Type"] != "Bitmap Index Scan"]
    assert count > 20 and scan["Actual Rows"] == count
    # Row level security applies: the scan has the scope, and the conditions of the export still select from an index.
    assert "InitPlan" in str(copy["Plan"]), f"{copy['Plan']}"
    conditions = [node["Index Cond"] for node in nodes(copy["Plan"]) if "Index Cond" in node]
    assert any("_key = ANY" in condition for condition in conditions), f"{copy['Plan']}"
    assert count / 4 < scan["Plan Rows"] < count * 4, scan


@pytest.mark.parametrize("pattern", ["b*" * 64, "*" * 128, "*b" * 64, "a*b" * 42, "*-" * 64])
def test_a_pattern_with_as_many_stars_as_possible(service, pattern):
    project = next(projects)
    names = ["b" * 64, "a" + "-" * 64, "ab" * 42, "x"]
    insert(service.site, project, names, image_name="i", container_name="n")
    matching = {name for name in names if oracle.like(name, pattern)}
    assert set(exported(service, project, pod_name=pattern, image_name="i*", container_name="*n")) == matching
