"""docs/openapi.yaml describes exactly what the service does: all routes, fields, bounds and error codes, and no others.

Bounds are checked from both sides. A list of values, including those next to every described bound, is sent to the
service. It has to accept those that the description allows, and to refuse the others."""

import collections
import copy
import functools
import itertools
import json
import os
import re
import uuid
from urllib.parse import quote

import pytest
from api import HEADERS, MINIMAL
from calls import Detour
from openapi import Description
from service import TOP

DESCRIPTION = Description()
OPERATIONS = DESCRIPTION.operations
CREATE = OPERATIONS["createContainerExportTask"]
REQUEST = DESCRIPTION.schema("ExportRequest")
SCHEDULE = DESCRIPTION.schema("ScheduleDefinition")
SCHEDULED = DESCRIPTION.schema("ScheduledRequest")
NAMES = (f"schedule {number}" for number in itertools.count())
LENGTHS = (0, 1, 2, 63, 64, 65, 255, 256, 257, 511, 512, 513)
NUMBERS = (-1, 0, 1, 2, 200, 201, 65536, 100000, 100001, 999999, 1000000, 2000000, 2000001, 2**63 - 1, 2**63)
OF_EACH_TYPE = (None, True, False, "true", "false", "True", "", "text", 0, 1, -1, 1.5, [], ["x"], {}, {"x": 1})


def source(path):
    with open(os.path.join(TOP, "src", path), encoding="utf-8") as file:
        return file.read()


@pytest.fixture(scope="module")
def service(start):
    return start("openapi", options={"limits.unfinished_tasks": 1000000, "server.wait_ms": 0},
                 prepare=lambda site: site.make_keys())


@pytest.fixture(scope="module")
def api(service):
    return service.api()


def schedule(**fields):
    """A schedule with a new name, whose occurrences are in the far future."""
    return {"name": next(NAMES), "rule": "FREQ=DAILY", "start_time": 4000000000000, "request": MINIMAL, **fields}


def call(api, operation, names=None, query="", headers=None, body=None):
    """Calls an operation and checks the response against the description. `names` are part of its path."""
    new = {name: str(uuid.uuid4()) for name in ("task_id", "file_id", "schedule_id")}
    names = {"project_id": api.project, **new, **(names or {})}  # also of required query parameters
    path = re.sub(r"\{(\w+)\}", lambda match: quote(names[match[1]], safe=""), operation.path)
    for name, parameter in operation.query().items():
        if parameter.get("required") and f"{name}=" not in query:
            query += f"{'&' if query else '?'}{name}={quote(names[name], safe='')}"
    if operation.body and body is None:
        body = json.dumps(MINIMAL if operation is CREATE else schedule()).encode()
    if body is not None:
        headers = {"Content-Type": "application/json", **(headers or {})}
    if operation.open:
        headers = {"X-Auth-Token": None, **(headers or {})}
    response = api.request(operation.method, path + query, headers, body)
    operation.judge(response)
    return response


# ---- Routes and parameters ----

def test_the_routes_of_the_source():
    routes = re.findall(r'\{\{HTTP_([A-Z]+), "([^"]+)"\}, "', source("api/routes.c"))
    assert len(routes) > 10 and len(routes) == source("api/routes.c").count("{{HTTP_")
    assert sorted(routes) == sorted((operation.method, operation.path) for operation in OPERATIONS.values())


@pytest.mark.parametrize("path", sorted({operation.path for operation in OPERATIONS.values()}))
def test_the_methods_of_a_path(api, path):
    documented = DESCRIPTION.methods(path)
    some = next(operation for operation in OPERATIONS.values() if operation.path == path)
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get"):
        target = re.sub(r"\{(\w+)\}", "x", path.replace("{project_id}", api.project))
        response = api.request(method, target, {"Content-Type": "application/json"}, b"{}")
        if method in documented:
            assert response.status != 405, f"{method} {path}: {response}"
            assert response.status != 404 or method == "HEAD" or response.json()["error_code"] != "APIGW.0101", \
                f"{method} {path}: {response}"
        else:
            assert response.status == 405, f"{method} {path}: {response}"
            assert set(response.headers["allow"].split(", ")) == documented, f"{method} {path}: {response}"
            if method != "HEAD":
                some.judge(response)


