"""Schedules in several processes, which are killed, and without PostgreSQL."""

import os
import time

import pytest
from deadline import wait_until
from faults import LEASE, expect_right_file, fleet, soon  # noqa: F401
from schedules import Schedules, now_ms

MANY = 100


def wait_for(moment):
    """Sleeps until this moment, in milliseconds since 1970."""
    time.sleep(max(moment - now_ms(), 0) / 1000)


# When to kill the process, in milliseconds after the second has begun.
MOMENTS = (-100, 30, 150, 400, 900) if "WAYBILL_TEST_ROUNDS" in os.environ else (30, 400)


@pytest.mark.parametrize("when", MOMENTS)
def test_a_hundred_schedules_in_one_second(fleet, when):  # noqa: F811
    """100 schedules are due in the same second. Three processes run them, and one is killed around that second. Each
    schedule has one run and one task, and all of them finish."""
    made = fleet(f"schedule_hundred_{abs(when)}", {"export.lease": LEASE}, p1=50)
    for name in ("one", "two", "three"):
        made.start(name)
    schedules = Schedules(made.api())
    for number in range(MANY):
        schedules.add(f"schedule {number}")
    start = schedules.start_in(3)
    wait_for(start + when)
    made.kill("two")
    wait_until(lambda: made.site.sql("SELECT count(*) FROM waybill.schedule_run WHERE state = 'success'")
               == [(MANY,)], "all runs succeed")
    assert made.site.sql("SELECT count(*), count(DISTINCT schedule_id), count(DISTINCT task_id), min(occurrence_time)"
                         " = max(occurrence_time) FROM waybill.schedule_run") == [(MANY, MANY, MANY, True)]
    assert made.site.tasks() == MANY
    for (task,) in made.site.sql("SELECT task_id::text FROM waybill.export_task"):
        expect_right_file(made.api(), made.api().status(task).json(), 50)
    made.expect_files_of_tasks_alone()


def test_postgresql_is_away_at_the_moment(fleet, private_postgres):  # noqa: F811
    """The run starts when PostgreSQL returns."""
    made = fleet("schedule_outage", server=private_postgres, p1=10)
    made.start()
    schedules = Schedules(made.api())
    schedule = schedules.add()
    start = schedules.start_in(3)
    private_postgres.stop()
    wait_for(start + 500)
    private_postgres.start()
    made.site.superuser.close()
    made.site.superuser = made.site.connect()
    run = schedules.wait_for_runs(schedule["schedule_id"], ["success"])[0]
    assert run["occurrence_time"] == start


def test_all_processes_are_down_at_the_moment(fleet):  # noqa: F811
    """The run starts when a process starts."""
    made = fleet("schedule_down", p1=10)
    made.start()
    schedules = Schedules(made.api())
    schedule = schedules.add()
    made.kill("one")
    start = schedules.start_in(1)
    wait_for(start + 500)
    made.start()
    schedules = Schedules(made.api())
    assert schedules.wait_for_runs(schedule["schedule_id"], ["success"])[0]["occurrence_time"] == start


def test_a_change_wakes_the_schedulers_of_all_processes(fleet):  # noqa: F811
    """A schedule that is made through one process, which is then stopped, runs in another one, in time."""
    made = fleet("schedule_wake", p1=10)
    made.start("one")
    made.start("two")
    schedules = Schedules(made.api("one"))
    start = now_ms() // 1000 * 1000 + 5000
    schedule = schedules.add(start_time=start)
    made.kill("one")
    schedules = Schedules(made.api("two"))
    soon(lambda: schedules.runs(schedule["schedule_id"]), "the schedule runs")
    run = schedules.wait_for_runs(schedule["schedule_id"], ["success"])[0]
    assert run["occurrence_time"] == start


def test_a_process_that_stops_hands_on_its_schedules(fleet):  # noqa: F811
    """SIGTERM at the moment of an occurrence: it runs once, here or there."""
    made = fleet("schedule_term", p1=10)
    made.start("one")
    made.start("two")
    schedules = Schedules(made.api("two"))
    for number in range(20):
        schedules.add(f"schedule {number}")
    wait_for(schedules.start_in(2))
    made.processes["one"].stop()
    wait_until(lambda: made.site.sql("SELECT count(*) FROM waybill.schedule_run WHERE state = 'success'") == [(20,)],
               "all runs succeed")
    assert made.site.tasks() == 20
