"""waybill inventory load: reports on images, and the risks of containers."""

import itertools
import json

import oracle
import pytest
from loading import ALL_COLUMNS, Inventory, export, numbered, pod, pods, summary

SEVERITIES = {"LOW": "low_risk", "MEDIUM": "medium_risk", "HIGH": "high_risk", "CRITICAL": "fatal_risk"}
RISKS = "risky, low_risk, medium_risk, high_risk, fatal_risk"
NONE = (None,) * 5
DIGEST = "sha256:" + "0123456789abcdef" * 4
projects = numbered("trivy")


@pytest.fixture(scope="module")
def site(start):
    return start("load_trivy").site


@pytest.fixture
def stock(site):
    return Inventory(site, next(projects))


def vulnerability(severity, number=1):
    found = {"VulnerabilityID": f"CVE-2026-{number:04}", "PkgName": "libssl3", "InstalledVersion": "3.0.15-1",
             "FixedVersion": "", "Layer": {"DiffID": DIGEST}, "Title": 'a "title" ]}', "Severity": severity,
             "CVSS": {"nvd": {"V3Score": 9.8}}, "References": ["https://example.com/Severity"]}
    return {key: value for key, value in found.items() if value is not None}


def target(*severities, name="nginx:1.25 (debian 12.5)", **more):
    return {"Target": name, "Class": "os-pkgs", "Type": "debian",
            "Vulnerabilities": [vulnerability(*severity) for severity in zip(severities, itertools.count())], **more}


def report(*targets, name="nginx:1.25", tags=(), digests=(), **more):
    return {"SchemaVersion": 2, "CreatedAt": "2026-03-01T10:20:30.123456789+01:00", "ArtifactName": name,
            "ArtifactType": "container_image",
            "Metadata": {"OS": {"Family": "debian", "Name": "12.5"}, "ImageID": DIGEST, "RepoTags": list(tags),
                         "RepoDigests": list(digests), "ImageConfig": {"architecture": "amd64", "config": {}}},
            "Results": list(targets), **more}


def risks(*counts):
    return (any(counts), *counts)


def images(*names):
    """Returns pods, one for each image."""
    return pods(*(pod(f"p{number}", [{"name": "app", "image": name}]) for number, name in enumerate(names)))


