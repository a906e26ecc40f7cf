"""What the shapes of pod_shapes.py and csv_shapes.py become: their exports have the bytes that the oracles expect."""

import csv_shapes
import oracle
import pod_oracle
import pytest
from loading import ALL_COLUMNS, Inventory, export, numbered, summary
from pod_shapes import SHAPES

projects = numbered("shape")


@pytest.fixture(scope="module")
def site(start):
    return start("load_shapes").site


@pytest.fixture
def stock(site):
    return Inventory(site, next(projects))


@pytest.mark.parametrize("include, cluster", [
    ((), {}), (("init", "ephemeral"), {"cluster_name": "prod", "cluster_type": "k8s"}),
], ids=["without options", "with options"])
@pytest.mark.parametrize("name", SHAPES)
def test_pods(stock, name, include, cluster):
    rows, skipped = pod_oracle.load(SHAPES[name], include, **cluster)
    options = [f"--include={','.join(include)}"] if include else []
    options += [f"--{option.replace('_', '-')}={value}" for option, value in cluster.items()]
    assert stock.load(SHAPES[name], *options) == summary(added=len(rows), skipped=skipped)
    assert export(stock) == oracle.csv(rows, ALL_COLUMNS)
    assert set(stock.rows("cluster_container")) <= {True}
    assert stock.load(SHAPES[name], *options, "--replace", "--format=kubernetes") == summary(
        unchanged=len(rows), skipped=skipped)


@pytest.mark.parametrize("cluster", [{}, {"cluster_name": "prod", "cluster_type": "ali"}], ids=["", "a cluster"])
@pytest.mark.parametrize("name", csv_shapes.SHAPES)
def test_csv(stock, name, cluster):
    content = csv_shapes.SHAPES[name]
    columns = csv_shapes.columns_of(content)
    rows = [{**dict.fromkeys(csv_shapes.COLUMNS), **{column: row[column] for column in columns}}
            for row in csv_shapes.ROWS]
    for row in rows:
        for column, value in cluster.items():
            row[column] = value if row[column] is None else row[column]
        if row["enterprise_project_id"] is None:
            row["enterprise_project_id"] = "ep-load"
        if row["cluster_container"] is None:
            row["cluster_container"] = row["pod_name"] is not None
    rows.sort(key=lambda row: row["container_id"].encode())
    options = [f"--{option.replace('_', '-')}={value}" for option, value in cluster.items()]
    assert stock.load(content, "--enterprise-project=ep-load", *options) == summary(added=len(rows))
    assert export(stock, "--enterprise-project=all") == oracle.csv(rows, ALL_COLUMNS)
    assert stock.rows("enterprise_project_id, cluster_container") == [
        (row["enterprise_project_id"], row["cluster_container"]) for row in rows]


def test_the_shapes_cover_the_table():
    """Each value of the table occurs in some shape, so that no row of it goes untested."""
    rows = [row for text in SHAPES.values() for row in pod_oracle.load(text, ("init", "ephemeral"))[0]]
    assert {row["status"] for row in rows} == {"Running", "Waiting", "Terminated", None}
    for key in ("image_name", "create_time", "cpu_limit", "memory_limit"):
        assert {row[key] is None for row in rows} == {True, False}, key
    assert any("/" in row["container_id"] for row in rows) and any(row["restart_count"] for row in rows)
    assert any(pod_oracle.load(text)[1] for text in SHAPES.values())
