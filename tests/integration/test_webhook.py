"""What a webhook sends, and which receivers and answers are good: src/schedule/webhook.c by tests/database/notify.c."""

import os
import socket
import subprocess
import time

import pytest
from deadline import DEADLINE, wait_until
from receiver import Receiver, make_certificate
from service import BUILD, environment

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
BODY = '{"state":"finished","name":"b\u00fccher"}'
PROGRAM = os.path.join(BUILD, "tests", "database", "notify")
PATIENT = str(DEADLINE * 1000)
SHORT = "500"  # milliseconds


def send(url, hosts, allow_http="on", timeout_ms=PATIENT, ca_file="", secret=SECRET, **variables):
    """Sends a webhook and returns the output: sent, or an error."""
    done = subprocess.run([PROGRAM, "send", hosts, allow_http, timeout_ms, ca_file, url, secret, "msg_1", BODY],
                          env=environment(**variables), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=2 * DEADLINE)
    assert done.stderr == ""
    assert done.returncode == (0 if done.stdout == "sent\n" else 1)
    for secret_part in ("s3cret", "token", "/hook", SECRET[6:]):
        assert secret_part not in done.stdout
    return done.stdout.strip()


def test_a_message():
    with Receiver(202) as receiver:
        began = int(time.time())
        assert send(receiver.url, receiver.host) == "sent"
        request, = receiver.requests
        assert (request.method, request.target) == ("POST", "/hook?token=s3cret")
        assert request.body == BODY.encode()
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["User-Agent"].startswith("waybill/")
        assert request.headers["Host"] == receiver.host
        assert request.headers["webhook-id"] == "msg_1"
        assert began <= int(request.headers["webhook-timestamp"]) <= time.time()
        assert request.is_signed_with(SECRET)
        assert "Authorization" not in request.headers and "Cookie" not in request.headers


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_success(status):
    with Receiver(status) as receiver:
        assert send(receiver.url, receiver.host) == "sent"


@pytest.mark.parametrize("status", [400, 401, 404, 410, 500, 503, 600])
def test_failure(status):
    with Receiver(status) as receiver:
        assert f"{receiver.host} answered with status {status} ()" in send(receiver.url, receiver.host)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 399])
def test_redirects_are_not_followed(status):
    with Receiver() as target, Receiver() as receiver:
        def redirect(handler):
            handler.send_response(status)
            handler.send_header("Location", target.url)
            handler.end_headers()
        receiver.answer = redirect
        result = send(receiver.url, f"{receiver.host},{target.host}")
        assert f"{receiver.host} answered with status {status}: redirects are not followed" in result
        assert len(receiver.requests) == 1 and target.connections == 0


def test_receiver_that_is_down():
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # and does not listen
        host = f"127.0.0.1:{reserved.getsockname()[1]}"
        result = send(f"http://{host}/hook?token=s3cret", host)
        assert result.startswith(f"unavailable cannot connect to {host}: Connection refused")


def test_receiver_that_does_not_answer():
    with Receiver() as receiver:
        receiver.answer = receiver.hold
        result = send(receiver.url, receiver.host, timeout_ms=SHORT)
        assert result.startswith(f"timeout {receiver.host} did not answer completely within 0.5 s")
        assert len(receiver.requests) == 1


@pytest.mark.parametrize("where", ["headers", "body"])
def test_answer_that_trickles(where):
    with Receiver() as receiver:
        def trickle(handler):
            handler.send_response(200)
            if where == "body":
                handler.end_headers()
            handler.flush_headers()
            while not receiver.released.wait(0.02):
                handler.wfile.write(b"X: y\r\n")
        receiver.answer = trickle
        assert send(receiver.url, receiver.host, timeout_ms=SHORT).startswith("timeout ")
        wait_until(lambda: receiver.open == 0, "the connection is closed")


