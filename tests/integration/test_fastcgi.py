"""FastCGI that no web server sends: pieces, aborts, garbage. The service still responds afterwards."""

import json
import os
import random

import fcgi
import pytest
from api import MINIMAL, expect_error
from clients import parse

pytestmark = pytest.mark.usefixtures("ledger")

BODY = json.dumps(MINIMAL).encode()


@pytest.fixture
def params(api):
    def make(length=len(BODY), **more):
        headers = {"X-Auth-Token": api.token, "Content-Type": "application/json"}
        return {**api.client.params("POST", api.path("container/export-task"), headers, length), **more}
    return make


@pytest.fixture(autouse=True)
def still_well(api):
    yield
    # More often than there are request threads, so that a lost thread is noticed.
    for _ in range(20):
        response = api.client.request("GET", "/healthz")
        assert response.status == 200, f"{response}"
    api.create_task(MINIMAL)


def ask(api, params, body=BODY, piece=fcgi.LARGEST):
    response = parse(fcgi.request(api.client.socket_path, params, body, piece)[0])
    api.site.accepted += response.status == 200
    return response


@pytest.mark.parametrize("piece", [1, 2, 7, 8, 9, 127, 128, 65535])
def test_pieces(api, params, piece):
    assert ask(api, params(), BODY, piece).status == 200


def test_a_large_body_in_small_pieces(api, params):
    body = BODY + b" " * ((1 << 20) - len(BODY))
    assert ask(api, params(len(body)), body, 13).status == 200


def test_padding_and_many_records(api, params):
    with fcgi.Connection(api.client.socket_path) as connection:
        encoded = fcgi.pairs(params())
        connection.send(fcgi.begin())
        for start in range(0, len(encoded), 50):
            connection.send(fcgi.record(fcgi.PARAMS, encoded[start:start + 50], padding=start % 256))
        connection.send(fcgi.record(fcgi.PARAMS), fcgi.record(fcgi.STDIN, BODY, padding=255),
                        fcgi.record(fcgi.STDIN, padding=7))
        assert parse(connection.answer()[0]).status == 200
        api.site.accepted += 1


def test_many_params(api, params):
    more = {f"HTTP_X_NUMBER_{number}": "x" * (number % 300) for number in range(2000)}
    assert ask(api, params(**more)).status == 200


def test_a_large_param(api, params):
    assert ask(api, params(HTTP_X_LARGE="x" * 500000)).status == 200


def test_params_that_are_too_large(api, params):
    """Too many bytes or too many parameters are refused, also if the largest one comes first."""
    large = {"HTTP_X_LARGE": "x" * (1 << 20)}
    expect_error(ask(api, params(**large)), 431, "HSS.0001", "4096", "524288")
    expect_error(ask(api, {**large, **params()}), 431, "HSS.0001")
    expect_error(ask(api, params(**{f"HTTP_X_{number}": "" for number in range(4096)})), 431, "HSS.0001")


def test_params_that_are_empty(api, params):
    assert ask(api, {**params(), "": "", "HTTP_X_EMPTY": "", "HTTP_PREFER": ""}).status == 200


def test_params_that_are_not_text(api, params):
    assert ask(api, params(HTTP_USER_AGENT=b"\xff\xfe\x80", HTTP_X_NEWLINE="a\nb")).status == 200
    expect_error(ask(api, params(HTTP_X_AUTH_TOKEN=b"\xff\xfe")), 401, "APIGW.0301")
    expect_error(ask(api, params(CONTENT_TYPE=b"\xff\xfe")), 415, "HSS.0002")


def test_no_params(api):
    out = fcgi.request(api.client.socket_path, {}, b"")[0]
    assert parse(out).status in (400, 404, 405), f"{out!r}"


@pytest.mark.parametrize("name", ["REQUEST_METHOD", "REQUEST_URI", "QUERY_STRING", "SCRIPT_NAME", "PATH_INFO",
                                  "SERVER_PROTOCOL"])
def test_a_missing_param(api, params, name):
    """Not every web server sends each parameter; no missing one may stop the service."""
    response = ask(api, {key: value for key, value in params().items() if key != name})
    assert response.status in (200, 400, 404, 405), f"{response}"