def test_operations_that_need_credentials(api):
    schemes = DESCRIPTION.document["components"]["securitySchemes"]
    headers = {name: scheme["name"] for name, scheme in schemes.items()
               if (scheme["type"], scheme["in"]) == ("apiKey", "header")}
    assert headers == {"token": "X-Auth-Token", "signature": "Authorization"}
    assert DESCRIPTION.document["security"] == [{"token": []}, {"signature": []}]
    for operation in OPERATIONS.values():
        status = call(api, operation, headers={"X-Auth-Token": None}).status
        assert (status != 401) == operation.open, f"{operation.method} {operation.path}: {status}"


def test_operations_that_take_links(api):
    """A link that is invalid is refused as such."""
    scheme = DESCRIPTION.document["components"]["securitySchemes"]["link"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "query", "signature")
    for operation in OPERATIONS.values():
        takes = operation.security == [{"token": []}, {"signature": []}, {"link": []}]
        assert takes or operation.security in (None, []), f"{operation.security}"
        assert takes == ({"expires", "signature"} <= set(operation.query()))
        status = call(api, operation, query="?expires=1&signature=x", headers={"X-Auth-Token": None}).status
        assert (status == 403) == takes, f"{operation.method} {operation.path}: {status}"


def test_the_query_parameters_of_the_source():
    """Names and defaults."""
    text = source("api/routes.c")
    defined = {variable: (name, None if default == "NULL" else default.strip('"')) for variable, name, default in
               re.findall(r'static const struct api_parameter (\w+) = \{\s*"(\w+)",\s*("[^"]*"|NULL|api_required),',
                          text)}
    rows = re.findall(r'\{\{HTTP_([A-Z]+), "([^"]+)"\},[^{]*\{([^}]*)\}\}', text)
    assert len(rows) == text.count("{{HTTP_") and defined
    for method, path, parameters in rows:
        names = [name.strip(" &\n") for name in parameters.split(",")]
        of_source = dict(defined[name] for name in names if name != "NULL")
        operation = next(one for one in OPERATIONS.values() if (one.method, one.path) == (method, path))
        described = {name: "api_required" if parameter.get("required") else parameter["schema"].get("default")
                     for name, parameter in operation.query().items()}
        assert {name: value if value is None else str(value) for name, value in described.items()} == of_source, path


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=list(OPERATIONS))
def test_query_parameters(api, operation):
    names = {name for one in OPERATIONS.values() for name in one.query()} | {"x"}
    for name in sorted(names):
        schema = operation.query().get(name, {"schema": {}})["schema"]
        value = schema.get("enum", [schema.get("minimum", 1)])[0]
        response = call(api, operation, query=f"?{name}={value}")
        assert (response.status != 400) == (name in operation.query()), f"{name}: {response}"


# ---- Bounds ----

def texts(schema):
    """Returns texts that the schema may allow, and texts that it may not."""
    around = {bound + step for key in ("minLength", "maxLength") if key in schema
              for bound in [schema[key]] for step in (-1, 0, 1)}
    lengths = sorted({length for length in (*around, *LENGTHS) if length >= 0})
    found = [character * length for character in "x長" for length in lengths]
    found += ["a" + character for character in "\x01\t\n\x1e\x1f !~\x7f\x80\x9fé😀"]
    for value in schema.get("enum", ()):
        if isinstance(value, str):
            found += [value, value + "x", value[:-1], value.swapcase(), value + " "]
    return found


def numbers(schema):
    around = [bound + step for key in ("minimum", "maximum") if key in schema
              for bound in [schema[key]] for step in (-1, 0, 1)]
    return sorted({*around, *NUMBERS})


def enumerated():
    """Returns each value of each enumeration of the description, for any field."""
    found = []

    def walk(value):
        if isinstance(value, dict):
            found.extend(value.get("enum", ()))
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(part)
    walk(DESCRIPTION.document["components"]["schemas"])
    return [value for number, value in enumerate(found) if value not in found[:number]]


