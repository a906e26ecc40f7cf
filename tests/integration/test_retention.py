"""Retention: files expire or make room, rows of old tasks are purged, and nothing else is touched."""

import os
import re
import subprocess
import time
import uuid

from api import expect_error
from calls import add_volume, expect_removed, listed, remove
from deadline import DEADLINE, wait_until
from faults import BODY, expect_right_file, fleet  # noqa: F401
from service import BUILD, environment

HOUR = 3600 * 1000
ROWS = 20


def add(counts, more):
    return tuple(one + int(other) for one, other in zip(counts, more))


def purge(made):
    """Returns the counts of a round of housekeeping: files expired, tasks purged, files removed."""
    done = made.site.waybill("task", "purge")
    assert done.returncode == 0 and not done.stderr, f"{done}"
    counts = re.fullmatch(r"(\d+) files expired, (\d+) tasks purged, (\d+) files removed\n", done.stdout)
    assert counts, f"{done}"
    return add((0, 0, 0), counts.groups())


def kept_house(made):
    """Returns the total counts of the processes' own rounds."""
    logs = "".join(process.log_text() for process in made.processes.values())
    total = (0, 0, 0)
    for counts in re.findall(r"event=housekeeping files_expired=(\d+) tasks_purged=(\d+) files_removed=(\d+)", logs):
        total = add(total, counts)
    return total


def expect_purge(made, before, *counts):
    """Runs a round: together with the rounds of the processes since kept_house was `before`, it makes these counts. A
    process may have been faster."""
    done = purge(made)
    expected = add(before, counts)
    wait_until(lambda: add(done, kept_house(made)) == expected, f"{done} and {kept_house(made)} come to {expected}")


def shift(made, column, hours, *task_ids):
    """Moves a time of tasks into the past."""
    made.site.sql(f"UPDATE waybill.export_task SET {column} = {column} - %s * interval '1 hour'"
                  " WHERE task_id = ANY (%s::uuid[])", hours, list(task_ids))


def files(made):
    return set(os.listdir(made.site.files))


def expect_expired(api, task_id):
    """The file cannot be downloaded any more, and the status still shows that it was made."""
    status = api.status(task_id).json()
    assert status["task_status"] == "success" and status["expire_time"] <= time.time() * 1000 + 1000, f"{status}"
    expect_error(api.download(status["file_id"]), 410, "HSS.0011", "expired")
    response = api.download(status["file_id"], method="HEAD")
    assert response.status == 410 and response.body == b"", f"{response}"
    assert task_id in {task["task_id"] for task in listed(api, "?limit=200")[1]}


def test_a_file_expires(fleet):  # noqa: F811
    """It expires at its time, not when it is removed."""
    made = fleet("retention_expire", p1=ROWS)
    made.start()
    old, kept = (made.api().finished(BODY) for _ in range(2))
    before = made.api().status(old["task_id"]).json()
    assert purge(made) == (0, 0, 0)
    done = kept_house(made)
    shift(made, "expire_time", 168, old["task_id"])
    expect_expired(made.api(), old["task_id"])
    expect_purge(made, done, 1, 0, 1)
    assert files(made) == {kept["file_id"]}
    expect_expired(made.api(), old["task_id"])
    after = made.api().status(old["task_id"]).json()
    assert after == {**before, "expire_time": before["expire_time"] - 168 * HOUR}, f"{before}, {after}"
    assert made.task(old["task_id"], "file_removed") == (True,)
    assert purge(made) == (0, 0, 0)
    expect_right_file(made.api(), kept, ROWS)
    expect_removed(remove(made.api(), old["task_id"]))
    made.expect_files_of_tasks_alone()


def test_a_start_begins_with_housekeeping(fleet):  # noqa: F811
    made = fleet("retention_start", p1=ROWS)
    made.start()
    expired, deleted, failed, kept = (made.api().finished(BODY) for _ in range(4))
    made.stop()
    shift(made, "expire_time", 168, expired["task_id"])
    made.site.sql("DELETE FROM waybill.export_task WHERE task_id = %s", deleted["task_id"])
    made.site.sql("UPDATE waybill.export_task SET state = 'failure', file_id = NULL, file_size = NULL, sha256 = NULL,"
                  " expire_time = NULL, error_code = 'HSS.0041', finish_time = now() - interval '721 hours'"
                  " WHERE task_id = %s", failed["task_id"])
    assert len(files(made)) == 4
    made.start()
    wait_until(lambda: files(made) == {kept["file_id"]}, "the others are removed")
    wait_until(lambda: made.states() == {"success": 2}, "the old failure is purged")
    expect_expired(made.api(), expired["task_id"])
    expect_error(made.api().status(failed["task_id"]), 404, "HSS.0011")


