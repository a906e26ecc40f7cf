"""A year of schedules in simulated time, run by two processes that are killed at random moments."""

import datetime
import json
import os
import random
import signal
import subprocess
import time

from deadline import DEADLINE
from service import BUILD, Site, environment

START = datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc)
END = datetime.datetime(2027, 3, 1, tzinfo=datetime.timezone.utc)
PROGRAM = os.path.join(BUILD, "tests", "database", "simulate_schedules")
REQUEST = {"export_headers": [["container_id", "ID"]]}
MOST_KILLS = 40  # on a slow machine, the processes would spend their time with starting
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kolkata")


def ms(moment):
    return int(moment.timestamp() * 1000)


def make_rules():
    """50 rules, whose occurrences lie at many different times, and often at the same one."""
    dice = random.Random(11)
    rules = ["FREQ=HOURLY;INTERVAL=61"]
    for _ in range(2):
        rules.append(f"FREQ=DAILY;BYHOUR={dice.choice((0, 2, 3, 8))};BYMINUTE={dice.choice((0, 30))};BYSECOND=0")
    for _ in range(30):
        days, interval = dice.choice(("SU", "WE", "SU,WE")), dice.choice((1, 2, 4))
        rules.append(f"FREQ=WEEKLY;INTERVAL={interval};BYDAY={days};BYHOUR=2;BYMINUTE=15;BYSECOND=0")
    for _ in range(16):
        rules.append(f"FREQ=MONTHLY;BYMONTHDAY={dice.choice((1, 15, 31, -1))};BYHOUR=2;BYMINUTE=45;BYSECOND=0")
    rules.append("FREQ=YEARLY;COUNT=3")
    return [(f"schedule {number}", rule, dice.choice(ZONES)) for number, rule in enumerate(rules)]


def occurrences(site, rule, zone):
    """The occurrences of the year, as the preview lists them; test_recurrence.py compares it with another program."""
    lines = site.waybill("schedule", "preview", "--rule", rule, "--time-zone", zone,
                         "--start", START.strftime("%Y-%m-%dT%H:%M:%SZ"), "--count", "3000").stdout.splitlines()
    moments = [datetime.datetime.strptime(line, "%Y-%m-%dT%H:%M:%S%z") for line in lines]
    return {ms(moment) for moment in moments if moment < END}


def add(site, name, rule, zone, first):
    site.sql("INSERT INTO waybill.export_schedule"
             " (project_id, name, rule, time_zone, start_time, enabled, keep, enterprise_project_id, export_size,"
             "  request, create_time, pending_from, next_run_time)"
             " VALUES ('p1', %s, %s, %s, %s, true, 3, '0', 100, %s, now(), %s, to_timestamp(%s))",
             name, rule, zone, START, json.dumps(REQUEST), START, first / 1000)


class Crowd:
    """Two processes that run the schedules. A killed one is replaced."""

    def __init__(self, site):
        self.variables = environment(WAYBILL_TEST_CONNINFO=site.postgres.conninfo(site.database, "waybill_service"))
        self.processes = [self.begin(), self.begin()]

    def begin(self):
        return subprocess.Popen([PROGRAM, str(ms(END))], env=self.variables, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def kill(self, number):
        """Kills a process at this moment. Returns whether it was still at work."""
        victim = self.processes[number]
        victim.kill()
        said = victim.communicate()[0]
        assert victim.returncode in (0, -signal.SIGKILL), f"the simulation failed: {said}"
        self.processes[number] = self.begin()
        return victim.returncode != 0

    def finish(self):
        for process in self.processes:
            said = process.communicate(timeout=5 * DEADLINE)[0]
            assert process.returncode == 0, f"the simulation failed: {said}"


def test_each_occurrence_of_a_year_runs_once(postgres, scratch):
    site = Site(postgres, os.path.join(scratch, "schedule_year"))
    expected = {}
    for name, rule, zone in make_rules():
        expected[name] = occurrences(site, rule, zone)
        add(site, name, rule, zone, min(expected[name]))

    crowd = Crowd(site)
    dice = random.Random(5)
    kills = 0
    while kills == 0 or (kills < MOST_KILLS and all(process.poll() is None for process in crowd.processes)):
        time.sleep(dice.uniform(0.02, 1))
        kills += crowd.kill(dice.choice((0, 1)))
    crowd.finish()
    assert kills >= 3, "the year was over too early for kills"

    runs = {name: [] for name in expected}
    tasks = set()
    for name, occurrence, state, task in site.sql(
            "SELECT name, (extract(epoch FROM occurrence_time) * 1000)::bigint, state, task_id"
            " FROM waybill.schedule_run JOIN waybill.export_schedule USING (schedule_id)"):
        assert state == "success", f"{name} at {occurrence}: {state}"
        runs[name].append(occurrence)
        tasks.add(task)
    for name, moments in expected.items():
        assert sorted(runs[name]) == sorted(moments), f"{name}: {sorted(moments ^ set(runs[name]))}"
    assert {row[0] for row in site.sql("SELECT task_id FROM waybill.export_task")} == tasks, "each run has one task"
    kept = site.sql("SELECT max(files) FROM (SELECT count(*) AS files FROM waybill.schedule_run WHERE has_file"
                    " GROUP BY schedule_id) kept")
    assert kept == [(3,)]
    site.close()
