"""Callers with tokens of Keystone, and a Keystone that fails. test_keystone_real.py has a real one."""

import concurrent.futures
import hashlib
import re
import socket

import pytest
from api import Api, expect_error
from deadline import timed, wait_until
from fake_keystone import FakeKeystone, error, send_json
from faults import fleet  # noqa: F401
from receiver import Receiver, make_certificate
from schedules import Schedules
from service import MIGRATIONS
from test_cgi import CgiClient

ROWS = 20
LIMIT = 1024 * 1024  # bytes of an answer
PROMPT = 3           # seconds, less than the time limit of a lookup
TIMEOUT = 5          # seconds: the time limit of a lookup
OWN = "APIGW.0301"
AWAY = "APIGW.0201"


@pytest.fixture
def keystone():
    with FakeKeystone() as fake:
        yield fake


class Site:
    """A service with Keystone as its identity service, and its callers."""

    def __init__(self, made, keystone):
        self.made = made
        self.keystone = keystone
        self.process = made.start("one")

    def caller(self, token, project="p1", client=None):
        self.made.site.tokens["keystone", token] = token  # the log must not contain it
        return Api(self.made.site, client or self.process.client, project, token)

    def own(self):
        return self.made.api()

    def log(self):
        return self.process.log_text()


def options_for(keystone, **options):
    return {"access.provider": "keystone", "access.keystone_url": keystone.url,
            **{name.replace("__", "."): value for name, value in options.items()}}


@pytest.fixture
def begin(fleet, request):  # noqa: F811
    """Starts a service: begin(keystone, section__option=value)."""
    def start(keystone, **options):
        name = "keystone_" + hashlib.sha256(request.node.name.encode()).hexdigest()[:16]
        return Site(fleet(name, options_for(keystone, **options), p1=ROWS), keystone)
    return start


@pytest.fixture
def site(begin, keystone):
    return begin(keystone)


def listing(api, headers=None):
    return api.request("GET", api.path("export-tasks"), headers)


def expect_away(response):
    """Checks the response to a caller whose token Keystone cannot validate now. It does not say why."""
    answer = expect_error(response, 503, AWAY, "the identity service cannot validate X-Auth-Token now")
    assert response.headers["retry-after"] == "5", f"{response}"
    assert not re.search("127.0.0.1|keystone|status|timed", answer["error_msg"], re.I), f"{answer}"


def expect_cause(site, api, *causes):
    """Checks that the caller gets 503 and that the log states the cause. On a busy machine, a lookup may exceed its
    time limit first, so it is repeated."""
    def logged():
        expect_away(listing(api))
        return all(cause in site.log() for cause in ("Keystone: ", *causes))
    wait_until(logged, f"the log states {causes}")


def expect_own_tokens_work(site):
    response, _, seconds = timed(lambda: listing(site.own()))
    assert response.status == 200, f"{response}"
    assert seconds < PROMPT, f"{seconds} s"


def test_the_whole_job_over_tls(begin, tmp_path):
    both, alone = make_certificate(tmp_path, "keystone", "IP:127.0.0.1")
    with FakeKeystone(certificate=both) as keystone:
        site = begin(keystone, access__keystone_ca_file=alone)
        token = keystone.issue()
        api = site.caller(token)
        body, status = api.export()
        assert body.count(b"\r\n") == ROWS + 1 and status["task_status"] == "success"
        assert [task["task_id"] for task in listing(api).json()["data_list"]] == [status["task_id"]]
        assert api.request("GET", api.path("container/kubernetes")).json()["total_num"] == ROWS
        assert api.request("DELETE", api.path(f"export-task/{status['task_id']}")).status == 204
        request, = keystone.requests
        assert (request.method, request.target) == ("GET", "/v3/auth/tokens?nocatalog")
        assert request.headers["X-Subject-Token"] == request.headers["X-Auth-Token"] == token
        assert request.headers["Host"] == keystone.host and request.headers["User-Agent"].startswith("waybill/")
        assert request.headers["Accept"] == "application/json"
        assert "Cookie" not in request.headers and "Authorization" not in request.headers


