"""The existing paths and methods, and the response to all others."""

import pytest
from api import expect_error
from clients import each_way

pytestmark = pytest.mark.usefixtures("ledger")

CREATE = "/v5/demo/container/export-task"
STATUS = "/v5/demo/export-task/3f0d1f5c-6f0c-4e4e-9c1e-0d6f5a9e7b21"
DOWNLOAD = "/v5/demo/download/8a4c2b7e-51d3-4f6a-b0c9-27e1d84f3a65"


@pytest.mark.parametrize("path", [
    each_way("/"), "/v5", "/v5/", "/v5/demo", "/v5/demo/container", "/v5/demo/container/export",
    "/v5/demo/export-task/", "/v5/demo/download", CREATE + "/", CREATE + "/x", CREATE + "x", STATUS + "/x",
    DOWNLOAD + "/x", "/v4/demo/container/export-task", "/V5/demo/container/export-task",
    "/v5/demo/Container/export-task",
    each_way("/v5/demo/container%2Fexport-task"), "/v5/demo/extra/container/export-task", "/healthz/x",
    each_way("/index.html"), "/favicon.ico",
])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_such_path(either, method, path):
    expect_error(either.request(method, path, body=b"{}" if method == "POST" else None), 404, "APIGW.0101")


@pytest.mark.parametrize("method, path, allowed", [
    ("GET", CREATE, {"POST"}), each_way("HEAD", CREATE, {"POST"}), ("PUT", CREATE, {"POST"}),
    ("DELETE", CREATE, {"POST"}), each_way("PATCH", CREATE, {"POST"}), each_way("OPTIONS", CREATE, {"POST"}),
    ("POST", STATUS, {"GET"}), ("PUT", STATUS, {"GET"}),
    ("POST", DOWNLOAD, {"GET", "HEAD"}), ("PUT", DOWNLOAD, {"GET", "HEAD"}), ("DELETE", DOWNLOAD, {"GET", "HEAD"}),
    ("POST", "/healthz", {"GET"}), ("PUT", "/healthz", {"GET"}),
])
def test_no_such_method(either, method, path, allowed):
    body = b"{}" if method in ("POST", "PUT", "PATCH") else None
    response = either.request(method, path, {"Content-Type": "application/json"}, body)
    offered = {name.strip() for name in response.headers.get("allow", "").split(",")}
    assert response.status == 405 and allowed <= offered and method not in offered, f"{response}"
    if method == "HEAD":
        assert response.body == b"", f"{response}"
    else:
        expect_error(response, 405, "APIGW.0101", method)


def test_an_unknown_method(api):
    expect_error(api.request("BREW", CREATE), 405, "APIGW.0101", "BREW")


def test_a_method_is_case_sensitive(api):
    expect_error(api.request("post", CREATE, body=b"{}"), 405, "APIGW.0101")


def test_healthz_needs_no_token(hostile):
    response = hostile.client.request("GET", "/healthz")
    assert response.status == 200, f"{response}"


def test_healthz_through_the_web_server(web):
    response = web.client.request("GET", "/healthz")
    assert response.status == 200, f"{response}"


@pytest.mark.each_way
def test_the_example_of_the_api_page(either):
    body = {"export_headers": [["container_name", "Container Name"], ["image_name", "Image Name"],
                               ["risky", "Security Risk"]]}
    either.create_task(body)
