"""The list of a caller's tasks: its content, its order, and its pages."""

import itertools

import inventory
import pytest
from api import HEADERS, MINIMAL, expect_error
from calls import expect_removed, listed, page, remove, without_link
from clients import each_way

A, B, AB = ("ep-a",), ("ep-b",), ("ep-a", "ep-b")
projects = itertools.count()


@pytest.fixture
def api(hostile, client):
    """A caller whose project has no task yet."""
    return hostile.api(f"listed/{next(projects)}", client=client)


def expect_shown(api, tasks):
    """Checks that the list has shown the tasks as status does."""
    for task in tasks:
        assert without_link(task) == without_link(api.status(task["task_id"]).json())
        assert ("download_url" in task) == (task["task_status"] == "success")


def ids(tasks):
    return [task["task_id"] for task in tasks]


def test_none(api):
    response = page(api)
    assert response.status == 200 and response.json() == {"total_num": 0, "data_list": []}, f"{response}"
    assert response.headers["content-type"].split(";")[0] == "application/json", f"{response}"


@pytest.mark.each_way
def test_newest_first(api):
    tasks = []
    for _ in range(5):
        tasks.append(api.finished(MINIMAL)["task_id"])
        total, found = listed(api)
        assert total == len(tasks) and ids(found) == tasks[::-1]
        expect_shown(api, found)


def spread(site, project):
    """Sets times a second apart, oldest first by id. Each third task gets the time of the one before it."""
    site.sql(
        "UPDATE waybill.export_task SET create_time = timestamptz '2026-01-01 00:00:00Z' + place * interval '1 second'"
        " FROM (SELECT task_id, n - CASE WHEN n %% 3 = 0 THEN 1 ELSE 0 END AS place"
        "       FROM (SELECT task_id, row_number() OVER (ORDER BY md5(task_id::text)) AS n FROM waybill.export_task"
        "             WHERE project_id = %s) numbered) placed"
        " WHERE export_task.task_id = placed.task_id", project)


@pytest.mark.parametrize("together", [False, True])
def test_every_task_is_on_one_page(stalled, together):
    """This includes tasks of the same moment, and holds for every page size."""
    api = stalled.api(f"paged {together}")
    made = {api.create_task(MINIMAL) for _ in range(23)}
    if together:
        stalled.site.sql("UPDATE waybill.export_task SET create_time = '2026-01-01 00:00:00Z' WHERE project_id = %s",
                         api.project)
    else:
        spread(stalled.site, api.project)
    total, whole = listed(api, "?limit=200")
    times = [task["create_time"] for task in whole]
    assert total == 23 and set(ids(whole)) == made and len(whole) == 23
    assert times == sorted(times, reverse=True), f"{times}"
    for size in (1, 2, 7, 22, 23, 24):
        pages = [listed(api, f"?limit={size}&offset={offset}") for offset in range(0, 23, size)]
        assert [task for _, tasks in pages for task in tasks] == whole, f"pages of {size}"
        assert {total for total, _ in pages} == {23}
        assert [len(tasks) for _, tasks in pages[:-1]] == [size] * (len(pages) - 1)
    assert listed(api) == (23, whole[:10]), "the default page has ten"
    assert listed(api, "?offset=20") == (23, whole[20:])


def test_a_whole_page_of_200(stalled):
    api = stalled.api("paged 201")
    stalled.site.sql(
        "INSERT INTO waybill.export_task (project_id, enterprise_project_id, export_size, request, request_id,"
        " create_time) SELECT %s, '0', 1, '{}', '', '2026-01-01 00:00:00Z' FROM generate_series(1, 201)", api.project)
    total, tasks = listed(api, "?limit=200")
    assert (total, len(tasks)) == (201, 200)
    total, rest = listed(api, "?limit=200&offset=200")
    assert (total, len(rest)) == (201, 1)
    assert len(set(ids(tasks + rest))) == 201


