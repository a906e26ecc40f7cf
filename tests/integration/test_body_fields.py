"""The fields of the body: type, length and values, on both sides of each bound."""

import json

import pytest
from api import HEADERS, MINIMAL, expect_error

pytestmark = pytest.mark.usefixtures("ledger")

BOOLEANS = ("cluster_container", "risky")
ENUMERATIONS = {
    "cluster_type": ("cce", "ali", "tencent", "azure", "aws", "self_built_hw", "self_built_idc"),
    "status": ("Running", "Waiting", "Terminated", "Isolated", "Paused"),
}
LONGEST = {"cluster_name": 255, "container_name": 255, "image_name": 255, "pod_name": 512}
QUANTITIES = ("cpu_limit", "memory_limit")
STRINGS = (*ENUMERATIONS, *LONGEST, *QUANTITIES)
OF_EACH_TYPE = {
    "true": True, "false": False, "0": 0, "1": 1, "-1": -1, "1.5": 1.5, '"text"': "text", "[]": [], '["x"]': ["x"],
    "{}": {}, '{"x": 1}': {"x": 1},
}


def body(**fields):
    return {**fields, **MINIMAL}


def named(cases):
    return [pytest.param(*case, id="-".join(str(part)[:40] for part in case)) for case in cases]


@pytest.mark.parametrize("field, value", named(
    [(field, value) for field in BOOLEANS for value in (True, False, "true", "false", None)]
    + [(field, value) for field, values in ENUMERATIONS.items() for value in (*values, None)]
    + [(field, value) for field, longest in LONGEST.items()
       for value in ("x", "*", "**", "é", " ", "\n", "\x7f", "a*b*", "x" * longest, "*" * longest, "長" * longest,
                     "😀" * longest, "e\u0301", None)]
    + [(field, value) for field in QUANTITIES
       for value in ("", "1", "300 Mi", "unlimited", "-", "*", "\t", "1" * 64, "長" * 64, "😀" * 64, "9" * 62 + "Ti",
                     None)]))
def test_accepted(api, field, value):
    api.create_task(body(**{field: value}))


def fits(field, value):
    """Returns whether a value has the type of the field. Enumerations refuse all values used here anyway."""
    if field in BOOLEANS:
        return isinstance(value, bool)
    if field in (*LONGEST, *QUANTITIES):
        return isinstance(value, str)
    return field == "create_time" and isinstance(value, dict)


@pytest.mark.parametrize("field, text", [
    (field, text) for field in (*BOOLEANS, *STRINGS, "create_time", "export_headers")
    for text, value in OF_EACH_TYPE.items() if not fits(field, value)
])
def test_types(api, field, text):
    fields = {"export_headers": json.dumps(HEADERS), field: text}
    sent = "{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}"
    expect_error(api.create(sent.encode()), 400, "HSS.0001", field)


@pytest.mark.parametrize("field", BOOLEANS)
@pytest.mark.parametrize("value", ["True", "FALSE", "yes", "no", "1", "0", "", " true", "true ", "true\n", "null", "t"])
def test_booleans_in_strings(api, field, value):
    expect_error(api.create(body(**{field: value})), 400, "HSS.0001", field, value.strip())


@pytest.mark.parametrize("field", ENUMERATIONS)
@pytest.mark.parametrize("change", [
    str.swapcase, lambda value: value + " ", lambda value: " " + value, lambda value: value + "x",
    lambda value: value[:-1],
    lambda value: value[:2] + "*", lambda value: "", lambda value: "*", lambda value: "k8s", lambda value: value + "\n",
], ids=["case", "space after", "space before", "longer", "shorter", "pattern", "empty", "star", "k8s", "line end"])
def test_enumerations(api, field, change):
    for value in ENUMERATIONS[field]:
        got = change(value)
        expect_error(api.create(body(**{field: got})), 400, "HSS.0001", field, got.strip(), value)


@pytest.mark.parametrize("field, value, mention", named(
    [(field, "", str(longest)) for field, longest in LONGEST.items()]
    + [(field, character * (longest + 1), str(longest)) for field, longest in LONGEST.items() for character in "x長😀*"]
    + [(field, character * 65, "64") for field in QUANTITIES for character in "1長😀 "]))
