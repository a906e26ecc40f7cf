"""[inventory] relation names a site's own view: other types, another order of columns, collations that are not
bytewise, values longer than an index entry."""

import random

import inventory
import pytest
from api import Judge
from faults import BODY

VIEW = """
CREATE SCHEMA site;
CREATE COLLATION site.ignoring_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE site.pods (
    memory character varying(300), cpu text, created timestamp without time zone, restarts bigint,
    fatal smallint, high bigint, medium numeric(10, 0), low integer, is_risky boolean, state character varying,
    kind character varying(20), cluster text COLLATE site.ignoring_case, pod text COLLATE site.ignoring_case,
    image text, name text, clustered boolean, tenant character varying, id text COLLATE site.ignoring_case, scope text);
CREATE VIEW site.containers AS SELECT
    memory AS memory_limit, cpu AS cpu_limit, created AT TIME ZONE 'UTC' AS create_time, restarts AS restart_count,
    fatal AS fatal_risk, high AS high_risk, medium AS medium_risk, low AS low_risk, is_risky AS risky, state AS status,
    kind AS cluster_type, cluster AS cluster_name, pod AS pod_name, image AS image_name, name AS container_name,
    clustered AS cluster_container, tenant AS project_id, id AS container_id, scope AS enterprise_project_id,
    'more' AS another_column
FROM site.pods;
GRANT USAGE ON SCHEMA site TO waybill_service;
GRANT SELECT ON site.containers TO waybill_service;
"""
# Names with every character that an unquoted identifier may have, including those of a parameter.
DOLLARS = """
CREATE SCHEMA "weird$1";
CREATE VIEW "weird$1"."tab$le" AS SELECT * FROM waybill.container;
GRANT USAGE ON SCHEMA "weird$1" TO waybill_service;
GRANT SELECT ON "weird$1"."tab$le" TO waybill_service;
"""
FIELDS = {
    "memory": "memory_limit", "cpu": "cpu_limit", "restarts": "restart_count", "fatal": "fatal_risk",
    "high": "high_risk", "medium": "medium_risk", "low": "low_risk", "is_risky": "risky", "state": "status",
    "kind": "cluster_type", "cluster": "cluster_name", "pod": "pod_name", "image": "image_name",
    "name": "container_name", "clustered": "cluster_container", "tenant": "project_id", "id": "container_id",
    "scope": "enterprise_project_id",
}


@pytest.fixture(scope="module")
def view(start):
    service = start("view", options={"inventory.relation": "site.containers"})
    site = service.site
    site.sql(VIEW)
    rows = [row for row in inventory.hostile() if row["project_id"] == inventory.PROJECT]
    dice = random.Random(1)
    for row in rows:
        row["fatal_risk"] = dice.choice((0, 1, 32767, -32768, None))
    long = "".join(dice.choices('abcdef"\n,長😀', k=300000))
    rows.append({**rows[0], "container_id": "long", "container_name": long, "image_name": '"' * 300000,
                 "pod_name": long[::-1]})
    cursor = site.superuser.cursor()
    for row in rows:
        created = row["create_time"] and row["create_time"].replace(tzinfo=None)
        cursor.execute(
            f"INSERT INTO site.pods (created, {', '.join(FIELDS)}) VALUES (%s{', %s' * len(FIELDS)})",
            [created] + [row[column] for column in FIELDS.values()])
    return service.api(), Judge(rows)


def test_all_columns(view):
    api, judge = view
    assert judge.check(api, BODY, None) > 100


@pytest.mark.parametrize("filters", [
    {"container_name": "nginx"}, {"container_name": "Ngin*"}, {"pod_name": "nginx"}, {"pod_name": "NGINX"},
    {"pod_name": "*nginx*"}, {"pod_name": "n*x"}, {"cluster_name": "prod"}, {"cluster_name": "PROD"},
    {"cluster_name": "Prod*"}, {"cluster_name": "*"}, {"image_name": "caf*"}, {"image_name": "*\n*"},
    {"status": "Running"}, {"cluster_type": "cce"}, {"risky": True}, {"cluster_container": False}, {"cpu_limit": "0.1"},
    {"memory_limit": "1Gi"}, {"memory_limit": "unlimited"},
    {"create_time": {"start_time": 1775204100123, "end_time": 1775204100123}}, {"create_time": {"end_time": 0}},
], ids=str)
def test_filters(view, filters):
    api, judge = view
    judge.check(api, {**BODY, **filters}, None)


def test_size_and_order(view):
    api, judge = view
    for size in (1, 2, 50):
        judge.check(api, {"export_headers": [["container_id", "Id"]]}, None, export_size=size)


def test_a_name_with_dollars(start):
    """It is not a parameter of the query, unlike $1 and $2."""
    rows = [row for row in inventory.hostile() if row["project_id"] == inventory.PROJECT]
    service = start("dollars", rows, {"inventory.relation": "weird$1.tab$le"})
    service.site.sql(DOLLARS)
    body = {**BODY, "status": "Running", "image_name": "*nginx*"}
    assert Judge(rows).check(service.api(), body) > 0
