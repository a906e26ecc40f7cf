"""Requests signed with access keys: through each web server and directly, and what is refused."""

import hashlib
import json
import re
import time

import fcgi
import inventory
import pytest
from api import MINIMAL, expect_error, expect_refused
from calls import samples, value
from clients import parse
from schedule_calls import create as create_schedule
from schedule_calls import finish_run, latest
from schedule_calls import run as run_schedule
from signing import Key, SignedApi, create_key, date_of, now, signed

pytestmark = pytest.mark.usefixtures("ledger")

UNIFORM = "the signature must be that of a valid access key for this request"
STRANGE = "pro ject-é"  # as in one of the vectors
CREATE = "container/export-task"
JSON = {"Content-Type": "application/json"}
BODY = json.dumps(MINIMAL).encode()


@pytest.fixture(scope="module")
def key(hostile):
    return create_key(hostile.site, inventory.PROJECT)


@pytest.fixture
def signer(hostile, client, key):
    """A caller with an access key, in each way."""
    return SignedApi(hostile.site, client, inventory.PROJECT, key)


@pytest.fixture
def direct(hostile, key):
    return SignedApi(hostile.site, hostile.client, inventory.PROJECT, key)


@pytest.mark.each_way
def test_create_status_and_download(signer):
    task_id = signer.create_task({"export_headers": [["container_name", "容器名称"]]},
                                 "?export_size=10&enterprise_project_id=all_granted_eps", {"Prefer": "wait=30"})
    signer.wait(task_id)
    status = signer.status(task_id, "?enterprise_project_id=all_granted_eps").json()
    assert status["task_status"] == "success" and status["exported_rows"] == 10, f"{status}"
    got = signer.download(status["file_id"])
    assert got.status == 200 and hashlib.sha256(got.body).hexdigest() == status["sha256"], f"{got}"
    head = signer.download(status["file_id"], method="HEAD")
    assert head.status == 200 and head.headers["content-length"] == str(status["file_size"]), f"{head}"
    assert signer.request("GET", signer.path("export-tasks") + "?limit=1").json()["total_num"] > 0
    assert signer.request("DELETE", signer.path(f"export-task/{task_id}")).status == 204
    signer.site.accepted -= 1


@pytest.mark.each_way
@pytest.mark.parametrize("query", [
    "container_name=a%20b%2Bc%2Fd~e%25%2A&image_name=reg%3A5000%2F%E5%AE%B9%E5%99%A8",
    "image_name=reg%3a5000%2f%e5%ae%b9%e5%99%a8&container_name=a+b%2Bc/d%7Ee%25*&limit=10",
    "pod_name=%26%3D%23%3F;&container_name=", "&limit=10&&offset=0&", "image_name==a=b",
])
def test_queries_that_are_encoded(signer, query):
    response = signer.request("GET", signer.path("container/kubernetes") + "?" + query)
    assert response.status == 200, f"{response}"


@pytest.mark.each_way
def test_a_path_that_is_encoded(hostile, client):
    key = create_key(hostile.site, STRANGE)
    api = SignedApi(hostile.site, client, STRANGE, key)
    assert "%20" in api.path("") and "%C3%A9" in api.path("")
    assert api.request("GET", api.path("export-tasks")).json() == {"total_num": 0, "data_list": []}


@pytest.mark.each_way
def test_a_chunked_body(signer, server, key):
    if not hasattr(server, "port"):
        pytest.skip("only HTTP has chunks")
    path = signer.path(CREATE)
    response = signer.client.request("POST", path, signed(key, "POST", path, JSON, BODY), BODY, encode_chunked=True)
    assert response.status == 200, f"{response}"
    signer.site.accepted += 1


def wrong_secret(key, path):
    return path, signed(Key(key.access_key, key.secret[::-1]), "POST", path, JSON, BODY), BODY


def changed_body(key, path):
    return path, signed(key, "POST", path, JSON, BODY), BODY.replace(b"Id", b"id")


def changed_query(key, path):
    return path + "?export_size=11", signed(key, "POST", path + "?export_size=10", JSON, BODY), BODY


def added_query(key, path):
    return path + "?export_size=10", signed(key, "POST", path, JSON, BODY), BODY


