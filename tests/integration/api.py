"""The API as a caller uses it, and checks that every error has the right form."""

import hashlib
import json
import re
from urllib.parse import quote

import oracle
from deadline import timed, wait_until

HEADERS = [["container_id", "Id"]]
MINIMAL = {"export_headers": HEADERS}
TASK_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Words that no response may reveal.
SECRETS = re.compile(
    r"<html|<!doctype|select |insert into|waybill_service|waybill_owner|conninfo|dbname=|\.c:\d|permission denied|pg_",
    re.I)


class Api:
    """A caller with a token for one project. A header given as None is left out."""

    def __init__(self, site, client, project, token):
        self.site = site
        self.client = client
        self.project = project
        self.token = token

    def request(self, method, path, headers=None, body=None):
        headers = {"X-Auth-Token": self.token, **(headers or {})}
        headers = {name: value for name, value in headers.items() if value is not None}
        return self.client.request(method, path, headers, body)

    def path(self, rest):
        return f"/v5/{quote(self.project, safe='')}/{rest}"

    def create(self, body=None, query="", headers=None):
        """Sends a create. The body is bytes, or anything that JSON can represent."""
        if not isinstance(body, bytes):
            body = json.dumps(MINIMAL if body is None else body, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", **(headers or {})}
        response = self.request("POST", self.path("container/export-task") + query, headers, body)
        if response.status == 200:
            self.site.accepted += 1
        return response

    def create_task(self, body=None, query="", headers=None):
        """Sends a create that must succeed and returns the task's id."""
        response = self.create(body, query, headers)
        assert response.status == 200, f"create {body} {query}: {response}"
        answer = response.json()
        assert list(answer) == ["task_id"] and TASK_ID.fullmatch(answer["task_id"]), f"answer of create: {answer}"
        return answer["task_id"]

    def status(self, task_id, query="", headers=None):
        return self.request("GET", self.path(f"export-task/{task_id}") + query, headers)

    def status_by_query(self, task_id, query="", headers=None):
        return self.request("GET", self.path(f"export-task?task_id={quote(task_id, safe='')}") + query, headers)

    def wait(self, task_id):
        """Waits until the task has ended and returns its status."""
        def ended():
            response = self.status(task_id, headers={"Prefer": "wait=30"})
            assert response.status == 200, f"status: {response}"
            status = response.json()
            return status["task_status"] != "running" and status
        return wait_until(ended, f"task {task_id} ends")

    def finished(self, body=None, query=""):
        """Creates a task, waits for its end, checks for success and returns its status."""
        status = self.wait(self.create_task(body, query, {"Prefer": "wait=30"}))
        assert status["task_status"] == "success", f"export of {body}: {status}"
        return status

    def download(self, file_id, query="", method="GET", headers=None):
        return self.request(method, self.path(f"download/{file_id}") + query, headers)

    def schedules(self, method, rest="", body=None, headers=None):
        """Sends a request to the schedules of the project. The body is bytes, or anything that JSON can represent."""
        if body is not None:
            headers = {"Content-Type": "application/json", **(headers or {})}
            if not isinstance(body, bytes):
                body = json.dumps(body, ensure_ascii=False).encode()
        return self.request(method, self.path("container/export-schedules" + rest), headers, body)

    def export(self, body=None, query=""):
        """Creates a task, waits, downloads, and returns the bytes of the file and the status of the task."""
        status = self.finished(body, query)
        response = self.download(status["file_id"])
        assert response.status == 200, f"download: {response}"
        assert status["sha256"] == hashlib.sha256(response.body).hexdigest(), f"sha256 of {status}"
        assert status["file_size"] == len(response.body), f"file_size of {status}, got {len(response.body)} bytes"
        return response.body, status


class Judge:
    """Compares exports with the oracle's result for the same rows."""

    def __init__(self, rows, **csv_options):
        self.rows = rows
        self.csv_options = csv_options

    def check(self, api, body, enterprise_project="0", granted=None, export_size=None):
        """Exports the body, compares every byte, and returns the number of rows that match. enterprise_project
        None asks for everything that the caller was granted."""
        query = f"?enterprise_project_id={quote(enterprise_project or 'all_granted_eps')}"
        if export_size is not None:
            query += f"&export_size={export_size}"
        scope = granted if enterprise_project is None else (enterprise_project,)
        rows = oracle.select(self.rows, body, api.project, scope)
        exported = rows[:export_size or 100000]
        expected = oracle.csv(exported, body["export_headers"], **self.csv_options)

        got, status = api.export(body, query)
        assert got == expected, difference(got, expected, body)
        counts = {"exported_rows": len(exported), "truncated": len(rows) > len(exported)}
        assert {name: status[name] for name in counts} == counts, f"{status} of {body}"
        return len(rows)


def difference(got, expected, body):
    """Shows where two files differ, in a size that a human can read."""
    at = next((i for i, (one, other) in enumerate(zip(got, expected)) if one != other), min(len(got), len(expected)))
    start = max(0, at - 60)
    return (f"request {json.dumps(body)[:1000]}\n{len(got)} bytes in {got.count(bytes([13, 10]))} lines, "
            f"expected {len(expected)} in {expected.count(bytes([13, 10]))}; they part at byte {at}:\n"
            f"got      {got[start:at + 60]!r}\nexpected {expected[start:at + 60]!r}")


def expect_error(response, status, code, *mentions):
    """Checks an error in the form of the contract. Its message must contain each of the mentions: a text, or a
    tuple of texts of which one is enough."""
    assert response.status == status, f"expected {status}: {response}"
    assert response.headers["content-type"].split(";")[0] == "application/json", f"{response}"
    answer = response.json()
    assert set(answer) == {"error_code", "error_msg", "request_id"}, f"keys of {answer}"
    assert all(isinstance(value, str) and value for value in answer.values()), f"values of {answer}"
    assert answer["error_code"] == code, f"expected {code}: {answer}"
    assert answer["request_id"] == response.headers["x-request-id"], f"request_id of {response}"
    message = answer["error_msg"]
    assert len(message) <= 2000, f"a message of {len(message)} characters: {message[:200]}"
    assert not SECRETS.search(message), f"{message}"
    for mention in mentions:
        texts = mention if isinstance(mention, tuple) else (mention,)
        assert any(text in message for text in texts), f"none of {texts} in {message!r}"
    return answer


def expect_refused(call, *mentions):
    """Checks that a credential is refused after SQL has changed it. Unlike `waybill token revoke`, SQL does not wait
    until each process has forgotten it, which takes a second at most."""
    _, _, seconds = timed(lambda: wait_until(lambda: call().status == 401, "the credential is refused"))
    assert seconds < 4, f"{seconds} s"
    expect_error(call(), 401, "APIGW.0301", *mentions)
