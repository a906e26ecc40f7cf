"""Inventories for the tests: small ones with every harmful value, and a big one."""

import datetime
import random

from psycopg2.extras import execute_values

PROJECT = "demo"
NEIGHBOUR = "demo2"  # another tenant with the same containers
ENTERPRISE_PROJECTS = ("0", "ep-a", "ep-b", "Ep-A")

INTEGER = ("low_risk", "medium_risk", "high_risk", "fatal_risk", "restart_count")
EXPORTED = ("container_id", "container_name", "image_name", "pod_name", "cluster_name", "cluster_type",
            "status", "risky", "low_risk", "medium_risk", "high_risk", "fatal_risk", "create_time",
            "restart_count", "cpu_limit", "memory_limit")
COLUMNS = ("project_id", "enterprise_project_id", "cluster_container") + EXPORTED

CLUSTER_TYPES = ("cce", "ali", "tencent", "azure", "aws", "self_built_hw", "self_built_idc")
STATUSES = ("Running", "Waiting", "Terminated", "Isolated", "Paused")

# Text that may do harm in SQL, in a pattern, in a CSV file or in a spreadsheet.
NAMES = (
    "nginx", "Nginx", "nginx-1", "nginx-2", "my-nginx", "my-nginx-1", "ng_nx", "ngxnx", "ng%nx", "ng\\nx", "ng\\\\nx",
    "100%", "%", "_", "\\", "\\%", "a_b", "a-b", "a.b", "a b", "ab", "aab", "aba", "abab", "",
    'say "hi"', '"', '""', '"quoted"', ",", "a,b", "a;b", "'", "''", "it's", "' OR 1=1 --", "$1", "E'\\n'",
    "line\nfeed", "carriage\rreturn", "both\r\nof them", "\n", "\r", "\r\n", "tab\there", "nginx\n", "\nnginx",
    "=1+1", "+1", "-1", "@SUM(A1)", "\tcell", "\rcell", "\ncell", " =1", "'=1", "=", "+", "-", "@", "\t", "1=1",
    "=\"a\",\"b\"", "=cmd|' /C calc'!A0", "NULL", "null", "\\N", "\\.", "true", " lead", "trail ", " ",
    "日本語", "日本", "語", "café", "cafe\u0301", "ＮＧＩＮＸ", "ß", "SS", "İ", "ı", "😀", "nginx😀", "👩‍👩‍👧‍👧", "\U0010ffff",
    "\ufeffbom", "a\u200bb", "a\u2028b", "\x01", "\x1f", "\x7f", "\x85", "\u202etxt",
    "x" * 255, "x" * 256, "長" * 255, "😀" * 255, "y" * 20000, '"' * 5000, "z,\r\n" * 3000, None,
)

CLUSTER_NAMES = (
    "prod", "Prod", "prod-eu", "prod-us", "test_1", "test-1", "50%", "clu\\ster", "a,b", 'cl"1"', "=prod", "",
    "集群", "😀", "line\nend", "c" * 255, None,
)

QUANTITIES = (
    "100m", "0.1", "0.10", "100 m", "500m", "0.5", "0.50", "1", "1.0", "1000m", "01", "1B", "2", "2000m", "0", "0m",
    "100 MB", "100MB", "100M", "100000000", "0.1G", "100000k", "100000K", "100000 kB", "97656.25Ki",
    "300Mi", "300 Mi", "300MiB", "300  MiB", "300\tMi", "314572800", "0.29296875Gi", "1Gi", "1024Mi", "1 Gi",
    "1GiB", "1048576Ki", "1073741824", "1073741824B", "1G", "1GB", "1T", "1Ti", "1024Gi", "0.5Gi", "512Mi", "512M",
    "1e3", "1gi", "1GI", "1mi", "1mB", "1ki", "-1", "+1", "=1", "@1", "1 0", "1,5", " 1", "unlimited", "Unlimited",
    "-", "1Gi\n", "one", "１", "1 Gi B", "1KM", "0x10", "Mi", "1*", "*", "1" * 64, "1" * 40 + "." + "1" * 20, "", None,
)

INTEGERS = (0, 1, 2, 10, -1, 2147483647, -2147483648, None)


def moment(milliseconds):
    return datetime.datetime.fromtimestamp(0, datetime.timezone.utc) + datetime.timedelta(milliseconds=milliseconds)


# The ends of a millisecond, a day, a leap year, and summer time in London.
TIMES = (
    0, 1, 999, 1000, -1, 951782399999, 951782400000, 1775204100123, 1775204100122, 1775204100124,
    1774745999999, 1774746000000, 1774746000001, 1792889999999, 1792890000000, 1792893600000, 1792886399999,
    1798761599999, 1798761600000, 4102444800000, 253402214400000,
)