def test_retention_hours(fleet):  # noqa: F811
    made = fleet("retention_hours", {"files.retention_hours": 1}, p1=ROWS)
    made.start()
    status = made.api().finished(BODY)
    assert abs(status["expire_time"] - status["finish_time"] - HOUR) <= 60000, f"{status}"


def test_old_tasks_are_purged(fleet):  # noqa: F811
    """They are purged a fixed time after their end, whatever their state. Unfinished tasks stay, however old."""
    hours = 720
    made = fleet("retention_history", p1=ROWS)
    made.start()
    success = [made.api().finished(BODY)["task_id"] for _ in range(3)]
    made.stop()
    made.site.write_config({"export.threads": 0})
    made.start()
    failure = [made.api().create_task(BODY) for _ in range(2)]
    made.site.sql("UPDATE waybill.export_task SET state = 'failure', finish_time = now(), error_code = 'HSS.0041'"
                  " WHERE state = 'queued'")
    queued, running = (made.api().create_task(BODY) for _ in range(2))
    made.site.sql("UPDATE waybill.export_task SET state = 'running', attempts = 1, lease = gen_random_uuid(),"
                  " lease_expire_time = now() + interval '1 hour' WHERE task_id = %s", running)
    shift(made, "create_time", hours + 1000, *success, *failure, queued, running)
    done = kept_house(made)
    shift(made, "expire_time", 169, success[0], success[1])
    expect_purge(made, done, 2, 0, 2)  # the files of two, no row

    shift(made, "finish_time", hours - 1, *success, *failure)
    assert purge(made) == (0, 0, 0), "an hour is left"
    done = kept_house(made)
    shift(made, "finish_time", 2, success[0], failure[0])
    expect_purge(made, done, 0, 2, 0)
    for task_id in (success[0], failure[0]):
        expect_error(made.api().status(task_id), 404, "HSS.0011")
    for task_id in (success[1], success[2], failure[1], queued, running):
        assert made.api().status(task_id).status == 200
    expect_expired(made.api(), success[1])
    assert made.site.tasks() == 5


def test_no_task_goes_before_its_file(fleet):  # noqa: F811
    """Files are kept longer than the history here."""
    made = fleet("retention_longer", {"files.history_hours": 1, "files.retention_hours": 1000}, p1=ROWS)
    made.start()
    status = made.api().finished(BODY)
    shift(made, "finish_time", 500, status["task_id"])
    assert purge(made) == (0, 0, 0)
    expect_right_file(made.api(), status, ROWS)
    shift(made, "expire_time", 1000, status["task_id"])
    purge(made)
    wait_until(lambda: files(made) == set(), "the file goes")
    purge(made)
    wait_until(lambda: made.site.tasks() == 0, "and then the task")


def test_more_than_a_statement_takes(fleet):  # noqa: F811
    made = fleet("retention_many", p1=ROWS)
    made.site.sql(
        "INSERT INTO waybill.export_task (project_id, enterprise_project_id, export_size, request, request_id, state,"
        " file_id, file_size, sha256, finish_time, expire_time) SELECT 'p1', '0', 1, '{}', '', 'success',"
        " gen_random_uuid(), 6, sha256('x'), now(), now() - interval '1 hour' FROM generate_series(1, 2500)")
    names = [name for name, in made.site.sql("SELECT file_id::text FROM waybill.export_task LIMIT 2400")]
    for name in names:
        with open(os.path.join(made.site.files, name), "wb"):
            pass
    assert purge(made) == (2500, 0, 2400) and files(made) == set()
    made.site.sql("UPDATE waybill.export_task SET finish_time = now() - interval '721 hours'")
    assert purge(made) == (0, 2500, 0)
    assert made.site.sql("SELECT (SELECT count(*) FROM waybill.export_task),"
                         " (SELECT count(*) FROM waybill.discarded_file)") == [(0, 0)]


