"""Valid and invalid JSON: the response to a body that cannot be parsed names the position."""

import json
import re

import pytest
from api import HEADERS, expect_error

pytestmark = pytest.mark.usefixtures("ledger")

GOOD = b'{"export_headers": [["container_id", "Id"]]}'


def value(text):
    """Returns a body with this as the value of an unknown field: if it is valid JSON, the error is HSS.0001."""
    return b'{"x": ' + (text if isinstance(text, bytes) else text.encode()) + b"}"


def nested(levels):
    """Returns a body with this number of levels, including its own."""
    return value("[" * (levels - 1) + "]" * (levels - 1))


NO_JSON = {
    "empty": b"",
    "blank": b" \r\n\t",
    "trailing bytes": GOOD + b" x",
    "trailing brace": GOOD + b"}",
    "trailing comma": GOOD + b",",
    "trailing NUL": GOOD + b"\0",
    "two bodies": GOOD + GOOD,
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "UTF-16 without mark": GOOD.decode().encode("utf-16-le"),
    "form": b"export_headers=x",
    "XML": b"<x/>",
    "word": b"hello",
    "brace": b"{",
    "cut": GOOD[:-1],
    "cut in a string": b'{"x": "y',
    "cut in an escape": b'{"x": "\\',
    "cut in a code": b'{"x": "\\u00',
    "cut in a literal": b'{"x": tru',
    "cut after a name": b'{"x"',
    "cut after a colon": b'{"x":',
    "cut after a comma": b'{"x":1,',
    "no colon": b'{"x" 1}',
    "no comma": b'{"x": 1 "y": 2}',
    "no value": b'{"x": }',
    "no name": b"{: 1}",
    "bare name": b"{x: 1}",
    "number as name": b"{1: 1}",
    "single quotes": b"{'x': 1}",
    "single quoted value": value("'y'"),
    "comma in the end": b'{"x": 1,}',
    "comma in the end of an array": value("[1,]"),
    "comma in the beginning": b'{,"x": 1}',
    "two commas": value("[1,,2]"),
    "brackets crossed": value("[}"),
    "comment": b'{/* why */"x": 1}',
    "line comment": b'{"x": 1 // why\n}',
    "hash comment": b'{"x": 1 # why\n}',
    "NaN": value("NaN"),
    "Infinity": value("Infinity"),
    "-Infinity": value("-Infinity"),
    "nan": value("nan"),
    "undefined": value("undefined"),
    "True": value("True"),
    "NULL": value("NULL"),
    "nulls": value("nulls"),
    "truefalse": value("truefalse"),
    "leading zero": value("01"),
    "leading zeros": value("-00"),
    "plus": value("+1"),
    "two signs": value("--1"),
    "minus": value("-"),
    "point first": value(".5"),
    "point last": value("1."),
    "two points": value("1.2.3"),
    "bare exponent": value("1e"),
    "signed bare exponent": value("1e+"),
    "hexadecimal": value("0x10"),
    "underscore in a number": value("1_0"),
    "blank in a number": value("1 0"),
    "2^64": value("18446744073709551616"),
    "-2^63 - 1": value("-9223372036854775809"),
    "-2^64": value("-18446744073709551616"),
    "very long integer": value("9" * 400),
    "2^64 as a time": b'{"create_time": {"start_time": 18446744073709551616}}',
    "line feed in a string": value('"a\nb"'),
    "tab in a string": value('"a\tb"'),
    "NUL in a string": value(b'"a\0b"'),
    "unit separator in a string": value('"\x1f"'),
    "NUL in a name": b'{"x\0": 1}',
    "line feed in a name": b'{"x\n": 1}',
    "NUL between": b'{"x": 1\0}',
    "vertical tab between": b'{"x":\x0b1}',
    "form feed between": b'{"x":\x0c1}',
    "no-break space between": '{"x":\xa01}'.encode(),
    "escaped hex": value('"\\x41"'),
    "escaped quote": value('"\\\'"'),
    "escaped vertical tab": value('"\\v"'),
    "escaped zero": value('"\\0"'),
    "escaped line end": value('"\\\n"'),
    "code of no hex": value('"\\u00g0"'),
    "capital code": value('"\\U0041"'),
    "U+0000": value('"\\u0000"'),
    "U+0000 in a name": b'{"x\\u0000y": 1}',
    "U+0000 in a header name": b'{"export_headers": [["risky", "a\\u0000"]]}',
    "high surrogate": value('"\\ud83d"'),
    "low surrogate": value('"\\ude00"'),
    "surrogates reversed": value('"\\ude00\\ud83d"'),
    "two high surrogates": value('"\\ud83d\\ud83d"'),
    "high surrogate and text": value('"\\ud83dx"'),
    "high surrogate and code": value('"\\ud83d\\u0041"'),
    "lone surrogate in a name": b'{"\\ud83d": 1}',
    "continuation byte": value(b'"\x80"'),
    "lone lead byte": value(b'"\xc3"'),
    "cut sequence": value(b'"\xe9\x95"'),
    "overlong": value(b'"\xc0\xaf"'),
    "overlong of three": value(b'"\xe0\x80\xaf"'),
    "surrogate in UTF-8": value(b'"\xed\xa0\x80"'),
    "pair in UTF-8": value(b'"\xed\xa0\xbd\xed\xb8\x80"'),
    "beyond Unicode": value(b'"\xf4\x90\x80\x80"'),
    "five bytes": value(b'"\xf8\x88\x80\x80\x80"'),
    "0xFF": value(b'"\xff"'),
    "Latin-1": value("é".encode("latin-1").join([b'"', b'"'])),
    "bad UTF-8 in a name": b'{"\xff": 1}',
    "bad UTF-8 between": b'{"x": 1\xff}',
    "9 levels": nested(9),
    "9 levels of objects": b'{"x":' * 8 + b"{}" + b"}" * 8,
    "1000 levels": nested(1000),
    "only brackets": b"[" * 100000,
}

