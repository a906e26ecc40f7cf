"""The client core of the official Node.js SDK, unmodified, against a running service. Only its endpoint is another.

WAYBILL_TEST_SDK names a copy of tests/sdk in which `npm ci` has installed the packages, as tools/check does."""

import base64
import hashlib
import json
import os
import pwd
import subprocess

import inventory
import oracle
import pytest
from deadline import DEADLINE
from service import environment
from web import APACHE_USER, EACH_WAY, start_web

SDK = os.environ.get("WAYBILL_TEST_SDK")
CREATE = {"method": "POST", "url": "/v5/{project_id}/container/export-task",
          "data": {"export_headers": [["container_id", "Id"], ["container_name", "容器名称"]]},
          "queryParams": {"enterprise_project_id": "all_granted_eps", "export_size": 1000}}
LIST = {"method": "GET", "url": "/v5/{project_id}/export-tasks", "queryParams": {"limit": 3}}

pytestmark = pytest.mark.skipif(SDK is None, reason="WAYBILL_TEST_SDK is not set")


@pytest.fixture(scope="module")
def key_file(scratch):
    return os.path.join(scratch, "sdk.key")


@pytest.fixture(scope="module")
def service(start, key_file):
    def prepare(site):
        assert site.waybill("key", "init").returncode == 0
        if os.geteuid() == 0:
            os.chown(key_file, -1, pwd.getpwnam(APACHE_USER).pw_gid)
    return start("sdk", inventory.hostile(), {"access.key_file": key_file}, prepare)


@pytest.fixture(scope="module")
def webs(service, key_file):
    started = {}

    def get(way):
        if way not in started:
            started[way] = start_web(way, service.site, options={"access.key_file": key_file})
        return started[way]
    yield get
    for web in started.values():
        web.stop()


class Client:
    """A program that uses the SDK, with an access key."""

    def __init__(self, web, access_key, secret_key, project=inventory.PROJECT):
        self.job = {"endpoint": f"http://127.0.0.1:{web.port}", "access_key": access_key, "secret_key": secret_key,
                    "project_id": project}

    def call(self, *calls, **job):
        """Makes calls one after the other, and returns their results."""
        done = subprocess.run(["node", "client.mjs"], cwd=SDK, env=environment(), capture_output=True, timeout=DEADLINE,
                              input=json.dumps({**self.job, **job, "calls": calls}).encode(), check=False)
        assert done.returncode == 0, f"{done.stderr.decode()}"
        return json.loads(done.stdout.decode().rpartition("\n")[2])


@pytest.fixture(scope="module")
def credentials(service):
    done = service.site.waybill("key", "create", "--project", inventory.PROJECT)
    assert done.returncode == 0, f"{done}"
    pairs = dict(line.split("=", 1) for line in done.stdout.splitlines())
    service.site.tokens["secret of the SDK"] = pairs["secret_key"]  # which the log must not contain
    return pairs


@pytest.fixture(params=EACH_WAY)
def client(request, webs, credentials):
    return Client(webs(request.param), **credentials)


@pytest.fixture(scope="module")
def lighttpd(webs, credentials):
    return Client(webs("lighttpd"), **credentials)


def good(results):
    assert [result["status"] for result in results] == [200] * len(results), f"{results}"
    return [result.get("data") for result in results]


def refused(result, *mentions):
    assert (result["status"], result["error"], result["error_code"]) == (401, "ClientRequestException", "APIGW.0301"), \
        f"{result}"
    assert result["request_id"] and all(mention in result["error_msg"] for mention in mentions), f"{result}"


def test_the_whole_job(client, service):
    """Create, both ways to ask for the status, download, list, and DELETE."""
    created, = good(client.call({**CREATE, "headers": {"Prefer": "wait=30"}}))
    path = {"task_id": created["task_id"]}
    status, latest, listed = good(client.call(
        {"method": "GET", "url": "/v5/{project_id}/export-task/{task_id}", "pathParams": path,
         "headers": {"region": "eu-west-101"}, "queryParams": {"enterprise_project_id": "all_granted_eps"}},
        {"method": "GET", "url": "/v5/{project_id}/export-task",
         "queryParams": {**path, "export_task_type": "container"}},
        LIST))
    assert status["task_status"] == "success" and listed["data_list"][0]["task_id"] == created["task_id"]
    assert {**status, "download_url": None} == {**latest, "download_url": None}

    file, containers = client.call(
        {"method": "GET", "url": "/v5/{project_id}/download/{file_id}", "pathParams": {"file_id": status["file_id"]},
         "sent": {"responseType": "arraybuffer"}},
        {"method": "GET", "url": "/v5/{project_id}/container/kubernetes",
         "queryParams": {"container_name": "*a b+c/d~e%", "image_name": "reg:5000/容器*", "limit": 10}})
    rows = oracle.select(inventory.hostile(), CREATE["data"], inventory.PROJECT, None)[:1000]
    content = base64.b64decode(file["bytes"])
    assert content == oracle.csv(rows, CREATE["data"]["export_headers"])
    assert hashlib.sha256(content).hexdigest() == status["sha256"]
    assert containers["status"] == 200 and containers["data"]["total_num"] == 0

    removed, gone = client.call(
        {"method": "DELETE", "url": "/v5/{project_id}/export-task/{task_id}", "pathParams": path},
        {"method": "GET", "url": "/v5/{project_id}/export-task/{task_id}", "pathParams": path})
    assert removed["status"] == 204 and (gone["status"], gone["error_code"]) == (404, "HSS.0011")


def test_a_wrong_secret(lighttpd):
    result, = lighttpd.call(CREATE, secret_key="x" * 40)
    refused(result)


def test_an_unknown_access_key(lighttpd):
    result, = lighttpd.call(CREATE, access_key="WBAKUNKNOWN000000000")
    refused(result)


def test_a_changed_body(lighttpd):
    result, = lighttpd.call({**CREATE, "sent": {"data": {"export_headers": [["container_id", "id"]]}}})
    refused(result)


def test_a_changed_query(lighttpd):
    result, = lighttpd.call({**CREATE, "sent": {"params": {"enterprise_project_id": "all_granted_eps",
                                                         "export_size": 1001}}})
    refused(result)
    result, = lighttpd.call({**LIST, "sent": {"params": {"limit": 3, "offset": 1}}})
    refused(result)


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_date_that_is_off(lighttpd, minutes):
    result, = lighttpd.call(LIST, clock=minutes * 60000)
    refused(result, "X-Sdk-Date")


@pytest.mark.parametrize("minutes", [-14, 14])
def test_a_date_that_is_slightly_off(lighttpd, minutes):
    good(lighttpd.call(LIST, clock=minutes * 60000))


def test_a_signed_header_that_is_missing(lighttpd):
    """The client signs X-Project-Id, and does not send it."""
    result, = lighttpd.call({**LIST, "headers_sent": {"X-Project-Id": None}})
    refused(result, "x-project-id")


def test_a_signed_header_that_is_changed(lighttpd):
    result, = lighttpd.call({**LIST, "headers_sent": {"X-Project-Id": "other"}})
    refused(result)


def test_another_project(lighttpd):
    result, = lighttpd.call(LIST, project_id="another")
    assert (result["status"], result["error_code"]) == (403, "HSS.0013"), f"{result}"


def test_a_body_that_is_not_signed(lighttpd):
    """The client signs UNSIGNED-PAYLOAD if the content type is not JSON."""
    result, = lighttpd.call({**CREATE, "contentType": "text/plain", "data": "{}"})
    refused(result, "UNSIGNED-PAYLOAD")