@pytest.mark.parametrize("where", ["headers", "body"])
@pytest.mark.parametrize("status, result", [(200, "sent"), (500, "answered with status 500")])
def test_endless_answer(where, status, result):
    """The rest of a response is not read."""
    with Receiver() as receiver:
        def flood(handler):
            handler.send_response(status)
            if where == "body":
                handler.end_headers()
            handler.flush_headers()
            while True:
                handler.wfile.write(b"X: " + 1000 * b"y" + b"\r\n")
        receiver.answer = flood
        assert result in send(receiver.url, receiver.host)
        wait_until(lambda: receiver.open == 0, "the connection is closed")


@pytest.mark.parametrize("answer", [b"", b"\0\0\0", b"hello\r\n\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_answer_that_is_not_http(answer):
    with Receiver() as receiver:
        receiver.answer = lambda handler: handler.wfile.write(answer)
        assert send(receiver.url, receiver.host).startswith(f"unavailable cannot send to {receiver.host}: ")


@pytest.mark.parametrize("hosts, allow_http, reason", [
    ("", "on", "a host that [notify] hosts lists"),
    ("example.org,127.0.0.2,localhost", "on", "a host that [notify] hosts lists"),
    ("127.0.0.1:1", "on", "a host that [notify] hosts lists"),
    ("127.0.0.1", "off", "the scheme https"),
])
def test_policy(hosts, allow_http, reason):
    with Receiver() as receiver:
        result = send(receiver.url, hosts, allow_http)
        assert result.startswith("parameter notify_url must have ") and reason in result
        assert receiver.connections == 0


@pytest.mark.parametrize("host", ["0x7f.1", "2130706433", "127.1", "%31%32%37.0.0.1"])
def test_host_that_is_checked_is_the_host_that_is_connected_to(host):
    with Receiver() as receiver:
        url = f"http://{host}:{receiver.port}/"
        assert "[notify] hosts lists" in send(url, host if "%" not in host else "127.0.0.2")
        assert send(url, "127.0.0.1") == "sent"
        assert receiver.requests[0].headers["Host"] == receiver.host


def test_the_environment_has_no_effect(tmp_path):
    with Receiver() as proxy, Receiver() as receiver:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
        variables = {name: f"http://{proxy.host}" for name in ("http_proxy", "https_proxy", "ALL_PROXY", "all_proxy")}
        assert send(receiver.url, receiver.host, HOME=str(tmp_path), no_proxy="", **variables) == "sent"
        assert proxy.connections == 0
        assert "Authorization" not in receiver.requests[0].headers


def test_secret_that_is_not_valid():
    with Receiver() as receiver:
        assert "the secret of the notification is not valid" in send(receiver.url, receiver.host, secret="whsec_?")
        assert receiver.connections == 0


def test_tls(tmp_path):
    both, alone = make_certificate(tmp_path, "good", "IP:127.0.0.1")
    with Receiver(certificate=both) as receiver:
        assert send(receiver.url, receiver.host, "off", ca_file=alone) == "sent"
        request, = receiver.requests
        assert request.is_signed_with(SECRET)


@pytest.mark.parametrize("subject, trusted, reason", [
    ("IP:127.0.0.1", False, "self-signed certificate"),
    ("DNS:other.example,IP:127.0.0.2", True, "matches target host name '127.0.0.1'"),
])
def test_certificate_that_is_not_valid(tmp_path, subject, trusted, reason):
    both, alone = make_certificate(tmp_path, "bad", subject)
    with Receiver(certificate=both) as receiver:
        variables = {} if trusted else {"CURL_CA_BUNDLE": alone, "SSL_CERT_FILE": alone}
        result = send(receiver.url, receiver.host, ca_file=alone if trusted else "", **variables)
        assert result.startswith(f"unavailable the certificate of {receiver.host} is not valid: ")
        assert reason in result
        assert receiver.requests == []


def test_tls_receiver_without_tls():
    with Receiver() as receiver:
        result = send(receiver.url.replace("http:", "https:"), receiver.host)
        assert result.startswith(f"unavailable cannot send to {receiver.host}: SSL connect error")