def test_the_oldest_make_room(fleet):  # noqa: F811
    """As files are made, the oldest ones are removed until the total is within the limit."""
    made = fleet("retention_room", {"files.max_total_mib": 1, "inventory.relation": "faults.container"})
    add_volume(made.site, p1=4, p2=15)
    made.start()
    small = [made.api().finished(BODY) for _ in range(5)]
    size = small[0]["file_size"]
    room = (1 << 20) // size
    assert 2 <= room <= 4, f"files of {size} bytes are no use here"
    newest = {status["file_id"] for status in small[-room:]}
    wait_until(lambda: files(made) == newest, "the oldest make room")
    for status in small[:-room]:
        expect_expired(made.api(), status["task_id"])
        assert made.api().status(status["task_id"]).json()["expire_time"] >= status["finish_time"], f"{status}"
    for status in small[-room:]:
        expect_right_file(made.api(), status, 4)
        assert made.api().status(status["task_id"]).json() == status
    assert purge(made) == (0, 0, 0)

    large = made.api(project="p2").finished(BODY)
    assert large["file_size"] > 1 << 20, f"{large}"
    wait_until(lambda: files(made) == {large["file_id"]}, "all others make room for one that is too large")
    expect_right_file(made.api(project="p2"), large, 15)
    assert purge(made) == (0, 0, 0), "the newest always stays"

    last = made.api().finished(BODY)
    wait_until(lambda: files(made) == {last["file_id"]}, "it makes room in turn")
    expect_expired(made.api(project="p2"), large["task_id"])
    expect_right_file(made.api(), last, 4)


def test_no_limit(fleet):  # noqa: F811
    made = fleet("retention_no_limit", {"inventory.relation": "faults.container"})
    add_volume(made.site, p1=15)
    made.start()
    statuses = [made.api().finished(BODY) for _ in range(3)]
    assert purge(made) == (0, 0, 0)
    assert files(made) == {status["file_id"] for status in statuses}


STATEMENTS = (
    "DELETE FROM waybill.export_task WHERE project_id = 'p1'",
    "WITH gone AS (DELETE FROM waybill.export_task WHERE project_id = 'p1' RETURNING task_id) SELECT FROM gone",
    "UPDATE waybill.export_task SET state = 'failure', error_code = 'HSS.0041', file_id = NULL"
    " WHERE project_id = 'p1' AND state = 'success'",
    "UPDATE waybill.export_task SET file_id = gen_random_uuid() WHERE project_id = 'p1' AND NOT file_removed",
    "UPDATE waybill.export_task SET file_removed = true WHERE project_id = 'p1' AND state = 'success'",
)


def test_what_an_operator_does_with_sql(fleet):  # noqa: F811
    """A file that no task refers to any more is removed, and no other, whichever role removed the reference."""
    made = fleet("retention_sql", p1=ROWS, p2=ROWS)
    made.start()
    kept = made.api(project="p2").finished(BODY)
    acts = [("postgres", statement) for statement in STATEMENTS]
    scope = "SET waybill.project_id = 'p1'; SET waybill.enterprise_projects = 'all'; "
    acts += [("waybill_owner", STATEMENTS[0]), ("waybill_service", scope + STATEMENTS[0])]
    for role, statement in acts:
        for _ in range(2):
            made.api().finished(BODY)
        assert len(files(made)) == 3
        done = kept_house(made)
        connection = made.site.connect(role)
        connection.cursor().execute(statement)
        connection.close()
        expect_purge(made, done, 0, 0, 2)
        assert files(made) == {kept["file_id"]}, f"{role}: {statement}"
        made.site.sql("DELETE FROM waybill.export_task WHERE project_id = 'p1'")
        purge(made)
    expect_right_file(made.api(project="p2"), kept, ROWS)


def test_what_an_operator_takes_back(fleet):  # noqa: F811
    made = fleet("retention_rollback", p1=ROWS)
    made.start()
    status = made.api().finished(BODY)
    connection = made.site.connect()
    connection.autocommit = False
    connection.cursor().execute("DELETE FROM waybill.export_task")
    assert purge(made) == (0, 0, 0)
    connection.rollback()
    connection.close()
    assert purge(made) == (0, 0, 0)
    expect_right_file(made.api(), status, ROWS)


