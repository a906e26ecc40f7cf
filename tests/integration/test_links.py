"""Signed links: who gets them, what they open, and which are refused."""

import contextlib
import os
import re
import shutil
import time
import uuid

import pytest
from api import MINIMAL, Api, expect_error, expect_refused
from calls import expect_removed, listed, remove
from clients import each_way
from links import Link, follow, keys_of, link_to, sign
from schedule_calls import finish_run, temporary
from service import Direct

FORGED = "the link must be the download_url in the status of a task, unchanged; get the status again for a new link"
LATE = "the link has expired; get the status of the task again for a new one"
BODY = {"export_headers": [[key, key] for key in ("container_id", "container_name", "image_name", "pod_name")]}
OTHER = "00000000-0000-4000-8000-000000000000"  # a file that does not exist


@pytest.fixture(scope="module")
def file(api):
    """A finished export: its bytes and its status."""
    return api.export(BODY)


@pytest.fixture
def link(api, file):
    """A link that has not been used."""
    return Link.parse(api.status(file[1]["task_id"]).json()["download_url"])


def expect_forged(response):
    assert expect_error(response, 403, "HSS.0013")["error_msg"] == FORGED


def signature_of(url):
    return Link.parse(url)["signature"]


# ---- What a link opens, through each web server ----

@pytest.mark.each_way
def test_a_link_needs_no_token(either, file):
    """The response has the same headers as that with a token."""
    data, status = file
    link = Link.parse(either.status(status["task_id"]).json()["download_url"])
    assert (link["project"], link["file_id"]) == (either.project, status["file_id"])
    for method in ("GET", "HEAD"):
        expected = either.download(status["file_id"], method=method)
        response = follow(either.client, link.url, method)
        assert response.status == expected.status == 200 and response.body == expected.body
        assert response.headers["cache-control"] == "private"
        changing = {"date", "x-request-id"}
        assert {name: value for name, value in response.headers.items() if name not in changing} == \
               {name: value for name, value in expected.headers.items() if name not in changing}
    assert follow(either.client, link.url).body == data


@pytest.mark.parametrize("headers, status", [
    each_way({"Range": "bytes=10-99"}, 206), each_way({"Range": "bytes=-7"}, 206),
    each_way({"Range": "bytes=99999999-"}, 416), each_way({"If-None-Match": "*"}, 304),
    each_way({"Range": "bytes=0-1", "If-Range": '"other"'}, 200)], ids=str)
def test_a_link_is_a_download(either, file, headers, status):
    expected = either.download(file[1]["file_id"], headers=headers)
    response = follow(either.client, link_to(either.site, either.project, file[1]["file_id"]).url, headers=headers)
    assert response.status == expected.status == status
    if status == 416:
        assert response.headers["content-range"] == expected.headers["content-range"]
    else:
        assert response.body == expected.body


@pytest.mark.parametrize("change, message", [
    each_way({"signature": "0" * 64}, FORGED), each_way({"file_id": OTHER}, FORGED), each_way({"expires": "1"}, FORGED),
    each_way({"project": "other"}, FORGED), each_way({}, LATE)], ids=str)
def test_a_refused_link(either, file, change, message):
    link = link_to(either.site, either.project, file[1]["file_id"], -1 if message == LATE else 600)
    response = follow(either.client, link.changed(**change).url)
    assert expect_error(response, 403, "HSS.0013")["error_msg"] == message
    assert "cache-control" not in response.headers and link["signature"] not in response.body.decode()
    assert follow(either.client, link.changed(**change).url, "HEAD").status == 403


@pytest.mark.parametrize("project", [each_way("Größe 1"), each_way("a+b%41&c=d;e"), "a/b?c#d", "x\n" + OTHER, "."])
def test_any_project_fits_in_a_link(hostile, client, project):
    api = hostile.api(project, client=client)
    data, status = api.export(MINIMAL)
    link = Link.parse(status["download_url"])
    assert link["project"] == project and link.url == status["download_url"]
    assert follow(client, status["download_url"]).body == data


# ---- Who gets a link ----

