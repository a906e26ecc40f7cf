"""Two clients of a service with the same interface: FastCGI spoken directly to waybill.fcgi, and HTTP through a web
server."""

import http.client
import json
import ssl

import fcgi
import pytest
from deadline import DEADLINE


def each_way(*values):
    """Returns values for parametrize, for a case that a web server could break: it runs through each web server, and
    not only directly against the process."""
    return pytest.param(*values, marks=pytest.mark.each_way)


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {}
        for name, value in headers:
            assert name.lower() not in self.headers, f"header {name} twice"
            self.headers[name.lower()] = value
        self.body = body

    def json(self):
        return json.loads(self.body.decode("utf-8"))

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:1000]!r}>"


class DirectClient:
    """Speaks to the process as a web server does."""

    longest_header = 65536  # more than any test needs

    def __init__(self, socket_path):
        self.socket_path = socket_path

    def params(self, method, target, headers=(), length=None):
        path, _, query = target.partition("?")
        params = {
            "GATEWAY_INTERFACE": "CGI/1.1",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_SOFTWARE": "tests",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "REMOTE_ADDR": "127.0.0.1",
            "REQUEST_METHOD": method,
            "REQUEST_URI": target,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
        }
        if length is not None:
            params["CONTENT_LENGTH"] = str(length)
        for name, value in dict(headers).items():
            key = name.upper().replace("-", "_")
            params[key if key == "CONTENT_TYPE" else "HTTP_" + key] = value
        return params

    def request(self, method, target, headers=(), body=None):
        params = self.params(method, target, headers, None if body is None else len(body))
        out, err, status = fcgi.request(self.socket_path, params, body or b"")
        assert status == 0, f"protocol status {status}"
        assert err == b"", f"standard error of the request: {err!r}"
        return parse(out)


def parse(out):
    """Parses a CGI response."""
    head, separator, body = out.partition(b"\r\n\r\n")
    assert separator, f"headers without an end in {out[:1000]!r}"
    status, headers = 200, []
    for line in head.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        assert colon, f"header line {line!r}"
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers.append((name, value.strip()))
    return Response(status, headers, body)


class WebClient:
    def __init__(self, port, longest_header, tls=False):
        self.port = port
        self.longest_header = longest_header
        self.tls = tls

    def connection(self):
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=DEADLINE, context=context)

    def request(self, method, target, headers=(), body=None, encode_chunked=False):
        connection = self.connection()
        try:
            headers = dict(headers)
            if encode_chunked:
                headers["Transfer-Encoding"] = "chunked"
                body = [body]
            connection.request(method, target, body, headers, encode_chunked=encode_chunked)
            response = connection.getresponse()
            return Response(response.status, response.getheaders(), response.read())
        finally:
            connection.close()