@pytest.mark.parametrize("query, count", [
    ("?limit=1", 1), ("?limit=2", 2), ("?limit=3", 3), ("?limit=200", 3), ("?offset=0", 3), ("?offset=2", 1),
    ("?offset=3", 0), ("?offset=4", 0), ("?offset=2000000", 0), ("?limit=200&offset=2000000", 0),
    ("?offset=1&limit=1", 1), ("?enterprise_project_id=0&limit=2", 2), ("?%6Cimit=%32", 2), ("?", 3),
])
def test_bounds(api, query, count):
    tasks = [api.create_task(MINIMAL) for _ in range(3)]
    for task_id in tasks:
        api.wait(task_id)
    total, found = listed(api, query)
    assert (total, len(found)) == (3, count)


@pytest.mark.parametrize("parameter, value", [
    *(("limit", value) for value in ("0", "00", "201", "1000")),
    *(("offset", value) for value in ("2000001", "20000000")),
    *itertools.product(("limit", "offset"), (
        "", "-1", "+1", "%2B1", "1.0", "abc", "1e1", "0x1", "1,000", "%201", "1%20", "1%0A", "true", "null",
        "%EF%BC%91", "4294967297", "18446744073709551617", "9" * 5000, "%00", "%ff", "%")),
], ids=lambda value: value[:30] or "empty")
def test_invalid_limits_and_offsets(client, hostile, parameter, value):
    api = hostile.api(client=client)
    mention = () if value in ("%00", "%ff", "%") else (parameter,)
    expect_error(page(api, f"?{parameter}={value}"), 400, "HSS.0001", *mention)


@pytest.mark.parametrize("query, mention", [
    ("?limit", "limit"), ("?offset", "offset"), ("?limit=1&limit=1", "limit"), ("?offset=1&%6Fffset=1", "offset"),
    ("?limit=0&offset=0", "limit"), ("?limit=1&offset=-1", "offset"), ("?Limit=1", "Limit"), ("?limits=1", "limits"),
    ("?export_size=1", "export_size"), ("?marker=1", "marker"), ("?limit=1&x=", "x"), ("?state=running", "state"),
    ("?enterprise_project_id=", "enterprise_project_id"), ("?enterprise_project_id=" + "x" * 257, "256"),
    ("?enterprise_project_id=0&enterprise_project_id=0", "enterprise_project_id"),
], ids=lambda value: value[:60])
def test_refused(client, hostile, query, mention):
    expect_error(page(hostile.api(client=client), query), 400, "HSS.0001", mention)


def test_without_a_right_token(client, hostile):
    api = hostile.api(client=client)
    for token in (None, "wrong"):
        expect_error(api.request("GET", api.path("export-tasks"), {"X-Auth-Token": token}), 401, "APIGW.0301")


@pytest.mark.parametrize("project", [inventory.NEIGHBOUR, "Demo", "nowhere"])
def test_another_project(client, hostile, project):
    response = hostile.api(client=client).request("GET", f"/v5/{project}/export-tasks")
    expect_error(response, 403, "HSS.0013")


@pytest.mark.parametrize("method", ["POST", each_way("PUT"), "DELETE", "PATCH", "HEAD"])
def test_other_methods(client, hostile, method):
    body = b"{}" if method in ("POST", "PUT", "PATCH") else None
    api = hostile.api(client=client)
    response = api.request(method, api.path("export-tasks"), body=body)
    assert response.status == 405 and response.headers["allow"] == "GET", f"{response}"
    if method != "HEAD":
        expect_error(response, 405, "APIGW.0101", method)


@pytest.mark.parametrize("path", ["export-tasks/", "export-tasks/x", "export-tasksx", "Export-Tasks"])
def test_other_paths(client, hostile, path):
    api = hostile.api(client=client)
    expect_error(api.request("GET", api.path(path)), 404, "APIGW.0101")


