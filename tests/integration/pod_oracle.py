"""Computes which containers a load stores from the table of its columns, in plain Python, independently of the
service."""

import datetime
import json
import re

import inventory

# Which lists of a pod have containers, where their states are, and which option includes all of them.
LISTS = (("containers", "containerStatuses", None), ("initContainers", "initContainerStatuses", "init"),
         ("ephemeralContainers", "ephemeralContainerStatuses", "ephemeral"))
STATES = {"running": "Running", "waiting": "Waiting", "terminated": "Terminated"}
PHASES = {"Pending": "Waiting", "Running": "Waiting", "Succeeded": "Terminated", "Failed": "Terminated"}


class Written(str):
    """A number as it is written."""


def values(text):
    """Yields the JSON values of a text that follow each other."""
    decoder = json.JSONDecoder(parse_float=Written)
    text = text.removeprefix("\ufeff").strip()
    while text:
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:].lstrip()


def pods(text):
    for value in values(text):
        if isinstance(value, list):
            yield from value
        elif "items" in value:
            yield from value["items"] or []
        else:
            yield value


def part(value, *path):
    """Returns a part of nested objects, or None."""
    for name in path:
        value = (value or {}).get(name)
    return value


def moment(text):
    """Returns the time in milliseconds; what is finer is cut."""
    if text is None:
        return None
    fraction = re.search(r"\.(\d+)", text)
    whole = datetime.datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00"))
    return whole + datetime.timedelta(milliseconds=int((fraction[1] if fraction else "0").ljust(3, "0")[:3]))


def limit(resource, status, spec):
    for owner in (status, spec):
        found = part(owner, "resources", "limits", resource)
        if found is not None:
            return str(found)
    return None


def row(pod, spec, status, options):
    names = [name for name in STATES if part(status, "state", name) is not None]
    start = part(status, "state", names[0], "startedAt") if names and names[0] != "waiting" else None
    written_id = (part(status, "containerID") or "").rpartition("://")[2]
    return {
        **dict.fromkeys(inventory.EXPORTED),
        "container_id": written_id or f"{pod['metadata']['uid']}/{spec['name']}",
        "container_name": spec["name"],
        "image_name": spec.get("image"),
        "pod_name": pod["metadata"]["name"],
        "cluster_name": options.get("cluster_name"),
        "cluster_type": options.get("cluster_type"),
        "status": STATES[names[0]] if names else PHASES.get(part(pod, "status", "phase")),
        "create_time": moment(start or pod["metadata"].get("creationTimestamp")),
        "restart_count": part(status, "restartCount") or 0,
        "cpu_limit": limit("cpu", status, spec),
        "memory_limit": limit("memory", status, spec),
    }


def load(text, include=(), **options):
    """Returns the rows in the order of a file, and how many containers are skipped."""
    rows, skipped = [], 0
    for pod in pods(text):
        for containers, statuses, kind in LISTS:
            states = {status.get("name"): status for status in part(pod, "status", statuses) or []}
            for spec in pod["spec"].get(containers) or []:
                is_sidecar = kind == "init" and spec.get("restartPolicy") == "Always"
                if kind is None or kind in include or is_sidecar:
                    rows.append(row(pod, spec, states.get(spec["name"]), options))
                else:
                    skipped += 1
    return sorted(rows, key=lambda row: row["container_id"].encode()), skipped