@pytest.mark.parametrize("length", ["", "-1", "x", "1e3", "99999999999999999999", "0x10", " 44", "44 "])
def test_an_invalid_length(api, params, length):
    response = ask(api, params(length))
    assert response.status in (200, 400, 413), f"{response}"


@pytest.mark.parametrize("more", [1, 1000, 100000])
def test_a_body_shorter_than_its_length(api, params, more):
    """The body is incomplete, so it must not be used."""
    expect_error(ask(api, params(len(BODY) + more)), 400, "HSS.0002")


def test_a_body_longer_than_its_length(api, params):
    for length in (len(BODY), 10, 0):
        response = ask(api, params(length), BODY + b" " * 100)
        assert response.status in (200, 400), f"{response}"


def test_a_body_without_length(api, params):
    response = ask(api, {name: value for name, value in params().items() if name != "CONTENT_LENGTH"})
    assert response.status in (200, 400), f"{response}"


def test_a_body_that_is_not_asked_for(api, params):
    response = ask(api, {**params(), "REQUEST_METHOD": "GET", "REQUEST_URI": "/healthz", "PATH_INFO": "/healthz"})
    assert response.status == 200, f"{response}"
    api.site.accepted -= 1  # not a create


def test_a_large_body_that_is_refused_before_it_is_read(api, params):
    """The response arrives although the body is not read."""
    expect_error(ask(api, params(8 << 20, HTTP_X_AUTH_TOKEN="unknown"), b"x" * (8 << 20)), 401, "APIGW.0301")


@pytest.mark.parametrize("point", ["begin", "params", "end of params", "body"])
@pytest.mark.parametrize("how", ["abort", "close", "half a record", "reset"])
def test_a_request_that_breaks_off(api, params, point, how):
    steps = {"begin": fcgi.begin(), "params": fcgi.record(fcgi.PARAMS, fcgi.pairs(params())[:100]),
             "end of params": fcgi.record(fcgi.PARAMS, fcgi.pairs(params())[100:]) + fcgi.record(fcgi.PARAMS),
             "body": fcgi.record(fcgi.STDIN, BODY[:10])}
    for _ in range(20):
        with fcgi.Connection(api.client.socket_path) as connection:
            for step, data in steps.items():
                connection.send(data)
                if step == point:
                    break
            if how == "abort":
                connection.send(fcgi.record(fcgi.ABORT_REQUEST))
            elif how == "half a record":
                connection.send(fcgi.record(fcgi.STDIN, BODY)[:11])


def test_a_caller_who_does_not_wait_for_the_answer(api, params):
    """The web server's client has gone: the write of the response fails, and the service continues."""
    for _ in range(40):
        with fcgi.Connection(api.client.socket_path) as connection:
            connection.send(fcgi.begin(), fcgi.records(fcgi.PARAMS, fcgi.pairs(params(HTTP_X_AUTH_TOKEN="unknown"))),
                            fcgi.records(fcgi.STDIN, BODY))


def test_a_download_that_is_not_read_to_its_end(api):
    status = api.finished({"export_headers": [["container_name", "x"], ["image_name", "y"], ["pod_name", "z"]]})
    assert status["file_size"] > 65536
    for _ in range(20):
        with fcgi.Connection(api.client.socket_path) as connection:
            params = api.client.params("GET", api.path("download/" + status["file_id"]), {"X-Auth-Token": api.token})
            connection.send(fcgi.begin(), fcgi.records(fcgi.PARAMS, fcgi.pairs(params)), fcgi.record(fcgi.STDIN))
            connection.receive(100)