def changed_header(key, path):
    headers = signed(key, "POST", path, {**JSON, "X-Project-Id": "demo"}, BODY)
    return path, {**headers, "X-Project-Id": "other"}, BODY


def late(key, path):
    return path, signed(key, "POST", path, JSON, BODY, moment=now(-16)), BODY


def early(key, path):
    return path, signed(key, "POST", path, JSON, BODY, moment=now(16)), BODY


def bad_date(key, path):
    return path, signed(key, "POST", path, {**JSON, "X-Sdk-Date": "2026-04-03T08:15:00Z"}, BODY), BODY


def missing_header(key, path):
    return path, signed(key, "POST", path, JSON, BODY, "content-type;host;x-project-id;x-sdk-date"), BODY


def missing_date(key, path):
    headers = signed(key, "POST", path, JSON, BODY)
    del headers["X-Sdk-Date"]
    return path, headers, BODY


def unsigned_host(key, path):
    return path, signed(key, "POST", path, JSON, BODY, "content-type;x-sdk-date"), BODY


def unsigned_date(key, path):
    return path, signed(key, "POST", path, JSON, BODY, "content-type;host"), BODY


def unsigned_payload(key, path):
    return path, signed(key, "POST", path, {**JSON, "X-Sdk-Content-Sha256": "UNSIGNED-PAYLOAD"}, BODY), BODY


def unsigned_payload_of_text(key, path):
    headers = {"Content-Type": "text/plain", "X-Sdk-Content-Sha256": "UNSIGNED-PAYLOAD"}
    return path, signed(key, "POST", path, headers, BODY), BODY


def wrong_hash(key, path):
    headers = {**JSON, "X-Sdk-Content-Sha256": hashlib.sha256(b"").hexdigest()}
    return path, signed(key, "POST", path, headers, BODY), BODY


def other_method(key, path):
    return path, signed(key, "PUT", path, JSON, BODY), BODY


def other_path(key, path):
    return path, signed(key, "POST", path.replace("demo", "d%65mo1"), JSON, BODY), BODY


def other_algorithm(key, path):
    headers = signed(key, "POST", path, JSON, BODY)
    return path, {**headers, "Authorization": headers["Authorization"].replace("SHA256", "SM3")}, BODY


def no_signature(key, path):
    headers = signed(key, "POST", path, JSON, BODY)
    return path, {**headers, "Authorization": headers["Authorization"].partition(", Signature")[0]}, BODY


def other_signature(key, path):
    headers = signed(key, "POST", path, JSON, BODY)
    flipped = "1" if headers["Authorization"][-1] == "0" else "0"
    return path, {**headers, "Authorization": headers["Authorization"][:-1] + flipped}, BODY


def unknown_key(key, path):
    return path, signed(Key("WBAK0123456789ABCDEF", key.secret), "POST", path, JSON, BODY), BODY


NEGATIVES = [
    (wrong_secret, (UNIFORM,)),
    (changed_body, (UNIFORM,)),
    (changed_query, (UNIFORM,)),
    (added_query, (UNIFORM,)),
    (changed_header, (UNIFORM,)),
    (late, ("X-Sdk-Date must be within 15 minutes of the time of the server, 20", "96", "seconds behind")),
    (early, ("X-Sdk-Date must be within 15 minutes of the time of the server, 20", "seconds ahead")),
    (bad_date, ("X-Sdk-Date must be a time in UTC in the form YYYYMMDDTHHMMSSZ",)),
    (missing_header, ("x-project-id is missing",)),
    (missing_date, ("x-sdk-date is missing",)),
    (unsigned_host, ("SignedHeaders must contain host and x-sdk-date, host is missing",)),
    (unsigned_date, ("x-sdk-date is missing",)),
    (unsigned_payload, ("the signature must cover the body",)),
    (unsigned_payload_of_text, ("the signature must cover the body",)),
    (wrong_hash, ("X-Sdk-Content-Sha256 must be the SHA-256 of the body",)),
    (other_method, (UNIFORM,)),
    (other_path, (UNIFORM,)),
    (other_algorithm, ("Authorization must use the algorithm SDK-HMAC-SHA256",)),
    (no_signature, ("Authorization must have the form",)),
    (other_signature, (UNIFORM,)),
    (unknown_key, (UNIFORM,)),
]


