"""Computes the expected result of an export from the rows in plain Python, independently of the service."""

import functools
import re
from fractions import Fraction
from zoneinfo import ZoneInfo

import inventory

UNITS = {
    "": 1, "m": Fraction(1, 1000), "k": 1000, "K": 1000, "M": 1000 ** 2, "G": 1000 ** 3, "T": 1000 ** 4,
    "Ki": 1024, "Mi": 1024 ** 2, "Gi": 1024 ** 3, "Ti": 1024 ** 4,
}
QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)[ \t]*(m|(k|K|M|G|T|Ki|Mi|Gi|Ti)?B?)")
PATTERNS = ("cluster_name", "container_name", "pod_name", "image_name")
QUANTITIES = ("cpu_limit", "memory_limit")


@functools.lru_cache(maxsize=None)
def quantity(text):
    """Returns the number that a quantity means; any other text unchanged."""
    found = QUANTITY.fullmatch(text)
    if not found:
        return text
    return Fraction(found[1]) * UNITS["m" if found[2] == "m" else found[3] or ""]


def like(value, pattern):
    first, *rest = pattern.split("*")
    if not rest:
        return value == pattern
    *middle, last = rest
    if not value.startswith(first) or not value.endswith(last) or len(value) < len(first) + len(last):
        return False
    value = value[len(first):len(value) - len(last)]
    for part in middle:
        _, found, value = value.partition(part) if part else ("", True, value)
        if not found:
            return False
    return True


def boolean(value):
    return value == "true" if isinstance(value, str) else value


def matches(row, field, wanted):
    if wanted is None or (field in QUANTITIES and wanted == ""):
        return True
    value = row[field]
    if field == "create_time":
        start, end = wanted.get("start_time"), wanted.get("end_time")
        if start is None and end is None:
            return True
        if value is None:
            return False
        milliseconds = round(value.timestamp() * 1000)
        return (start is None or start <= milliseconds) and (end is None or milliseconds <= end)
    if value is None:
        return False
    if field in ("cluster_container", "risky"):
        return value == boolean(wanted)
    if field in PATTERNS:
        return like(value, wanted)
    if field in QUANTITIES:
        return quantity(value) == quantity(wanted)
    return value == wanted


def select(rows, body, project=inventory.PROJECT, enterprise_projects=("0",)):
    """Returns the matching rows, in order. enterprise_projects None means all of them."""
    filters = {field: wanted for field, wanted in body.items() if field != "export_headers"}
    found = [row for row in rows
             if row["project_id"] == project
             and (enterprise_projects is None or row["enterprise_project_id"] in enterprise_projects)
             and all(matches(row, field, wanted) for field, wanted in filters.items())]
    return sorted(found, key=lambda row: row["container_id"].encode())


def time_text(value, zone):
    local = value.astimezone(ZoneInfo(zone))
    offset = local.utcoffset().total_seconds() / 60
    ending = "Z" if zone == "UTC" else f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02.0f}:{abs(offset) % 60:02.0f}"
    return f"{local:%Y-%m-%dT%H:%M:%S}.{local.microsecond // 1000:03d}{ending}"


def guarded(text, formula_guard):
    return "'" + text if formula_guard and text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def cell(value, time_zone, formula_guard):
    if value is None:
        return ""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int):
        text = str(value)
    elif isinstance(value, str):
        text = guarded(value, formula_guard)
    else:
        text = time_text(value, time_zone)
    return '"' + text.replace('"', '""') + '"'


def csv(rows, export_headers, time_zone="UTC", formula_guard=True, bom=False):
    lines = [[cell(name, time_zone, formula_guard) for _, name in export_headers]]
    lines += [[cell(row[key], time_zone, formula_guard) for key, _ in export_headers] for row in rows]
    text = "".join(",".join(line) + "\r\n" for line in lines)
    return (b"\xef\xbb\xbf" if bom else b"") + text.encode()
