"""The inventory is read from a hot standby, and tasks go to the primary: either server is lost, the standby takes over,
or a query conflicts with replication."""

import os
import socket
import time

import pytest
from deadline import wait_until
from faults import (ASYNC, BODY, LEASE, add_gate, closed_gate, expect_right_file, fill,
                    fleet)  # noqa: F401
from postgres import Postgres, Standby
from service import MIGRATIONS

ROWS = 3000
GATED = {"inventory.relation": "faults.container", "export.lease": LEASE}


def conninfo(site, servers, attributes):
    hosts = ",".join(server.directory for server in servers)
    return f"host={hosts}\n  dbname={site.database} user=waybill_service target_session_attrs={attributes}"


class Pair:
    """A primary with an inventory, its standby, and a site that reads from the standby if it can."""

    def __init__(self, fleet, scratch, name, options=None):  # noqa: F811
        directory = os.path.join(scratch, f"pg-{time.monotonic_ns()}")
        self.primary = Postgres(directory)
        self.primary.start()
        self.made = fleet(name, server=self.primary, p1=ROWS)
        add_gate(self.made.site, ROWS // 2)
        self.standby = Standby(directory + "s", self.primary)
        self.standby.start(max_standby_streaming_delay="0", hot_standby_feedback="off")
        both = [self.primary, self.standby]
        self.made.site.write_config({
            "database.conninfo": conninfo(self.made.site, both, "read-write"),
            "inventory.conninfo": conninfo(self.made.site, both, "prefer-standby"),
            **GATED, **(options or {})})

    def queries(self, server):
        """Returns how many exports read from that server: their COPY has begun, not only earlier statements."""
        return server.ask("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'waybill export'"
                          " AND state = 'active' AND query LIKE 'COPY%'", self.made.site.database)

    def stop(self):
        self.standby.remove()
        self.primary.remove()


@pytest.fixture
def pair(fleet, scratch, request):  # noqa: F811
    # The fleet's processes end before the servers that they use: fixtures are torn down in reverse order.
    made = []

    def begin(options=None):
        made.append(Pair(fleet, scratch, request.node.name[5:35], options))
        return made[0]
    yield begin
    made[0].made.stop()
    made[0].stop()


def test_exports_read_from_the_standby(pair):
    """Rows that only the primary has yet are not in the file. The primary is used only for tasks."""
    pair = pair()
    pair.made.start()
    with closed_gate(pair.made.site, pair.standby) as open_gate:
        task_id = pair.made.api().create_task(BODY, headers=ASYNC)
        wait_until(lambda: pair.queries(pair.standby) == 1, "the standby is read")
        assert pair.queries(pair.primary) == 0
        open_gate()
    expect_right_file(pair.made.api(), pair.made.api().wait(task_id), ROWS)

    pair.standby.ask("SELECT pg_wal_replay_pause() IS NOT NULL")
    wait_until(lambda: pair.standby.ask("SELECT pg_get_wal_replay_pause_state()") == "paused", "replay pauses")
    fill(pair.made.site, p2=5)
    api = pair.made.api(project="p2")
    expect_right_file(api, api.finished(BODY), 0)
    pair.standby.ask("SELECT pg_wal_replay_resume() IS NOT NULL")
    pair.standby.catch_up()
    expect_right_file(api, api.finished(BODY), 5)


def test_settings_that_a_standby_cannot_have(pair):
    """Transaction settings of the role or the connection string do not prevent exports from reading there."""
    pair = pair()
    site = pair.made.site
    options = ("options='-c default_transaction_isolation=serializable -c default_transaction_deferrable=on"
               " -c default_transaction_read_only=on'")
    site.write_config({
        "database.conninfo": conninfo(site, [pair.primary, pair.standby], "read-write"),
        "inventory.conninfo": conninfo(site, [pair.standby, pair.primary], "standby") + "\n  " + options, **GATED})
    pair.made.start()
    expect_right_file(pair.made.api(), pair.made.api().finished(BODY), ROWS)


def test_the_standby_is_lost_during_an_export(pair):
    """The export restarts on the primary. When the standby is back, it is used again."""
    pair = pair()
    pair.made.start()
    with closed_gate(pair.made.site, pair.standby):
        task_id = pair.made.api().create_task(BODY, headers=ASYNC)
        wait_until(lambda: pair.queries(pair.standby) == 1, "the standby is read")
        pair.standby.stop_immediately()
    status = pair.made.api().wait(task_id)
    assert status["task_status"] == "success", f"{status}"
    expect_right_file(pair.made.api(), status, ROWS)
    assert pair.made.task(task_id, "attempts") == (2,)

    pair.standby.start()
    pair.made.kill("one")
    pair.made.start()
    with closed_gate(pair.made.site, pair.standby) as open_gate:
        task_id = pair.made.api().create_task(BODY, headers=ASYNC)
        wait_until(lambda: pair.queries(pair.standby) == 1, "the standby is read")
        open_gate()
    expect_right_file(pair.made.api(), pair.made.api().wait(task_id), ROWS)
    pair.made.expect_files_of_tasks_alone()


def test_the_standby_takes_over_during_an_export(pair):
    """The primary is lost for good, and the standby is promoted: accepted tasks are run, and new ones too."""
    pair = pair()
    pair.made.start()
    before = pair.made.api().finished(BODY)
    with closed_gate(pair.made.site, pair.standby) as open_gate:
        task_id = pair.made.api().create_task(BODY, headers=ASYNC)
        wait_until(lambda: pair.queries(pair.standby) == 1, "the standby is read")
        pair.standby.catch_up()
        pair.made.site.superuser.close()
        pair.primary.stop_immediately()
        pair.standby.promote()
        open_gate()
    pair.made.site.postgres = pair.standby
    pair.made.site.superuser = pair.made.site.connect()
    api = pair.made.api()
    wait_until(lambda: api.request("GET", "/healthz/ready").status == 200, "the service is ready again")
    status = api.wait(task_id)
    assert status["task_status"] == "success", f"{status}"
    for known in (before, status, api.finished(BODY)):
        expect_right_file(api, known, ROWS)
    pair.made.expect_files_of_tasks_alone()


def test_a_query_that_replication_ends(pair):
    """The standby cannot apply a change while the export reads: it ends the query, and the export restarts."""
    pair = pair()
    pair.made.start()
    with closed_gate(pair.made.site, pair.standby):
        task_id = pair.made.api().create_task(BODY, headers=ASYNC)
        wait_until(lambda: pair.queries(pair.standby) == 1, "the standby is read")
        pair.made.site.sql("ALTER TABLE waybill.container ADD note text")
        wait_until(lambda: pair.made.task(task_id, "attempts") == (2,), "the export begins anew")
    status = pair.made.api().wait(task_id)
    assert status["task_status"] == "success", f"{status}"
    expect_right_file(pair.made.api(), status, ROWS)


def test_check_knows_a_standby(pair):
    pair = pair()
    site = pair.made.site
    said = site.waybill("check", "--sql-dir", MIGRATIONS).stdout
    assert "on a standby, readable" in said, f"{said}"
    site.write_config({"database.conninfo": pair.standby.conninfo(site.database, "waybill_service")})
    done = site.waybill("check", "--sql-dir", MIGRATIONS)
    assert done.returncode == 1 and "is a standby, but tasks require the primary" in done.stdout, f"{done}"


def test_a_host_that_does_not_respond(fleet, postgres):  # noqa: F811
    """The first of several hosts accepts connections and does not respond: every operation tries the next one."""
    made = fleet("standby_mute", p1=20)
    directory = os.path.join(made.site.directory, "mute")
    os.mkdir(directory)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(os.path.join(directory, ".s.PGSQL.5432"))
        mute.listen(64)
        hosts = f"host={directory},{postgres.directory}\n  dbname={made.site.database} user=waybill_service"
        made.site.write_config({"database.conninfo": hosts, "inventory.conninfo": hosts,
                                "database.connect_timeout_ms": 1000})
        made.start()
        expect_right_file(made.api(), made.api().finished(BODY), 20)
        made.stop()