def test_each_status_has_a_new_link(api, file):
    """It expires link_minutes after the status. Its signature is that which the key of the key file makes."""
    _, status = file
    for url in (lambda: api.status(status["task_id"]).json()["download_url"],
                lambda: next(task["download_url"] for task in listed(api, "?limit=200")[1]
                             if task["task_id"] == status["task_id"])):
        before = time.time()
        link = Link.parse(url())
        assert before + 900 <= int(link["expires"]) <= time.time() + 901
        key = keys_of(api.site.key_file)[0][1]
        assert link.url == sign(key, api.project, status["file_id"], link["expires"]).url
        assert follow(api.client, link.url).status == 200


@pytest.mark.each_way
def test_no_cache_stores_a_link(either, file):
    for path in (f"export-task/{file[1]['task_id']}", "export-tasks?limit=200"):
        response = either.request("GET", either.path(path))
        assert b"download_url" in response.body and response.headers["cache-control"] == "no-store"


def test_a_task_without_a_file_has_no_link(start, api, hostile):
    waiting = start("links_waiting", options={"export.threads": 0}, prepare=lambda site: site.make_keys()).api()
    response = waiting.status(waiting.create_task())
    assert "download_url" not in response.json() and "cache-control" not in response.headers
    status = api.finished()
    hostile.site.sql("UPDATE waybill.export_task SET state = 'failure', error_code = 'HSS.0041', error_msg = 'x',"
                     " file_id = NULL WHERE task_id = %s", status["task_id"])
    failed = api.status(status["task_id"]).json()
    assert failed["task_status"] == "failure" and "download_url" not in failed


def test_an_expired_file_has_no_link(api, hostile):
    """A link from before the expiry is 410, as a download with a token."""
    status = api.finished()
    hostile.site.sql("UPDATE waybill.export_task SET expire_time = now() WHERE task_id = %s", status["task_id"])
    assert "download_url" not in api.status(status["task_id"]).json()
    expect_error(follow(api.client, status["download_url"]), 410, "HSS.0011")


def test_the_file_of_a_schedule_has_a_link(hostile, api):
    """A kept file has no expire_time. `latest` takes no link."""
    with temporary(api) as schedule:
        status = finish_run(api, schedule)
        assert "expire_time" not in status
        link = Link.parse(status["download_url"])
        path = api.path(f"container/export-schedules/{schedule['schedule_id']}/latest")
        assert follow(api.client, link.url).body == api.request("GET", path).body
        expect_error(follow(api.client, path + link.query), 401, "APIGW.0301")


def test_a_caller_who_sees_a_part_gets_links_to_it(hostile):
    api = hostile.api(enterprise_projects=("ep-a",))
    data, status = api.export(MINIMAL, "?enterprise_project_id=ep-a")
    assert follow(api.client, status["download_url"]).body == data


def test_a_link_outlives_the_token_that_got_it(hostile, client):
    """Until it expires, it does not depend on a token."""
    site = hostile.site
    token = site.new_token("demo")
    status = Api(site, client, "demo", token).finished()
    site.sql("UPDATE waybill.credential SET revoke_time = now() WHERE token_sha256 = sha256(%s)", token.encode())
    expect_refused(lambda: Api(site, client, "demo", token).status(status["task_id"]))
    assert follow(client, status["download_url"]).status == 200


# ---- Which links are refused ----

def test_every_byte_of_a_link_counts(api, link):
    client = api.client
    for part in ("project", "file_id", "expires", "signature"):
        for at in range(len(link[part])):
            for new in ("", "0", "a", link[part][at] * 2, chr(ord(link[part][at]) ^ 1)):
                changed = link.changed(**{part: link[part][:at] + new + link[part][at + 1:]})
                if changed[part] != link[part] and changed["project"] and changed["file_id"]:
                    expect_forged(follow(client, changed.url))
    assert follow(client, link.url).status == 200


def with_query(change):
    """Returns a function that changes the query of a link."""
    return lambda link: link.path + "?" + change(link.query[1:])