def distinct(values):
    """Removes values that JSON writes in the same way."""
    return list({json.dumps(value): value for value in values}.values())


def values_for(schema):
    schema = DESCRIPTION.resolve(schema)
    return distinct([*OF_EACH_TYPE, "a\xa0", "a\u2028", *texts(schema), *numbers(schema), *enumerated()])


def check_values(values, schema, accepts):
    """The service accepts exactly what the schema allows. There must be values of both kinds."""
    verdicts = collections.Counter()
    for value in values:
        allowed = DESCRIPTION.allows(schema, value)
        verdicts[allowed] += 1
        taken = accepts(value)
        assert taken == allowed, (f"the service {'takes' if taken else 'refuses'} {json.dumps(value)[:300]}, the"
                                  f" description {'allows' if allowed else 'does not allow'} it")
    assert verdicts[True] and verdicts[False], f"{verdicts}"


def takes_body(api, body):
    response = call(api, CREATE, body=json.dumps(body, ensure_ascii=False).encode())
    assert response.status in (200, 400), f"{response}"
    return response.status == 200


def test_the_fields_of_the_source():
    fields = re.findall(r'^    \{"(\w+)", FILTER_', source("inventory/filters.c"), re.M)
    columns = re.findall(r'^    \{"(\w+)", COLUMN_', source("inventory/columns.c"), re.M)
    assert sorted(REQUEST["properties"]) == sorted([*fields, "export_headers"])
    assert DESCRIPTION.schema("Column")["enum"] == columns


def test_the_choices_of_the_source():
    lists = {name: re.findall(r'"(\w+)"', values) for name, values in
             re.findall(r"static const char \*const (\w+)\[\] = \{(.*?)\}", source("inventory/filters.c"), re.S)}
    choices = dict(re.findall(r'^    \{"(\w+)", FILTER_CHOICE, 0, (\w+)\}', source("inventory/filters.c"), re.M))
    assert choices
    for field, name in choices.items():
        assert REQUEST["properties"][field]["enum"] == [*lists[name], None], field


@pytest.mark.parametrize("field", sorted(set(REQUEST["properties"]) - {"create_time", "export_headers"}))
def test_fields(api, field):
    check_values(values_for(REQUEST["properties"][field]), REQUEST["properties"][field],
                 lambda value: takes_body(api, {field: value, **MINIMAL}))


@pytest.mark.parametrize("field", ["start_time", "end_time"])
def test_instants(api, field):
    schema = REQUEST["properties"]["create_time"]["properties"][field]
    check_values(values_for(schema), schema, lambda value: takes_body(api, {"create_time": {field: value}, **MINIMAL}))


def test_create_time(api):
    check_values([*OF_EACH_TYPE, {"start_time": 1, "end_time": 1}, {"start_time": 1, "x": None}, {"Start_time": 1}],
                 REQUEST["properties"]["create_time"],
                 lambda value: takes_body(api, {"create_time": value, **MINIMAL}))


@pytest.mark.parametrize("place", [0, 1])
def test_a_pair_of_export_headers(api, place):
    pair = REQUEST["properties"]["export_headers"]["items"]

    def accepts(value):
        columns = [*HEADERS[0]]
        columns[place] = value
        return takes_body(api, {"export_headers": [columns]})
    check_values(values_for(pair["prefixItems"][place]), pair["prefixItems"][place], accepts)


def test_the_length_of_a_pair(api):
    pair = REQUEST["properties"]["export_headers"]["items"]
    check_values([*OF_EACH_TYPE, *(["risky", "x", "x", "x"][:length] for length in range(5))], pair,
                 lambda value: takes_body(api, {"export_headers": [value]}))


def test_the_number_of_export_headers(api):
    """The schema cannot say that keys must be unique. The 17th pair repeats a key, so it is always refused."""
    schema = REQUEST["properties"]["export_headers"]
    keys = DESCRIPTION.schema("Column")["enum"] + ["risky"]
    check_values([*OF_EACH_TYPE, *([[key, "x"] for key in keys[:length]] for length in range(len(keys) + 1))], schema,
                 lambda value: takes_body(api, {"export_headers": value}))