@pytest.fixture(scope="module")
def granted(hostile):
    """Tasks of callers with all kinds of grants in two projects, newest first."""
    made = []
    for project in ("listed grants", "listed grants 2"):
        for eps, query in ((None, "0"), (None, "ep-a"), (None, "ep-b"), (None, "Ep-A"), (None, "all_granted_eps"),
                           (A, "ep-a"), (A, "all_granted_eps"), (B, "all_granted_eps"), (AB, "ep-b"),
                           (AB, "all_granted_eps"), (("0", "ep-a"), "all_granted_eps"), (("0",), "0")):
            api = hostile.api(project, eps)
            made.append(api.finished({"export_headers": HEADERS}, f"?enterprise_project_id={query}")["task_id"])
    # No two tasks have the same time.
    for number, task_id in enumerate(made):
        hostile.site.sql("UPDATE waybill.export_task SET create_time = '2026-01-01 00:00:00Z'::timestamptz"
                         " + %s * interval '1 second' WHERE task_id = %s", number, task_id)
    return made[::-1]


QUERIES = ("", "0", "ep-a", "ep-b", "Ep-A", "all_granted_eps", "nothing-there", "ep-a,ep-b")


@pytest.mark.parametrize("eps", [None, A, B, AB, ("0",), ("0", "ep-a"), ("Ep-A",), ("nothing-there",)],
                         ids=lambda eps: "all" if eps is None else "+".join(eps))
@pytest.mark.parametrize("project", ["listed grants", "listed grants 2"])
def test_just_what_status_shows(hostile, granted, project, eps):
    """The list shows the same tasks as status, and with the same fields."""
    api = hostile.api(project, eps)
    seen = 0
    for name in QUERIES:
        query = f"?enterprise_project_id={name}" if name else ""
        answers = [api.status(task_id, query) for task_id in granted]
        if 403 in {answer.status for answer in answers}:
            expect_error(page(api, query), 403, "HSS.0013", "enterprise_project_id")
            continue
        visible = [without_link(answer.json()) for answer in answers if answer.status == 200]
        total, tasks = listed(api, query + ("&" if query else "?") + "limit=200")
        assert [*map(without_link, tasks)] == visible and total == len(visible), f"{project}, {eps}, {query}"
        seen += total
    assert (seen > 0) == (eps != ("nothing-there",))


def test_each_state_as_status_shows_it(stalled):
    api = stalled.api("listed states")
    tasks = [api.create_task(MINIMAL) for _ in range(5)]
    changes = (
        "attempts = 1",
        "state = 'running', attempts = 1, lease = gen_random_uuid(), lease_expire_time = now() + interval '1 hour',"
        " progress = 40, exported_rows = 12",
        "state = 'success', progress = 100, file_id = gen_random_uuid(), file_size = 6, sha256 = sha256('x'),"
        " finish_time = now(), expire_time = now() + interval '1 hour', truncated = true",
        "state = 'success', progress = 100, file_id = gen_random_uuid(), file_size = 6, sha256 = sha256('x'),"
        " finish_time = now(), expire_time = now() - interval '1 hour', file_removed = true",
        "state = 'failure', error_code = 'HSS.0041', error_msg = E'a \"reason\" \\U0001f600', finish_time = now()",
    )
    for task_id, change in zip(tasks, changes):
        stalled.site.sql(f"UPDATE waybill.export_task SET {change} WHERE task_id = %s", task_id)
    total, found = listed(api)
    assert total == 5 and set(ids(found)) == set(tasks)
    for task in found:
        assert task == api.status(task["task_id"]).json()
    states = [task["task_status"] for task in sorted(found, key=lambda task: tasks.index(task["task_id"]))]
    assert states == ["running", "running", "success", "success", "failure"]


def test_what_is_removed_is_listed_no_more(api):
    tasks = [api.finished(MINIMAL)["task_id"] for _ in range(3)]
    expect_removed(remove(api, tasks[1]))
    total, found = listed(api)
    assert (total, ids(found)) == (2, [tasks[2], tasks[0]])
