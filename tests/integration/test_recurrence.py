"""`waybill schedule preview`, compared with python3-dateutil, and with zoneinfo in all time zones."""

import datetime
import os
import random
import re
import subprocess
import zoneinfo

import pytest
import recurrences
from deadline import DEADLINE
from service import BUILD, environment

BATCHES = 20
RULES_PER_BATCH = 25  # 500 in all
ZONE_SLICES = 10


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A configuration without a database: a preview does not need one."""
    path = tmp_path_factory.mktemp("preview") / "waybill.conf"
    path.write_text("[database]\nconninfo = host=/no/such/directory\n", encoding="utf-8")
    return str(path)


def run(config, *arguments):
    return subprocess.run([os.path.join(BUILD, "waybill"), "--config", config, "schedule", "preview", *arguments],
                          env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE)


def seconds(line):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line), line
    time = datetime.datetime.strptime(line, "%Y-%m-%dT%H:%M:%SZ")
    return int((time - recurrences.EPOCH).total_seconds())


def preview(config, rule, zone, start, count=recurrences.LISTED):
    """The occurrences in seconds, or None if the rule has none within ten years."""
    time = recurrences.EPOCH + datetime.timedelta(seconds=start)
    done = run(config, "--rule", rule, "--time-zone", zone, "--start", time.strftime("%Y-%m-%dT%H:%M:%SZ"),
               "--count", str(count))
    if done.returncode != 0:
        assert "rule must have an occurrence within 10 years" in done.stderr, (rule, zone, start, done.stderr)
        return None
    return [seconds(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def zones_changes():
    return {}


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_rules(config, zones_changes, batch):
    generator = random.Random(batch)
    compared = 0
    for _ in range(RULES_PER_BATCH):
        case = recurrences.random_case(generator, zones_changes)
        listed = preview(config, *case)
        assert not recurrences.differs(case, listed), f"{case}: {listed}, not {recurrences.occurrences(*case)}"
        compared += bool(listed)
    assert compared >= RULES_PER_BATCH // 3, "most rules have occurrences"


@pytest.mark.parametrize("part", range(ZONE_SLICES))
def test_all_zones(config, part):
    """Over decades, through the year 2037, and each half hour around a change of the clock."""
    generator = random.Random(part)
    for name in sorted(zoneinfo.available_timezones() - {"localtime"})[part::ZONE_SLICES]:
        zone = zoneinfo.ZoneInfo(name)
        start = 86400 * generator.randint(1, 365)
        sparse = [(start, "FREQ=HOURLY;INTERVAL=1461", datetime.timedelta(hours=1461), 600)]
        changes = recurrences.changes(zone, 2008, 2045)
        dense = [(change - 86400 * 2, "FREQ=HOURLY;BYMINUTE=0,30;BYSECOND=0", datetime.timedelta(minutes=30), 200)
                 for change in generator.sample(changes, min(2, len(changes)))]
        for start, rule, step, count in sparse + dense:
            local = recurrences.EPOCH + datetime.timedelta(seconds=start + recurrences.offset(zone, start))
            if step < datetime.timedelta(hours=1):
                local = local.replace(minute=0, second=0) + datetime.timedelta(hours=1)
            expected = {recurrences.from_local(zone, local + n * step) for n in range(count + 200)}
            listed = preview(config, rule, name, start, count)
            before = [at for at in listed if at < min(expected)]
            assert len(before) <= 2, (name, rule, start)
            assert listed[len(before):] == sorted(expected)[:count - len(before)], (name, rule, start)


@pytest.mark.parametrize("start, first", [
    ("2026-07-01", "2026-06-30T22:00:00Z"),
    ("2026-07-01T08:15", "2026-07-01T06:15:00Z"),
    ("2026-07-01T08:15Z", "2026-07-01T08:15:00Z"),
    ("2026-07-01T08:15:00.001+0200", "2026-07-01T06:15:01Z"),
    ("2026-03-29T02:30", "2026-03-29T01:30:00Z"),
])
def test_start_is_in_the_time_zone(config, start, first):
    done = run(config, "--rule", "FREQ=DAILY;COUNT=1", "--time-zone", "Europe/Berlin", "--start", start)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{first}\n", "")


def test_defaults(config):
    """Ten occurrences from now on, in UTC."""
    before = datetime.datetime.now(datetime.timezone.utc).timestamp()
    done = run(config, "--rule", "FREQ=HOURLY;BYMINUTE=0;BYSECOND=0")
    listed = [seconds(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and len(listed) == 10
    assert before <= listed[0] < before + 7200 and listed[0] % 3600 == 0
    assert listed == [listed[0] + 3600 * n for n in range(10)]


@pytest.mark.parametrize("arguments, message", [
    (["--rule", "FREQ=MINUTELY"], 'rule: FREQ must be HOURLY, DAILY, WEEKLY, MONTHLY or YEARLY, got "MINUTELY"'),
    (["--rule", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"], "rule must have an occurrence within 10 years"),
    (["--rule", "FREQ=DAILY", "--time-zone", "Europe/Atlantis"], "time_zone must be a name of the time zone database"),
    (["--rule", "FREQ=DAILY", "--time-zone", "x", "--start", "2026-01-01"], "time_zone must be a name"),
])
def test_refusals(config, arguments, message):
    done = run(config, *arguments)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.startswith(f"waybill: {message}"), done.stderr


def test_any_number_of_occurrences(config):
    done = run(config, "--rule", "FREQ=HOURLY", "--start", "2026-01-01", "--count", "10000")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 10000
