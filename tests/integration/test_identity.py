"""Who is calling: the rules for tokens, and the response to a bad one."""

import hashlib
import uuid

import pytest
from api import expect_error, expect_refused
from clients import each_way

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture(scope="module")
def known(hostile):
    """Adds a token with a given text to the service, for project demo."""
    def insert(token, **columns):
        names = "".join(f", {name}" for name in columns)
        values = "".join(f", {value}" for value in columns.values())
        hostile.site.sql(
            f"INSERT INTO waybill.credential (project_id, token_sha256{names}) VALUES ('demo', %s{values})",
            hashlib.sha256(token.encode()).digest())
        return token
    return insert


@pytest.mark.parametrize("token", [each_way(None), each_way(""), "unknown", "x" * 32768, "x" * 32769],
                         ids=lambda token: f"{token}"[:8])
def test_no_identity(either, token):
    response = either.create(headers={"X-Auth-Token": token})
    expect_error(response, 401, "APIGW.0301")


@pytest.mark.parametrize("path", ["export-task/{}", "download/{}"])
@pytest.mark.parametrize("token", [None, "", "unknown"])
def test_no_identity_anywhere(api, path, token):
    response = api.request("GET", api.path(path.format(uuid.uuid4())), {"X-Auth-Token": token})
    expect_error(response, 401, "APIGW.0301")


def test_the_hash_of_a_token_is_no_token(api, hostile):
    for spell in ("hex", "base64"):
        token = hostile.site.sql("SELECT encode(token_sha256, %s) FROM waybill.credential LIMIT 1", spell)[0][0]
        expect_error(api.create(headers={"X-Auth-Token": token}), 401, "APIGW.0301")


def test_a_token_is_compared_as_it_is(api):
    for token in (api.token.swapcase(), api.token + "x", api.token[:-1]):
        expect_error(api.create(headers={"X-Auth-Token": token}), 401, "APIGW.0301")


@pytest.mark.each_way
def test_a_token_of_32768_characters(either, known):
    name = uuid.uuid4().hex
    token = known(name + "t" * (min(32768, either.client.longest_header) - len(name)))
    response = either.create(headers={"X-Auth-Token": token})
    assert response.status == 200, f"{response}"


@pytest.mark.each_way
def test_a_token_of_32769_characters(either, known):
    name = uuid.uuid4().hex
    token = known(name + "t" * (32769 - len(name)))
    expect_error(either.create(headers={"X-Auth-Token": token}), 401, "APIGW.0301", "32768")


@pytest.mark.parametrize("expire_time, accepted", [
    ("now() - interval '1 second'", False), ("now() + interval '1 hour'", True), ("NULL", True), ("'infinity'", True),
])
def test_expiry(api, known, expire_time, accepted):
    token = known(uuid.uuid4().hex, expire_time=expire_time)
    response = api.create(headers={"X-Auth-Token": token})
    if accepted:
        assert response.status == 200, f"{response}"
    else:
        expect_error(response, 401, "APIGW.0301")


def test_expiry_while_in_use(api, hostile, known):
    token = known(uuid.uuid4().hex, expire_time="now() + interval '1 hour'")
    assert api.create(headers={"X-Auth-Token": token}).status == 200
    hostile.site.sql("UPDATE waybill.credential SET expire_time = now() WHERE token_sha256 = %s",
                     hashlib.sha256(token.encode()).digest())
    expect_refused(lambda: api.create(headers={"X-Auth-Token": token}))


def test_revoked(api, known):
    token = known(uuid.uuid4().hex, revoke_time="now()")
    expect_error(api.create(headers={"X-Auth-Token": token}), 401, "APIGW.0301")


@pytest.mark.parametrize("reason", ["unknown", "revoked", "expired"])
def test_the_response_does_not_reveal_whether_a_token_existed(api, known, reason):
    token = uuid.uuid4().hex
    if reason == "revoked":
        known(token, revoke_time="now()")
    elif reason == "expired":
        known(token, expire_time="now() - interval '1 second'")
    answer = expect_error(api.create(headers={"X-Auth-Token": token}), 401, "APIGW.0301")
    assert token not in answer["error_msg"], f"the token in {answer}"
