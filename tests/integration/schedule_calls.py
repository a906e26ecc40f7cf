"""The API of schedules as a caller uses it. The occurrences are in the far future, so that only requests run these
schedules."""

import contextlib
import itertools
import uuid

import pytest
from api import MINIMAL, TASK_ID, expect_error

EVERY = [("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/run"), ("GET", "/runs"), ("GET", "/latest")]
EVERY_IDS = [method + path for method, path in EVERY]
START = 3792988800000  # 2090-03-12T08:00:00Z
NUMBERS = itertools.count()


def definition(**fields):
    return {"name": f"schedule {next(NUMBERS)}", "rule": "FREQ=DAILY", "start_time": START, "request": MINIMAL,
            **fields}


def create(api, **fields):
    """Creates a schedule, which must succeed."""
    response = api.schedules("POST", "", definition(**fields))
    assert response.status == 200, f"{fields}: {response}"
    return response.json()


@contextlib.contextmanager
def temporary(api, **fields):
    """A schedule that is removed at the end."""
    schedule = create(api, **fields)
    try:
        yield schedule
    finally:
        assert api.schedules("DELETE", f"/{schedule['schedule_id']}").status == 204


def show(api, schedule):
    response = api.schedules("GET", f"/{schedule['schedule_id']}")
    assert response.status == 200, f"{response}"
    return response.json()


def run(api, schedule, **headers):
    response = api.schedules("POST", f"/{schedule['schedule_id']}/run", headers=headers)
    assert response.status == 200, f"{response}"
    answer = response.json()
    assert list(answer) == ["task_id"] and TASK_ID.fullmatch(answer["task_id"]), f"{answer}"
    return answer["task_id"]


def finish_run(api, schedule):
    """Runs the schedule and returns the status of the task, which must be a success."""
    status = api.wait(run(api, schedule, Prefer="wait=30"))
    assert status["task_status"] == "success", f"{status}"
    return status


def runs(api, schedule, query=""):
    response = api.schedules("GET", f"/{schedule['schedule_id']}/runs{query}")
    assert response.status == 200, f"{response}"
    answer = response.json()
    assert list(answer) == ["total_num", "data_list"], f"{answer}"
    return answer


def latest(api, schedule, method="GET", query="", **headers):
    return api.schedules(method, f"/{schedule['schedule_id']}/latest{query}",
                         headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.fixture(scope="module")
def service(start):
    """A service whose tasks end soon."""
    return start("schedules", options={"notify.hosts": "hooks.example.org", "files.gzip": "on"})


@pytest.fixture(scope="module")
def mine(service):
    return service.api()


def ask(api, schedule_id, method, path):
    body = definition(enterprise_project_id="all_granted_eps") if method == "PUT" else None
    return api.schedules(method, f"/{schedule_id}{path}", body)


def expect_unknown(api, schedule_id, method, path):
    """The answer for a schedule that the caller may not see does not differ from that for one that does not exist."""
    unknown = str(uuid.uuid4())
    rule = "schedule_id: no such schedule in this project, or it is not visible to you, got"
    theirs, nobodys = (expect_error(ask(api, id_, method, path), 404, "HSS.0011", f'{rule} "{id_}"')["error_msg"]
                       .replace(id_, "") for id_ in (schedule_id, unknown))
    assert theirs == nobodys
