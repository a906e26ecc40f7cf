"""The bytes of the file: columns, their order and names, hostile values, and the options of [csv]."""

import random

import inventory
import pytest
from api import Judge

NAMES = ["Id", "id", "=HYPERLINK(1)", "+x", "-x", "@x", " =x", "'", '"', 'say "hi"', ",", ";", "NULL", "名前", "😀",
         "x" * 255,
         '"' * 255, "😀" * 255, "\ufeff", "\\", "%s%n", "$1", "a b"]
VARIANTS = {
    "default": {},
    "shanghai": {"time_zone": "Asia/Shanghai", "bom": True, "formula_guard": False},
    "kolkata": {"time_zone": "Asia/Kolkata", "formula_guard": True, "bom": True},
    "london": {"time_zone": "Europe/London", "formula_guard": False},
    "newfoundland": {"time_zone": "America/St_Johns"},
}


def columns(keys, names=None):
    return [[key, name] for key, name in zip(keys, names or keys)]


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request, start):
    """A service with these options of [csv], and its judge."""
    options = VARIANTS[request.param]
    if options:
        written = {f"csv.{name}": {True: "on", False: "off"}.get(value, value) for name, value in options.items()}
        service = start("csv_" + request.param, inventory.hostile(), written)
    else:
        service = request.getfixturevalue("hostile")
    return service.api(), Judge(inventory.fetch(service.site.superuser), **options)


def test_all_columns(variant):
    api, judge = variant
    assert judge.check(api, {"export_headers": columns(inventory.EXPORTED)}, None) > 100


@pytest.mark.parametrize("key", inventory.EXPORTED)
def test_each_column_alone(variant, key):
    api, judge = variant
    judge.check(api, {"export_headers": [[key, key]]}, None)


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:20])
def test_header_names(variant, name):
    api, judge = variant
    judge.check(api, {"export_headers": [["status", name]]})


@pytest.mark.parametrize("seed", range(30))
def test_subsets_in_any_order(hostile, api, seed):
    dice = random.Random(seed)
    keys = dice.sample(inventory.EXPORTED, dice.randint(2, 16))
    names = [dice.choice(NAMES) for _ in keys]
    Judge(inventory.fetch(hostile.site.superuser)).check(api, {"export_headers": columns(keys, names)}, None)


def test_the_file_through_the_web_server(hostile, web):
    judge = Judge(inventory.fetch(hostile.site.superuser))
    judge.check(hostile.api(client=web.client), {"export_headers": columns(inventory.EXPORTED)}, None)


@pytest.mark.parametrize("difference", [-1, 0, 1])
@pytest.mark.parametrize("body", [{}, {"status": "Running"}, {"container_name": "*nginx*"},
                                  {"risky": True, "image_name": "*"}], ids=str)
def test_export_size(hostile, api, body, difference):
    judge = Judge(inventory.fetch(hostile.site.superuser))
    body = {**body, "export_headers": columns(["container_id", "status"])}
    matching = judge.check(api, body, None)
    judge.check(api, body, None, export_size=matching + difference)


def test_one_row(hostile, api):
    judge = Judge(inventory.fetch(hostile.site.superuser))
    judge.check(api, {"export_headers": columns(["container_id"])}, export_size=1)
