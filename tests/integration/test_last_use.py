"""The hour of the last use of a token. Recording it makes no request fail or wait."""

import contextlib
import uuid

import pytest
from api import Api, expect_error
from deadline import timed
from faults import fleet  # noqa: F401
from postgres import Standby
from test_lost_answers import need_standby

AT_ONCE = 5  # seconds: less than any time limit
HOUR = "SELECT date_trunc('hour', clock_timestamp())"


@pytest.fixture(scope="module")
def service(start):
    return start("last_use", options={"export.threads": 0})


def new_token(site, client, project="p1"):
    done = site.waybill("token", "create", "--project", project)
    assert done.returncode == 0, f"{done}"
    api = Api(site, client, project, done.stdout.strip())
    (api.credential_id,), = site.sql("SELECT max(credential_id) FROM waybill.credential")
    return api


@pytest.fixture
def api(service):
    return new_token(service.site, service.client)


def use(api):
    expect_error(api.status(str(uuid.uuid4())), 404, "HSS.0011")


def row(api):
    """Returns the recorded hour, and the version of the row, which changes with every UPDATE."""
    return api.site.sql("SELECT last_use_time, ctid, xmin::text FROM waybill.credential WHERE credential_id = %s",
                        api.credential_id)[0]


def set_last_use(api, expression):
    api.site.sql(f"UPDATE waybill.credential SET last_use_time = {expression} WHERE credential_id = %s",
                 api.credential_id)


def of_one_hour(site, work):
    """Does the work again if a new hour has begun meanwhile. Returns its result and the hour."""
    while True:
        before = site.sql(HOUR)
        result = work()
        if site.sql(HOUR) == before:
            return result, before[0][0]


def in_list(api):
    lines = [line.split("\t") for line in api.site.waybill("token", "list").stdout.splitlines()]
    assert lines[0][7] == "LAST USED"
    return next(line[7] for line in lines if line[0] == str(api.credential_id))


def test_the_list(api):
    assert in_list(api) == "never"

    def work():
        use(api)
        return in_list(api)
    shown, hour = of_one_hour(api.site, work)
    (expected,), = api.site.sql("SELECT to_char(%s AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:00:00\"Z\"')", hour)
    assert shown == expected


def test_it_is_recorded_once_an_hour(api):
    def work():
        use(api)
        first = row(api)
        for _ in range(3):
            use(api)
        return first, row(api)
    (first, second), hour = of_one_hour(api.site, work)
    assert first == second and first[0] == hour


@pytest.mark.parametrize("last_use, is_recorded", [
    ("date_trunc('hour', now()) - interval '1 hour'", True), ("now() - interval '300 days'", True),
    ("date_trunc('hour', now()) + interval '1 hour'", False),
], ids=["hour", "days", "future"])
def test_a_later_hour(api, last_use, is_recorded):
    """Not an earlier one: the clock of the server may have been set back."""
    def work():
        set_last_use(api, last_use)
        before = row(api)
        use(api)
        return before, row(api)
    (before, after), hour = of_one_hour(api.site, work)
    assert after == before if not is_recorded else after[0] == hour


def test_a_use_that_is_refused(api):
    """The caller was identified, so the token was used. A token that is no longer valid is not used."""
    api.project = "other"
    expect_error(api.status("x"), 403, "HSS.0013")
    assert row(api)[0] is not None
    set_last_use(api, "NULL")
    assert api.site.waybill("token", "revoke", str(api.credential_id)).returncode == 0
    expect_error(api.status("x"), 401, "APIGW.0301")
    assert row(api)[0] is None


@pytest.mark.parametrize("lock", [
    "SELECT FROM waybill.credential WHERE credential_id = %s FOR UPDATE",
    "UPDATE waybill.credential SET name = 'renamed' WHERE credential_id = %s",
])
def test_a_locked_row(api, lock):
    """The request does not wait, and the next one records its use."""
    with contextlib.closing(api.site.connect()) as holder:
        holder.autocommit = False
        holder.cursor().execute(lock, (api.credential_id,))
        _, _, own = timed(lambda: use(api))
        assert own < AT_ONCE and row(api)[0] is None, f"took {own} seconds"
        holder.rollback()
    use(api)
    assert row(api)[0] is not None


def test_without_the_privilege(start):
    service = start("last_use_denied", options={"export.threads": 0})
    service.site.sql("REVOKE UPDATE (last_use_time) ON waybill.credential FROM waybill_service")
    api = new_token(service.site, service.client)
    use(api)
    assert row(api)[0] is None
    assert "permission denied" not in service.process.log_text()


def test_a_slow_synchronous_standby(private_postgres, fleet):  # noqa: F811
    """A request that only reads does not wait for it."""
    made = fleet("last_use_slow", {"export.threads": 0}, server=private_postgres, p1=1)
    made.start()
    api = new_token(made.site, made.processes["one"].client)
    need_standby(private_postgres, "nobody")
    try:
        _, _, own = timed(lambda: use(api))
        assert own < AT_ONCE and row(api)[0] is not None, f"took {own} seconds"
    finally:
        need_standby(private_postgres, "")


def test_a_standby(private_postgres, fleet):  # noqa: F811
    """Requests that only read work there, and record nothing."""
    made = fleet("last_use_standby", {"export.threads": 0}, server=private_postgres, p1=1)
    standby = Standby(private_postgres.directory + "s", private_postgres)
    standby.start()
    try:
        made.site.write_config({"export.threads": 0, "database.conninfo": standby.conninfo(made.site.database,
                                                                                           "waybill_service")})
        made.start()
        api = new_token(made.site, made.processes["one"].client)
        standby.catch_up()
        for _ in range(2):
            use(api)
        assert api.request("GET", api.path("export-tasks")).status == 200
        assert row(api)[0] is None
        made.stop()
    finally:
        standby.remove()