def test_the_body(api):
    more = [{**MINIMAL, name: None} for name in ("x", "Status", "export_size", "project_id")]
    without = [{name: None} for name in REQUEST["properties"] if name != "export_headers"]
    check_values([*OF_EACH_TYPE, MINIMAL, *more, *without], REQUEST, functools.partial(takes_body, api))


def test_the_examples_of_the_body(api):
    examples = CREATE.body["examples"]
    assert examples
    for example in examples.values():
        assert takes_body(api, example["value"]), f"{example}"


def takes_schedule(api, fields):
    """Whether a schedule can be created. It is removed again."""
    response = call(api, OPERATIONS["createExportSchedule"], body=json.dumps(fields, ensure_ascii=False).encode())
    assert response.status in (200, 400), f"{response}"
    if response.status == 200:
        call(api, OPERATIONS["deleteExportSchedule"], {"schedule_id": response.json()["schedule_id"]})
    return response.status == 200


# Tests of rules, zones and URLs are elsewhere: a schema cannot say which ones are valid.
@pytest.mark.parametrize("field", sorted(set(SCHEDULE["properties"]) - {"rule", "time_zone", "request", "notify_url"}))
def test_fields_of_a_schedule(api, field):
    schema = SCHEDULE["properties"][field]
    check_values(values_for(schema), schema, lambda value: takes_schedule(api, schedule(**{field: value})))


@pytest.mark.parametrize("field", ["rule", "time_zone", "notify_url"])
def test_texts_of_a_schedule(api, field):
    """What the schema does not allow is refused, with the bound that is exceeded."""
    schema = SCHEDULE["properties"][field]
    for value in values_for(schema):
        if not DESCRIPTION.allows(schema, value):
            assert not takes_schedule(api, schedule(**{field: value})), f"{value}"
    rule = f"{field} must be a string of {schema['minLength']} to {schema['maxLength']} characters"
    for length, exceeds in ((0, True), (schema["maxLength"], False), (schema["maxLength"] + 1, True)):
        body = json.dumps(schedule(**{field: "x" * length})).encode()
        response = call(api, OPERATIONS["createExportSchedule"], body=body)
        assert (rule in response.json()["error_msg"]) == exceeds, f"{response}"


def test_the_fields_of_a_schedule_in_the_source():
    names = re.findall(r'^    \{"(\w+)", read_\w+, ', source("schedule/definition.c"), re.M)
    assert sorted(SCHEDULE["properties"]) == sorted(names)
    assert set(SCHEDULED["properties"]) == set(REQUEST["properties"])


@pytest.mark.parametrize("field", sorted(set(SCHEDULE["properties"])))
def test_defaults_of_a_schedule(api, field):
    """A default that is described is the one that the response has."""
    created = call(api, OPERATIONS["createExportSchedule"]).json()
    call(api, OPERATIONS["deleteExportSchedule"], {"schedule_id": created["schedule_id"]})
    if "default" in SCHEDULE["properties"][field]:
        assert created[field] == SCHEDULE["properties"][field]["default"]


def test_the_create_time_of_a_schedule(api):
    check_values([*OF_EACH_TYPE, {"start_time": 1, "end_time": 1}, {"start_time": 1, "x": None}, {"last": "P7D"},
                  {"last": None}, {"last": 7}, {"last": ""}, {"last": "P7D", "start_time": 1}, {"last": "P7D", "x": 1},
                  {"last": "P7D", "end_time": 1}, {"last": "P7D", "end_time": None}, {"last": None, "start_time": 1}],
                 SCHEDULED["properties"]["create_time"],
                 lambda value: takes_schedule(api, schedule(request={"create_time": value, **MINIMAL})))


def test_the_body_of_a_schedule(api):
    more = [schedule(**{name: None}) for name in ("x", "Name", "schedule_id", "create_time")]
    without = [{key: value for key, value in schedule().items() if key != name} for name in schedule()]
    check_values([*OF_EACH_TYPE, schedule(), *more, *without], SCHEDULE, functools.partial(takes_schedule, api))