RUBBISH = {
    "nothing": b"",
    "zeros": bytes(1000),
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "0xFF": b"\xff" * 1000,
    "other version": fcgi.record(fcgi.BEGIN_REQUEST, bytes(8), version=9),
    "short begin": fcgi.record(fcgi.BEGIN_REQUEST, b"\0"),
    "begin without content": fcgi.record(fcgi.BEGIN_REQUEST),
    "long begin": fcgi.record(fcgi.BEGIN_REQUEST, b"\0\1" + bytes(1000)),
    "params first": fcgi.records(fcgi.PARAMS, fcgi.pairs({"A": "b"})),
    "body first": fcgi.records(fcgi.STDIN, b"x"),
    "abort first": fcgi.record(fcgi.ABORT_REQUEST),
    "end from us": fcgi.record(fcgi.END_REQUEST, bytes(8)),
    "answer from us": fcgi.begin() + fcgi.records(fcgi.STDOUT, b"Status: 200\r\n\r\n"),
    "begin twice": fcgi.begin() * 2,
    "unknown type": fcgi.begin() + fcgi.record(99, b"x"),
    "type 0": fcgi.begin() + fcgi.record(0, b"x"),
    "other request": fcgi.begin() + fcgi.records(fcgi.PARAMS, fcgi.pairs({"A": "b"})).replace(b"\1\4\0\1", b"\1\4\0\2"),
    "lengths too long": fcgi.begin() + fcgi.records(fcgi.PARAMS, b"\xff\xff\xff\xff\xff\xff\xff\xff"),
    "length cut": fcgi.begin() + fcgi.records(fcgi.PARAMS, b"\x80"),
    "pair cut": fcgi.begin() + fcgi.records(fcgi.PARAMS, b"\x0a\x0aREQUEST"),
    "authorizer": fcgi.begin(role=fcgi.AUTHORIZER) + fcgi.records(fcgi.PARAMS, b""),
    "filter": fcgi.begin(role=fcgi.FILTER) + b"".join(
        fcgi.records(kind, b"") for kind in (fcgi.PARAMS, fcgi.STDIN, fcgi.DATA)),
    "unknown role": fcgi.begin(role=77) + fcgi.records(fcgi.PARAMS, b""),
}


@pytest.mark.parametrize("name", RUBBISH)
def test_garbage(api, name):
    for _ in range(20):
        with fcgi.Connection(api.client.socket_path) as connection:
            connection.send(RUBBISH[name])


@pytest.mark.parametrize("seed", range(5))
def test_random_garbage(api, params, seed):
    """A valid request with random changes: any response is allowed, or none."""
    dice = random.Random(seed)
    good = fcgi.begin() + fcgi.records(fcgi.PARAMS,
                                       fcgi.pairs(params(HTTP_X_AUTH_TOKEN="unknown"))) + fcgi.records(fcgi.STDIN, BODY)
    for _ in range(100):
        bad = bytearray(good)
        for _ in range(dice.randint(1, 5)):
            bad[dice.randrange(len(bad))] = dice.randrange(256)
        with fcgi.Connection(api.client.socket_path) as connection:
            connection.send(bytes(bad[:dice.randint(1, len(bad))]))


def test_requests_on_one_connection(api, params):
    with fcgi.Connection(api.client.socket_path) as connection:
        for request_id in (1, 1, 1):
            connection.send(fcgi.begin(flags=fcgi.KEEP_CONNECTION, request_id=request_id),
                            fcgi.records(fcgi.PARAMS, fcgi.pairs(params())), fcgi.records(fcgi.STDIN, BODY))
            try:
                assert parse(connection.answer()[0]).status == 200
            except fcgi.Closed:
                break  # keeping a connection open is optional
            api.site.accepted += 1


def test_values_of_the_service(api):
    """A management record, which some web servers send to learn the capabilities of the application."""
    with fcgi.Connection(api.client.socket_path) as connection:
        connection.send(fcgi.record(fcgi.GET_VALUES, fcgi.pairs({"FCGI_MPXS_CONNS": ""}), request_id=0))
        assert connection.record() == (fcgi.GET_VALUES_RESULT, 0, fcgi.pairs({"FCGI_MPXS_CONNS": "0"}))
        connection.send(fcgi.begin(), fcgi.records(fcgi.PARAMS, fcgi.pairs(api.client.params("GET", "/healthz"))),
                        fcgi.record(fcgi.STDIN))
        assert parse(connection.answer()[0]).status == 200


def test_no_descriptor_is_lost(api, hostile):
    """After all of the above, and some more."""
    def descriptors():
        return len(os.listdir(f"/proc/{hostile.process.pid}/fd"))
    before = descriptors()
    for _ in range(100):
        with fcgi.Connection(api.client.socket_path) as connection:
            connection.send(fcgi.begin(), fcgi.record(fcgi.PARAMS, b"\x0a"))
        api.finished(MINIMAL)
    assert descriptors() <= before + 20, f"{descriptors()} descriptors, {before} before"
