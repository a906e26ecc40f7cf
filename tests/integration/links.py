"""Signed links, made and taken apart independently of Waybill."""

import base64
import hashlib
import hmac
import re
import time
from urllib.parse import quote, unquote

DOWNLOAD_URL = re.compile(r"/v5/([^/?#]+)/download/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
                          r"\?expires=([0-9]+)&signature=([0-9a-f]{64})")


class Link:
    """The parts of a link. `changed` makes a link of which some parts differ."""

    def __init__(self, project, file_id, expires, signature):
        self.parts = {"project": project, "file_id": file_id, "expires": str(expires), "signature": signature}

    @classmethod
    def parse(cls, url):
        match = DOWNLOAD_URL.fullmatch(url)
        assert match, f"not a link: {url}"
        return cls(unquote(match[1]), *match.groups()[1:])

    def __getitem__(self, part):
        return self.parts[part]

    def changed(self, **parts):
        return Link(**{**self.parts, **parts})

    @property
    def path(self):
        return f"/v5/{quote(self['project'], safe='')}/download/{quote(self['file_id'], safe='')}"

    @property
    def query(self):
        return f"?expires={quote(self['expires'], safe='')}&signature={quote(self['signature'], safe='')}"

    @property
    def url(self):
        return self.path + self.query


def keys_of(path):
    """Returns the keys of a key file, the current one first, each as (time, bytes)."""
    with open(path, encoding="ascii") as file:
        lines = [line.split() for line in file if not line.startswith("#")]
    return [(int(made), base64.b64decode(key)) for _, made, key in lines]


def sign(key, project, file_id, expires):
    """Returns the link that this key makes."""
    def hmac_of(secret, text):
        return hmac.new(secret, text.encode(), hashlib.sha256)
    derived = hmac_of(key, "waybill 1 links").digest()
    return Link(project, file_id, expires, hmac_of(derived, f"1\n{expires}\n{file_id}\n{project}").hexdigest())


def link_to(site, project, file_id, seconds=600, key=0):
    """Returns a link that expires after a time, signed with the current key of the site or with the previous one."""
    return sign(keys_of(site.key_file)[key][1], project, file_id, int(time.time()) + seconds)


def follow(client, url, method="GET", headers=None):
    """Sends a request without a token."""
    return client.request(method, url, headers or {})