@pytest.mark.parametrize("slashes", ["", "/", "//"])
@pytest.mark.parametrize("path", ["", "/identity"])
def test_the_url_may_have_a_path(begin, keystone, path, slashes):
    prefix = path

    def answer(handler):
        assert handler.path.startswith(prefix + "/v3")
        handler.path = handler.path.removeprefix(prefix)
        keystone.validate(handler)
    keystone.answer = answer
    site = begin(keystone, access__keystone_url=keystone.url + path + slashes)
    assert listing(site.caller(keystone.issue())).status == 200
    assert keystone.requests[0].target == path + "/v3/auth/tokens?nocatalog"


@pytest.mark.parametrize("roles, create, read, schedule", [
    (["member", "reader"], 200, 200, 200),
    (["MEMBER", "Reader", "other"], 200, 200, 200),
    (["member"], 200, 403, 200),
    (["reader"], 403, 200, 403),
    (["admin"], 403, 403, 403),
    ([], 403, 403, 403),
])
def test_roles(site, keystone, roles, create, read, schedule):
    api = site.caller(keystone.issue(roles=roles))
    fields = {"name": "n", "rule": "FREQ=DAILY", "request": {"export_headers": [["container_id", "ID"]]}}
    for response, status in ((api.create(), create), (listing(api), read),
                             (api.schedules("POST", "", fields), schedule)):
        assert response.status == status, f"{response}"
        if status == 403:
            given = {"member": "create,schedule", "reader": "read"}.get("".join(roles), "none")
            expect_error(response, 403, "HSS.0013", "the permissions for this operation, ", f"got {given}")


def test_configured_roles(begin, keystone):
    site = begin(keystone, access__create_role="export writer", access__read_role="auditor")
    writer = site.caller(keystone.issue(roles=["Export Writer"]))
    auditor = site.caller(keystone.issue(roles=["auditor"]))
    assert writer.create().status == 200 and listing(writer).status == 403
    assert auditor.create().status == 403 and listing(auditor).status == 200
    assert listing(site.caller(keystone.issue())).status == 403


def test_another_project(site, keystone):
    token = keystone.issue(project="p2")
    task = site.own().create_task()
    expect_error(listing(site.caller(token)), 403, "HSS.0013", "project_id must be the project")
    expect_error(site.caller(token, "p2").status(task), 404, "HSS.0011")
    assert listing(site.caller(token, "p2")).json()["total_num"] == 0


def test_all_enterprise_projects(site, keystone):
    site.made.site.sql("UPDATE waybill.container SET enterprise_project_id = 'e1' WHERE restart_count <= 5")
    api = site.caller(keystone.issue())
    for query, rows in (("", ROWS - 5), ("?enterprise_project_id=e1", 5),
                        ("?enterprise_project_id=all_granted_eps", ROWS)):
        assert api.export(query=query)[1]["exported_rows"] == rows


@pytest.mark.parametrize("members", [
    {}, {"domain": {"id": "default"}}, {"system": {"all": True}},
], ids=["unscoped", "domain", "system"])
def test_a_token_without_a_project(site, keystone, members):
    response = listing(site.caller(keystone.issue(None, **members)))
    expect_error(response, 401, OWN, "scoped to a project")


def test_an_invalid_token(site, keystone):
    api = site.caller("gAAAAAB-unknown")
    for _ in range(5):
        expect_error(listing(api), 401, OWN, "unknown, expired or revoked")
    assert keystone.lookups() < 5, "a refusal counts for a moment"


def test_own_tokens_never_go_to_keystone(site, keystone):
    expect_error(listing(site.own(), {"X-Auth-Token": "wbt_" + 64 * "0"}), 401, OWN)
    expect_error(listing(site.own(), {"X-Auth-Token": None}), 401, OWN)
    expect_error(listing(site.own(), {"X-Auth-Token": 32769 * "x"}), 401, OWN)
    assert listing(site.own()).status == 200
    site.made.site.sql("INSERT INTO waybill.credential (project_id, token_sha256) VALUES ('p1', sha256('older'))")
    assert listing(site.own(), {"X-Auth-Token": "older"}).status == 200
    assert keystone.connections == 0


def test_tokens_of_keystone_without_keystone(fleet, keystone):  # noqa: F811
    made = fleet("keystone_none", {"access.keystone_url": keystone.url}, p1=1)
    made.start("one")
    expect_error(listing(made.api(), {"X-Auth-Token": keystone.issue()}), 401, OWN)
    assert keystone.connections == 0


