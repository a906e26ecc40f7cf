"""Computes which containers a load of `docker inspect` stores from the table of its columns, in plain Python,
independently of the service."""

from fractions import Fraction
from math import ceil

import inventory
from pod_oracle import moment, part, values

STATUSES = {"running": "Running", "paused": "Paused", "created": "Waiting", "restarting": "Waiting",
            "initialized": "Waiting", **dict.fromkeys(("exited", "dead", "removing", "stopped", "stopping"),
                                                      "Terminated")}


def status(state):
    if state.get("Status"):
        return STATUSES.get(state["Status"])
    booleans = {"Paused": "Paused", "Restarting": "Waiting", "Running": "Running"}
    return next((found for name, found in booleans.items() if state.get(name)), "Terminated")


def cpu_limit(host):
    host = host or {}
    cpus = Fraction(max(host.get("NanoCpus", 0), 0), 10 ** 9)
    if not cpus:
        cpus = Fraction(max(host.get("CpuQuota", 0), 0), host.get("CpuPeriod") or 100000)
    millis = ceil(cpus * 1000)
    return None if not millis else str(millis // 1000) if millis % 1000 == 0 else f"{millis}m"


def memory_limit(found):
    memory = (found.get("HostConfig") or {}).get("Memory", part(found, "Config", "Memory")) or 0
    if memory <= 0:
        return None
    power = max(power for power in range(7) if memory % 1024 ** power == 0)
    return f"{memory // 1024 ** power}{('', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei')[power]}"


def row(found, options):
    labels = part(found, "Config", "Labels") or {}
    return {
        **dict.fromkeys(inventory.EXPORTED),
        "container_id": found["Id"],
        "container_name": None if found["Name"] is None else found["Name"].removeprefix("/"),
        "image_name": part(found, "Config", "Image") or found.get("ImageName") or found.get("Image"),
        "pod_name": labels.get("io.kubernetes.pod.name"),
        "cluster_name": options.get("cluster_name"),
        "cluster_type": options.get("cluster_type"),
        "status": status(found["State"]),
        "create_time": moment(found["Created"]),
        "restart_count": found["RestartCount"],
        "cpu_limit": cpu_limit(found.get("HostConfig")),
        "memory_limit": memory_limit(found),
    }


def load(text, **options):
    """Returns the rows in the order of a file, and how many containers are skipped."""
    containers = [found for value in values(text) for found in (value if isinstance(value, list) else [value])]
    kept = [found for found in containers if not found.get("IsInfra")
            and (part(found, "Config", "Labels") or {}).get("io.kubernetes.docker.type") != "podsandbox"]
    return (sorted((row(found, options) for found in kept), key=lambda row: row["container_id"].encode()),
            len(containers) - len(kept))
