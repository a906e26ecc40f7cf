"""Each filter alone with many values, each pair, and all together: rows and bytes equal the oracle's."""

import itertools
import json
import random

import inventory
import pytest
from api import Judge

HEADERS = [["container_id", "Id"], ["container_name", "Name"]]
MS = 1775204100123  # the create_time of some rows
PATTERNS = [
    "*", "**", "nginx*", "*nginx", "*nginx*", "n*x", "n*g*x", "*n*g*i*n*x*", "my-*-1", "my-*", "*-1", "*-*", "nginx-*",
    "nginx*nginx", "ng_nx*", "*g_n*", "ng%nx*", "*%*", "%*", "*%", "*_*", "_*", "*\\*", "\\*", "*\\", "ng\\nx*",
    "*\\\\*", "\\%*", "\\_*", "*\\%", "ab*ba", "a*b*a", "*ab*ab", "a*a", "ab*", "*b", "Nginx*", "*NGINX*", "NGINX",
    "*\n*", "*\n", "\n*", "*\r\n*", "line*feed", "a*\tb", "*\r*", '*"*', '"*"', "*,*", "*'*", "' OR*", "*--*", "$1*",
    "=*", "*=*", "+*", "-*", "@*", " *", "* ", "日*", "*本*", "*語", "😀*", "*😀", "*👧", "caf*", "café*", "cafe\u0301*",
    "ß*", "SS*", "x" * 254 + "*", "*" + "x" * 254, "長" * 254 + "*", "*" + "😀" * 254, "*" * 255, "y*y", "a.b*", "a.*",
    "[a]*", "(a|b)*", "a?*", "^*", "*$", "*.", "no such*", "*no such", "*no such*", "\ufeff*", "*\u200b*",
    "*\U0010ffff", "*\x01*", "\x7f*", "*\x85", "*ull*", "N*L",
]


# The values of the inventory that a request can contain, and similar ones.
EXACT = [name for name in inventory.NAMES if name and len(name) <= 255]
EXACT += ["ngin", "nginxx", "NGINX", "nginx ", " nginx", "x" * 254, "cafe"]
QUANTITIES = [value for value in inventory.QUANTITIES if value is None or len(value) <= 64]


@pytest.fixture(scope="module")
def judge(hostile):
    return Judge(inventory.fetch(hostile.site.superuser))


def test_no_filter(api, judge):
    assert judge.check(api, {"export_headers": HEADERS}, None) > 100


@pytest.mark.parametrize("field, value", [
    *(("cluster_container", value) for value in (True, False, "true", "false", None)),
    *(("risky", value) for value in (True, False, "true", "false", None)),
    *(("cluster_type", value) for value in (*inventory.CLUSTER_TYPES, None)),
    *(("status", value) for value in (*inventory.STATUSES, None)),
])
def test_one_of_few(api, judge, field, value):
    assert judge.check(api, {field: value, "export_headers": HEADERS}, None) > 0


# Each value in one of the four fields, and a third of them in each other field: all four treat values alike.
NAMED = {"container_name": slice(None), "cluster_name": slice(0, None, 3), "image_name": slice(1, None, 3),
         "pod_name": slice(2, None, 3)}


@pytest.mark.parametrize("field", NAMED)
def test_names(api, judge, field):
    for value in EXACT[NAMED[field]] + list(inventory.CLUSTER_NAMES[:-2] if field == "cluster_name" else ()):
        if value:
            judge.check(api, {field: value, "export_headers": HEADERS}, None)


@pytest.mark.parametrize("field", NAMED)
def test_patterns(api, judge, field):
    for value in PATTERNS[NAMED[field]]:
        judge.check(api, {field: value, "export_headers": HEADERS}, None)


def test_a_pod_name_of_512_characters(api, judge):
    for value in ("x" * 512, "*" * 512, "x" * 256 + "*" * 256):
        judge.check(api, {"pod_name": value, "export_headers": HEADERS}, None)


@pytest.mark.parametrize("field", ["cpu_limit", "memory_limit"])
def test_quantities(api, judge, field):
    near = ["1 K", "1KB", "0.001k", "0.0001", "00", "0Ti", "0 mB", "999", "1.0Gi", "1.00000000000000000001", "1024 MiB",
            "307200Ki", "300mi",
            "300 mi", "1Gib", "100 M B", "100  MB", "100\tMB", "UNLIMITED", "*nlimited", "unlimite", "1 000", "-1.0",
            "'", "%", "9" * 64]
    for value in QUANTITIES + near:
        judge.check(api, {field: value, "export_headers": [["container_id", "Id"], [field, "Limit"]]}, None)