@pytest.mark.parametrize("name", ["createExportSchedule", "replaceExportSchedule"])
def test_the_examples_of_a_schedule(api, name):
    examples = [DESCRIPTION.resolve(example)["value"] for example in OPERATIONS[name].body["examples"].values()]
    assert examples
    for example in examples:
        assert takes_schedule(api, example), f"{example}"


PARAMETERS = [(name, parameter) for name, operation in OPERATIONS.items()
              for (place, _), parameter in operation.parameters.items() if place in ("query", "path")]


@pytest.mark.parametrize("name, parameter", PARAMETERS,
                         ids=[f"{name} {parameter['in']} {parameter['name']}" for name, parameter in PARAMETERS])
def test_parameters(api, name, parameter):
    """Query and path parameters are texts; an integer consists of digits."""
    schema = parameter["schema"]

    def accepts(value):
        if parameter["in"] == "path":
            response = call(api, OPERATIONS[name], {parameter["name"]: value})
        else:
            response = call(api, OPERATIONS[name], query=f"?{parameter['name']}={quote(str(value), safe='')}")
        no_api = response.status == 404 and OPERATIONS[name].method != "HEAD" \
            and response.json()["error_code"] == "APIGW.0101"
        return response.status != 400 and not no_api

    if schema["type"] == "integer":
        values = [number for number in numbers(schema)] + ["", "x", "1.0", "+1"]
    else:
        values = texts(schema)
    if OPERATIONS[name].method == "HEAD" and parameter["in"] == "path":
        values = [value for value in values if value]  # without a body all 404 responses are alike
    if parameter["in"] == "path" and parameter["name"] != "project_id":
        # Every text is allowed here except the empty one, which makes another path.
        assert all(accepts(value) == (value != "") for value in values)
        assert schema == {"type": "string", "minLength": 1}
    elif parameter["name"] in ("expires", "signature"):
        assert all(accepts(value) for value in values)  # they have no effect beside a token; see test_links.py
    else:
        check_values(values, schema, accepts)


# ---- Responses ----

class Tried:
    """The responses that an operation has given: {status: codes}."""

    def __init__(self):
        self.answers = collections.defaultdict(lambda: collections.defaultdict(set))

    def note(self, name, response):
        codes = self.answers[name][response.status]
        if response.status >= 400 and response.body:
            codes.add(response.json()["error_code"])
        return response


def try_file(one, service, task, operations, names):
    """Asks for a file, whole and in part, again, and after it has expired."""
    api, (get, head) = service.api(), operations
    one(head, api, names=names)
    etag = one(get, api, names=names).headers["etag"]
    one(get, api, names=names, headers={"Range": "bytes=0-0"})
    one(get, api, names=names, headers={"Range": "bytes=1000-"})
    for name in operations:
        one(name, api, names=names, headers={"If-None-Match": etag})
    service.site.sql("UPDATE waybill.export_task SET expire_time = now() WHERE task_id = %s", task["task_id"])
    for name in operations:
        one(name, api, names=names)


def new_schedule(one, api):
    return {"schedule_id": one("createExportSchedule", api).json()["schedule_id"]}


def try_schedule(one, service):
    """Makes the operations on a schedule succeed, and refuse an enterprise project in the body."""
    api, names = service.api(), new_schedule(one, service.api())
    for name in ("showExportSchedule", "replaceExportSchedule", "listExportScheduleRuns"):
        one(name, api, names=names)
    task = one("runExportSchedule", api, names=names).json()
    api.wait(task["task_id"])
    one("listExportScheduleRuns", api, names=names)
    try_file(one, service, task, ("downloadLatestExportFile", "headLatestExportFile"), names)
    one("deleteExportSchedule", api, names=names)