@pytest.mark.each_way
@pytest.mark.parametrize("make, mentions", NEGATIVES, ids=[make.__name__ for make, _ in NEGATIVES])
def test_refused(signer, key, make, mentions):
    target, headers, body = make(key, signer.path(CREATE))
    response = signer.client.request("POST", target, headers, body)
    answer = expect_error(response, 401, "APIGW.0301", *mentions)
    assert key.access_key not in answer["error_msg"] and key.secret not in answer["error_msg"]
    assert not re.search("[0-9a-f]{64}", answer["error_msg"]), "nothing helps to forge a signature"


@pytest.mark.each_way
def test_a_replay_to_another_place(signer, key):
    """A signed request of one operation is worth nothing for another one."""
    status = signer.finished(MINIMAL)
    path = signer.path(f"export-task/{status['task_id']}")
    headers = signed(key, "GET", path)
    assert signer.client.request("GET", path, headers).status == 200
    for method, target in (("DELETE", path), ("GET", signer.path(f"download/{status['file_id']}")),
                           ("GET", path + "?enterprise_project_id=0"), ("GET", signer.path("export-tasks"))):
        expect_error(signer.client.request(method, target, headers), 401, "APIGW.0301", UNIFORM)
    assert signer.client.request("GET", path, headers).status == 200


def test_a_date_within_the_limit(direct, key):
    path = direct.path("export-tasks")
    for minutes in (-14, 14):
        assert direct.client.request("GET", path, signed(key, "GET", path, moment=now(minutes))).status == 200


@pytest.mark.parametrize("how", ["unknown", "revoked", "expired", "wrong secret"])
def test_the_message_does_not_reveal_why(hostile, how):
    site = hostile.site
    key = create_key(site, inventory.PROJECT, *(["--expires", "1h"] if how == "expired" else []))
    if how == "revoked":
        assert site.waybill("key", "revoke", key.access_key).returncode == 0
    elif how == "expired":
        site.sql("UPDATE waybill.credential SET expire_time = now() WHERE access_key = %s", key.access_key)
    elif how == "unknown":
        site.sql("DELETE FROM waybill.credential WHERE access_key = %s", key.access_key)
    else:
        key = Key(key.access_key, key.secret[::-1])
    api = SignedApi(site, hostile.client, inventory.PROJECT, key)
    answer = expect_error(api.create(), 401, "APIGW.0301", UNIFORM)
    assert answer["error_msg"] == (UNIFORM + ", got one of an access key that is unknown, expired or revoked, or one"
                                             " that does not match")


@pytest.mark.each_way
def test_what_is_not_granted(hostile, client, key):
    reader = create_key(hostile.site, inventory.PROJECT, "--permission", "read", "--enterprise-project", "ep-a")
    api = SignedApi(hostile.site, client, inventory.PROJECT, reader)
    expect_error(api.create(), 403, "HSS.0013", "permissions for this operation, create, got read")
    assert api.request("GET", api.path("export-tasks")).status == 200
    expect_error(api.request("GET", api.path("export-tasks") + "?enterprise_project_id=ep-b"), 403, "HSS.0013")
    stranger = SignedApi(hostile.site, client, inventory.NEIGHBOUR, key)
    expect_error(stranger.create(), 403, "HSS.0013", "project")