@pytest.mark.parametrize("spell", [
    with_query(lambda query: query.split("&")[0]), with_query(lambda query: query.split("&")[1]),
    with_query(lambda query: "expires"), with_query(lambda query: "signature"),
    with_query(lambda query: "expires=&signature="), with_query(lambda query: query + "&enterprise_project_id=0"),
    with_query(lambda query: query + "&x"), with_query(lambda query: "x=1&" + query),
    with_query(lambda query: query + "&" + query), with_query(lambda query: query + "&" + query.split("&")[0]),
    with_query(lambda query: query.split("&")[1] + "&" + query), with_query(lambda query: "%zz&" + query),
    with_query(lambda query: query + "%zz"), with_query(lambda query: query + "%00"),
    with_query(lambda query: query + "%20"), with_query(lambda query: query.replace("expires=", "expires=%20")),
    with_query(lambda query: query.replace("expires=", "expires=+")),
    with_query(lambda query: query.replace("expires=", "expires=0")),
    with_query(lambda query: query.replace("expires=", "expires=-")),
    with_query(lambda query: re.sub("signature=.*", lambda found: found[0].upper().replace("SIGN", "sign"), query)),
    lambda link: link.path.replace("/v5/", "/v5/%zz") + link.query,
    lambda link: link.path.replace("/v5/", "/v5/" + "x" * 257) + link.query,
    lambda link: link.path + "%zz" + link.query, lambda link: link.path + "%FF" + link.query,
    lambda link: link.path.upper().replace("/V5/DEMO/DOWNLOAD", "/v5/demo/download") + link.query,
])
def test_a_link_of_another_form(api, link, spell):
    expect_forged(follow(api.client, spell(link)))


@pytest.mark.parametrize("spell", [
    with_query(lambda query: "&".join(reversed(query.split("&")))), with_query(lambda query: "&" + query + "&"),
    with_query(lambda query: query.replace("expires", "%65xpires").replace("signature", "signatur%65")),
    lambda link: link.url.replace("/demo/", "/%64em%6f/"),
])
def test_an_equivalent_spelling(api, link, spell):
    """Programs that follow links may normalize them (RFC 3986 section 6.2)."""
    assert spell(link) != link.url and follow(api.client, spell(link)).status == 200


def test_a_link_that_is_signed_for_another_time(api, file):
    """An expiry in the far future was signed with the key, too. Beyond 12 digits none is accepted."""
    def response(seconds):
        key = keys_of(api.site.key_file)[0][1]
        return follow(api.client, sign(key, api.project, file[1]["file_id"], seconds).url)
    assert response(999999999999).status == 200
    expect_forged(response(1000000000000))
    expect_forged(response(2 ** 64 + int(time.time()) + 600))
    for seconds in (0, 1, int(time.time()) - 1):
        assert expect_error(response(seconds), 403, "HSS.0013")["error_msg"] == LATE


def test_a_link_is_for_one_file(api, link):
    """Neither for another file of the project, nor for what its caller could read besides."""
    other = api.finished()
    expect_forged(follow(api.client, link.changed(file_id=other["file_id"]).url))
    expect_forged(follow(api.client, link.changed(file_id=other["task_id"]).url))
    for method, rest in (("GET", f"export-task/{other['task_id']}"), ("DELETE", f"export-task/{other['task_id']}"),
                         ("GET", "export-tasks"), ("GET", "container/kubernetes"),
                         ("GET", "container/export-schedules"), ("POST", "container/export-task")):
        expect_error(follow(api.client, api.path(rest) + link.query, method), 401, "APIGW.0301")
    for method in ("POST", "PUT", "DELETE"):
        expect_error(follow(api.client, link.url, method), 405, "APIGW.0101")


def test_no_link_leads_to_another_project(api, hostile, link):
    """Even an authentic one finds a file only in its own project."""
    other = hostile.api("other")
    status = other.finished()
    expect_forged(follow(api.client, link.changed(file_id=status["file_id"]).url))
    expect_forged(follow(api.client, link.changed(project="other").url))
    expect_error(follow(api.client, link_to(api.site, "demo", status["file_id"]).url), 404, "HSS.0011")


def test_after_the_task_is_removed(api):
    status = api.finished()
    expect_removed(remove(api, status["task_id"]))
    expect_error(follow(api.client, status["download_url"]), 404, "HSS.0011")


# ---- Links and other credentials ----

