"""docs/samples/receiver.py, with the messages of tests/database/notify.c and with messages that it must reject."""

import base64
import hashlib
import hmac
import http.client
import os
import socket
import time

import pytest
from service import TOP, Process
from test_webhook import BODY, SECRET, send

PROGRAM = os.path.join(TOP, "docs", "samples", "receiver.py")
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret").decode()


class Sample(Process):
    """The program. Its log contains its output, and a line for each request."""

    def __init__(self, directory):
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            self.host = f"127.0.0.1:{reserved.getsockname()[1]}"
        super().__init__("receiver", directory, ["/usr/bin/python3", PROGRAM, self.host.split(":")[1]],
                         {"WAYBILL_NOTIFY_SECRET": SECRET})
        self.wait_for(lambda: self.post({}) == 401)

    def post(self, headers, body=BODY):
        connection = http.client.HTTPConnection(self.host)
        connection.request("POST", "/", body.encode(), headers)
        return connection.getresponse().status

    def bodies(self):
        """Returns the bodies that it has printed."""
        return [line for line in self.log_text().splitlines() if line.startswith("{")]


@pytest.fixture
def sample(tmp_path):
    made = Sample(str(tmp_path))
    yield made
    made.kill()


def headers(age=0, secret=SECRET, body=BODY, before="", scheme="v1,"):
    """Signs a message that is `age` seconds old."""
    timestamp = str(int(time.time()) - age)
    code = hmac.new(base64.b64decode(secret[6:]), f"msg_1.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return {"webhook-id": "msg_1", "webhook-timestamp": timestamp,
            "webhook-signature": before + scheme + base64.b64encode(code).decode()}


def test_message_of_waybill(sample):
    assert send(f"http://{sample.host}/", sample.host) == "sent"
    assert sample.bodies() == [BODY]


def test_wrong_secret(sample):
    result = send(f"http://{sample.host}/", sample.host, secret=OTHER_SECRET)
    assert "answered with status 401" in result
    assert sample.bodies() == []


@pytest.mark.parametrize("signed", [
    {"age": 240},
    {"age": -240},
    {"before": "v1,AAAA "},
    {"before": "v2,\u00e9 "},
])
def test_valid_messages(sample, signed):
    assert sample.post(headers(**signed)) == 204
    assert sample.bodies() == [BODY]


@pytest.mark.parametrize("changed", [
    lambda: headers(body=BODY + " "),
    lambda: headers(secret=OTHER_SECRET),
    lambda: headers(age=100000),
    lambda: headers(age=-100000),
    lambda: headers(scheme="v2,"),
    lambda: headers(scheme=""),
    lambda: {**headers(), "webhook-id": "msg_2"},
    lambda: {**headers(), "webhook-timestamp": "soon"},
    lambda: {**headers(), "webhook-timestamp": str(int(time.time()) + 1)},
    lambda: {**headers(), "webhook-signature": ""},
    lambda: {**headers(), "webhook-signature": "v1,"},
    lambda: {name: value for name, value in headers().items() if name != "webhook-id"},
    lambda: {name: value for name, value in headers().items() if name != "webhook-timestamp"},
    lambda: {},
], ids=["body", "secret", "old", "future", "scheme", "no scheme", "id", "not a number", "timestamp", "empty",
        "no code", "no id", "no timestamp", "no headers"])
def test_messages_that_are_rejected(sample, changed):
    assert sample.post(changed()) == 401
    assert sample.bodies() == []


def test_age_limit(sample):
    """Five minutes, give or take the time that the test takes."""
    assert sample.post(headers(age=301)) == 401
    assert sample.post(headers(age=-360)) == 401
    assert sample.bodies() == []
