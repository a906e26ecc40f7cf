"""An inventory that is partitioned by project: the same files, and an export reads only its project's partition."""

import inventory
import pytest
from api import Judge
from faults import ALL
from plans import Plans, log_plans, nodes

PARTITIONS = 4
TABLE = """
CREATE SCHEMA site;
CREATE TABLE site.container (LIKE waybill.container INCLUDING DEFAULTS) PARTITION BY HASH (project_id);
ALTER TABLE site.container ADD PRIMARY KEY (project_id, container_id);
GRANT USAGE ON SCHEMA site TO waybill_service;
GRANT SELECT ON site.container TO waybill_service;
"""


def make_table(site):
    site.sql(TABLE)
    for number in range(PARTITIONS):
        site.sql(f"CREATE TABLE site.container_{number} PARTITION OF site.container"
                 f" FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {number})")
    for definition, in site.sql("SELECT indexdef FROM pg_indexes WHERE schemaname = 'waybill'"
                                " AND tablename = 'container' AND indexdef NOT LIKE '%%UNIQUE%%'"):
        site.sql(definition.replace(" ON ONLY waybill.container ", " ON site.container "))
    log_plans(site)
    inventory.load(site.superuser, inventory.hostile(), "site.container")


@pytest.fixture(scope="module")
def partitioned(start):
    return start("partitions", options={"inventory.relation": "site.container"}, prepare=make_table)


@pytest.mark.parametrize("project", [inventory.PROJECT, inventory.NEIGHBOUR])
@pytest.mark.parametrize("filters", [
    {}, {"container_name": "nginx"}, {"container_name": "*nginx*"}, {"status": "Running"}, {"memory_limit": "1Gi"},
    {"create_time": {"start_time": 0}},
], ids=str)
def test_one_partition_is_read(partitioned, project, filters):
    rows = inventory.fetch(partitioned.site.superuser, "site.container")
    plans = Plans(partitioned.site)
    matching = Judge(rows).check(partitioned.api(project), {**filters, "export_headers": ALL}, None)
    assert matching > 0
    read = {node["Relation Name"] for statement in plans.statements() for node in nodes(statement["Plan"])
            if node.get("Relation Name", "").startswith("container_")}
    expected = partitioned.site.sql("SELECT DISTINCT tableoid::regclass::text FROM site.container"
                                    " WHERE project_id = %s", project)[0][0]
    assert {f"site.{name}" for name in read} == {expected}, f"{read}"
