"""A Keystone that tests control: it validates the tokens that they have issued, and answers in every bad way."""

import datetime
import json
import time

from receiver import Receiver


def iso8601(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class FakeKeystone(Receiver):
    """Use it in `with`. `url` has no path of the API version. `answer` replaces its right answers, as in Receiver."""

    def __init__(self, certificate=None):
        super().__init__(self.validate, certificate)
        self.url = f"{self.scheme}://{self.host}"
        self.tokens = {}
        self.count = 0

    def issue(self, project="p1", roles=("member", "reader"), seconds=3600.0, **members):
        """Returns a new token, by default scoped to a project. Other members are added to its answer."""
        self.count += 1
        token = f"gAAAAAB-s3cret_{self.port}_{self.count}"
        answer = {
            "methods": ["password"],
            "user": {"id": "u1", "name": "alice", "domain": {"id": "default", "name": "Default"}},
            "issued_at": iso8601(time.time()),
            "expires_at": iso8601(time.time() + seconds),
            "roles": [{"id": f"r-{name}", "name": name} for name in roles],
            "is_domain": False,
            **members,
        }
        if project is not None:
            answer["project"] = {"id": project, "name": "demo", "domain": {"id": "default", "name": "Default"}}
        self.tokens[token] = answer
        return token

    def revoke(self, token):
        del self.tokens[token]

    def validate(self, handler):
        token = handler.headers["X-Subject-Token"]
        if handler.path == "/v3":
            send_json(handler, 200, {"version": {"id": "v3.14", "status": "stable"}})
        elif handler.path != "/v3/auth/tokens?nocatalog":
            send_json(handler, 404, error(404))
        elif handler.headers["X-Auth-Token"] not in self.tokens:
            send_json(handler, 401, error(401))
        elif token not in self.tokens:
            send_json(handler, 404, error(404))
        else:
            send_json(handler, 200, {"token": self.tokens[token]})

    def hold(self, handler):
        """Answers rightly after `released`."""
        self.released.wait()
        self.validate(handler)

    def lookups(self, token=None):
        return sum(token in (None, request.headers["X-Subject-Token"]) for request in list(self.requests))


def error(status):
    return {"error": {"code": status, "message": "no", "title": "no"}}


def send_json(handler, status, value):
    body = json.dumps(value).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
