"""The promises of the web servers' configurations: what reaches Waybill, which clients are let in, and that errors of
the server itself are JSON too. Tests of only this replace Waybill by tests/integration/responder.py."""

import http.client
import os
import socket
import ssl
import subprocess

import pytest
from clients import Response
from deadline import DEADLINE
from service import TOP
from web import EACH_WAY, WAYS, start_web

RESPONDER = os.path.join(TOP, "tests", "integration", "responder.py")
LARGE = 70000

# The response that each server gives itself, where they differ. None: the request reaches Waybill.
OWN_ANSWERS = {
    "lighttpd": {"header": 431, "line": 431, "no HTTP": 400, "body": 413, "no Waybill": (500, 503)},
    "lighttpd-socket": {"header": 431, "line": 431, "no HTTP": 400, "body": 413, "no Waybill": 503},
    "lighttpd-cgi": {"header": 431, "line": 431, "no HTTP": 400, "body": 413, "no Waybill": 500},
    "apache-fcgid": {"header": 400, "line": 414, "no HTTP": 400, "body": 500, "no Waybill": 500},
    "apache-proxy": {"header": 400, "line": 414, "no HTTP": 400, "body": None, "no Waybill": 503},
    "apache-cgi": {"header": 400, "line": 414, "no HTTP": 400, "body": 413, "no Waybill": 500},
    "nginx": {"header": 431, "line": 414, "no HTTP": 400, "body": 413, "no Waybill": 502},
}


def ask(server, method, target, headers=(), body=None, **more):
    """Sends a request whose target is used unchanged."""
    return server.client.request(method, target, headers, body, **more)