def try_everything(service, detour, limited):
    """Makes every operation give every response that it can give."""
    tried, api = Tried(), service.api()

    def each(api, wanted=lambda operation: True, **arguments):
        for name, operation in OPERATIONS.items():
            if wanted(operation):
                tried.note(name, call(api, operation, **copy.deepcopy(arguments)))

    def closed(operation):
        return not operation.open

    def one(name, api, **arguments):
        return tried.note(name, call(api, OPERATIONS[name], **arguments))

    each(api)
    each(api, query="?x=1")
    each(api, closed, headers={"X-Auth-Token": "x"})
    each(api, closed, names={"project_id": "another"})
    each(api, closed, names={"project_id": ""})
    each(api, closed, headers={"X-Large": "x" * (512 * 1024)})
    for operation_name, operation in OPERATIONS.items():
        path = re.sub(r"\{\w+\}", "x", operation.path)
        tried.note(operation_name, api.request("PATCH", path, body=b""))

    # Bodies, and the other reasons for which create refuses.
    for name, operation in OPERATIONS.items():
        if operation.body:
            one(name, api, body=b"{")
            one(name, api, body=b" " * (1024 * 1024 + 1))
            one(name, api, headers={"Content-Type": "text/plain"})
    status = api.finished()
    task, file = {"task_id": status["task_id"]}, {"file_id": status["file_id"]}
    one("showExportTask", api, names=task)
    one("showLatestExportTaskByType", api, names=task)
    try_file(one, service, task, ("downloadExportFile", "headExportFile"), file)
    one("deleteExportTask", api, names=task)
    try_schedule(one, service)
    service.site.sql("INSERT INTO waybill.export_task (project_id, enterprise_project_id, export_size, request,"
                     " request_id, state, lease, lease_expire_time, attempts) SELECT %s, '0', 1, %s, 'x', 'running',"
                     " gen_random_uuid(), now() + interval '1 hour', 1 FROM generate_series(1, 3)",
                     api.project, json.dumps(MINIMAL))
    one("createContainerExportTask", api)
    one("runExportSchedule", api, names=new_schedule(one, api))
    service.site.sql("INSERT INTO waybill.idempotency_key (project_id, key, request_sha256, task_id)"
                     " VALUES (%s, 'k', sha256('x'), gen_random_uuid())", api.project)
    one("createContainerExportTask", api, headers={"Idempotency-Key": "k"})

    # An internal error, a missing directory, and no database.
    os.rename(service.site.files, service.site.files + ".away")
    each(api, lambda operation: operation.open)
    os.rename(service.site.files + ".away", service.site.files)
    token = service.site.new_token(api.project)
    service.site.sql("ALTER TABLE waybill.credential RENAME TO gone")
    each(api, closed, headers={"X-Auth-Token": token})
    service.site.sql("ALTER TABLE waybill.gone RENAME TO credential")
    with detour.cut():
        each(api)

    # One sign-in may fail: that of the first operation.
    each(limited.api(), closed, headers={"X-Auth-Token": "x"})
    each(limited.api(), closed)
    return tried


@pytest.fixture(scope="module")
def tried(start, scratch, postgres):
    detour = Detour(postgres, os.path.join(scratch, "openapi_answers"))
    service = start("openapi_answers", options={**detour.options, "limits.unfinished_tasks": 3, "server.wait_ms": 0})
    limited = start("openapi_limited", options={"access.failed_signins": 1})
    return try_everything(service, detour, limited)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_that_is_described_is_given(tried, name):
    operation = OPERATIONS[name]
    got = {status: codes or None for status, codes in tried.answers[name].items()}
    expected = {status: operation.codes(status) for status in operation.responses}
    if operation.method == "HEAD":
        expected = dict.fromkeys(expected)
        expected.pop(405), got.pop(405)  # PATCH was tried
    assert got == expected


def test_the_error_codes_of_the_source():
    """Each occurs in a response with its status, and with Retry-After where the table requires it."""
    rows = re.findall(r'= \{"(\w+)",\s*"([\w.]+)",\s*(\d+),\s*(\d+),\s*\d+\},', source("base/error.c"))
    assert len(rows) > 10
    pairs = {(int(status), code) for _, code, status, _ in rows}
    described = {(status, code) for operation in OPERATIONS.values() for status in operation.responses
                 for code in operation.codes(status) or () if not operation.open}
    assert described == pairs
    assert set(DESCRIPTION.schema("Error")["properties"]["error_code"]["enum"]) == {code for _, code in pairs}
    again = {int(status) for _, _, status, seconds in rows if seconds != "0"}
    with_header = {status for operation in OPERATIONS.values() for status, response in operation.responses.items()
                   if "Retry-After" in response.get("headers", {})}
    assert with_header == again


