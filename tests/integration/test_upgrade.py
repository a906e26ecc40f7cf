"""A database of an older version, with tasks in it, is upgraded and continues to work."""

import os
import shutil

import inventory
from api import MINIMAL
from service import MIGRATIONS, Service, Site
from tallies import expect_exact

TASK = ("INSERT INTO waybill.export_task"
        " (project_id, enterprise_project_id, export_size, request, request_id, state, lease, lease_expire_time,"
        "  attempts, file_id, file_size, sha256, error_code, error_msg, finish_time, expire_time)"
        " VALUES (%s, '0', 100, %s::jsonb, 'r', %s, %s::uuid, %s::timestamptz, %s, %s::uuid, %s, %s, %s, %s,"
        "         %s::timestamptz, %s::timestamptz) RETURNING task_id::text")
FILE_ID = "0f6f2f5c-6c3c-4a7e-9a52-0d2f4f1f8a11"
REQUEST = '{"export_headers": [["container_id", "Id"]]}'


def test_tasks_of_the_first_release(scratch, postgres, tmp_path):
    for name in sorted(os.listdir(MIGRATIONS))[:3]:
        shutil.copy(os.path.join(MIGRATIONS, name), tmp_path)
    site = Site(postgres, os.path.join(scratch, "upgrade"), migrations=str(tmp_path))

    def add(state, lease=None, lease_end=None, attempts=0, file=None, error=None, ended=False):
        size, digest = (2, b"x" * 32) if file else (None, None)
        times = ("now", "2036-01-01Z" if file else None) if ended else (None, None)
        return site.sql(TASK, inventory.PROJECT, REQUEST, state, lease, lease_end, attempts, file, size, digest,
                        error, error, *times)[0][0]

    queued = add("queued")
    dead = add("running", "1f6f2f5c-6c3c-4a7e-9a52-0d2f4f1f8a22", "2026-01-01Z", 1)
    failed = add("failure", error="HSS.0041", ended=True)
    done = add("success", file=FILE_ID, ended=True)
    with open(os.path.join(site.files, FILE_ID), "w", encoding="ascii") as file:
        file.write("hi")

    assert site.migrate().split() == [word for name in sorted(os.listdir(MIGRATIONS))[3:] for word in ("applied", name)]
    expect_exact(site.sql)
    service = Service(site)
    api = service.api()
    try:
        assert api.download(FILE_ID).body == b"hi"
        for task_id in (queued, dead):
            assert api.wait(task_id)["task_status"] == "success"
        assert api.status(failed).json()["error_code"] == "HSS.0041"
        assert api.status(done).json()["task_status"] == "success"
        assert api.finished(MINIMAL)
    finally:
        service.stop()
        site.close()
