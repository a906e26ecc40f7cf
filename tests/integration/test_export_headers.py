"""The rules of export_headers."""

import pytest
from api import expect_error
from faults import ALL

pytestmark = pytest.mark.usefixtures("ledger")

CONTROLS = [chr(code) for code in (*range(1, 32), *range(127, 160))]


@pytest.mark.parametrize("export_headers", [
    *([pair] for pair in ALL),
    ALL, ALL[:15], ALL[::-1], ALL[:2], [["risky", "same"], ["status", "same"]], [["risky", "x" * 255]],
    [["risky", "長" * 255]], [["risky", "😀" * 255]], [["risky", "x"]], [["risky", " "]], [["risky", '"']],
    [["risky", ","]], [["risky", "=1"]], [["risky", "Größe 😀"]], [["risky", "\xa0"]], [["risky", "\u2028"]],
    [["risky", "\ufeff"]], [["risky", "e\u0301"]], [["risky", "\\n"]], [["risky", "<b>"]],
], ids=lambda value: str(value)[:50])
def test_accepted(api, export_headers):
    api.create_task({"export_headers": export_headers})


@pytest.mark.parametrize("export_headers, mentions", [
    (None, []),
    ([], ["16"]),
    (ALL + [["risky", "again"]], ["16", "17"]),
    ([["pod_name", "x"]] * 17, ["16", "17"]),
    ([["risky"]], []),
    ([["risky", "a", "b"]], []),
    ([[]], []),
    (["risky"], []),
    ([None], []),
    ([{"risky": "x"}], []),
    ([[["risky"], "x"]], []),
    ([["risky", 1]], []),
    ([["risky", None]], []),
    ([["risky", True]], []),
    ([["risky", ["x"]]], []),
    ([[1, "x"]], []),
    ([[None, "x"]], []),
    ([["risky", "x"], "status"], []),
    ([["unknown", "x"]], ["unknown"]),
    ([["", "x"]], []),
    ([["Risky", "x"]], ["Risky"]),
    ([["risky ", "x"]], ["risky "]),
    ([["cluster_container", "x"]], ["cluster_container"]),
    ([["project_id", "x"]], ["project_id"]),
    ([["*", "x"]], ["*"]),
    ([["risky", "x"], ["status", "y"], ["risky", "z"]], ["risky"]),
    ([["risky", ""]], ["255"]),
    ([["risky", "x" * 256]], ["255", "256"]),
    ([["risky", "長" * 256]], ["255", "256"]),
    ([["risky", "😀" * 256]], ["255", "256"]),
], ids=lambda value: str(value)[:50])
def test_refused(api, export_headers, mentions):
    expect_error(api.create({"export_headers": export_headers}), 400, "HSS.0001", "export_headers", *mentions)


def test_absent(either):
    expect_error(either.create({}), 400, "HSS.0001", "export_headers")


@pytest.mark.parametrize("control", CONTROLS, ids=lambda character: f"U+{ord(character):04X}")
def test_control_characters(api, control):
    for name in (control, f"a{control}b", f"name{control}"):
        expect_error(api.create({"export_headers": [["status", "x"], ["risky", name]]}), 400, "HSS.0001",
                     "export_headers")
