"""Callers with tokens of a real Keystone, Debian's python3-keystone. test_keystone.py has one that fails."""

import pytest
from api import expect_error
from deadline import wait_until
from faults import fleet  # noqa: F401
from real_keystone import RealKeystone, is_installed
from service import MIGRATIONS
from test_keystone import ROWS, Site, listing

pytestmark = pytest.mark.skipif(not is_installed(),
                                reason="python3-keystone is not installed; tools/check --long installs it")

CACHE_S = 2


@pytest.fixture(scope="module")
def keystone(tmp_path_factory):
    real = RealKeystone(tmp_path_factory.mktemp("keystone"))
    try:
        real.demo, real.other = real.add_project("demo"), real.add_project("other")
        real.add_role("auditor")
        real.alice = real.add_user("alice", real.demo, "member")
        real.bob = real.add_user("bob", real.demo, "reader")
        real.carol = real.add_user("carol", real.other, "member", "reader")
        real.dave = real.add_user("dave", real.demo, "auditor")
        yield real
    finally:
        real.stop()


@pytest.fixture
def begin(fleet, keystone, request):  # noqa: F811
    """Starts a service for the real Keystone."""
    def start(**options):
        made = fleet("real_" + request.node.name, {
            "access.provider": "keystone", "access.keystone_url": keystone.url,
            "access.keystone_ca_file": keystone.ca_file, **options}, p1=ROWS)
        made.site.sql("UPDATE waybill.container SET project_id = %s", keystone.demo)
        return Site(made, keystone)
    return start


@pytest.fixture
def site(begin):
    return begin()


def answered(call):
    """Repeats a request while Keystone is slower than its time limit, because the machine is busy."""
    def answer():
        response = call()
        return response.status != 503 and response
    return wait_until(answer, "Keystone answers")


def caller(site, token, project):
    """Returns a caller whose token is cached, if it is valid."""
    api = site.caller(token, project)
    answered(lambda: listing(api))
    return api


def test_the_whole_job(site, keystone):
    """By default, the role member implies the role reader."""
    api = caller(site, keystone.token("alice", keystone.alice, "demo"), keystone.demo)
    body, status = api.export()
    assert body.count(b"\r\n") == ROWS + 1
    assert listing(api).json()["data_list"] == [status]
    assert api.request("GET", api.path("container/kubernetes")).json()["total_num"] == ROWS
    assert api.schedules("GET").json()["total_num"] == 0
    assert api.request("DELETE", api.path(f"export-task/{status['task_id']}")).status == 204


def test_a_reader_only_reads(site, keystone):
    task = caller(site, keystone.token("alice", keystone.alice, "demo"), keystone.demo).create_task()
    api = caller(site, keystone.token("bob", keystone.bob, "demo"), keystone.demo)
    assert api.wait(task)["task_status"] == "success"
    expect_error(api.create(), 403, "HSS.0013", "got read")
    expect_error(api.request("DELETE", api.path(f"export-task/{task}")), 403, "HSS.0013")


def test_another_project(site, keystone):
    token = keystone.token("carol", keystone.carol, "other")
    assert listing(caller(site, token, keystone.other)).json()["total_num"] == 0
    expect_error(listing(site.caller(token, keystone.demo)), 403, "HSS.0013", "project_id must be the project")


def test_neither_role(site, keystone):
    api = caller(site, keystone.token("dave", keystone.dave, "demo"), keystone.demo)
    expect_error(listing(api), 403, "HSS.0013", "got none")


def test_other_scopes(site, keystone):
    for token in (keystone.token("alice", keystone.alice),
                  keystone.token("admin", keystone.password, system={"all": True})):
        response = answered(lambda token=token: listing(site.caller(token, keystone.demo)))
        expect_error(response, 401, "APIGW.0301", "scoped to a project")


def test_invalid_tokens(site, keystone):
    token = keystone.token("alice", keystone.alice, "demo")
    for wrong in (token[:-2], token.swapcase(), token + "x", token[1:], 64 * "0"):
        response = answered(lambda wrong=wrong: listing(site.caller(wrong, keystone.demo)))
        expect_error(response, 401, "APIGW.0301", "unknown, expired or revoked")


def test_a_revoked_token(begin, keystone):
    site = begin(**{"access.cache_s": CACHE_S})
    api = caller(site, keystone.token("alice", keystone.alice, "demo"), keystone.demo)
    assert answered(lambda: listing(api)).status == 200
    keystone.revoke(api.token)
    wait_until(lambda: listing(api).status == 401, "the token ends")


def test_check(site, keystone):
    def found():
        done = site.made.site.waybill("check", "--sql-dir", MIGRATIONS)
        return f"keystone       {keystone.url} answers with version v3." in done.stdout
    wait_until(found, "Keystone answers")