def hostile():
    """Returns rows with every value of the lists above at least once, for three projects."""
    dice = random.Random(20260403)
    length = max(len(NAMES), len(QUANTITIES))

    def pick(values, number):
        return values[number] if number < len(values) else dice.choice(values)

    # Ids whose bytewise order differs from that of any language.
    ids = ["a", "A", "b", "B", "Z", "_", "-", "a-b", "a_b", "aB", "ab", "é", "e", "f", "ﬀ", "z", "日", "😀", "\uffee",
           "0", "10", "9", " a", "=id", '"id"', "id,1", "i\r\nd", "ID", "id", "iD"]
    ids += [f"{dice.getrandbits(48):012x}" for _ in range(2 * length - len(ids))]
    dice.shuffle(ids)
    rows = []
    for number, container_id in enumerate(ids):
        cluster_name = pick(CLUSTER_NAMES, number)
        rows.append({
            "project_id": PROJECT,
            "enterprise_project_id": dice.choice(("0", "0") + ENTERPRISE_PROJECTS),
            "cluster_container": dice.choice((True, True, False, None)),
            "container_id": container_id,
            "container_name": pick(NAMES, number),
            "image_name": pick(NAMES[::-1], number),
            "pod_name": pick(NAMES[40:] + NAMES[:40], number),
            "cluster_name": cluster_name,
            "cluster_type": dice.choice(CLUSTER_TYPES + ("k8s", "CCE", "", None)),
            "status": dice.choice(STATUSES + ("running", "", None)),
            "risky": dice.choice((True, False, None)),
            **{column: pick(INTEGERS, number) if column == "low_risk" else dice.choice(INTEGERS) for column in INTEGER},
            "create_time": moment(dice.choice(TIMES)) if number % 9 else None,
            "cpu_limit": pick(QUANTITIES, number),
            "memory_limit": pick(QUANTITIES[::-1], number),
        })
    neighbours = [{**row, "project_id": NEIGHBOUR} for row in rows]
    strangers = [{**row, "project_id": project} for project in ("Demo", "demo ", "%", "_emo") for row in rows[:3]]
    return rows + neighbours + strangers


def load(connection, rows, relation="waybill.container"):
    cursor = connection.cursor()
    execute_values(
        cursor, f"INSERT INTO {relation} ({', '.join(COLUMNS)}) VALUES %s",
        [[row[column] for column in COLUMNS] for row in rows], page_size=1000)
    cursor.execute(f"ANALYZE {relation}")


def fetch(connection, relation="waybill.container"):
    """Returns all rows unchanged, as the oracle's input."""
    cursor = connection.cursor()
    cursor.execute(f"SELECT {', '.join(COLUMNS)} FROM {relation}")
    return [dict(zip(COLUMNS, row)) for row in cursor]


# Containers of one project, in which each filter has a value that only few rows have, and ten of another project.
BIG_ROWS = 110000
BIG = """
INSERT INTO waybill.container (
    project_id, container_id, container_name, image_name, pod_name, cluster_name, cluster_type, status,
    cluster_container, risky, low_risk, medium_risk, high_risk, fatal_risk, restart_count, create_time, cpu_limit,
    memory_limit)
SELECT CASE WHEN i > %s THEN 'small' ELSE 'big' END, md5(i::text),
       'app-' || i %% 1000, 'registry.example.com/team-' || i %% 20 || '/app-' || i %% 1000 || ':1.' || i %% 10,
       'app-' || i %% 1000 || '-' || substr(md5('pod' || i), 1, 10), 'cluster-' || i %% 500,
       CASE i %% 1000 WHEN 1 THEN 'azure' ELSE 'cce' END, CASE i %% 1000 WHEN 2 THEN 'Isolated' ELSE 'Running' END,
       i %% 1000 <> 3, i %% 1000 = 4, i %% 3, i %% 5, i %% 7, i %% 11, i %% 13,
       timestamptz '2026-01-01 00:00:00Z' + i * interval '1 second',
       CASE i %% 1000 WHEN 5 THEN '123m' ELSE '500m' END, CASE i %% 1000 WHEN 6 THEN '777Mi' ELSE '1Gi' END
FROM generate_series(1, %s) AS i
"""


def load_big(connection):
    cursor = connection.cursor()
    cursor.execute(BIG, [BIG_ROWS, BIG_ROWS + 10])
    cursor.execute("VACUUM ANALYZE waybill.container")
