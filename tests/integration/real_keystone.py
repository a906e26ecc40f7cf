"""A real Keystone in a directory of the test: SQLite, keys, a certificate, and a process that serves it."""

import base64
import contextlib
import importlib.util
import json
import os
import re
import secrets
import sqlite3
import ssl
import subprocess
import urllib.error
import urllib.request

from deadline import DEADLINE
from receiver import make_certificate
from service import Process, environment

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIGURATION = """
[DEFAULT]
log_file = {directory}/keystone.log
[database]
connection = sqlite:///{directory}/keystone.db
[fernet_tokens]
key_repository = {directory}/fernet
[credential]
key_repository = {directory}/credential
[cache]
enabled = false
[identity]
password_hash_rounds = 4
"""


def is_installed():
    return importlib.util.find_spec("keystone") is not None


def add_keys(directory):
    """Makes the keys that `keystone-manage fernet_setup` makes: the primary one and the staged one."""
    os.mkdir(directory, 0o700)
    for name in ("0", "1"):
        with open(os.path.join(directory, name), "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(base64.urlsafe_b64encode(secrets.token_bytes(32)))


class RealKeystone:
    """`url` is its URL, and `ca_file` has its certificate. The directory is a pathlib.Path."""

    def __init__(self, directory):
        self.directory = directory
        self.password = secrets.token_urlsafe(16)
        self.variables = {"OS_KEYSTONE_CONFIG_DIR": str(directory), "OS_KEYSTONE_CONFIG_FILES": "keystone.conf"}
        (directory / "keystone.conf").write_text(CONFIGURATION.format(directory=directory))
        add_keys(directory / "fernet")
        add_keys(directory / "credential")
        self.manage("db_sync")
        with contextlib.closing(sqlite3.connect(directory / "keystone.db")) as database:
            database.execute("PRAGMA journal_mode = WAL")  # a read that Keystone has not ended blocks no write
        self.manage("bootstrap", OS_BOOTSTRAP_PASSWORD=self.password)
        certificate, self.ca_file = make_certificate(directory, "keystone", "IP:127.0.0.1")
        self.context = ssl.create_default_context(cafile=self.ca_file)
        # -I: modules of the tests must not replace those of Keystone.
        self.process = Process("keystone_server", str(directory),
                               ["/usr/bin/python3", "-I", os.path.join(HERE, "keystone_server.py")],
                               {**self.variables, "KEYSTONE_CERTIFICATE": certificate})
        self.process.wait_for(self.port)
        self.url = f"https://127.0.0.1:{self.port()}"
        self.admin = self.token("admin", self.password, project="admin")

    def port(self):
        """Returns the port that the server has printed, or None. Libraries of Keystone may print warnings."""
        printed = re.search(r"^(\d+)\n", self.process.log_text(), re.M)
        return printed and printed[1]

    def manage(self, command, **variables):
        done = subprocess.run(["keystone-manage", "--config-file", str(self.directory / "keystone.conf"), command],
                              env=environment(**self.variables, **variables), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=2 * DEADLINE)
        assert done.returncode == 0, f"{done}"

    def request(self, method, path, body=None, token=None, **headers):
        """Returns the status, the headers and the JSON of a response."""
        headers = {**headers, "Content-Type": "application/json"}
        if token is not None:
            headers["X-Auth-Token"] = token
        request = urllib.request.Request(self.url + path, None if body is None else json.dumps(body).encode(), headers,
                                         method=method)
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=DEADLINE) as response:
                return response.status, response.headers, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, error.headers, None

    def change(self, method, path, body=None, **headers):
        """Sends a request as the administrator, which must succeed, and returns the JSON of its response."""
        status, _, answer = self.request(method, path, body, self.admin, **headers)
        assert 200 <= status < 300, f"{method} {path}: {status}"
        return answer

    def add_project(self, name):
        return self.change("POST", "/v3/projects", {"project": {"name": name, "domain_id": "default"}})["project"]["id"]

    def add_role(self, name):
        self.change("POST", "/v3/roles", {"role": {"name": name}})

    def add_user(self, name, project_id, *roles):
        """Adds a user with these roles in the project, and returns the password."""
        password = secrets.token_urlsafe(16)
        user = {"name": name, "password": password, "domain_id": "default"}
        user_id = self.change("POST", "/v3/users", {"user": user})["user"]["id"]
        for role in roles:
            role_id = self.change("GET", f"/v3/roles?name={role}")["roles"][0]["id"]
            self.change("PUT", f"/v3/projects/{project_id}/users/{user_id}/roles/{role_id}")
        return password

    def token(self, user, password, project=None, **scope):
        """Returns a new token, scoped to the project of this name, or with another scope, or unscoped."""
        if project is not None:
            scope = {"project": {"name": project, "domain": {"id": "default"}}}
        account = {"name": user, "password": password, "domain": {"id": "default"}}
        auth = {"identity": {"methods": ["password"], "password": {"user": account}}}
        if scope:
            auth["scope"] = scope
        status, headers, answer = self.request("POST", "/v3/auth/tokens", {"auth": auth})
        assert status == 201, f"token of {user}: {status} {answer}"
        return headers["X-Subject-Token"]

    def revoke(self, token):
        self.change("DELETE", "/v3/auth/tokens", **{"X-Subject-Token": token})

    def stop(self):
        self.process.stop(good=(-15,))