def test_a_token_counts_before_a_link(api, hostile, link):
    """A client that sends its usual headers with a link is identified by them."""
    for token in ("unknown", "x" * 32769):
        expect_error(follow(api.client, link.url, headers={"X-Auth-Token": token}), 401, "APIGW.0301")
    stranger = hostile.api("other").token
    expect_error(follow(api.client, link.url, headers={"X-Auth-Token": stranger}), 403, "HSS.0013", "project_id")
    creator = api.site.waybill("token", "create", "--project", "demo", "--permission", "create").stdout.strip()
    expect_error(follow(api.client, link.url, headers={"X-Auth-Token": creator}), 403, "HSS.0013", "permissions")
    limited = hostile.api(enterprise_projects=("ep-a",)).token
    expect_error(follow(api.client, link.url, headers={"X-Auth-Token": limited}), 404, "HSS.0011")


@pytest.mark.parametrize("change", [{}, {"signature": "x"}, {"expires": "1"}, {"expires": ""}], ids=str)
def test_a_link_has_no_effect_beside_a_token(api, file, link, change):
    response = api.request("GET", link.changed(**change).url)
    assert response.status == 200 and response.body == file[0]
    expect_error(api.request("GET", link.url + "&x=1"), 400, "HSS.0001", '"x"')
    expect_error(api.request("GET", link.url + "&expires=1"), 400, "HSS.0001", '"expires"')
    assert api.request("GET", link.url + "&enterprise_project_id=0").status == 200
    expect_error(api.request("GET", link.url + "&enterprise_project_id=ep-a"), 404, "HSS.0011")


@pytest.mark.each_way
def test_an_empty_token_is_none(either, file):
    link = link_to(either.site, either.project, file[1]["file_id"])
    assert follow(either.client, link.url, headers={"X-Auth-Token": ""}).status == 200


# ---- Keys ----

@pytest.fixture
def keyed(start):
    """A service of its own, with keys."""
    return start(f"links_{uuid.uuid4().hex[:8]}", prepare=lambda site: site.make_keys())


@contextlib.contextmanager
def another(service, config, name):
    """Another process of the site, with another configuration."""
    process = Direct(service.site, name, config=config)
    try:
        yield process
    finally:
        process.stop()


def test_other_processes(keyed):
    """After a restart, and on another host with a copy of the key file, links are the same."""
    data, status = keyed.api().export(MINIMAL)
    copy = shutil.copy(keyed.site.key_file, keyed.site.key_file + ".copy")
    config = keyed.site.write_config({"access.key_file": copy, "access.link_minutes": 1}, "copy.conf")
    with another(keyed, config, "host") as host:
        assert follow(host.client, status["download_url"]).body == data
        url = keyed.api(client=host.client).status(status["task_id"]).json()["download_url"]
        assert time.time() + 50 < int(Link.parse(url)["expires"]) < time.time() + 70
    keyed.process.stop()
    keyed.process = Direct(keyed.site)
    for each in (status["download_url"], url):
        assert follow(keyed.process.client, each).body == data


def test_without_links(keyed):
    """link_minutes = 0 also ends the links that exist."""
    api = keyed.api()
    status = api.finished()
    config = keyed.site.write_config({"access.link_minutes": 0}, "none.conf")
    with another(keyed, config, "none") as process:
        same = keyed.api(client=process.client)
        assert "download_url" not in same.status(status["task_id"]).json()
        assert all("download_url" not in task for task in listed(same)[1])
        expect_forged(follow(process.client, status["download_url"]))


def test_without_a_key_file(keyed):
    """Then there are no links, which is nothing to log."""
    api = keyed.api()
    status = api.finished()
    os.rename(keyed.site.key_file, keyed.site.key_file + ".away")
    assert "download_url" not in api.status(status["task_id"]).json()
    expect_forged(follow(api.client, status["download_url"]))
    assert "key_file" not in keyed.process.log_text()
    os.rename(keyed.site.key_file + ".away", keyed.site.key_file)
    assert follow(api.client, api.status(status["task_id"]).json()["download_url"]).status == 200


