"""Malformed, hostile and rare rules in requests: each is accepted or refused within a second."""

import random

import pytest
from api import expect_error
from deadline import timed
from schedule_calls import START, definition, mine, service  # noqa: F401

pytestmark = pytest.mark.contract

DENSE = {"BYHOUR": ",".join(map(str, range(24))), "BYMINUTE": ",".join(map(str, range(60))),
         "BYSECOND": ",".join(map(str, range(60)))}
VALUES = {
    "INTERVAL": ["1", "2", "13", "365", "1461", "8784", "32767", "32768", "0", "-1", "9" * 30],
    "COUNT": ["1", "10000", "10001", "0", "4294967297", "1e3", "0x10"],
    "UNTIL": ["99981231T000000Z", "19700101", "20270230", "x", ""],
    "BYMONTH": ["2", "2,4", "12", "13"],
    "BYMONTHDAY": ["29", "30", "31", "-31", "-1,31", "32"],
    "BYYEARDAY": ["366", "-366", "1,366", "367"],
    "BYWEEKNO": ["53", "-53", "54"],
    "BYDAY": ["MO", "5MO", "-53SU", "54FR", "XX", "SU,MO,TU,WE,TH,FR,SA"],
    "BYHOUR": ["3", DENSE["BYHOUR"], "24"],
    "BYMINUTE": ["59", DENSE["BYMINUTE"], "60"],
    "BYSECOND": ["0", DENSE["BYSECOND"], "61"],
    "BYSETPOS": ["1", "-1", "366", "-366", "367", "0"],
    "WKST": ["SU", "XX"],
    "RSCALE": ["CHINESE"],
}
FREQUENCIES = ["HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]
JUNK = ["", "FREQ", "=" * 512, ";" * 512, "x" * 100000, "\U0001f600" * 512, "FREQ=DAILY\r\nDTSTART:20200101T000000Z",
        "FREQ=DAILY;" * 46, "FREQ=DAILY;BYHOUR=" + "1," * 240, "FREQ=DAILY;COUNT=" + "9" * 490, "FREQ=MINUTELY",
        "FREQ=DAILY;COUNT=\u0663", "RRULE:FREQ=DAILY", "FREQ=DAILY;BYHOUR=%n%s", "FREQ=MONTHLY;BYDAY=1TH;BYSETPOS=2"]


def random_rule(chance):
    if chance.random() < 0.1:
        return chance.choice(JUNK)
    parts = [f"{name}={chance.choice(VALUES[name])}" for name in chance.sample(sorted(VALUES), chance.randint(0, 5))]
    rule = ";".join(["FREQ=" + chance.choice(FREQUENCIES), *parts])
    if chance.random() < 0.2:
        place = chance.randrange(len(rule))
        rule = rule[:place] + chance.choice(";=,:\"\\\n %\u202e\u9577x0-") + rule[place + chance.randint(0, 3):]
    return rule


@pytest.mark.parametrize("seed", range(4))
def test_random_rules(mine, seed):  # noqa: F811
    chance = random.Random(seed)
    statuses = set()
    for _ in range(150):
        fields = definition(rule=random_rule(chance), time_zone=chance.choice(["UTC", "Australia/Lord_Howe"]),
                            start_time=chance.choice([0, START]), enabled=False)
        response, _, seconds = timed(lambda: mine.schedules("POST", "", fields))
        assert seconds < 1, f"{seconds} s for {fields}"
        statuses.add(response.status)
        if response.status == 200:
            assert response.json()["rule"] == fields["rule"]
            assert mine.schedules("DELETE", f"/{response.json()['schedule_id']}").status == 204
        else:
            expect_error(response, 400, "HSS.0001", "rule")
    assert statuses == {200, 400}
