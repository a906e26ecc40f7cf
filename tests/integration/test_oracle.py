"""Tests of the oracle itself, by cases worked out by hand."""

import inventory
import oracle
import pytest


@pytest.mark.parametrize("one, other, equal", [
    ("300 Mi", "300Mi", True), ("1Gi", "1024Mi", True), ("500m", "0.5", True), ("100 MB", "100M", True),
    ("1GiB", "1Gi", True), ("1k", "1K", True), ("1kB", "1000", True), ("1B", "1", True), ("1T", "1000G", True),
    ("1Gi", "1G", False), ("1mB", "1m", False), ("1gi", "1Gi", False), ("1e3", "1000", False), (" 1", "1", False),
    ("unlimited", "unlimited", True), ("unlimited", "Unlimited", False), ("-1", "-1.0", False), ("1Gi\n", "1Gi", False),
])
def test_quantities(one, other, equal):
    assert (oracle.quantity(one) == oracle.quantity(other)) is equal


@pytest.mark.parametrize("value, pattern, found", [
    ("nginx", "nginx", True), ("nginx", "ngin", False), ("nginx", "ngin*", True), ("nginx", "*ginx", True),
    ("nginx", "*gin*", True), ("nginx", "n*x", True), ("nginx", "n*i*x", True), ("nginx", "*", True), ("", "*", True),
    ("", "**", True), ("aba", "ab*ba", False), ("abba", "ab*ba", True), ("ab", "a%b", False), ("a\nb", "a*b", True),
    ("a_b", "a_*", True), ("axb", "a_*", False), ("Nginx", "nginx*", False), ("xaya", "*a*a", True),
    ("xa", "*a*a", False),
])
def test_patterns(value, pattern, found):
    assert oracle.like(value, pattern) is found


@pytest.mark.parametrize("milliseconds, zone, text", [
    (1775204100123, "UTC", "2026-04-03T08:15:00.123Z"),
    (1775204100000, "Asia/Shanghai", "2026-04-03T16:15:00.000+08:00"),
    (1775204100001, "Asia/Kolkata", "2026-04-03T13:45:00.001+05:30"),
    (1775204100001, "America/St_Johns", "2026-04-03T05:45:00.001-02:30"),
    (1774746000000, "Europe/London", "2026-03-29T02:00:00.000+01:00"),
])
def test_times(milliseconds, zone, text):
    assert oracle.time_text(inventory.moment(milliseconds), zone) == text


def test_csv():
    rows = [{"a": 'x"y', "b": None, "c": True}, {"a": "=1", "b": -1, "c": ""}]
    headers = [["a", "A"], ["b", "-b"], ["c", "C"]]
    assert oracle.csv(rows, headers) == b'"A","\'-b","C"\r\n"x""y",,"true"\r\n"\'=1","-1",""\r\n'
    assert oracle.csv(rows[:1], headers, formula_guard=False,
                      bom=True) == b'\xef\xbb\xbf"A","-b","C"\r\n"x""y",,"true"\r\n'