def test_an_unusable_key_file(keyed):
    """A status does not fail for it, and the log names the reason once. A link cannot be verified."""
    api = keyed.api()
    status = api.finished()
    for _ in range(2):
        with open(keyed.site.key_file, encoding="ascii") as file:
            good = file.read()
        with open(keyed.site.key_file, "w", encoding="ascii") as file:
            file.write("no key\n")
        for _ in range(3):
            assert "download_url" not in api.status(status["task_id"]).json()
        answer = expect_error(follow(api.client, status["download_url"]), 500, "HSS.0041")
        assert keyed.site.directory not in answer["error_msg"]
        with open(keyed.site.key_file, "w", encoding="ascii") as file:
            file.write(good)
        assert "download_url" in api.status(status["task_id"]).json()
    warnings = [line for line in keyed.process.log_text().splitlines() if "there are no download links" in line]
    assert len(warnings) == 2 and all(" warning " in line and "has not the form" in line for line in warnings)


def test_a_rotation(keyed):
    """A running process uses the new key at once, and accepts what the previous one has signed, until the next
    rotation."""
    def rotate():
        done = keyed.site.waybill("key", "rotate")
        assert done.returncode == 0, f"{done}"
    api = keyed.api()
    status = api.finished()
    first = api.status(status["task_id"]).json()["download_url"]
    rotate()
    second = api.status(status["task_id"]).json()["download_url"]
    assert signature_of(second) == link_of_key(keyed, second, 0)["signature"]
    assert signature_of(first) == link_of_key(keyed, first, 1)["signature"]
    for url in (first, second):
        assert follow(api.client, url).status == 200
    rotate()
    expect_forged(follow(api.client, first))
    assert follow(api.client, second).status == 200
    rotate()
    expect_forged(follow(api.client, second))


def link_of_key(service, url, number):
    """Returns the link that a key of the file makes for the parts of this one."""
    link = Link.parse(url)
    return sign(keys_of(service.site.key_file)[number][1], link["project"], link["file_id"], link["expires"])


def test_a_stolen_previous_key(keyed):
    """It makes no link that lasts longer than those that were made before the rotation, and five minutes."""
    status = keyed.api().finished()
    keyed.site.waybill("key", "rotate")
    (rotated, _), (_, previous) = keys_of(keyed.site.key_file)

    def response(expires):
        return follow(keyed.client, sign(previous, "demo", status["file_id"], expires).url)
    assert response(rotated + 900).status == 200
    assert response(rotated + 900 + 300).status == 200
    expect_forged(response(rotated + 900 + 301))
    expect_forged(response(rotated + 10 ** 8))


# ---- The log ----

def test_no_signature_is_logged(keyed):
    """Neither a valid nor an invalid one, whatever the response is."""
    api = keyed.api()
    status = api.finished()
    link = Link.parse(status["download_url"])
    forged = link.changed(signature="5eed" * 16)
    late = link_to(keyed.site, "demo", status["file_id"], -1)
    for url, code in ((link.url, 200), (forged.url, 403), (late.url, 403), (link.url + "&x=1", 403),
                      (link.url + "&" + link.query[1:], 403), (link.url + "%zz", 403)):
        assert follow(api.client, url).status == code
        for headers in ({"X-Auth-Token": "unknown"}, {"X-Auth-Token": api.token}):
            follow(api.client, url, headers=headers)
            follow(api.client, url, "PUT", headers=headers)
    # The ? is encoded, so that the query is a part of the path. Then there is no link, and no file.
    for url, codes in ((link.path + "%3F" + link.query[1:], (401, 404)),
                       (link.path + "%3f" + link.query[1:] + "%zz", (401, 400)),
                       (link.path + "%3F" + link.query[1:] + "/", (404, 404))):
        responses = [follow(api.client, url, headers=headers) for headers in ({}, {"X-Auth-Token": api.token})]
        assert tuple(response.status for response in responses) == codes
        for response in responses:
            assert link["signature"][:16] not in response.body.decode()
    api.status(status["task_id"])
    log = keyed.process.log_text()
    assert "operation=download" in log and "status=403" in log
    for signature in (link["signature"], forged["signature"], late["signature"]):
        assert signature[:16] not in log