def test_every_field_of_a_task(start, api):
    """Each state has the described fields, and all states together have no others."""
    tasks = [api.finished()]
    broken = start("openapi_broken", options={"inventory.relation": "waybill.none"}).api()
    tasks.append(broken.wait(broken.create_task()))
    stalled = start("openapi_stalled", options={"export.threads": 0}).api()
    tasks.append(call(stalled, OPERATIONS["showExportTask"], {"task_id": stalled.create_task()}).json())
    for task in tasks:
        assert DESCRIPTION.allows(DESCRIPTION.schema("Task"), task), f"{task}"
    assert [task["task_status"] for task in tasks] == ["success", "failure", "running"]
    assert {task["task_status"] for task in tasks} == set(
        DESCRIPTION.schema("Task")["properties"]["task_status"]["enum"])
    assert {field for task in tasks for field in task} == set(DESCRIPTION.schema("Task")["properties"])
    for caller, states in ((api, {"success"}), (broken, {"failure"}), (stalled, {"running"})):
        page = call(caller, OPERATIONS["listExportTasks"]).json()
        assert {task["task_status"] for task in page["data_list"]} == states, f"{page}"


def test_the_schema_of_a_task_is_strict(api):
    """Required fields must be there, and additional ones are refused."""
    task, schema = api.finished(), DESCRIPTION.schema("Task")
    for field in set(task) - {"expire_time", "download_url"}:  # kept files do not expire, and links may be off
        assert not DESCRIPTION.allows(schema, {key: value for key, value in task.items() if key != field}), field
    for change in ({"error_code": "HSS.0041"}, {"error_msg": "x"}, {"task_status": "running"},
                   {"task_status": "failure"}, {"x": 1}, {"download_url": task["download_url"] + "&x=1"},
                   {"download_url": "https://example.org" + task["download_url"]}):
        assert not DESCRIPTION.allows(schema, {**task, **change}), f"{change}"


def test_containers(hostile):
    """Every harmful value fits the schema, which requires every field and allows no other."""
    page = call(hostile.api(), OPERATIONS["listContainers"], query="?limit=200&enterprise_project_id=all_granted_eps")
    containers, schema = page.json()["data_list"], DESCRIPTION.schema("Container")
    assert len(containers) > 100
    for field in schema["properties"]:
        assert not DESCRIPTION.allows(schema, {key: value for key, value in containers[0].items() if key != field})
    assert not DESCRIPTION.allows(schema, {**containers[0], "x": 1})


def test_the_fields_of_a_notification():
    """test_schedule_notify.py compares notifications with their schema."""
    fields = set(DESCRIPTION.schema("Notification")["properties"])
    of_task = set(DESCRIPTION.schema("Task")["properties"]) - {"download_url"}
    assert fields == {*of_task, "schedule_id", "occurrence_time"}


def test_a_compressed_file(start):
    """Responses in full, in part and without a body: some headers exist only if there is such a file."""
    api = start("openapi_gzip", options={"files.gzip": "on"}).api()
    names, gzip = {"file_id": api.finished()["file_id"]}, {"Accept-Encoding": "gzip"}
    for operation in (OPERATIONS["downloadExportFile"], OPERATIONS["headExportFile"]):
        whole = call(api, operation, names, headers=gzip)
        condition = {"If-None-Match": whole.headers["etag"]}
        answers = [whole, call(api, operation, names, headers={**gzip, **condition})]
        if operation.method == "GET":
            answers.append(call(api, operation, names, headers={**gzip, "Range": "bytes=0-3"}))
        assert {answer.status for answer in answers} == set(operation.responses) & {200, 206, 304}
        for answer in answers:
            assert answer.headers["content-encoding"] == "gzip", f"{answer}"
            assert set(operation.described_headers(answer.status)) <= set(answer.headers), f"{answer}"
        assert "content-encoding" not in call(api, operation, names).headers