@pytest.mark.parametrize("token", ["a b", "x\r\nX-Evil: 1", "x\n", "\x01", "\x7f", "b\u00fccher", 8001 * "x",
                                   32768 * "x"], ids=lambda token: ascii(token[:8]))
def test_a_token_that_keystone_cannot_have_made(site, keystone, token):
    expect_error(listing(site.own(), {"X-Auth-Token": token}), 401, OWN)
    assert keystone.connections == 0


def flood(handler, status, where):
    handler.send_response(status)
    if where == "body":
        handler.end_headers()
    handler.flush_headers()
    while True:
        handler.wfile.write(b"X: " + 1000 * b"y" + b"\r\n")


def answer_text(status, body, **headers):
    def answer(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
    return answer


BAD_ANSWERS = {
    "500": (answer_text(500, b""), "status 500"),
    "503": (lambda handler: send_json(handler, 503, error(503)), "status 503"),
    "429": (answer_text(429, b"", **{"Retry-After": "1"}), "status 429"),
    "403": (lambda handler: send_json(handler, 403, error(403)), "policy identity:validate_token"),
    "400": (lambda handler: send_json(handler, 400, error(400)), "status 400"),
    "404 of a web server": (answer_text(404, b"<html>Not Found</html>"), "not with an error of Keystone"),
    "401 of a web server": (answer_text(401, b"Unauthorized"), "not with an error of Keystone"),
    "nothing": (answer_text(200, b""), "not valid JSON"),
    "html": (answer_text(200, b"<html></html>"), "not valid JSON"),
    "gzip": (answer_text(200, b"\x1f\x8b\x08\0", **{"Content-Encoding": "gzip"}), "not valid JSON"),
    "empty object": (answer_text(200, b"{}"), "token must be an object"),
    "no expiry": (answer_text(200, b'{"token":{"project":{"id":"p1"}}}'), "expires_at"),
    "deep": (answer_text(200, 100000 * b"["), "not valid JSON"),
    "closed": (lambda handler: None, "Server returned nothing"),
    "cut": (answer_text(200, b'{"token":', **{"Content-Length": "100"}), "cannot send to"),
    "not HTTP": (lambda handler: handler.wfile.write(b"SSH-2.0-x\r\n"), "cannot send to"),
    "large": (answer_text(200, LIMIT * b" " + b"{}"), f"the answer exceeds {LIMIT} bytes"),
    "endless body": (lambda handler: flood(handler, 200, "body"), f"the answer exceeds {LIMIT} bytes"),
    "endless headers": (lambda handler: flood(handler, 200, "headers"), "Keystone: "),
}


@pytest.mark.parametrize("kind", BAD_ANSWERS)
def test_bad_answers(site, keystone, kind):
    """The caller gets 503, and the cause is in the log. Own tokens still work. Afterwards Keystone is asked again."""
    keystone.answer, cause = BAD_ANSWERS[kind]
    api = site.caller(keystone.issue())
    expect_cause(site, api, cause)
    expect_own_tokens_work(site)
    wait_until(lambda: keystone.open == 0, "the connection is closed")
    keystone.answer = keystone.validate
    wait_until(lambda: listing(api).status == 200, "Keystone is asked again")


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_redirects_are_not_followed(site, keystone, status):
    with Receiver() as target:
        keystone.answer = answer_text(status, b"", Location=target.url)
        expect_cause(site, site.caller(keystone.issue()), "redirects are not followed")
        assert target.connections == 0


def test_an_answer_of_almost_the_largest_size(site, keystone):
    token = keystone.issue(padding=(LIMIT - 2000) * "x")
    assert listing(site.caller(token)).status == 200


def test_no_environment(fleet, keystone):  # noqa: F811
    made = fleet("keystone_environment", options_for(keystone), p1=1)
    with Receiver() as proxy:
        made.start("one", {name: f"http://{proxy.host}" for name in ("http_proxy", "ALL_PROXY", "all_proxy")})
        assert listing(made.api(), {"X-Auth-Token": keystone.issue()}).status == 200
        assert proxy.connections == 0


def test_keystone_is_down(begin, keystone):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # and does not listen
        port = reserved.getsockname()[1]
        site = begin(keystone, access__keystone_url=f"http://127.0.0.1:{port}")
        expect_cause(site, site.caller("gAAAAAB-any"), f"cannot connect to 127.0.0.1:{port}: Connection refused")
        expect_own_tokens_work(site)


@pytest.mark.parametrize("subject, trusted, cause", [
    ("IP:127.0.0.1", False, "self-signed certificate"),
    ("DNS:other.example,IP:127.0.0.2", True, "matches target host name '127.0.0.1'"),
])
def test_a_certificate_that_is_not_valid(begin, tmp_path, subject, trusted, cause):
    both, alone = make_certificate(tmp_path, "bad", subject)
    with FakeKeystone(certificate=both) as keystone:
        site = begin(keystone, access__keystone_ca_file=alone if trusted else None)
        expect_cause(site, site.caller(keystone.issue()), "the certificate of ", cause)
        assert keystone.requests == []


def test_a_keystone_without_tls(begin, keystone):
    site = begin(keystone, access__keystone_url=keystone.url.replace("http:", "https:"))
    expect_away(listing(site.caller(keystone.issue())))
    assert keystone.requests == []


def test_a_ca_file_that_is_missing(begin, keystone, tmp_path):
    site = begin(keystone, access__keystone_url=keystone.url.replace("http:", "https:"),
                 access__keystone_ca_file=str(tmp_path / "none.pem"))
    expect_away(listing(site.caller(keystone.issue())))
    expect_own_tokens_work(site)


def test_a_keystone_that_does_not_answer(site, keystone):
    keystone.answer = keystone.hold
    api = site.caller(keystone.issue())
    response, _, seconds = timed(lambda: listing(api))
    expect_away(response)
    assert seconds < TIMEOUT + PROMPT, f"{seconds} s"
    expect_cause(site, api, f"did not answer completely within {TIMEOUT} s")


def at_once(*calls):
    """Runs the calls at the same time and returns their results."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def test_one_lookup_for_many_requests(site, keystone):
    """More than the request threads: those that wait are replaced."""
    token = keystone.issue()
    api = site.caller(token)
    responses = at_once(*50 * [lambda: listing(api)])
    assert {response.status for response in responses} == {200}
    assert keystone.lookups(token) == 1


@pytest.mark.parametrize("waiting", [0, 512])
def test_own_tokens_while_keystone_is_slow(begin, keystone, waiting):
    """No request thread and no connection to the database is missing, also if the threads cannot be replaced."""
    site = begin(keystone, server__request_threads=4, server__waiting_requests=waiting, database__pool_size=1)
    known = site.caller(keystone.issue())
    assert listing(known).status == 200
    keystone.answer = keystone.hold
    callers = [site.caller(keystone.issue()) for _ in range(10)]
    with concurrent.futures.ThreadPoolExecutor(len(callers)) as pool:
        pending = [pool.submit(listing, api) for api in callers]
        keystone.wait_for(3)  # the first one, and half of the threads
        expect_own_tokens_work(site)
        assert listing(known).status == 200
        if waiting == 0:
            expect_error(listing(site.caller(keystone.issue())), 503, AWAY, "too many requests wait")
        assert len(keystone.requests) == 3
        keystone.released.set()
        responses = [future.result() for future in pending]
    statuses = [response.status for response in responses]
    assert statuses.count(200) >= 2 and set(statuses) <= {200, 503}, f"{statuses}"
    if waiting > 0:
        assert set(statuses) == {200}, f"{statuses}"


def test_a_revoked_token_ends_after_cache_s(begin, keystone):
    site = begin(keystone, access__cache_s=2)
    token = keystone.issue()
    api = site.caller(token)
    assert listing(api).status == 200
    keystone.revoke(token)
    _, _, seconds = timed(lambda: wait_until(lambda: listing(api).status == 401, "the token ends"))
    assert seconds < 2 + PROMPT, f"{seconds} s"
    assert keystone.lookups(token) == 2


def test_a_cache_of_a_minute(site, keystone):
    token = keystone.issue()
    assert listing(site.caller(token)).status == 200
    keystone.revoke(token)
    assert listing(site.caller(token)).status == 200
    keystone.server.shutdown()
    assert listing(site.caller(token)).status == 200


def test_no_cache(begin, keystone):
    site = begin(keystone, access__cache_s=0)
    token = keystone.issue()
    api = site.caller(token)
    assert [listing(api).status for _ in range(3)] == [200, 200, 200]
    assert keystone.lookups(token) == 3
    keystone.revoke(token)
    assert listing(api).status == 401


def test_a_token_ends_with_its_expiry(begin, keystone):
    site = begin(keystone, access__cache_s=3600)
    token = keystone.issue(seconds=2)
    api = site.caller(token)
    assert listing(api).status == 200
    wait_until(lambda: listing(api).status == 401, "the token expires")
    assert keystone.lookups(token) >= 2, "Keystone was asked again"


def test_a_token_that_has_expired(site, keystone):
    """Even if Keystone says that it is valid."""
    expect_error(listing(site.caller(keystone.issue(seconds=-60))), 401, OWN)


def test_schedules_of_a_caller(begin, keystone):
    """They are not tied to the token: they run after its end, also while Keystone is away."""
    site = begin(keystone, access__cache_s=0)
    token = keystone.issue()
    schedules = Schedules(site.caller(token))
    schedule = schedules.add()
    assert site.made.site.sql("SELECT credential_id FROM waybill.export_schedule") == [(None,)]
    keystone.revoke(token)
    assert listing(site.caller(token)).status == 401
    keystone.answer = 500
    schedules.make_due(schedule)
    others = Schedules(site.own())
    run, = others.wait_for_runs(schedule["schedule_id"], ["success"])
    assert site.own().status(run["task_id"]).json()["exported_rows"] == ROWS


def test_metrics(site, keystone):
    assert listing(site.caller(keystone.issue())).status == 200
    assert listing(site.caller("gAAAAAB-unknown")).status == 401
    keystone.answer = 500
    assert listing(site.caller(keystone.issue())).status == 503

    def counted():
        text = site.process.client.request("GET", "/metrics").body.decode()
        return {outcome: float(count) for outcome, count in re.findall(
            r'^waybill_keystone_validations_total\{outcome="(\w+)"\} (\S+)$', text, re.M)}
    wait_until(lambda: counted() == {"valid": 1, "invalid": 1, "failed": 1}, "the lookups are counted")


def test_cgi(fleet, keystone):  # noqa: F811
    made = fleet("keystone_cgi", options_for(keystone), p1=ROWS)
    api = Api(made.site, CgiClient(made.site), "p1", keystone.issue())
    assert api.create().status == 200
    assert listing(api).json()["total_num"] == 1
    expect_error(listing(api, {"X-Auth-Token": "gAAAAAB-unknown"}), 401, OWN)


def test_check(fleet, keystone, tmp_path):  # noqa: F811
    made = fleet("keystone_check", options_for(keystone))

    def finding(**options):
        made.site.write_config(options_for(keystone, **options))
        done = made.site.waybill("check", "--sql-dir", MIGRATIONS)
        return re.search(r"^(\w+) +keystone +(.*)$", done.stdout, re.M).groups()
    assert finding() == ("ok", f"{keystone.url} answers with version v3.14")
    assert keystone.requests[0].target == "/v3" and "X-Auth-Token" not in keystone.requests[0].headers
    result, text = finding(access__keystone_ca_file=str(tmp_path / "none.pem"))
    assert result == "failed" and "No such file or directory: set [access] keystone_ca_file" in text
    keystone.answer = 500
    result, text = finding()
    assert result == "failed" and "status 500" in text and "[access] keystone_url" in text
    keystone.answer = answer_text(200, b'{"versions":{}}')
    assert finding()[0] == "failed"
    keystone.server.shutdown()
    keystone.server.server_close()
    result, text = finding()
    assert result == "failed" and "Connection refused" in text


@pytest.mark.parametrize("url, mention", [
    (None, "keystone_url is required with provider = keystone"),
    ("http://keystone.example.org:5000", "must have the scheme https"),
    ("https://keystone.example.org:5000/v3", "must not contain the path of the API version"),
])
def test_wrong_options(fleet, keystone, url, mention):  # noqa: F811
    made = fleet("keystone_options" + str(len(mention)), options_for(keystone))
    made.site.write_config(options_for(keystone, access__keystone_url=url))
    done = made.site.waybill("check")
    assert done.returncode == 1 and mention in done.stderr, f"{done}"