ALL_SEVERITIES = ("LOW",) * 1 + ("MEDIUM",) * 2 + ("HIGH",) * 3 + ("CRITICAL",) * 4 + ("UNKNOWN",) * 5
SHAPES = {  # {name: (content, options, the risks of nginx:1.25)}
    "schema 2": (report(target(*ALL_SEVERITIES)), [], risks(1, 2, 3, 4)),
    "several targets": (report(target("LOW"), target("LOW", "HIGH", name="app/package-lock.json", Class="lang-pkgs"),
                               {"Target": "/etc/x", "Class": "secret", "Secrets": [{"Severity": "CRITICAL"}]},
                               {"Target": "Dockerfile", "Misconfigurations": [{"Severity": "HIGH"}]}), [],
                        risks(2, 0, 1, 0)),
    "only unknown ones": (report(target("UNKNOWN", "", None)), [], risks(0, 0, 0, 0)),
    "no vulnerabilities": (report(target()), [], risks(0, 0, 0, 0)),
    "no results": ({key: value for key, value in report().items() if key != "Results"}, [], risks(0, 0, 0, 0)),
    "results that are null": (report(Results=None), [], risks(0, 0, 0, 0)),
    "vulnerabilities that are null": (report(target(), target(Vulnerabilities=None)), [], risks(0, 0, 0, 0)),
    "before 0.20": ({key: value for key, value in report(target("HIGH")).items() if key != "SchemaVersion"}, [],
                    risks(0, 0, 1, 0)),
    "version 0.69": (report(target("HIGH"), ReportID="018f", Trivy={"Version": "0.69.0"}), [], risks(0, 0, 1, 0)),
    "a bare array": ([target("LOW", "LOW", Class=None), target("HIGH")], ["--image", "nginx:1.25"], risks(2, 0, 1, 0)),
    "a bare array with null": ([{"Target": "alpine", "Vulnerabilities": None}], ["--image", "nginx:1.25"],
                               risks(0, 0, 0, 0)),
    "an empty array": ([], ["--image", "nginx:1.25"], risks(0, 0, 0, 0)),
    "null": (None, ["--image", "nginx:1.25"], risks(0, 0, 0, 0)),
    "null, by its format": (None, ["--image", "nginx:1.25", "--format", "trivy"], risks(0, 0, 0, 0)),
    "a name by option": (report(target("LOW"), name="nginx.tar"), ["--image", "nginx:1.25"], risks(1, 0, 0, 0)),
    "a file system by option": (report(target("LOW"), name="/srv", ArtifactType="filesystem"),
                                ["--image", "nginx:1.25"], risks(1, 0, 0, 0)),
    "another name": (report(target("LOW"), name="other"), [], NONE),
    "a name in the tags": (report(target("LOW"), name=DIGEST, tags=["", "x:1", "nginx:1.25"]), [], risks(1, 0, 0, 0)),
    "tags that are null": (report(target("LOW"), Metadata={"RepoTags": None, "RepoDigests": None}), [],
                           risks(1, 0, 0, 0)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(stock, name):
    """Containers that are loaded before and after get the risks. Loading them again changes nothing."""
    content, options, expected = SHAPES[name]
    stock.load(images("nginx:1.25"))
    changed = 0 if expected == NONE else 1
    assert stock.load(json.dumps(content, indent=2), *options) == summary(changed=changed)
    assert stock.rows(RISKS) == [expected]
    assert stock.load(json.dumps(content), *options) == summary()
    assert stock.load(images("nginx:1.25")) == summary(unchanged=1)
    assert stock.load(images("nginx:1.25", "nginx:1.25")) == summary(added=1, unchanged=1)
    assert stock.rows(RISKS) == [expected] * 2


@pytest.mark.parametrize("reported, used, same", [
    ("nginx", "nginx:latest", True), ("nginx:latest", "docker.io/nginx", True),
    ("nginx", "docker.io/library/nginx", True),
    ("docker.io/library/nginx:latest", "nginx", True), ("index.docker.io/library/nginx:1", "nginx:1", True),
    ("docker.io/team/app", "team/app", True), ("library/nginx", "nginx", False), ("nginx:1", "nginx:2", False),
    ("registry.example.com:5000/app", "registry.example.com:5000/app:latest", True),
    ("registry.example.com/app", "app", False), ("quay.io/library/nginx", "nginx", False),
    (f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}", True), (f"nginx:1.25@{DIGEST}", f"nginx@{DIGEST}", True),
    (f"nginx@{DIGEST}", "nginx", False), ("Nginx", "nginx", False), (DIGEST, DIGEST, True),
])
def test_names_of_an_image(stock, reported, used, same):
    stock.load(images(used))
    assert stock.load(json.dumps(report(target("LOW"), name=reported))) == summary(changed=1 if same else 0)
    assert stock.rows(RISKS) == [risks(1, 0, 0, 0) if same else NONE]


def test_every_name_of_a_report(stock):
    stock.load(images("a", "b:1", f"c@{DIGEST}", "d"))
    content = report(target("LOW"), name="a", tags=["b:1", ""], digests=[f"c@{DIGEST}"])
    assert stock.load(json.dumps(content)) == summary(changed=3)
    assert stock.rows("low_risk") == [1, 1, 1, None]


def test_the_newest_report_counts(stock):
    """It replaces the risks of an older one, whichever name they share, and of one in the same load."""
    stock.load(images("a", "b"))
    stock.load(json.dumps(report(target("LOW", "HIGH"), name="a", tags=["b:latest"])))
    assert stock.load(json.dumps(report(target("CRITICAL"), name="b"))) == summary(changed=1)
    assert stock.rows(RISKS) == [risks(1, 0, 1, 0), risks(0, 0, 0, 1)]
    lines = "\n".join(json.dumps(report(*targets, name="a")) for targets in ([target("HIGH")], [], [target("LOW")]))
    assert stock.load(lines) == summary(changed=1)
    assert stock.rows(RISKS) == [risks(1, 0, 0, 0), risks(0, 0, 0, 1)]


def test_risks_that_are_loaded_win(stock):
    """A report does not change the risks of a CSV file. Without them, the report's are used again."""
    header = "container_id,image_name,risky,low_risk\n"
    assert stock.load(header + "own,a,,7\nflag,a,true,\nnone,a,,\n") == summary(added=3)
    content = json.dumps(report(target("HIGH"), name="a"))
    assert stock.load(content) == summary(changed=1)
    own = [("flag", True, None, None, None, None), ("none", True, 0, 0, 1, 0), ("own", None, 7, None, None, None)]
    assert stock.rows("container_id, " + RISKS) == own
    assert stock.load(header + "own,a,,7\nflag,a,true,\nnone,a,,\n") == summary(unchanged=3)
    assert stock.load(content) == summary()
    assert stock.load(header + "own,a,,\n") == summary(changed=1)
    assert stock.rows(RISKS + ", risks_reported")[2] == (*risks(0, 0, 1, 0), True)
    assert stock.load(header + "none,a,false,\n") == summary(changed=1)
    assert stock.rows("risky, high_risk, risks_reported")[1] == (False, None, False)


@pytest.mark.parametrize("column", RISKS.split(", "))
def test_a_single_risk_that_is_loaded_wins(stock, column):
    """Whichever it is, and whether the report comes after it or before it."""
    header, value = f"container_id,image_name,{column}\n", "false" if column == "risky" else "0"
    assert stock.load(f"{header}before,a,{value}\n") == summary(added=1)
    own = stock.rows(RISKS)
    assert stock.load(json.dumps(report(target("HIGH"), name="a"))) == summary() and stock.rows(RISKS) == own
    assert stock.load(f"{header}later,a,{value}\n") == summary(added=1)
    assert stock.rows(RISKS) == own * 2 and sum(risk is not None for risk in own[0]) == 1


def test_a_container_with_another_image(stock):
    """Its risks are those of the new image, or unknown."""
    stock.load(json.dumps(report(target("HIGH"), name="a")) + json.dumps(report(target("LOW"), name="b")))
    stock.load(images("a"))
    assert stock.load(images("b")) == summary(changed=1)
    assert stock.rows(RISKS) == [risks(1, 0, 0, 0)]
    assert stock.load(images("c")) == summary(changed=1)
    assert stock.rows(RISKS + ", risks_reported") == [(*NONE, False)]
    assert stock.load(images("c", "a", "b")) == summary(added=2, unchanged=1)
    assert stock.rows(RISKS) == [NONE, risks(0, 0, 1, 0), risks(1, 0, 0, 0)]


def test_reports_reach_the_project(site, stock):
    """All of its enterprise projects and sources, and no other project."""
    other = Inventory(site, next(projects))
    for inventory in (stock, other):
        inventory.load(images("a"), "--cluster-name=one")
        inventory.load("container_id,image_name\nx,a\n", "--enterprise-project=ep1")
    assert stock.load(json.dumps(report(target("LOW"), name="a"))) == summary(changed=2)
    assert stock.rows("low_risk") == [1, 1] and other.rows("low_risk") == [None, None]
    assert other.load(images("a"), "--cluster-name=one") == summary(unchanged=1)


def test_reports_and_containers_in_one_load(stock, tmp_path):
    """A changed row counts once. Rows that are removed do not count as changed."""
    def write(name, content):
        (tmp_path / name).write_text(content)
        return str(tmp_path / name)

    stock.load(images("a", "a", "b"), "--source=s")
    stock.load("container_id,image_name\nx,a\n", "--source=other")
    files = [write("a.json", json.dumps(report(target("LOW"), name="a"))), write("pods.json", images("a"))]
    assert stock.load("", "--source=s", "--replace", "--dry-run", *files) == summary(changed=2, removed=2)
    assert stock.rows("low_risk") == [None] * 4
    assert stock.load("", "--source=s", "--replace", *files) == summary(changed=2, removed=2)
    assert stock.rows("container_id, low_risk") == [("uid-p0/app", 1), ("x", 1)]
    assert stock.load("", "--source=s", "--replace", *files) == summary(unchanged=1)


def test_many_reports(stock):
    """As one load, and an export with their risks."""
    count = 300
    stock.load(images(*(f"image-{number}" for number in range(count))))
    lines = "\n".join(json.dumps(report(target(*["MEDIUM"] * (number % 7)), name=f"image-{number}"))
                      for number in range(count))
    assert stock.load(lines) == summary(changed=count)
    rows = [{**dict.fromkeys(key for key, _ in ALL_COLUMNS), "container_id": f"uid-p{number}/app",
             "medium_risk": number % 7, "risky": number % 7 > 0} for number in range(count)]
    columns = [["container_id", "container_id"], ["risky", "risky"], ["medium_risk", "medium_risk"]]
    rows.sort(key=lambda row: row["container_id"].encode())
    full = export(stock).decode().splitlines()
    names = full[0].replace('"', "").split(",")
    picked = [",".join(line.split(",")[names.index(key)] for key, _ in columns) for line in full]
    assert "\r\n".join(picked) + "\r\n" == oracle.csv(rows, columns).decode()


@pytest.mark.parametrize("content, reason", [
    (report(SchemaVersion=3), "SchemaVersion must be 2, got 3"),
    (report(SchemaVersion="2"), "SchemaVersion must be an integer, got a string"),
    (report(ArtifactType="filesystem"), 'ArtifactType must be container_image without --image, got "filesystem"'),
    (report(name=""), "the report does not name its image: --image is required"),
    ([target("LOW")], "the report does not name its image: --image is required"),
    (report(name="x" * 1025), "ArtifactName must be at most 1024 bytes long, got 1025"),
    (report(tags=["x" * 1025]), "Metadata.RepoTags must be at most 1024 bytes long"),
    (report(tags=[1]), "Metadata.RepoTags must be an array of strings, got an integer"),
    (report(Metadata={"RepoDigests": "a"}), "Metadata.RepoDigests must be an array, got a string"),
    (report(Metadata=[]), "Metadata must be an object, got an array"),
    (report(target("NEGLIGIBLE")), 'Severity must be UNKNOWN, LOW, MEDIUM, HIGH or CRITICAL, got "NEGLIGIBLE"'),
    (report(target("low")), "Severity must be UNKNOWN"), (report(target(1)), "Severity must be a string"),
    (report(target(Vulnerabilities={})), "Vulnerabilities must be an array, got an object"),
    (report(target(), {"Target": "x", "Vulnerabilities": [1]}), "Vulnerabilities must be an array of objects"),
    (report(target(), 1), "a target must be an object, got an integer"),
    ([target(), None], "a target must be an object, got null"),
    ([report()], "a report must not be an element of an array"),
], ids=lambda value: str(value)[-50:])
def test_a_refused_report(stock, content, reason):
    """It changes nothing, and is left out as a whole, not only one of its targets."""
    stock.load(images("nginx:1.25"))
    good = json.dumps(report(target("LOW"), name="nginx:1.25"))
    assert stock.load(good + json.dumps(content), status=1) == summary(refused=1)
    assert reason in stock.messages and "item " in stock.messages, stock.messages
    assert stock.rows(RISKS) == [NONE]
    assert stock.load(good + json.dumps(content), "--on-error=skip", status=3) == summary(changed=1, refused=1)
    assert stock.rows(RISKS) == [risks(1, 0, 0, 0)]


@pytest.mark.parametrize("content, reason", [
    (json.dumps(report(target("LOW")))[:-3], "it ends before the JSON is complete"),
    (json.dumps(report(Results={})), 'Results must be an array under the name "Results"'),
    (json.dumps(report(target("LOW"))).replace('"Results"', '"\\u0052esults"'), "Results must be an array under"),
    (json.dumps({"ClusterName": "kind", "Resources": []}),
     "a report of trivy on a cluster: load reports of trivy image"),
    (json.dumps({"ClusterName": "kind", "Findings": [{"Results": [target("LOW")]}]}), "a report of trivy on a cluster"),
    (json.dumps({"bomFormat": "CycloneDX", "components": []}), "a CycloneDX document: load the JSON report of trivy"),
    (json.dumps({"spdxVersion": "SPDX-2.3"}), "an SPDX document"),
    (json.dumps({"runs": [], "version": 1}), "a SARIF log"),
    (json.dumps({"matches": [], "descriptor": {}}), "a report of grype: load that of trivy"),
    ("null", "the format of an empty list is unknown"), ("nullx\n", "unknown column"), ("nul", "unknown column"),
], ids=lambda value: value[:40])
def test_other_content(stock, content, reason):
    stock.load(content, "--on-error=skip", status=1)
    assert reason in stock.messages, stock.messages


def test_a_scalar_is_no_report(stock):
    stock.load("null 1", "--image=a", status=1)
    assert "a report must be an object or an array, got an integer" in stock.messages


def test_a_refused_target_counts_once(stock):
    """The other targets and reports of the file are not affected."""
    stock.load(images("a", "b"))
    bad = report(target("LOW"), target("x"), target("y"), name="a")
    content = json.dumps(bad) + json.dumps(report(target("HIGH"), name="b"))
    assert stock.load(content, "--on-error=skip", status=3) == summary(changed=1, refused=2)
    assert stock.rows("low_risk, high_risk") == [(None, None), (0, 1)]
    assert "item 2 (line 1)" in stock.messages and "item 3 (line 1)" in stock.messages


def test_a_damaged_report_leaves_nothing_for_the_next_one(stock):
    """Its targets can be read, but not what is around them."""
    stock.load(images("a", "b"))
    bad = json.dumps(report(target("LOW"), name="a"))[:-1] + ', "x": nope}'
    content = bad + json.dumps(report(target("HIGH"), name="b"))
    assert stock.load(content, "--on-error=skip", status=3) == summary(changed=1, refused=1)
    assert stock.rows("low_risk, high_risk") == [(None, None), (0, 1)]


def test_replace_needs_containers(stock, tmp_path):
    stock.load(images("nginx:1.25"))
    content = json.dumps(report(target("LOW")))
    stock.load(content, "--replace", status=2)
    assert "--replace needs a file with containers, not only reports" in stock.messages
    assert stock.rows(RISKS) == [NONE]
    (tmp_path / "report.json").write_text(content)
    assert stock.load(pods(), "--replace", "-", str(tmp_path / "report.json")) == summary(removed=1)


def test_a_refused_report_keeps_no_rows(stock, tmp_path):
    """It stands for no container, so the others are removed."""
    stock.load(images("a", "b"))
    (tmp_path / "report.json").write_text(json.dumps(report(SchemaVersion=1)))
    assert stock.load(images("a"), "--replace", "--on-error=skip", "-", str(tmp_path / "report.json"),
                      status=3) == summary(unchanged=1, removed=1, refused=1)


def test_the_loader_role_is_enough(site, stock):
    config = site.write_config({"inventory.loader_conninfo": site.postgres.conninfo(site.database, "waybill_loader")},
                               name="loader.conf")
    stock.load(images("nginx:1.25"))
    assert stock.load(json.dumps(report(target("LOW"))), config=config) == summary(changed=1)
    assert stock.load(images("nginx:1.25"), config=config) == summary(unchanged=1)


@pytest.mark.parametrize("image, is_valid", [
    ("", False), ("x" * 1024, True), ("x" * 1025, False), ("\udcff", False), ("\U0001f600" * 256, True),
], ids=["empty", "longest", "too long", "invalid", "wide"])
def test_the_option_image(stock, image, is_valid):
    stock.load("null", "--image", image, status=0 if is_valid else 2)
    assert is_valid or "--image must be 1 to 1024 bytes of valid UTF-8" in stock.messages


def test_names_of_any_length_and_kind(stock):
    """An image name of a container has no key of an index."""
    name = "\U0001f600" * 4096
    stock.load(json.dumps(report(target("LOW"))))
    assert stock.load(images(name, "", ":", "@", "a@", "a:", ":a", "/", "docker.io/")) == summary(added=9)
    assert stock.rows("low_risk") == [None] * 9
