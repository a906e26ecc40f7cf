"""waybill inventory load: containers of Docker and Podman."""

import json

import docker_oracle
import oracle
import pytest
from docker_shapes import SHAPES, container, digest
from loading import ALL_COLUMNS, Inventory, export, numbered, summary

projects = numbered("docker")


@pytest.fixture(scope="module")
def site(start):
    return start("load_docker").site


@pytest.fixture
def stock(site):
    return Inventory(site, next(projects))


@pytest.mark.parametrize("cluster", [{}, {"cluster_name": "prod", "cluster_type": "k8s"}], ids=["", "a cluster"])
@pytest.mark.parametrize("name", SHAPES)
def test_shapes(stock, name, cluster):
    rows, skipped = docker_oracle.load(SHAPES[name], **cluster)
    options = [f"--{option.replace('_', '-')}={value}" for option, value in cluster.items()]
    assert stock.load(SHAPES[name], *options) == summary(added=len(rows), skipped=skipped)
    assert export(stock) == oracle.csv(rows, ALL_COLUMNS)
    assert stock.rows("cluster_container") == [row["pod_name"] is not None for row in rows]
    assert stock.load(SHAPES[name], *options, "--replace", "--format=docker") == summary(
        unchanged=len(rows), skipped=skipped)


def test_the_shapes_cover_the_table():
    rows = [row for text in SHAPES.values() for row in docker_oracle.load(text)[0]]
    assert {row["status"] for row in rows} == {"Running", "Paused", "Waiting", "Terminated", None}
    for key in ("container_name", "image_name", "pod_name", "create_time", "restart_count", "cpu_limit",
                "memory_limit"):
        assert {row[key] is None for row in rows} == {True, False}, key


HIDES = [  # the ID of the container, or whether it is one, is unknown
    ({"Id": 5}, "Id must be a string, got an integer"), ({"Id": None}, "container_id is required"),
    ({"Id": ""}, "container_id is required"), ({"Id": "x" * 513}, "container_id must be at most 512 characters long"),
    ({"State": "running"}, "State must be an object, got a string"), ({"State": None}, "State is required"),
    ({"Config": 1}, "Config must be an object"), ({"Config": {"Labels": []}}, "Config.Labels must be an object"),
    ({"IsInfra": "yes"}, "IsInfra must be a boolean"),
]
KEEPS = [
    ({"State": {"Status": 1}}, "State.Status must be a string, got an integer"),
    ({"State": {"Running": 1}}, "State.Running must be a boolean, got an integer"),
    ({"State": {"Paused": "no"}}, "State.Paused must be a boolean"),
    ({"State": {"Restarting": []}}, "State.Restarting must be a boolean"),
    ({"Name": ["a"]}, "Name must be a string, got an array"),
    ({"Name": "/" + "x" * 4097}, "container_name must be at most 4096 characters long"),
    ({"Config": {"Image": {}}}, "Config.Image must be a string, got an object"),
    ({"Config": None, "ImageName": 1}, "ImageName must be a string"), ({"Config": None, "Image": 1}, "Image must be"),
    ({"RestartCount": -1}, "restart_count must be"), ({"RestartCount": 1 << 31}, "restart_count must be"),
    ({"RestartCount": 1.5}, "RestartCount must be an integer, got a number"),
    ({"RestartCount": "3"}, "RestartCount must be an integer, got a string"),
    ({"Created": 1367854155}, "Created must be a string"), ({"Created": "yesterday"}, "create_time must be a time"),
    ({"Created": "294276-01-01T00:00:00Z"}, "create_time must be a time"),
    ({"HostConfig": {"NanoCpus": "1"}}, "HostConfig.NanoCpus must be an integer"),
    ({"HostConfig": {"CpuQuota": 1, "CpuPeriod": -1}}, "HostConfig.CpuPeriod must be from 0 to 1000000000, got -1"),
    ({"HostConfig": {"CpuQuota": 1, "CpuPeriod": 1 << 62}}, "HostConfig.CpuPeriod must be from 0 to 1000000000"),
    ({"HostConfig": {"Memory": 1.5}}, "HostConfig.Memory must be an integer, got a number"),
    ({"HostConfig": []}, "HostConfig must be an object, got an array"),
]


@pytest.mark.parametrize("change, reason, hides", [
    *((*case, True) for case in HIDES), *((*case, False) for case in KEEPS),
], ids=str)
def test_a_refused_container(stock, change, reason, hides):
    """It stops the load, or is left out, and its stored row stays. Without its ID, no row is removed."""
    good, bad = container("/good"), container("/bad")
    assert stock.load(json.dumps([good, bad, container("/gone")])) == summary(added=3)
    before = stock.rows("container_id, container_name")
    content = json.dumps([good, {**bad, **change}])
    assert stock.load(content, "--replace", "--format=docker", status=1) == summary(refused=1)
    assert f"item 2 (line 1): {reason}" in stock.messages, stock.messages
    assert stock.rows("container_id, container_name") == before
    assert stock.load(content, "--replace", "--format=docker", "--on-error=skip", status=3) == summary(
        unchanged=1, removed=0 if hides else 1, refused=1)
    assert ("no rows were removed" in stock.messages) is hides
    assert (digest("/bad"), "bad") in stock.rows("container_id, container_name")


@pytest.mark.parametrize("content, reason", [
    ([{"Names": ["/a"], "Image": "nginx", "Id": "8df", "Created": 1367854155, "State": "running", "Status": "Up"}],
     "a list of containers of the Engine API: load the output of docker inspect"),
    ([{"Names": ["a"], "Id": "8df", "State": "running", "Exited": False, "PodName": ""}],
     "the output of podman ps: load that of podman inspect"),
    ({"ID": "8df", "Names": "a", "State": "running", "Status": "Up"}, "the output of docker ps"),
    ([{"Id": "sha256:1", "RepoTags": ["nginx:1"], "RepoDigests": [], "Config": {}}], "docker image inspect"),
    ([{"Id": "1", "Name": "bridge", "Scope": "local", "Driver": "bridge"}],
     "an object is in none of the formats that waybill(1) describes"),
    ([], "the format of an empty list is unknown: --format is required"),
    ([[]], "an array is in none of the formats"), (["a"], "a string is in none of the formats"),
    ([1], "an integer is in none of the formats"),
], ids=str)
def test_other_output(stock, content, reason):
    is_refused = content != [] and isinstance(content, list)
    assert stock.load(json.dumps(content), status=1) == summary(refused=1 if is_refused else 0)
    assert reason in stock.messages and stock.rows() == []
    stock.load(json.dumps(content), "--on-error=skip", status=1)
    assert stock.rows() == []


def test_an_empty_array_of_a_named_format(stock):
    stock.load(json.dumps([container("/a")]))
    assert stock.load("[]", "--format=docker", "--replace") == summary(removed=1)


def test_an_item_that_is_no_container(stock):
    """docker inspect takes names of images and networks too."""
    network = {"Id": "1", "Name": "bridge", "Scope": "local"}
    content = json.dumps([container("/a"), network, 7])
    assert stock.load(content, "--on-error=skip", status=3) == summary(added=1, refused=2)
    assert "item 2 (line 1): State is required: the item is not a container" in stock.messages
    assert "item 3 (line 1): the item must be an object, got an integer" in stock.messages