JSON = {
    "white space": b" \t\r\n" + value("1") + b" \t\r\n",
    "8 levels": nested(8),
    "8 levels of objects": b'{"x":' * 7 + b"{}" + b"}" * 7,
    "2^63 - 1": value("9223372036854775807"),
    "-2^63": value("-9223372036854775808"),
    "numbers": value("[0, -0, 1.5, -0.1, 1e3, 1E+3, 1e-3, 0e0]"),
    "literals": value("[true, false, null]"),
    "escapes": value('"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9"'),
    "pair of surrogates": value('"\\ud83d\\ude00"'),
    "DEL": value('"\x7f"'),
    "last code point": value('"\U0010ffff"'),
    "noncharacter": value('"\uffff"'),
    "empty name": b'{"": 1}',
}


@pytest.mark.parametrize("name", NO_JSON)
def test_invalid_json(api, name):
    body = NO_JSON[name]
    answer = expect_error(api.create(body), 400, "HSS.0002", "offset")
    offset = int(re.search(r"offset (\d+)", answer["error_msg"])[1])
    assert 0 <= offset <= len(body), f"{answer} of {len(body)} bytes"


@pytest.mark.parametrize("name", JSON)
def test_valid_json(api, name):
    expect_error(api.create(JSON[name]), 400, "HSS.0001")


@pytest.mark.parametrize("name, offset", [
    ("empty", 0), ("byte order mark", 0), ("word", 0), ("trailing bytes", len(GOOD) + 1), ("two bodies", len(GOOD)),
    ("comma in the beginning", 1), ("single quotes", 1), ("0xFF", 7), ("cut", len(GOOD) - 1),
])
def test_the_offset_is_where_it_goes_wrong(api, name, offset):
    expect_error(api.create(NO_JSON[name]), 400, "HSS.0002", f"offset {offset}")


@pytest.mark.parametrize("body", [b"[]", b"[1]", b'"x"', b"1", b"1.5", b"true", b"null", json.dumps(HEADERS).encode()])
def test_json_but_no_object(either, body):
    expect_error(either.create(body), 400, "HSS.0001", "object")


def test_escapes_mean_their_characters(api):
    plain = api.export({"container_name": "nginx😀", "export_headers": [["container_id", "é😀"]]})
    escaped = {"container_name": "nginx\\ud83d\\ude00", "export_headers": [["container_id", "\\u00e9\\uD83D\\uDE00"]]}
    assert api.export(json.dumps(escaped).replace("\\\\", "\\").encode()) [0] == plain[0]
    assert plain[1]["exported_rows"] > 0