@pytest.mark.each_way
def test_credentials_of_other_kinds(hostile, client, key):
    """A signature counts before a token. Another scheme of Authorization is not Waybill's."""
    api = hostile.api(client=client)
    path = api.path("export-tasks")
    assert api.request("GET", path, {"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}).status == 200
    assert client.request("GET", path, {**signed(key, "GET", path), "X-Auth-Token": "unknown"}).status == 200
    wrong = signed(Key(key.access_key, "x"), "GET", path)
    expect_error(client.request("GET", path, {**wrong, "X-Auth-Token": api.token}), 401, "APIGW.0301", UNIFORM)
    expect_error(client.request("GET", path, {"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}), 401, "APIGW.0301",
                 "X-Auth-Token of 1 to 32768 characters, or Authorization with a signature, is required")


def test_an_unsigned_payload_where_no_body_matters(direct, key):
    path = direct.path("export-tasks")
    headers = signed(key, "GET", path, {"X-Sdk-Content-Sha256": "UNSIGNED-PAYLOAD"})
    assert direct.client.request("GET", path, headers).status == 200
    assert direct.client.request("GET", path, headers, b"anything").status == 200


def test_a_body_that_the_operation_ignores_is_verified(direct, key):
    path = direct.path("export-tasks")
    assert direct.client.request("GET", path, signed(key, "GET", path, {}, b"body"), b"body").status == 200
    expect_error(direct.client.request("GET", path, signed(key, "GET", path), b"body"), 401, "APIGW.0301", UNIFORM)


@pytest.mark.parametrize("method, rest", [("POST", CREATE), ("GET", "export-tasks")])
def test_the_size_of_a_body(direct, method, rest):
    """A body of exactly 1 MiB is verified; a larger one is not."""
    full = b" " * (1 << 20)
    for body, without_length in ((full, False), (full + b" ", False), (full, True), (full + b" ", True)):
        path = direct.path(rest)
        params = direct.client.params(method, path, signed(direct.key, method, path, JSON, body), len(body))
        if without_length:
            del params["CONTENT_LENGTH"]
        with fcgi.Connection(direct.client.socket_path) as connection:
            connection.send(fcgi.begin(), fcgi.records(fcgi.PARAMS, fcgi.pairs(params)), fcgi.records(fcgi.STDIN, body))
            out = connection.answer()[0]
        status = int(re.match(rb"Status: (\d+)", out)[1])
        assert status == (413 if len(body) > 1 << 20 else 400 if method == "POST" else 200), f"{out[:500]}"


def test_the_other_checks_follow(direct):
    """The checks after identity are those of a token, in the same order."""
    expect_error(direct.request("POST", direct.path(CREATE) + "?export_size=0", JSON, b"{"), 400, "HSS.0001",
                 "export_size")
    expect_error(direct.request("POST", direct.path(CREATE), {"Content-Type": "text/plain"}, b"{"), 415, "HSS.0002")
    expect_error(direct.request("POST", direct.path(CREATE), JSON, b"{"), 400, "HSS.0002")
    expect_error(direct.request("GET", direct.path("export-tasks") + "?limit=1&limit=1"), 400, "HSS.0001", "limit")
    expect_error(direct.request("GET", direct.path("export-task/%FF")), 401, "APIGW.0301", "the signed path")


def test_the_hour_of_the_last_use(hostile):
    """Only a verified signature is a use."""
    site = hostile.site
    key = create_key(site, inventory.PROJECT)

    def last_use():
        return site.sql("SELECT last_use_time IS NOT NULL, last_use_time = date_trunc('hour', now())"
                        " FROM waybill.credential WHERE access_key = %s", key.access_key)[0]
    wrong = SignedApi(site, hostile.client, inventory.PROJECT, Key(key.access_key, "x"))
    expect_error(wrong.request("GET", wrong.path("export-tasks")), 401, "APIGW.0301")
    assert last_use() == (False, None)
    right = SignedApi(site, hostile.client, inventory.PROJECT, key)
    assert right.request("GET", right.path("export-tasks")).status == 200
    assert last_use() in ((True, True), (True, False))  # the hour may have changed meanwhile


def test_revocation_and_expiry_while_in_use(hostile):
    site = hostile.site
    for end in ("revoke_time", "expire_time"):
        key = create_key(site, inventory.PROJECT, "--expires", "1h")
        api = SignedApi(site, hostile.client, inventory.PROJECT, key)
        assert api.request("GET", api.path("export-tasks")).status == 200
        site.sql(f"UPDATE waybill.credential SET {end} = now() WHERE access_key = %s", key.access_key)
        expect_refused(lambda: api.request("GET", api.path("export-tasks")), UNIFORM)


def test_a_schedule_of_an_access_key(hostile):
    """It has the grants of the key, and its runs fail after the key is revoked."""
    site = hostile.site
    key = create_key(site, inventory.PROJECT, "--enterprise-project", "ep-a")
    mine, api = SignedApi(site, hostile.client, inventory.PROJECT, key), hostile.api()
    schedule = create_schedule(mine, enterprise_project_id="ep-a")
    assert site.sql("SELECT access_key FROM waybill.export_schedule JOIN waybill.credential USING (credential_id)"
                    " WHERE schedule_id = %s", schedule["schedule_id"]) == [(key.access_key,)]
    finish_run(mine, schedule)
    assert latest(mine, schedule).status == 200
    assert site.waybill("key", "revoke", key.access_key).returncode == 0
    status = api.wait(run_schedule(api, schedule))
    assert (status["task_status"], status["error_code"]) == ("failure", "HSS.0013"), f"{status}"
    site.accepted += 2
    assert api.schedules("DELETE", f"/{schedule['schedule_id']}").status == 204


# ---- The command ----


def rows(site, *arguments):
    done = site.waybill("key", "list", *arguments)
    assert done.returncode == 0, f"{done}"
    header, *lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert header == ["ACCESS KEY", "STATE", "PROJECT", "ENTERPRISE PROJECTS", "PERMISSIONS", "CREATED", "EXPIRES",
                      "LAST USED", "NAME"]
    return {line[0]: dict(zip(header, line)) for line in lines}


def test_the_command(hostile):
    site = hostile.site
    some = create_key(site, "keys", "--enterprise-project", "a,b", "--permission", "read", "--expires", "30d",
                      "--name", "nightly")
    every = create_key(site, "keys")
    assert some.access_key != every.access_key and some.secret != every.secret
    found = rows(site, "--project", "keys")
    assert set(found) == {some.access_key, every.access_key}
    row = found[some.access_key]
    assert (row["STATE"], row["ENTERPRISE PROJECTS"], row["PERMISSIONS"], row["LAST USED"], row["NAME"]) == \
        ("valid", "a,b", "read", "never", "nightly")
    row = found[every.access_key]
    assert (row["ENTERPRISE PROJECTS"], row["PERMISSIONS"], row["EXPIRES"]) == ("all", "create,read,schedule", "never")
    assert site.waybill("key", "revoke", some.access_key).returncode == 0
    assert rows(site, "--project", "keys")[some.access_key]["STATE"] == "revoked"
    again = site.waybill("key", "revoke", some.access_key)
    assert again.returncode == 1 and "already revoked" in again.stderr, f"{again}"
    assert set(found) <= set(rows(site))
    listed = site.waybill("token", "list").stdout
    assert some.access_key not in listed, "a list of tokens has no access keys"


def test_no_secret_in_plain_text(hostile, key):
    dump = json.dumps(hostile.site.sql("SELECT to_jsonb(credential) FROM waybill.credential"))
    assert key.access_key in dump and key.secret not in dump
    with open(hostile.site.key_file, encoding="utf-8") as file:
        assert key.secret not in file.read()


# ---- The key file ----


@pytest.fixture
def fresh(start):
    return start(f"signature{time.monotonic_ns()}")


def test_rotation(fresh):
    """Access keys survive rotations, in a process that runs, and so does the response to an unknown one."""
    key = create_key(fresh.site, "p")
    good, unknown = (SignedApi(fresh.site, fresh.client, "p", one) for one in (key, Key("WBAKUNKNOWN", "x")))
    for _ in range(4):
        assert good.request("GET", good.path("export-tasks")).status == 200
        expect_error(unknown.request("GET", unknown.path("export-tasks")), 401, "APIGW.0301", UNIFORM)
        done = fresh.site.waybill("key", "rotate")
        assert done.returncode == 0, f"{done}"


def test_without_a_key_file(fresh):
    api = SignedApi(fresh.site, fresh.client, "p", Key("WBAKUNKNOWN", "x"))
    expect_error(api.create(), 401, "APIGW.0301", "the service has no access keys")
    done = fresh.site.waybill("key", "create", "--project", "p")
    assert done.returncode == 1 and done.stdout == "" and "key_file" in done.stderr, f"{done}"
    key = create_key(fresh.site, "p")  # the process notices the file
    good = SignedApi(fresh.site, fresh.client, "p", key)
    assert good.request("GET", good.path("export-tasks")).status == 200


def test_a_key_file_that_is_damaged(fresh):
    """The response is the same for a known and an unknown access key; the log has the reason."""
    key = create_key(fresh.site, "p")
    with open(fresh.site.key_file, "w", encoding="utf-8") as file:
        file.write("damaged\n")
    for one in (key, Key("WBAKUNKNOWN", "x")):
        api = SignedApi(fresh.site, fresh.client, "p", one)
        answer = expect_error(api.create(), 500, "HSS.0041")
        assert fresh.site.directory not in answer["error_msg"]
    assert fresh.process.log_text().count('reason="[access] key_file cannot be used" detail=') == 2


# ---- The limit on failed sign-ins ----


class Address:
    """A client of the process with an address."""

    def __init__(self, service, address):
        self.client = service.client
        self.address = address

    def request(self, method, target, headers=(), body=None):
        params = self.client.params(method, target, headers, None if body is None else len(body))
        params["REMOTE_ADDR"] = self.address
        return parse(fcgi.request(self.client.socket_path, params, body or b"")[0])


def test_the_limit(start):
    service = start("signins", options={"access.failed_signins": 60})
    key = create_key(service.site, "p")
    token = service.site.token("p")
    path = "/v5/p/export-tasks"
    one, other = (Address(service, address) for address in ("192.0.2.1", "2001:db8::1"))
    before = samples(service.client)
    for _ in range(3):  # valid credentials take nothing
        assert one.request("GET", path, {"X-Auth-Token": token}).status == 200
        assert one.request("GET", path, signed(key, "GET", path)).status == 200
        expect_error(one.request("GET", path), 401, "APIGW.0301")
    began = time.monotonic()
    failed = 0
    while (response := one.request("GET", path, {"X-Auth-Token": "unknown"} if failed % 2
                                   else signed(Key(key.access_key, "x"), "GET", path))).status == 401:
        failed += 1
        assert failed < 1000
    elapsed = time.monotonic() - began
    assert 60 <= failed <= 60 + elapsed + 1, f"{failed} in {elapsed} seconds"
    expect_error(response, 429, "APIGW.0308", "failed sign-ins from one address must be at most 60 per minute")
    seconds = int(response.headers["retry-after"])
    assert seconds == 1
    assert other.request("GET", path, {"X-Auth-Token": token}).status == 200
    expect_error(one.request("GET", path), 401, "APIGW.0301", "is required")
    time.sleep(seconds)
    assert one.request("GET", path, signed(key, "GET", path)).status == 200
    log = service.process.log_text()
    events = [line for line in log.splitlines() if 'event="sign-in failed"' in line]
    assert len(events) == failed and all(" address=192.0.2.1 " in line for line in events)
    kinds = {kind: sum(f" credentials={kind} " in line for line in events) for kind in ("token", "access_key")}
    assert sum(kinds.values()) == failed
    assert all(key.access_key in line for line in events if "credentials=access_key" in line), "it is a valid one"
    after = samples(service.client)
    for kind, count in kinds.items():
        name = "waybill_failed_signins_total"
        assert value(after, name, credentials=kind) - value(before, name, credentials=kind) == count


def test_what_the_log_does_not_say(start):
    """People paste secrets into the wrong places."""
    service = start("signins_log")
    key = create_key(service.site, "p")
    path = "/v5/p/export-tasks"
    secret = "S3CRETS3CRETS3CRETS3CRET"
    good = signed(key, "GET", path)
    signature = good["Authorization"].rpartition("=")[2]
    for headers in ({"X-Auth-Token": secret}, signed(Key(secret, "x"), "GET", path),
                    {"Authorization": f"SDK-HMAC-SHA256 {secret}"}, {"Authorization": f"SDK-{secret}"},
                    {**good, "Authorization": good["Authorization"] + secret},
                    {**good, "X-Sdk-Date": secret}, {**good, "X-Sdk-Content-Sha256": secret},
                    {**good, "X-Sdk-Date": date_of(now(-30))}):
        expect_error(service.client.request("GET", path, headers), 401, "APIGW.0301")
    log = service.process.log_text()
    assert log.count('event="sign-in failed"') == 8
    assert secret not in log and signature not in log
    for line in log.splitlines():
        if "sign-in failed" in line:
            request_id = re.search(r"request_id=(\S+)", line)[1]
            assert log.count(request_id) == 2, "the event and the request"
