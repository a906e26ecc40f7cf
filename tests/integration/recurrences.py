"""Random recurrence rules, and their occurrences by python3-dateutil and zoneinfo."""

import datetime
import heapq
import itertools
import unittest.mock
import zoneinfo

from dateutil import rrule

EPOCH = datetime.datetime(1970, 1, 1)
LISTED = 30
# How far occurrences are compared: dateutil takes long for rare ones of HOURLY.
HORIZONS = {"HOURLY": 300, "DAILY": 1500, "WEEKLY": 3650, "MONTHLY": 3650, "YEARLY": 3650}
FREQUENCIES = ["HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]
WEEKDAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
# Both hemispheres, changes of half an hour, a skipped day, daylight saving time in winter, and zones without changes.
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney", "Australia/Lord_Howe", "Europe/Dublin",
         "Asia/Kolkata", "America/Santiago", "Pacific/Apia", "America/St_Johns", "Asia/Kathmandu", "America/Nuuk"]


def offset(zone, seconds):
    """The offset from UTC at an instant, in seconds."""
    instant = (EPOCH + datetime.timedelta(seconds=seconds)).replace(tzinfo=datetime.timezone.utc)
    return int(instant.astimezone(zone).utcoffset().total_seconds())


def from_local(zone, local):
    """
    The instant of a naive local time by RFC 5545 section 3.3.5. zoneinfo too takes the first of two equal local times,
    and the offset before a gap (PEP 495, fold=0).
    """
    return int((local - EPOCH).total_seconds() - local.replace(tzinfo=zone).utcoffset().total_seconds())


def changes(zone, first_year, last_year):
    """The instants at which the offset changes, in seconds."""
    found = []
    at = int((datetime.datetime(first_year, 1, 1) - EPOCH).total_seconds())
    end = int((datetime.datetime(last_year, 1, 1) - EPOCH).total_seconds())
    step = 20 * 86400
    while at < end:
        low, high = at, at + step
        if offset(zone, low) != offset(zone, high):
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(zone, middle) == offset(zone, low) else (low, middle)
            found.append(high)
        at += step
    return found


def sample(random, values, most):
    return sorted(random.sample(values, random.randint(1, min(most, len(values)))))


def signed(largest):
    return [*range(-largest, 0), *range(1, largest + 1)]


def random_days(random, frequency, parts):
    """Adds the parts that select days."""
    if random.random() < 0.3:
        parts["BYMONTH"] = sample(random, range(1, 13), 4)
    if frequency != "WEEKLY" and random.random() < 0.3:
        parts["BYMONTHDAY"] = sample(random, signed(31), 6)
    if frequency in ("HOURLY", "YEARLY") and random.random() < 0.15:
        parts["BYYEARDAY"] = sample(random, signed(366), 20)
    if frequency == "YEARLY" and random.random() < 0.25:
        parts["BYWEEKNO"] = sample(random, random.choice([signed(53), [-53, -52, 52, 53]]), 5)
    if random.random() < 0.4:
        days = sample(random, range(7), 4)
        parts["BYDAY"] = [WEEKDAYS[day] for day in days]
        if frequency in ("MONTHLY", "YEARLY") and "BYWEEKNO" not in parts and random.random() < 0.6:
            largest = 5 if frequency == "MONTHLY" or "BYMONTH" in parts else 53
            plain = random.choice([0, 0, 0.5])
            parts["BYDAY"] = [day if random.random() < plain else f"{random.choice(signed(largest))}{day}"
                              for day in parts["BYDAY"]]


def must_divide(parts):
    """
    Whether dateutil alone does not expand the parts as RFC 5545 section 3.3.10 says. It takes the intersection of
    weekdays with and without numbers instead of the union. Its weeks deviate from ISO 8601: it takes week 52 of 2010
    and 2021 for week 53, and ignores -52 and -53 for week 1 of the next year.
    """
    days = parts.get("BYDAY", [])
    return len({len(day) > 2 for day in days}) == 2 or bool({-53, -52, 52, 53} & set(parts.get("BYWEEKNO", [])))


def random_rule(random, frequency):
    parts = {"FREQ": [frequency]}
    if random.random() < 0.5:
        parts["INTERVAL"] = [random.choice([1, 2, 3, 4, 5, 7, 12, random.randint(1, 60)])]
    random_days(random, frequency, parts)
    if random.random() < 0.3:
        parts["BYHOUR"] = sample(random, range(24), 4)
    if random.random() < 0.3:
        parts["BYMINUTE"] = sample(random, range(60), 3)
    if random.random() < 0.2:
        parts["BYSECOND"] = sample(random, range(60), 3)
    if any(name.startswith("BY") for name in parts) and not must_divide(parts) and random.random() < 0.3:
        parts["BYSETPOS"] = sample(random, random.choice([signed(4), signed(40)]), 4)
    if random.random() < 0.3:
        parts["WKST"] = [random.choice(WEEKDAYS)]
    return parts


def random_case(random, zones_changes):
    """A rule, the name of its zone, and its start in seconds, which often lies near a change of the clock."""
    name = random.choice(ZONES)
    zone = zoneinfo.ZoneInfo(name)
    near = zones_changes.setdefault(name, changes(zone, 1995, 2045))
    start = random.randint(86400 * 400, 86400 * 365 * 100)
    if near and random.random() < 0.7:
        start = random.choice(near) + random.choice([0, 1, -1, random.randint(-4 * 86400, 4 * 86400)])
        start -= random.choice([0, 0, start % 60, start % 1800, start % 3600])
    parts = random_rule(random, random.choice(FREQUENCIES))
    limit = random.random()
    if limit < 0.2:
        parts["COUNT"] = [random.choice([1, 2, random.randint(1, 40)])]
    elif limit < 0.5:
        until = EPOCH + datetime.timedelta(seconds=start + random.choice([1, 30, 400, 3000]) * random.randint(0, 86400))
        parts["UNTIL"] = [until.strftime("%Y%m%dT%H%M%S") + random.choice(["", "Z"])]
    names = list(parts)
    random.shuffle(names)
    return ";".join(f"{name}={','.join(map(str, parts[name]))}" for name in names), name, start


