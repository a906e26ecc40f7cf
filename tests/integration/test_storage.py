"""A disk that is full, that fails, or that writes less than requested."""

import os

import pytest
from deadline import wait_until
from faults import (ASYNC, BODY, FAILED, FULL, Orders, expect_failure, expect_right_file, fleet,
                    mounted_tmpfs)  # noqa: F401

ROWS = 5000  # about a MiB
SIZE = 4 << 20


def expect_health(api, status, files="ok"):
    response = api.request("GET", "/healthz")
    assert response.status == status, f"{response}"
    answer = response.json()
    expected = {"live": True, "ready": status == 200, "database": "ok", "files": files}
    assert {name: answer.get(name) for name in expected} == expected, f"{answer}"
    if status == 503:
        assert answer["error_code"] == "HSS.0041" and answer["error_msg"] and answer["request_id"], f"{answer}"
    assert api.request("GET", "/healthz/live").status == 200


def expect_success(made):
    status = made.api().finished(BODY)
    expect_right_file(made.api(), status, ROWS)
    return status["file_id"]


@pytest.fixture
def small(fleet):  # noqa: F811
    """A site whose files are on a small disk of their own."""
    made = fleet("storage_small", p1=ROWS)
    unmount = mounted_tmpfs(made.site.files, SIZE)
    made.start()
    try:
        yield made
    finally:
        try:
            made.stop()
        finally:
            unmount()


def leave_room(path, room):
    """Fills the disk except for that many bytes."""
    with open(path, "wb") as file:
        free = os.statvfs(path)
        file.write(bytes(free.f_bavail * free.f_frsize - room))


def test_a_full_disk(small):
    api = small.api()
    ballast = os.path.join(small.site.files, "ballast")
    leave_room(ballast, 512 * 1024)
    expect_failure(small, FULL, ["ballast"])
    wait_until(lambda: api.request("GET", "/healthz").status == 200, "the failed export has closed its unlinked file")
    expect_health(api, 200)

    leave_room(ballast, 0)
    expect_health(api, 503, "unavailable")
    expect_failure(small, FULL, ["ballast"])
    expect_health(api, 503, "unavailable")

    os.unlink(ballast)
    expect_health(api, 200)
    expect_success(small)
    small.expect_files_of_tasks_alone()


@pytest.fixture(params=["nameless", "part"])
def faulty(request, fleet):  # noqa: F811
    """A site whose disk fails on request: with files that have no name until they are complete, and without."""
    made = fleet(request.node.name[5:].replace("[", "_").rstrip("]"), p1=ROWS)
    orders = Orders(made.site)
    always = () if request.param == "nameless" else ("tmpfile EOPNOTSUPP",)
    made.order = lambda *more: orders.give(*always, *more)
    made.order()
    made.start(variables=orders.variables)
    yield made


def test_a_disk_that_fails(faulty):
    """The disk fails at the first write or a later one, when the file is synced, when it gets its name, or when the
    directory is synced. The next export succeeds each time."""
    files = [expect_success(faulty)]
    for order, reason in (
            ("write EIO 0", FAILED), ("write EIO 200000", FAILED), ("write ENOSPC 400000", FULL),
            ("write EDQUOT 400000", FULL), ("fsync EIO", FAILED), ("fsync ENOSPC", FULL), ("publish EIO", FAILED),
            ("publish ENOSPC", FULL), ("syncdir EIO", FAILED)):
        faulty.order(order)
        expect_failure(faulty, reason, files)
        if order == "write EIO 0":
            expect_health(faulty.api(), 503, "unavailable")
        faulty.order()
        files.append(expect_success(faulty))
        expect_health(faulty.api(), 200)
    faulty.expect_files_of_tasks_alone()


def test_short_writes(faulty):
    """The rest of a short write is written by the next one."""
    whole = faulty.api().finished(BODY)
    faulty.order("write short")
    pieces = faulty.api().finished(BODY)
    expect_right_file(faulty.api(), pieces, ROWS)
    assert pieces["sha256"] == whole["sha256"]
    faulty.expect_files_of_tasks_alone()


def test_a_file_that_cannot_be_removed_at_first(faulty):
    """It is removed by the next round of housekeeping, here that of a new process."""
    kept, removed = (expect_success(faulty) for _ in range(2))
    faulty.order("remove EACCES")
    api = faulty.api()
    task_id, = faulty.site.sql("SELECT task_id::text FROM waybill.export_task WHERE file_id = %s", removed)[0]
    assert api.request("DELETE", api.path(f"export-task/{task_id}")).status == 204
    assert api.download(removed).status == 404
    log = faulty.processes["one"].log_text
    wait_until(lambda: "a discarded file cannot be removed" in log(), "it is tried")
    assert sorted(os.listdir(faulty.site.files)) == sorted([kept, removed])
    faulty.order()
    faulty.start("two")
    faulty.expect_files_of_tasks_alone()


def test_a_missing_directory(fleet):  # noqa: F811
    made = fleet("storage_away", p1=ROWS)
    made.start()
    file_id = expect_success(made)
    os.rename(made.site.files, made.site.files + ".away")
    expect_health(made.api(), 503, "unavailable")
    status = made.api().wait(made.api().create_task(BODY, headers=ASYNC))
    assert status["task_status"] == "failure" and FAILED in status["error_msg"], f"{status}"
    os.rename(made.site.files + ".away", made.site.files)
    expect_health(made.api(), 200)
    assert os.listdir(made.site.files) == [file_id]
    expect_success(made)
    made.expect_files_of_tasks_alone()
