"""Containers in the shapes in which versions of `docker inspect` and `podman inspect` print them: SHAPES is
{name: text}. Fields that fill no column are there as far as they could confuse a reader."""

import hashlib
import json

SHAPES = {}


def digest(*parts):
    """Returns 64 hexadecimal digits that look random."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def state(status=None, **more):
    """Returns the state of a container. Without a status, it has only the booleans, as before Docker 1.9."""
    found = {"Running": status in ("running", "paused", "restarting"), "Paused": status == "paused",
             "Restarting": status == "restarting", "OOMKilled": False, "Dead": status == "dead", "Pid": 4711,
             "ExitCode": 0, "Error": "", "StartedAt": "2026-03-01T10:20:30.000000001Z",
             "FinishedAt": "0001-01-01T00:00:00Z", **more}
    return {"Status": status, **found} if status else found


def container(name, image="nginx:1.25", status="running", created="2026-03-01T10:20:29.123456789Z", config=None,
              host=None, **more):
    return {"Id": digest(name), "Created": created, "Path": "/docker-entrypoint.sh", "Args": ["nginx", "-g", "daemon"],
            "State": state(status), "Image": "sha256:" + digest("image", image), "Name": name, "RestartCount": 0,
            "Driver": "overlay2", "Mounts": [{"Type": "bind", "Name": "x", "Source": "/data"}],
            "HostConfig": {"NetworkMode": "default", "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
                           "CpuShares": 0, "Memory": 0, "NanoCpus": 0, "CpuPeriod": 0, "CpuQuota": 0, **(host or {})},
            "Config": {"Hostname": digest(name)[:12], "Env": ["A=}]{[\"\\"], "Image": image, "Labels": {},
                       **(config or {})},
            "NetworkSettings": {"Ports": {"80/tcp": None}, "Networks": {"bridge": {"Aliases": None}}}, **more}


def without(value, *paths):
    """Returns the value without what versions of that time do not have."""
    value = json.loads(json.dumps(value))
    for path in paths:
        *owners, name = path.split(".")
        owner = value
        for part in owners:
            owner = owner[part]
        del owner[name]
    return value


def shape(name, *containers, indent=4):
    assert name not in SHAPES
    SHAPES[name] = json.dumps(list(containers), indent=indent, ensure_ascii=False) + "\n"


# The limits were in Config, and the state had only booleans.
shape("Docker 1.5", *(without(
    container(f"/old-{name}", "ubuntu:14.04", None, config={"Memory": memory, "CpuShares": 512, "Cpuset": ""},
              State=state(None, **booleans)),
    "HostConfig.Memory", "HostConfig.NanoCpus", "HostConfig.CpuPeriod", "HostConfig.CpuQuota", "Config.Labels")
    for name, memory, booleans in (
        ("running", 536870912, {"Running": True}), ("paused", 0, {"Running": True, "Paused": True}),
        ("restarting", 0, {"Running": True, "Restarting": True}), ("exited", 1000, {"ExitCode": 137}))))
shape("Docker 1.9", *(without(container(f"/{status}", "redis", status), "HostConfig.NanoCpus", "Config.Labels")
                      for status in ("created", "running", "paused", "restarting", "exited", "dead")))
shape("Docker 1.13", container(
    "/compose_web_1", "compose_web", config={"Labels": {
        "com.docker.compose.project": "compose", "com.docker.compose.config-hash": digest("compose")}},
    host={"NanoCpus": 1500000000, "Memory": 1610612736, "MemorySwap": -1}, RestartCount=3, AppArmorProfile=""))
shape("Docker 20.10", *(
    container(f"/cpus-{number}", "registry.example.com:5000/a/b@sha256:" + digest("b"),
              host={"NanoCpus": nano, "CpuQuota": quota, "CpuPeriod": period, "Memory": memory}, Platform="linux")
    for number, (nano, quota, period, memory) in enumerate((
        (500000000, 0, 0, 2147483648), (2000000000, 50000, 100000, 1000), (1, 0, 0, 1024), (1234567890, 0, 0, 1049600),
        (0, 50000, 0, 1099511627776), (0, 150000, 100000, 6442450944), (0, 200000, 50000, 1 << 60), (0, -1, 100000, -1),
        (0, 1, 1000000, 9223372036854775807), (999999999, 0, 0, 1536), (0, 100000, 300000, 1025), (-1, -1, 0, 5),
        (2050000000, 0, 0, 0), (0, 300001, 100000, 0)))))

# What Kubernetes starts through Docker: the containers of a pod, and its sandbox.
KUBERNETES = {"io.kubernetes.pod.name": "web-5f6d", "io.kubernetes.pod.namespace": "shop",
              "io.kubernetes.pod.uid": "0c1d"}
shape("dockershim", container(
    "/k8s_app_web-5f6d_shop_0c1d_0", "nginx@sha256:" + digest("nginx"),
    config={"Labels": {**KUBERNETES, "io.kubernetes.container.name": "app", "io.kubernetes.docker.type": "container"}}),
    container("/k8s_POD_web-5f6d_shop_0c1d_0", "k8s.gcr.io/pause:3.1",
              config={"Labels": {**KUBERNETES, "io.kubernetes.docker.type": "podsandbox"}}),
    container("/other", config={"Labels": {"io.kubernetes.docker.type": "Podsandbox"}}))
shape("Docker 27", container("/web", "docker.io/library/nginx", "removing", ImageManifestDescriptor={
    "digest": "sha256:" + digest("manifest"), "platform": {"os": "linux"}}, Config={
        "Image": "docker.io/library/nginx", "Labels": None}), container("/no-config", Config=None, HostConfig=None))

# Podman: no slash, an offset, other states, the name of the image.
shape("Podman 3.4", *(
    container(status, "docker.io/library/nginx:latest", status, "2026-03-01T12:20:29.5+02:00",
              ImageName="docker.io/library/nginx:latest", Pod="", IsInfra=False, Rootfs="", ExitCommand=["podman"],
              State={**state(status), "OciVersion": "1.0.2-dev", "ConmonPid": 1})
    for status in ("initialized", "configured", "stopping", "stopped", "exited")))
shape("Podman 4.3 with a pod", *(
    container(name, image, created="2026-03-01T10:20:29.123456789-05:30", ImageName=image or "localhost/built:latest",
              Pod=digest("pod"), IsInfra=infra, IsService=False, ImageDigest="sha256:" + digest(name), lockNumber=3)
    for name, image, infra in (("app-1", "", False), ("pod-infra", "localhost/podman-pause:4.3.1-1", True),
                               ("é😀", "a", False))))
shape("without names",
      container(None, None, created=None, Config={"Image": None}, State={}, RestartCount=None, Image=None),
      container("/", "", Config={"Image": ""}, ImageName="", Image="sha256:1", State={"Status": ""}))
SHAPES["one container"] = json.dumps(container("/one"), indent=4)
SHAPES["containers, one a line"] = "".join(json.dumps(container(f"/line-{number}")) + "\n" for number in range(3))
SHAPES["two arrays"] = json.dumps([container("/a")]) + json.dumps([container("/b")])