def test_what_is_not_ours_stays(fleet):  # noqa: F811
    """Names that belong to no task may be anything, for example of an operator or of a backup in progress."""
    made = fleet("retention_strangers", {"files.max_total_mib": 1}, p1=ROWS)
    made.start()
    status = made.api().finished(BODY)
    strangers = {"README", ".hidden", "lost+found", "export.csv", "x.part", str(uuid.uuid4()), f"{uuid.uuid4()}.part",
                 str(uuid.uuid4()).upper(), f"{status['file_id']}.bak", f"{status['file_id']}.zip"}
    for name in strangers:
        with open(os.path.join(made.site.files, name), "w", encoding="utf-8") as file:
            file.write(name)
    directory = str(uuid.uuid4())
    os.mkdir(os.path.join(made.site.files, directory))
    link = str(uuid.uuid4())
    os.symlink("README", os.path.join(made.site.files, link))
    old = time.time() - 400 * 24 * 3600
    for name in files(made) - {status["file_id"], link}:
        os.utime(os.path.join(made.site.files, name), (old, old))
    everything = strangers | {directory, link}

    assert purge(made) == (0, 0, 0)
    made.stop()
    made.start()
    other = made.api().finished(BODY)
    expect_removed(remove(made.api(), other["task_id"]))
    purge(made)
    done = kept_house(made)
    shift(made, "expire_time", 168, status["task_id"])
    expect_purge(made, done, 1, 0, 1)
    assert files(made) == everything
    for name in strangers:
        with open(os.path.join(made.site.files, name), encoding="utf-8") as file:
            assert file.read() == name


def test_names_that_were_given_up(fleet):  # noqa: F811
    """They are remembered for a while, because the former owner may write again; with and without suffix."""
    made = fleet("retention_names", p1=ROWS)
    late, early = str(uuid.uuid4()), str(uuid.uuid4())
    made.site.sql("INSERT INTO waybill.discarded_file VALUES (%s, now() + interval '1 hour'),"
                  " (%s, now() - interval '1 second')", late, early)
    for _ in range(2):
        for name in (late, f"{late}.part", early, f"{early}.part", f"{early}.bak"):
            with open(os.path.join(made.site.files, name), "wb"):
                pass
        purge(made)
        assert late not in files(made) and f"{late}.part" not in files(made)
        assert made.site.sql("SELECT file_id::text FROM waybill.discarded_file") == [(late,)]
    assert files(made) == {early, f"{early}.part", f"{early}.bak"}, "forgotten, so they stay"


def test_a_file_that_can_not_be_removed(fleet):  # noqa: F811
    """A directory has its name: the rest is removed, and this one as soon as possible."""
    made = fleet("retention_stuck", p1=ROWS)
    made.start()
    stuck, *others = (made.api().finished(BODY) for _ in range(3))
    path = os.path.join(made.site.files, stuck["file_id"])
    os.rename(path, path + ".away")
    os.mkdir(path)
    made.stop()
    shift(made, "expire_time", 168, *(status["task_id"] for status in (stuck, *others)))
    done = made.site.waybill("task", "purge")
    assert "3 files expired, 0 tasks purged, 2 files removed\n" == done.stdout, f"{done}"
    assert stuck["file_id"] in done.stderr, f"{done}"
    made.start()
    for status in (stuck, *others):
        expect_expired(made.api(), status["task_id"])
    assert files(made) == {stuck["file_id"], stuck["file_id"] + ".away"}
    os.rmdir(path)
    os.rename(path + ".away", path)
    purge(made)
    wait_until(lambda: files(made) == set(), "it is removed in the end")


def test_many_at_once(fleet):  # noqa: F811
    """Each thing is done once, by any process."""
    made = fleet("retention_parallel", p1=ROWS)
    made.start("one")
    made.start("two")
    for _ in range(30):
        made.api().finished(BODY)
    made.site.sql("UPDATE waybill.export_task SET expire_time = now()")
    command = [os.path.join(BUILD, "waybill"), "--config", made.site.config, "task", "purge"]
    running = [subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
               for _ in range(4)]
    done = [(process.communicate(timeout=DEADLINE), process.returncode) for process in running]
    counts = [re.match(r"(\d+) files expired, 0 tasks purged, (\d+) files removed", out) for (out, _), _ in done]
    assert all(counts) and not any(err for (_, err), _ in done), f"{done}"
    assert files(made) == set()

    def told(which):
        """Returns the total counts of the commands and the processes."""
        logs = "".join(made.processes[name].log_text() for name in ("one", "two"))
        logged = re.findall(r"event=housekeeping files_expired=(\d+) tasks_purged=0 files_removed=(\d+)", logs)
        return sum(int(count[which + 1]) for count in counts) + sum(int(count[which]) for count in logged)
    for which in (0, 1):
        wait_until(lambda: told(which) == 30, "each is told of once")
