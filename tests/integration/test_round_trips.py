"""What an export sends to the inventory's server, and that it relies on no column that has changed in the meantime."""

import os
import re

import pytest
from api import MINIMAL
from faults import BODY


@pytest.fixture(scope="module")
def logged(start):
    def prepare(site):
        site.sql(f"ALTER ROLE waybill_service IN DATABASE {site.database} SET log_statement = 'all'")
        site.sql("""INSERT INTO waybill.container (project_id, container_id, container_name, status)
                    SELECT 'demo', i, 'name-' || i % 10, 'Running' FROM generate_series(1, 100) AS i""")
    return start("logged", options={"export.threads": 1}, prepare=prepare)


def messages(site, action):
    """Returns what the connection for exports sends during the action, one text for each round trip."""
    pid, = site.sql("SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name = 'waybill export'")[0]
    begin = os.path.getsize(site.postgres.log)
    action()
    with open(site.postgres.log, encoding="utf-8", errors="replace") as log:
        log.seek(begin)
        return re.findall(rf"^\S+ \S+ \S+ \[{pid}\] .* LOG:  (?:statement|execute [^:]*): (.*)", log.read(), re.M)


@pytest.mark.parametrize("filters", [
    {}, {"status": "Running"}, {"container_name": "name-3"}, {"container_name": "name-3", "status": "Running"},
    {"pod_name": "none*"},
], ids=str)
def test_an_export_needs_two_round_trips(logged, filters):
    """Not more with filters that need keys. The first export of a connection with these columns learns about them."""
    api = logged.api("demo")
    api.finished({**BODY, **filters})
    sent = messages(logged.site, lambda: api.finished({**BODY, **filters}))
    assert len(sent) == 2, sent
    assert sent[0].startswith("BEGIN ") and "catalog" not in sent[0].replace("pg_catalog.set_config", "")
    assert sent[1].startswith("COPY ") and sent[1].endswith("; COMMIT")
    assert "EXPLAIN" not in str(sent)


def test_a_privilege_that_is_revoked_and_granted_again(logged):
    api, site = logged.api("demo"), logged.site
    whole = {"export_headers": [["container_id", "Id"], ["image_name", "Image"]]}
    columns = "project_id, enterprise_project_id, container_id"
    api.finished(whole)
    site.sql("REVOKE SELECT ON waybill.container FROM waybill_service")
    site.sql(f"GRANT SELECT ({columns}) ON waybill.container TO waybill_service")
    for _ in range(2):
        status = api.wait(api.create_task(whole))
        assert status["task_status"] == "failure" and "image_name" in status["error_msg"], f"{status}"
        assert api.finished(MINIMAL)["exported_rows"] == 100
    site.sql("GRANT SELECT ON waybill.container TO waybill_service")
    assert api.finished(whole)["exported_rows"] == 100
