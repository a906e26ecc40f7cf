"""Signs requests as the official SDKs do (SDK-HMAC-SHA256). It shares no code with Waybill."""

import datetime
import hashlib
import hmac
import os
import re
from urllib.parse import quote, unquote

from api import Api

LINES = re.compile(r"access_key=(WBAK[A-Z0-9]{16})\nsecret_key=([A-Za-z0-9]{40})\n")
HOST = "inventory.example.com"


class Key:
    def __init__(self, access_key, secret):
        self.access_key = access_key
        self.secret = secret


def create_key(site, project, *options):
    """Runs `waybill key create`, and returns the key. The first call creates the key file too."""
    if not os.path.exists(site.key_file):
        done = site.waybill("key", "init")
        assert done.returncode == 0, f"waybill key init: {done}"
        os.chmod(site.key_file, 0o644)  # for a process that runs as Apache's user
    done = site.waybill("key", "create", "--project", project, *options)
    lines = LINES.fullmatch(done.stdout)
    assert done.returncode == 0 and lines, f"waybill key create: {done}"
    key = Key(*lines.groups())
    site.tokens[key.access_key] = key.secret  # no log may contain it
    return key


def canonical_path(path):
    path = "/".join(quote(unquote(segment), safe="-_.~") for segment in path.split("/"))
    return path if path.endswith("/") else path + "/"


def canonical_query(query):
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    decoded = sorted((unquote(name.replace("+", " ")), unquote(value.replace("+", " "))) for name, _, value in pairs)
    return "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in decoded)


def date_of(moment):
    return moment.strftime("%Y%m%dT%H%M%SZ")


def now(minutes=0):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)


def signed(key, method, target, headers=(), body=None, signed_headers=None, moment=None):
    """Returns the headers of the request with those of its signature. None leaves a header out."""
    headers = {name: value for name, value in dict(headers).items() if value is not None}
    headers = {"Host": HOST, "X-Sdk-Date": date_of(moment or now()), **headers}
    values = {name.lower(): value.strip() for name, value in headers.items()}
    names = signed_headers or ";".join(sorted(values))
    path, _, query = target.partition("?")
    digest = values.get("x-sdk-content-sha256") or hashlib.sha256(body or b"").hexdigest()
    lines = "".join(f"{name}:{values.get(name, '')}\n" for name in names.split(";"))
    canonical = "\n".join([method, canonical_path(path), canonical_query(query), lines, names, digest])
    text = f"SDK-HMAC-SHA256\n{values['x-sdk-date']}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(key.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return {**headers, "Authorization":
            f"SDK-HMAC-SHA256 Access={key.access_key}, SignedHeaders={names}, Signature={signature}"}


class SignedApi(Api):
    """A caller with an access key."""

    def __init__(self, site, client, project, key):
        super().__init__(site, client, project, None)
        self.key = key

    def request(self, method, path, headers=None, body=None):
        return self.client.request(method, path, signed(self.key, method, path, headers or {}, body), body)