def ask_raw(server, request):
    """Sends any bytes and returns the response."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        connection.sendall(request)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return Response(response.status, response.getheaders(), response.read())


def expect_own_error(response, status):
    assert response.status in (status if isinstance(status, tuple) else (status,)), f"expected {status}: {response}"
    assert response.headers["content-type"] == "application/json", f"{response}"
    answer = response.json()
    assert set(answer) == {"error_code", "error_msg", "request_id"} and answer["request_id"] == "", f"{answer}"
    assert answer["error_code"] and answer["error_msg"], f"{answer}"


@pytest.fixture(scope="module", params=EACH_WAY)
def echo(request, hostile):
    """A web server in front of the responder."""
    server = start_web(request.param, hostile.site, program=RESPONDER, name=request.param + "-echo")
    yield server
    server.stop()


@pytest.fixture(scope="module", params=EACH_WAY)
def closed(request, hostile):
    """A web server whose operators are elsewhere."""
    server = start_web(request.param, hostile.site, program=RESPONDER, name=request.param + "-closed",
                       operators="192.0.2.0/24")
    yield server
    server.stop()


HEADERS = {"Authorization": "SDK-HMAC-SHA256 Access=a, SignedHeaders=host, Signature=b", "X-Auth-Token": "t" * 100,
           "Prefer": "wait=60", "Range": "bytes=0-1, 5-", "If-Range": '"x"', "If-None-Match": 'W/"y", "z"',
           "If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT", "Accept-Encoding": "gzip;q=0.5, identity"}


def test_headers_reach_waybill(echo):
    variables = ask(echo, "GET", "/v5/x", HEADERS).json()["variables"]
    got = {name: variables.get("HTTP_" + name.upper().replace("-", "_")) for name in HEADERS}
    assert got == HEADERS


def test_a_long_token_reaches_waybill(echo):
    token = "t" * min(32768 + 1, echo.client.longest_header)
    variables = ask(echo, "GET", "/v5/x", {"X-Auth-Token": token}).json()["variables"]
    assert variables["HTTP_X_AUTH_TOKEN"] == token


@pytest.mark.parametrize("target", [
    "/", "/v5/a%2Fb/c", "/v5/a%2fb%252F", "//v5///x/", "/v5/./x/../y", "/v5/%E9%95%BF", "/v5/%7e~", "/index.html",
    "/v5/x?", "/v5/x?a=%26b&c=d+e&f=/../g//h", "/v5/x?a?b", "/cgi-bin/x", "/v5/a+b;c=d,e:f@g",
])
def test_the_target_reaches_waybill_as_it_was_sent(echo, target):
    variables = ask(echo, "GET", target).json()["variables"]
    assert variables["REQUEST_URI"] == target


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("size", [0, 1, 100000, 3 << 20])
def test_a_body_reaches_waybill(echo, size, chunked):
    answer = ask(echo, "POST", "/v5/x", {"Content-Type": "application/json"}, b"x" * size,
                 encode_chunked=chunked).json()
    assert answer["body"] == size, f"{answer}"
    assert answer["variables"]["CONTENT_TYPE"] == "application/json"
    assert answer["variables"].get("CONTENT_LENGTH") in (str(size), *([None, ""] if chunked else []))


OPERATORS_ALONE = ("/healthz", "/healthz/live", "/healthz/ready", "/metrics")


@pytest.mark.parametrize("target", [
    *OPERATORS_ALONE, "/healthz?", "/metrics?x=1", "/%68ealthz", "/%6Detrics", "/healthz%2Flive", "//healthz",
    "///metrics", "/./healthz", "/v5/../metrics", "/HEALTHZ", "/Metrics", "/healthz/", "/healthz/../healthz",
])
def test_the_operator_is_let_in_alone(closed, target):
    response = ask(closed, "GET", target)
    expect_own_error(response, 403)


@pytest.mark.parametrize("target", [
    "http://127.0.0.1/healthz", "HTTP://127.0.0.1/metrics", "http:///healthz", "http://x?/healthz", "/healthz#x", "*",
    "healthz", "/v5/..;/healthz", "http://x/../healthz", "/%2e%2e/metrics", "/healthz%00", "/healthz\t", "/healthz%3F",
    "https://127.0.0.1/metrics", "http://127.0.0.1//metrics", "/v5/%2e%2e/healthz", "/\\healthz", "/healthz;x",
])
def test_no_spelling_lets_others_in(closed, target):
    """Whatever the server does with it: no path of the operator reaches Waybill."""
    response = ask_raw(closed, f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    if response.status == 200:
        path = response.json()["variables"]["REQUEST_URI"].partition("?")[0]
        if "://" in path:
            path = "/" + path.partition("://")[2].partition("/")[2]
        assert path not in OPERATORS_ALONE, f"{path}"
    else:
        expect_own_error(response, response.status)


def test_callers_are_let_in_whoever_operates(closed):
    assert ask(closed, "GET", "/v5/healthz").status == 200
    assert ask(closed, "GET", "/v5/demo/metrics").status == 200


def test_a_header_that_is_too_long(echo):
    expect_own_error(ask(echo, "GET", "/v5/x", {"X-Auth-Token": "t" * LARGE}), OWN_ANSWERS[echo.way]["header"])


def test_a_request_line_that_is_too_long(echo):
    expect_own_error(ask(echo, "GET", "/v5/" + "x" * LARGE), OWN_ANSWERS[echo.way]["line"])


def test_invalid_http(echo):
    expect_own_error(ask_raw(echo, b"GET /v5/x HTTP/1.1\r\nno header\r\n\r\n"), OWN_ANSWERS[echo.way]["no HTTP"])


def test_a_body_beyond_the_limit_of_the_server(echo):
    """The length shows it before the body is sent. mod_fcgid reads the body first; mod_proxy_fcgi has no such limit."""
    if echo.way == "apache-fcgid":
        body = b"x" * ((64 << 20) + 1)
        expect_own_error(ask(echo, "POST", "/v5/x", {}, body), OWN_ANSWERS[echo.way]["body"])
    elif OWN_ANSWERS[echo.way]["body"] is None:
        assert ask(echo, "POST", "/v5/x", {}, b"x" * (9 << 20)).json()["body"] == 9 << 20
    else:
        request = f"POST /v5/x HTTP/1.1\r\nHost: x\r\nContent-Length: {100 << 20}\r\n\r\n".encode()
        expect_own_error(ask_raw(echo, request), OWN_ANSWERS[echo.way]["body"])


@pytest.mark.parametrize("way", EACH_WAY)
def test_waybill_is_not_there(hostile, way, tmp_path):
    """It ends at the first request, because lighttpd does not start if it ends earlier; or it has ended."""
    if WAYS[way].external:
        server = start_web(way, hostile.site, program=RESPONDER, name=way + "-gone")
        server.beside.stop()
    else:
        program = tmp_path / "ends"
        program.write_text("#!/usr/bin/python3\nimport select\nselect.select([0], [], [])\nraise SystemExit(1)\n")
        program.chmod(0o755)
        server = start_web(way, hostile.site, program=str(program), name=way + "-gone")
    try:
        expect_own_error(ask(server, "GET", "/v5/x"), OWN_ANSWERS[way]["no Waybill"])
        expect_own_error(ask(server, "POST", "/v5/x", {}, b"{}"), OWN_ANSWERS[way]["no Waybill"])
    finally:
        server.beside = None
        server.stop()


@pytest.fixture(scope="module")
def pem(scratch):
    """A key and a self-signed certificate."""
    path = os.path.join(scratch, "tls.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2",
                    "-keyout", path, "-out", path + ".certificate"], check=True, capture_output=True)
    with open(path, "a", encoding="utf-8") as file, open(path + ".certificate", encoding="utf-8") as certificate:
        file.write(certificate.read())
    os.chmod(path, 0o644)
    return path


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
@pytest.mark.parametrize("way", EACH_WAY)
def test_tls(hostile, pem, way):
    """The lines about TLS, once they are uncommented."""
    server = start_web(way, hostile.site, program=RESPONDER, name=way + "-tls", pem=pem)
    try:
        assert ask(server, "GET", "/v5/x").json()["variables"]["REQUEST_URI"] == "/v5/x"
        for version, good in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True),
                              (ssl.TLSVersion.TLSv1_3, True)):
            assert speaks(server.client.port, version) == good, f"{version}"
    finally:
        server.stop()


def speaks(port, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
        try:
            with context.wrap_socket(connection):
                return True
        except (ssl.SSLError, ConnectionError):
            return False