@pytest.mark.parametrize("create_time", [
    {}, None, {"start_time": None, "end_time": None}, {"start_time": 0}, {"end_time": 0},
    {"start_time": 0, "end_time": 0},
    {"start_time": 1}, {"start_time": 1000, "end_time": 1000}, {"end_time": 999}, {"start_time": 1001},
    *({"start_time": MS + start, "end_time": MS + end} for start in (-1, 0, 1) for end in (-1, 0, 1) if start <= end),
    *({"start_time": MS + start} for start in (-1, 0, 1, 2)), *({"end_time": MS + end} for end in (-2, -1, 0, 1)),
    {"start_time": 253402214400000}, {"start_time": 253402214400001}, {"start_time": 9223372036854775807},
    {"end_time": 9223372036854775807}, {"start_time": 0, "end_time": 9223372036854775807},
    {"start_time": 1774745999999, "end_time": 1774746000000},
], ids=json.dumps)
def test_create_time(api, judge, create_time):
    headers = [["container_id", "Id"], ["create_time", "Created"]]
    judge.check(api, {"create_time": create_time, "export_headers": headers}, None)


FILTERS = {
    "cluster_container": [True, False, "true"],
    "cluster_type": ["cce", "aws", "self_built_idc"],
    "cluster_name": ["prod", "*", "prod*", "*1*", "a,b"],
    "container_name": ["*", "nginx", "*n*", "%", "*\n*", "a*"],
    "pod_name": ["*", "*a*", "\\*", "*i*"],
    "image_name": ["*", "*x", "=*", "*e*"],
    "status": ["Running", "Paused", "Isolated"],
    "risky": [True, False, "false"],
    "create_time": [{"start_time": 0}, {"end_time": MS}, {"start_time": 1000, "end_time": 1774746000000}],
    "cpu_limit": ["0.1", "1", "100 MB", ""],
    "memory_limit": ["300 Mi", "1Gi", "unlimited", ""],
}


@pytest.mark.parametrize("one, other", itertools.combinations(FILTERS, 2))
def test_pairs(api, judge, one, other):
    for number in range(4):
        pair = {field: FILTERS[field][number % len(FILTERS[field])] for field in (one, other)}
        judge.check(api, {**pair, "export_headers": HEADERS}, None)


@pytest.fixture(scope="module")
def target(hostile):
    """The values of a row that has all of them: they match at least this row."""
    rows = hostile.site.sql(
        "SELECT cluster_container, cluster_type, cluster_name, container_name, pod_name, image_name, status, risky,"
        " (extract(epoch FROM create_time) * 1000)::bigint, cpu_limit, memory_limit FROM waybill.container"
        " WHERE project_id = 'demo' AND create_time >= 'epoch' AND num_nulls(cluster_container, risky, pod_name) = 0"
        " AND cluster_type IN ('cce', 'ali', 'tencent', 'azure', 'aws', 'self_built_hw', 'self_built_idc')"
        " AND status IN ('Running', 'Waiting', 'Terminated', 'Isolated', 'Paused')"
        " AND least(length(cluster_name), length(container_name), length(pod_name), length(image_name)) > 0"
        " AND greatest(length(cluster_name), length(container_name), length(pod_name), length(image_name)) < 256"
        " AND least(length(cpu_limit), length(memory_limit)) > 0 ORDER BY container_id LIMIT 1")
    values = dict(zip(FILTERS, rows[0]))
    return {**values, "create_time": {"start_time": values["create_time"], "end_time": values["create_time"]}}


def test_all_together(api, judge, target):
    assert judge.check(api, {**target, "export_headers": HEADERS}, None) >= 1


@pytest.mark.parametrize("field", FILTERS)
def test_all_but_one_and_one_that_differs(api, judge, target, field):
    rest = {name: value for name, value in target.items() if name != field}
    assert judge.check(api, {**rest, "export_headers": HEADERS}, None) >= 1
    other = {"create_time": {"start_time": 1, "end_time": 1}, "cluster_container": not target["cluster_container"],
             "risky": not target["risky"],
             "status": next(value for value in inventory.STATUSES if value != target["status"]),
             "cluster_type": next(value for value in inventory.CLUSTER_TYPES if value != target["cluster_type"])}
    judge.check(api, {**rest, field: other.get(field, "different"), "export_headers": HEADERS}, None)


@pytest.mark.parametrize("seed", range(25))
def test_at_random(hostile, judge, seed):
    """Requests with random filters, columns, scope and size. The seed is in the name of the test."""
    dice = random.Random(seed)
    values = {**FILTERS, "container_name": EXACT + PATTERNS, "image_name": EXACT + PATTERNS,
              "pod_name": EXACT + PATTERNS}
    values["cpu_limit"] = values["memory_limit"] = QUANTITIES
    for _ in range(12):
        fields = dice.sample(list(values), dice.choice((1, 1, 2, 2, 3, 5)))
        keys = dice.sample(inventory.EXPORTED, dice.randint(1, 16))
        body = {**{field: dice.choice(values[field]) for field in fields},
                "export_headers": [[key, key.upper()] for key in keys]}
        granted = dice.choice((None, None, ("0", "ep-a"), ("ep-b",)))
        scope = dice.choice((None, *(granted or inventory.ENTERPRISE_PROJECTS)))
        size = dice.choice((None, None, 1, 2, 10, 100))
        judge.check(hostile.api(enterprise_projects=granted), body, scope, granted, size)