def weekday(text):
    number = text[:-2]
    day = getattr(rrule, text[-2:])
    return day(int(number)) if number else day


def week_numbers(time, first_weekday):
    """The number of the week of a day, from the start and from the end of the year that has most of its days."""
    middle = time + datetime.timedelta(days=3 - (time.weekday() - first_weekday) % 7)
    number = (middle.timetuple().tm_yday + 6) // 7
    last = datetime.datetime(middle.year, 12, 31)
    weeks = (last.timetuple().tm_yday - middle.timetuple().tm_yday) // 7
    return number, -weeks - 1


def divided_rules(frequency, arguments):
    """The occurrences of one rule, or of two: BYDAY with and without numbers."""
    days = arguments.get("byweekday", [])
    numbered = [day for day in days if getattr(day, "n", None)]
    plain = [day for day in days if day not in numbered]
    for part in (numbered, plain) if numbered and plain else (days,):
        if days:
            arguments["byweekday"] = part
        try:
            yield rrule.rrule(getattr(rrule, frequency), **arguments)
        except ValueError:
            yield iter(())  # the hours of an HOURLY rule that INTERVAL never reaches


def merge(rules):
    """The times of all rules in ascending order, without repetitions."""
    return (time for time, _ in itertools.groupby(heapq.merge(*rules)))


def horizon(parts):
    return datetime.timedelta(days=HORIZONS[parts["FREQ"]])


def local_times(parts, start):
    """The occurrences on the local clock, to the horizon."""
    arguments = {"interval": int(parts.get("INTERVAL", "1")), "wkst": getattr(rrule, parts.get("WKST", "MO"))}
    for name, values in parts.items():
        if name == "BYDAY":
            arguments["byweekday"] = [weekday(value) for value in values.split(",")]
        elif name.startswith("BY"):
            arguments[name.lower()] = [int(value) for value in values.split(",")]
    frequency = parts["FREQ"]
    dtstart = start
    if frequency == "YEARLY" and "BYWEEKNO" in parts and not {"BYDAY", "BYMONTHDAY", "BYYEARDAY"} & set(parts):
        # dateutil takes all days of the week. RFC 5545 section 3.3.10 takes what the rule does not say from DTSTART.
        arguments["byweekday"] = [start.weekday()]
    if frequency == "WEEKLY" and "BYSETPOS" in parts:
        # dateutil counts positions in the first week from DTSTART on. RFC 5545 section 3.3.10 counts from the start of
        # the interval, so expand from there.
        dtstart -= datetime.timedelta(days=(start.weekday() - arguments["wkst"].weekday) % 7)
        arguments.setdefault("byweekday", [start.weekday()])
    until = start + horizon(parts)
    if "UNTIL" in parts and not parts["UNTIL"].endswith("Z"):
        until = min(until, datetime.datetime.strptime(parts["UNTIL"], "%Y%m%dT%H%M%S"))
    weeks = set() if "BYSETPOS" in parts else set(arguments.pop("byweekno", []))
    rules = divided_rules(frequency, {**arguments, "dtstart": dtstart, "until": until})
    times = (time for time in merge(rules)
             if time >= start and (not weeks or weeks & set(week_numbers(time, arguments["wkst"].weekday))))
    return itertools.islice(times, int(parts["COUNT"])) if "COUNT" in parts else times


def split(rule):
    return dict(part.split("=") for part in rule.split(";"))


def occurrences(rule, zone_name, start):
    """
    The first LISTED occurrences before the horizon, in seconds.

    dateutil looks for the next occurrence up to MAXYEAR, whatever UNTIL says, which takes minutes for a rare one.
    """
    parts = split(rule)
    last_year = datetime.datetime.fromtimestamp(start, datetime.timezone.utc).year + horizon(parts).days // 365 + 1
    with unittest.mock.patch.object(datetime, "MAXYEAR", last_year):
        return expand(parts, zone_name, start)


def expand(parts, zone_name, start):
    zone = zoneinfo.ZoneInfo(zone_name)
    instants = set()
    last = None
    for local in local_times(parts, EPOCH + datetime.timedelta(seconds=start + offset(zone, start))):
        # A change moves occurrences by at most a day.
        if last is not None and local > last + datetime.timedelta(days=2):
            break
        if from_local(zone, local) >= start:
            instants.add(from_local(zone, local))
        if last is None and len(instants) > LISTED:
            last = local
    until = parts.get("UNTIL", "")
    if until.endswith("Z"):
        latest = (datetime.datetime.strptime(until, "%Y%m%dT%H%M%SZ") - EPOCH).total_seconds()
        instants = {instant for instant in instants if instant <= latest}
    return sorted(instants)[:LISTED]


def differs(case, listed):
    """Whether the listed occurrences of a case, None if it was refused, are wrong."""
    expected = occurrences(*case)
    if not listed:
        return listed is not None or bool(expected)
    end = case[2] + (horizon(split(case[0])) - datetime.timedelta(days=2)).total_seconds()
    return [at for at in listed if at < end] != [at for at in expected if at < end]
