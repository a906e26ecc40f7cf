"""Path and query parameters: their rules, on both sides of each bound."""

import json
import uuid

import pytest
from api import MINIMAL, expect_error
from clients import each_way

pytestmark = pytest.mark.usefixtures("ledger")

EMOJI = "%F0%9F%98%80"
HAN = "%E9%95%BF"


@pytest.mark.parametrize("query", [
    "", "?", "?export_size=1", "?export_size=2", "?export_size=99999", "?export_size=100000", "?export_size=01",
    "?export_size=000001", "?export_size=%31", "?%65xport_size=1", "?export_size=1&enterprise_project_id=0",
    "?enterprise_project_id=0&export_size=1", "?enterprise_project_id=all_granted_eps", "?enterprise_project_id=x",
    "?enterprise_project_id=" + "x" * 256, "?enterprise_project_id=" + HAN * 256,
    "?enterprise_project_id=" + EMOJI * 256,
    "?enterprise_project_id=a%26export_size%3D0", "?enterprise_project_id=a%2Fb%20c%25", "?enterprise_project_id=a=b",
], ids=lambda query: query[:60] + f" ({len(query)})")
def test_accepted(api, query):
    api.create_task(MINIMAL, query)


@pytest.mark.parametrize("size, got", [
    ("0", "0"), ("000000", "000000"), ("100001", "100001"), ("999999", "999999"), ("0000001", "0000001"),
    ("1000000", "1000000"), ("", ""), ("+1", ""), ("%2B1", "+1"), ("-1", "-1"), ("%201", " 1"), ("1%20", "1 "),
    ("1.0", "1.0"), ("1e3", "1e3"), ("0x10", "0x10"), ("1,000", "1,000"), ("ten", "ten"), each_way("1%0A", "1"),
    ("true", "true"), ("%EF%BC%91", "１"), ("18446744073709551617", "18446744073709551617"),
    ("4294967297", "4294967297"), each_way("9" * 5000, "999"),
])
def test_export_size(either, size, got):
    expect_error(either.create(MINIMAL, f"?export_size={size}"), 400, "HSS.0001", "export_size", "100000", got)


@pytest.mark.parametrize("query, mention", [
    ("?export_size", "export_size"),
    ("?export_size=1&export_size=1", "export_size"),
    each_way("?export_size=1&%65xport_size=1", "export_size"),
    ("?enterprise_project_id=0&enterprise_project_id=0", "enterprise_project_id"),
    ("?enterprise_project_id=", "enterprise_project_id"),
    ("?enterprise_project_id=" + "x" * 257, "enterprise_project_id"),
    each_way("?enterprise_project_id=" + HAN * 257, "enterprise_project_id"),
    ("?enterprise_project_id=" + EMOJI * 257, "enterprise_project_id"),
    ("?limit=1", "limit"),
    ("?Export_Size=1", "Export_Size"),
    ("?export_size=1&x=", "x"),
    ("?export-size=1", "export-size"),
    each_way("?=1", ""),
], ids=lambda value: value[:60] + f" ({len(value)})")
def test_refused(either, query, mention):
    expect_error(either.create(MINIMAL, query), 400, "HSS.0001", mention)


@pytest.mark.parametrize("text", ["%", "%2", "%zz", "%G0", "a%", "%%30", "%ff", "%C3", "%C3%28", "%ED%A0%80",
                                  "%F4%90%80%80", "%C0%AF", "a%00b"])
def test_percent_encoding(api, text):
    expect_error(api.create(MINIMAL, f"?enterprise_project_id={text}"), 400, "HSS.0001")
    expect_error(api.create(MINIMAL, f"?{text}=1"), 400, "HSS.0001")


@pytest.mark.parametrize("path", ["export-task/{}", "download/{}"])
@pytest.mark.parametrize("query, mention", [
    ("?enterprise_project_id=", "enterprise_project_id"),
    ("?enterprise_project_id=" + "x" * 257, "enterprise_project_id"),
    ("?enterprise_project_id=0&enterprise_project_id=0", "enterprise_project_id"),
    ("?export_size=1", "export_size"),
    ("?limit=1", "limit"),
])
def test_status_and_download(api, path, query, mention):
    expect_error(api.request("GET", api.path(path.format(uuid.uuid4())) + query), 400, "HSS.0001", mention)


@pytest.mark.parametrize("project", [
    "p", "p" * 256, "長" * 256, "😀" * 256, "Projekt Ä", "a+b", "a%b", "a&b=c?d#e", "a.b", "..a", "~a", "p:q;r,s",
    "'; DROP TABLE waybill.container; --", "line\nend", 'quote"', "\x01\x7f\x85",
], ids=lambda project: ascii(project[:40]) + f" ({len(project)})")
def test_a_project_of_any_text(hostile, project):
    status = hostile.api(project).finished(MINIMAL)
    assert status["exported_rows"] == 0


def create_at(api, project):
    """Sends a create whose path contains the project as it is."""
    return api.request("POST", f"/v5/{project}/container/export-task", {"Content-Type": "application/json"},
                       json.dumps(MINIMAL).encode())


@pytest.mark.parametrize("path", ["p" * 257, HAN * 257, EMOJI * 257])
def test_a_project_of_257_characters(api, path):
    expect_error(create_at(api, path), 400, "HSS.0001", "project_id", "256")


@pytest.mark.parametrize("path", ["%", "%zz", "%ff", "%ED%A0%80", "a%00b"])
def test_a_project_that_is_not_text(api, path):
    expect_error(create_at(api, path), 400, "HSS.0001")


def test_a_project_of_no_character(api):
    assert create_at(api, "").status in (400, 404)
