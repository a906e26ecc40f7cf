"""A receiver of webhooks that records what it gets, on a port of 127.0.0.1 that the kernel chose."""

import base64
import hashlib
import hmac
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from deadline import DEADLINE, wait_until


class Request:
    """A request that arrived."""

    def __init__(self, handler, body):
        self.method = handler.command
        self.target = handler.path
        self.headers = handler.headers
        self.body = body

    def is_signed_with(self, secret):
        """Checks the signature as Standard Webhooks describe it."""
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        content = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        return self.headers["webhook-signature"] == "v1," + expected


class Receiver:
    """Use it in `with`. `answer` is called with the handler for each request; it is a status or a function.
    `certificate` is the path of a certificate with its key, for TLS."""

    def __init__(self, answer=200, certificate=None):
        self.answer = answer
        self.requests = []
        self.connections = 0
        self.open = 0       # requests that are being answered
        self.most_open = 0
        self.lock = threading.Lock()
        self.released = threading.Event()  # for answers that hold requests back
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.scheme = "http"
        if certificate is not None:
            self.scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            context.set_alpn_protocols(["h2", "http/1.1"])  # it cannot speak HTTP/2, which nobody must ask for
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"{self.scheme}://{self.host}/hook?token=s3cret"

    def handler(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def setup(self):
                super().setup()
                with receiver.lock:
                    receiver.connections += 1

            def log_message(self, *_):
                pass

            def answer_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with receiver.lock:
                    receiver.requests.append(Request(self, body))
                    receiver.open += 1
                    receiver.most_open = max(receiver.most_open, receiver.open)
                try:
                    self.close_connection = True
                    if callable(receiver.answer):
                        receiver.answer(self)
                    else:
                        self.send_response(receiver.answer)
                        self.end_headers()
                except OSError:
                    pass
                finally:
                    with receiver.lock:
                        receiver.open -= 1

            do_GET = do_POST = do_PUT = do_CONNECT = answer_any

        return Handler

    def hold(self, handler):
        """An answer that waits for `released`."""
        self.released.wait(DEADLINE)
        handler.send_response(200)
        handler.end_headers()

    def wait_for(self, count):
        wait_until(lambda: len(self.requests) >= count, f"{count} requests arrive, got {len(self.requests)}")
        return self.requests

    def ids(self):
        return [request.headers["webhook-id"] for request in self.requests]

    def __enter__(self):
        self.server.handle_error = lambda *_: None  # such as a failed TLS handshake
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


def make_certificate(directory, name, subject):
    """Makes a self-signed certificate for this subjectAltName and returns the paths of it with its key, and alone."""
    both, alone, key = (str(directory / f"{name}.{kind}") for kind in ("both", "crt", "key"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", alone, "-subj", f"/CN={name}", "-addext", f"subjectAltName={subject}"],
                   check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(both, "w", encoding="ascii") as out:
        for path in (alone, key):
            with open(path, encoding="ascii") as part:
                out.write(part.read())
    return both, alone