def test_lengths(api, field, value, mention):
    expect_error(api.create(body(**{field: value})), 400, "HSS.0001", field, mention)


@pytest.mark.parametrize("create_time", [
    "{}", '{"start_time": 0}', '{"end_time": 0}', '{"start_time": 1, "end_time": 1}',
    '{"start_time": 1, "end_time": 2}',
    '{"start_time": null}', '{"start_time": null, "end_time": 5}', '{"start_time": 5, "end_time": null}', "null",
    '{"start_time": 9223372036854775807}', '{"end_time": 9223372036854775807}', '{"end_time": 253402300799999}',
    '{"start_time": 9223372036854775806, "end_time": 9223372036854775807}',
    '{"start_time": 2, "start_time": 1, "end_time": 1}',
])
def test_create_time_accepted(api, create_time):
    task = api.create_task(f'{{"create_time": {create_time}, "export_headers": {json.dumps(HEADERS)}}}'.encode())
    assert api.wait(task)["task_status"] == "success"


@pytest.mark.parametrize("create_time, mention", [
    ('{"start_time": -1}', "start_time"),
    ('{"end_time": -1}', "end_time"),
    ('{"start_time": -9223372036854775808}', "start_time"),
    ('{"start_time": 2, "end_time": 1}', "start_time"),
    ('{"start_time": 9223372036854775807, "end_time": 9223372036854775806}', "start_time"),
    ('{"start_time": 1, "start_time": 2, "end_time": 1}', "start_time"),
    *((f'{{"{field}": {value}}}', field) for field in ("start_time", "end_time")
      for value in ('"1"', '""', "1.0", "1.5", "1e3", "1E3", "true", "false", "[]", "[1]", "{}", '"2026-04-03"')),
    ('{"begin_time": 1}', "begin_time"),
    ('{"Start_time": 1}', "Start_time"),
    ('{"start_time": 1, "x": null}', "x"),
    ('{"": 1}', "create_time"),
])
def test_create_time_refused(api, create_time, mention):
    sent = f'{{"create_time": {create_time}, "export_headers": {json.dumps(HEADERS)}}}'
    expect_error(api.create(sent.encode()), 400, "HSS.0001", mention, "create_time")


@pytest.mark.parametrize("field", ["x", "", "Status", "status ", "statuses", "container_id", "enterprise_project_id",
                                   "export_size", "limit", "start_time", "日本", "a\nb", "__proto__", "x" * 5000])
def test_unknown_fields(api, field):
    for value in (None, 1, "x", {}, []):
        expect_error(api.create(body(**{field: value})), 400, "HSS.0001",
                     field if field.isprintable() and len(field) < 99 else "")


@pytest.mark.parametrize("fields, accepted", [
    ('"status": "bogus", "status": "Running"', True),
    ('"status": "Running", "status": "bogus"', False),
    ('"status": 1, "status": null', True),
    ('"risky": null, "risky": 0', False),
    ('"export_headers": [], "export_headers": [["risky", "x"]]', True),
    ('"export_headers": [["risky", "x"]], "export_headers": []', False),
    ('"create_time": {"start_time": -1}, "create_time": {}', True),
    ('"create_time": {}, "create_time": {"start_time": -1}', False),
    ('"\\u0073tatus": "Running"', True),
    ('"status": "bogus", "\\u0073tatus": "Running"', True),
])
def test_of_a_field_given_twice_the_last_counts(api, fields, accepted):
    needed = "" if "export_headers" in fields else f', "export_headers": {json.dumps(HEADERS)}'
    response = api.create(f"{{{fields}{needed}}}".encode())
    if accepted:
        assert response.status == 200, f"{response}"
    else:
        expect_error(response, 400, "HSS.0001")


@pytest.mark.each_way
def test_all_fields_at_once(either):
    either.create_task({
        "cluster_container": True, "cluster_type": "cce", "cluster_name": "prod", "container_name": "nginx*",
        "pod_name": "*", "image_name": "nginx", "status": "Running", "risky": "true",
        "create_time": {"start_time": 0, "end_time": 4102444800000}, "cpu_limit": "500m", "memory_limit": "300 Mi",
        "export_headers": HEADERS,
    }, "?enterprise_project_id=all_granted_eps&export_size=10")
