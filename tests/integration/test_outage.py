"""An outage of PostgreSQL: 503 in the meantime, and no restart is needed afterwards."""

import os
import uuid

import pytest
from api import MINIMAL, expect_error
from deadline import wait_until
from postgres import Postgres
from service import Direct, Service, Site


@pytest.fixture(scope="module")
def alone(scratch):
    """A service with a PostgreSQL that no other test uses."""
    server = Postgres(os.path.join(scratch, "postgres-outage"))
    server.start()
    site = Site(server, os.path.join(scratch, "outage"))
    service = Service(site)
    yield service
    service.stop()
    site.close()
    server.remove()


def test_outage(alone):
    api = alone.api()
    before = api.finished(MINIMAL)
    alone.site.close()
    alone.site.postgres.stop()

    for ask in (lambda: api.create(MINIMAL), lambda: api.status(before["task_id"]),
                lambda: api.download(before["file_id"]),
                lambda: api.status(uuid.uuid4())):
        for _ in range(3):
            response = ask()
            expect_error(response, 503, "APIGW.0201")
            assert int(response.headers["retry-after"]) >= 1, f"{response}"
    # Requests that need no database work as usual.
    expect_error(alone.client.request("GET", "/nowhere"), 404, "APIGW.0101")
    expect_error(api.create(MINIMAL, headers={"X-Auth-Token": None}), 401, "APIGW.0301")

    alone.site.postgres.start()
    alone.site.superuser = alone.site.connect()
    wait_until(lambda: api.status(before["task_id"]).status == 200, "the service finds PostgreSQL again")
    status = api.finished(MINIMAL)
    assert api.download(status["file_id"]).status == 200
    assert api.download(before["file_id"]).status == 200
    assert alone.client.request("GET", "/healthz").status == 200


def test_many_calls_during_a_restart(alone):
    """Whatever happens in the meantime, each response is correct."""
    api = alone.api()
    alone.site.close()
    alone.site.postgres.stop()
    statuses = {api.create(MINIMAL).status for _ in range(30)}
    assert statuses == {503}, f"{statuses}"
    alone.site.postgres.start()
    alone.site.superuser = alone.site.connect()
    wait_until(lambda: api.create(MINIMAL).status == 200, "creates succeed again")
    for _ in range(30):
        api.create_task(MINIMAL)
    wait_until(lambda: not alone.site.unfinished(), "every accepted task ends")
    states = alone.site.sql("SELECT state, count(*) FROM waybill.export_task GROUP BY state")
    assert [state for state, _ in states] == ["success"], f"{states}"


def test_a_start_without_postgresql(alone):
    """After a boot the services may start in any order."""
    api = alone.api()  # its token needs the database
    alone.process.stop()
    alone.site.close()
    alone.site.postgres.stop()
    alone.process = Direct(alone.site)
    expect_error(api.create(MINIMAL), 503, "APIGW.0201")
    alone.site.postgres.start()
    alone.site.superuser = alone.site.connect()
    wait_until(lambda: api.create(MINIMAL).status == 200, "the service finds PostgreSQL")
    assert api.finished(MINIMAL)
