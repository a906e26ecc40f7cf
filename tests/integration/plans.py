"""The plans of the statements of a service, with the numbers of rows that they read, from PostgreSQL's log."""

import json
import os
import re

SETTINGS = {"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0",
            "auto_explain.log_analyze": "on", "auto_explain.log_timing": "off", "auto_explain.log_format": "json"}
ENTRY = re.compile(r"^[^\t].* \[\d+\] (\S+) LOG:  duration: [0-9.]+ ms  plan:\n", re.M)


def log_plans(site, role="waybill_service"):
    """Makes PostgreSQL log the plans of the role's connections to the database of the site that are opened later."""
    for name, value in SETTINGS.items():
        site.sql(f"ALTER ROLE {role} IN DATABASE {site.database} SET {name} = {value}")


class Plans:
    """The plans that PostgreSQL logs for a site after this object is made. Other sites share the log."""

    def __init__(self, site):
        self.site = site
        self.begin = os.path.getsize(site.postgres.log)

    def statements(self):
        """Returns what has been logged for each statement: its "Query Text" and its "Plan". The last entry may be
        incomplete, because nothing waits for it, and is then left out."""
        with open(self.site.postgres.log, encoding="utf-8", errors="replace") as log:
            log.seek(self.begin)
            parts = ENTRY.split(log.read())[1:]
        found = []
        for number, (database, entry) in enumerate(zip(parts[::2], parts[1::2])):
            try:
                statement = json.JSONDecoder().raw_decode(entry.lstrip())[0]
            except ValueError:
                assert number == len(parts) // 2 - 1, f"no plan: {entry[:2000]}"
                continue
            if database == self.site.database:
                found.append(statement)
        return found

    def scans(self, *relations):
        """Returns the nodes of all plans that scan one of the relations."""
        return [node for statement in self.statements() for node in scans(statement["Plan"], relations)]


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def scans(plan, relations):
    """Returns the nodes that scan one of the relations, or a numbered partition of it."""
    return [node for node in nodes(plan)
            if re.sub(r"_\d+$", "", node.get("Relation Name", "")) in relations and "Scan" in node["Node Type"]]


def rows_read(scan):
    """Returns how many rows a scan reads, whether it returns them or not."""
    return scan["Actual Loops"] * sum(scan.get(count, 0) for count in (
        "Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck"))
