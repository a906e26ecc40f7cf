"""Pods in the shapes in which versions of kubectl and of the kubelet print them: SHAPES is {name: text}. Fields that
fill no column, such as conditions, are there as far as they could confuse a reader."""

import hashlib
import itertools
import json

SHAPES = {}
numbers = itertools.count(1)


def digest(*parts):
    """Returns 64 hexadecimal digits that look random."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def uid(name):
    text = digest("uid", name)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:32]))


def container(name, image=None, **more):
    return {"image": image or f"registry.example.com/team/{name}:1.4.{len(name)}", "imagePullPolicy": "IfNotPresent",
            "name": name, "resources": {}, "terminationMessagePath": "/dev/termination-log", **more}


def limits(requests=None, **limited):
    return {"limits": limited, **({"requests": requests} if requests else {})}


def status(name, state, scheme="containerd", image=None, restarts=0, **more):
    """Returns the state of a container. Without a scheme, it has no ID."""
    found = {"image": image or f"registry.example.com/team/{name}:1.4.{len(name)}", "lastState": {}, "name": name,
             "imageID": f"registry.example.com/team/{name}@sha256:{digest('image', name)}",
             "ready": "running" in state, "restartCount": restarts, "state": state, **more}
    if scheme:
        found["containerID"] = f"{scheme}://{digest('container', name, next(numbers))}"
    return found


def running(start="2026-03-01T10:20:30Z"):
    return {"running": {"startedAt": start}}


def waiting(reason="ContainerCreating"):
    return {"waiting": {"reason": reason, "message": 'back-off "5m0s" {restarting} failed container [1/2]'}}


def terminated(start="2026-03-01T10:20:31Z", end="2026-03-02T00:00:00Z", reason="Completed", code=0):
    return {"terminated": {"containerID": "containerd://" + digest("last", reason), "exitCode": code,
                           "finishedAt": end, "reason": reason, "startedAt": start}}


def pod(name, containers, statuses=None, phase="Running", metadata=None, spec=None, **more):
    """Returns a pod, whose keys are in the order of the alphabet, as kubectl prints them."""
    found = {"apiVersion": "v1", "kind": "Pod",
             "metadata": {"creationTimestamp": "2026-02-28T23:59:59Z", "name": name, "namespace": "shop",
                          "labels": {"app": name}, "resourceVersion": "4711", "uid": uid(name), **(metadata or {})},
             "spec": {"containers": containers, "dnsPolicy": "ClusterFirst", "nodeName": "node-1",
                      "restartPolicy": "Always", "volumes": [{"name": "data", "emptyDir": {}}], **(spec or {})},
             "status": {"conditions": [{"lastProbeTime": None, "status": "True", "type": "Ready"}],
                        "phase": phase, "qosClass": "BestEffort", **more}}
    if statuses is not None:
        found["status"]["containerStatuses"] = statuses
    return found


def kubectl(items, metadata):
    """Returns what `kubectl get pods -o json` prints."""
    return json.dumps({"apiVersion": "v1", "items": items, "kind": "List", "metadata": metadata},
                      indent=4, sort_keys=True, ensure_ascii=False) + "\n"


def api(items, **metadata):
    """Returns a PodList as the API and the kubelet write it. Its items have neither kind nor apiVersion."""
    bare = [{part: value for part, value in item.items() if part not in ("kind", "apiVersion")} for item in items or []]
    return json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": metadata,
                       "items": None if items is None else bare}, separators=(",", ":"), ensure_ascii=False) + "\n"


OLD = {"resourceVersion": "", "selfLink": ""}
NEW = {"resourceVersion": ""}


def shape(name, text):
    assert name not in SHAPES
    SHAPES[name] = text


# Docker, and times that the kubelet of that version did not know.
shape("kubectl 1.9", kubectl([
    pod("web-2035384211-xf2kq", [
        container("web", "nginx", resources=limits(cpu="1", memory="512Mi"), ports=[{"containerPort": 80}]),
        container("log", "k8s.gcr.io/fluentd-gcp:2.0.9", resources=limits({"cpu": "100m"}, memory="300Mi"))],
        [status("log", {"terminated": {"exitCode": 1, "finishedAt": None, "startedAt": None}}, "docker", restarts=12),
         status("web", running(), "docker", "nginx:latest",
                imageID="docker-pullable://nginx@sha256:" + digest("nginx"))],
        metadata={"selfLink": "/api/v1/namespaces/shop/pods/web-2035384211-xf2kq", "annotations": {
            "kubernetes.io/created-by": '{"kind":"SerializedReference","items":[{"kind":"ReplicaSet"}]}\n'}}),
    pod("job-8xv2p", [container("job", "busybox")],
        [status("job", {"terminated": {"exitCode": 0, "reason": "Completed"}}, "docker")], phase="Succeeded"),
    pod("plain", [container("plain")], [status("plain", {"running": {}}, "docker", lastState=terminated())]),
], OLD))

# Init containers, a container that crashes, and one that has been restarted.
shape("kubectl 1.16", kubectl([
    pod("api-7d4b9c6f5-abcde", [container("api"), container("cache", "redis:5")],
        [status("cache", waiting("CrashLoopBackOff"), "docker", restarts=41, started=False,
                lastState=terminated(reason="Error", code=1)),
         status("api", running("2026-03-01T10:20:30Z"), "docker", started=True, restarts=2)],
        spec={"initContainers": [container("migrate"), container("chown", "busybox:1.31")]},
        initContainerStatuses=[status("migrate", terminated(), "docker"), status("chown", terminated(), "docker")]),
    pod("pulls-0", [container("pulls", "registry.example.com/missing:1")],
        [status("pulls", waiting("ImagePullBackOff"), None, containerID="", imageID="")], phase="Pending"),
], OLD))

# The owners of fields, whose names contain JSON, and text that escapes hide.
shape("kubectl 1.18 with managedFields", kubectl([
    pod("managed", [container("app", args=["-c", 'echo "}]}" # \\ \\" [{', "\t<&>\u2028é😀"])],
        [status("app", running())],
        metadata={"managedFields": [{
            "apiVersion": "v1", "fieldsType": "FieldsV1", "manager": "kubelet", "operation": "Update",
            "fieldsV1": {"f:spec": {"f:containers": {'k:{"name":"app"}': {".": {}, "f:env": {
                ".": {}, 'k:{"name":"A\\"B"}': {".": {}, "f:value": {}}}}}}}}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration":
                            '{"apiVersion":"v1","kind":"List","items":[{"kind":"Pod"}]}\n'}}),
], OLD).replace("<&>", "\\u003c\\u0026\\u003e"))

# A container for debugging, when it was new.
shape("kubectl 1.20", kubectl([
    pod("debugged", [container("app", resources=limits(cpu="1500m", memory="1Gi"))],
        [status("app", running(), "docker")],
        spec={"ephemeralContainers": [container("debugger-x7k2p", "busybox", stdin=True, targetContainerName="app")]},
        ephemeralContainerStatuses=[status("debugger-x7k2p", running("2026-03-03T03:03:03Z"), "docker")]),
], OLD))

# containerd: the image is a digest, or has another name than in the specification.
shape("kubectl 1.24", kubectl([
    pod("digest-5f6d", [container("app", "registry.example.com/app@sha256:" + digest("app")), container("tag", "redis"),
                        container("port", "registry.example.com:5000/a/b/c:v1")],
        [status("port", running(), image="sha256:" + digest("port")),
         status("app", running(), image="sha256:" + digest("other")),
         status("tag", running(), image="docker.io/library/redis:latest")]),
], NEW))
shape("kubectl 1.25 with CRI-O", kubectl([
    pod("crio-0", [container("app", "quay.io/app:v1", resources={"limits": {"cpu": "2", "memory": "1073741824"}})],
        [status("app", running("2026-03-01T10:20:30.999999999Z"), "cri-o", "quay.io/app:v1")]),
], NEW))

# Resized containers: the limits in force are in the state of the container, key by key.
shape("kubectl 1.27 with resized containers", kubectl([
    pod("resized", [container("app", resources=limits(cpu="2", memory="4Gi")),
                    container("half", resources=limits(cpu="1", memory="1Gi")),
                    container("same", resources=limits(cpu="100m")), container("grown")],
        [status("app", running(), resources=limits(cpu="1", memory="2Gi"), allocatedResources={"cpu": "1"}),
         status("half", running(), resources=limits(memory="512Mi")),
         status("same", running(), resources={}),
         status("grown", waiting(), resources=limits(cpu="250m", memory="128M"))], resize="InProgress"),
], NEW))

# Sidecars: init containers that run as long as their pod.
shape("kubectl 1.29 with sidecars", kubectl([
    pod("meshed", [container("app")], [status("app", running())],
        spec={"initContainers": [container("setup"), container("proxy", "istio/proxyv2:1.22", restartPolicy="Always",
                                                               resources=limits(cpu="2", memory="1Gi"))]},
        initContainerStatuses=[status("setup", terminated()), status("proxy", running(), started=True, restarts=1)]),
    pod("meshed-pending", [container("app")], [status("app", waiting("PodInitializing"), None)], phase="Pending",
        spec={"initContainers": [container("proxy", restartPolicy="Always"), container("setup")]},
        initContainerStatuses=[status("proxy", waiting("PodInitializing"), None),
                               status("setup", waiting("PodInitializing"), None)]),
], NEW))
shape("kubectl 1.33", kubectl([
    pod("user-0", [container("app", resources=limits(cpu="500m", memory="64Mi"), resizePolicy=[
        {"resourceName": "cpu", "restartPolicy": "NotRequired"}])],
        [status("app", running(), resources=limits(cpu="500m", memory="64Mi"), stopSignal="SIGTERM",
                allocatedResources={"cpu": "500m", "memory": "64Mi"}, user={"linux": {"uid": 0, "gid": 0}},
                volumeMounts=[{"mountPath": "/data", "name": "data", "recursiveReadOnly": "Disabled"}])],
        metadata={"generation": 2}, observedGeneration=2, hostIPs=[{"ip": "10.0.0.1"}]),
], NEW))

# Limits of the whole pod are not those of its containers. Only the restartPolicy Always makes a sidecar.
shape("kubectl 1.34 with limits of the pod", kubectl([
    pod("shared", [container("app"), container("own", resources=limits(memory="1Gi"), restartPolicy="Never",
                                               restartPolicyRules=[{"action": "Restart"}])],
        [status("app", running(), resources={}), status("own", running(), resources=limits(memory="1Gi"))],
        spec={"resources": limits(cpu="4", memory="8Gi"), "hostnameOverride": "shared",
              "initContainers": [container("once", restartPolicy="Never"),
                                 container("retry", restartPolicy="OnFailure"),
                                 container("side", restartPolicy="Always")]},
        initContainerStatuses=[status(name, terminated()) for name in ("once", "retry")] + [status("side", running())],
        resources=limits(cpu="4", memory="8Gi"), allocatedResources={"cpu": "4"}),
], NEW))

# Pods of the node: those of the API server, and static ones, of which the kubelet knows neither times nor states.
static = pod("etcd-node-1", [container("etcd", resources={"requests": {"cpu": "100m"}})], phase="Pending", metadata={
    "creationTimestamp": None, "uid": digest("etcd")[:32], "annotations": {
        "kubernetes.io/config.hash": digest("etcd")[:32], "kubernetes.io/config.seen": "2026-03-01T10:20:30.123456789Z",
        "kubernetes.io/config.source": "file"}})
shape("kubelet", api([
    static, pod("node-exporter-l2v9w", [container("exporter")], [status("exporter", running())],
                metadata={"annotations": {"kubernetes.io/config.source": "api"}})]))
shape("kubelet without pods", api(None))

# Static pods as the API server has them: their mirrors.
shape("kubectl get --raw", api([
    pod("kube-apiserver-node-1", [container("kube-apiserver", resources={"requests": {"cpu": "250m"}})],
        [status("kube-apiserver", running(), restarts=7)], metadata={
            "annotations": {"kubernetes.io/config.mirror": digest("mirror")[:32]},
            "ownerReferences": [{"apiVersion": "v1", "controller": True, "kind": "Node", "name": "node-1"}]})],
    resourceVersion="1822"))

# Pods that have not begun, or have come to an end.
shape("unscheduled and evicted pods", kubectl([
    pod("unscheduled", [container("app", resources=limits(cpu="64", memory="1Ti")), container("log")], phase="Pending",
        spec={"nodeName": None, "initContainers": [container("setup")]}),
    pod("evicted", [container("app", resources=limits({"memory": "7G"}, cpu="8", memory="10G"))], phase="Failed",
        reason="Evicted", message="The node was low on resource: memory.", startTime="2026-03-01T00:00:00Z"),
    pod("empty-statuses", [container("app")], [], phase="Failed", reason="NodeAffinity"),
    pod("lost", [container("app")], [status("app", terminated(None, None, "ContainerStatusUnknown", 137), None)],
        phase="Failed"),
    pod("without-state", [container("app")], [status("app", {}, None)], phase="Succeeded"),
    pod("unknown", [container("app")], phase="Unknown", reason="NodeLost"),
    pod("no-phase", [container("app")],
        [status("app", {"running": None, "waiting": None, "terminated": None})], phase=None),
    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "new", "uid": uid("new")},
     "spec": {"containers": [{"name": "app"}]}, "status": {}},
    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "newer", "uid": uid("newer"), "creationTimestamp": None},
     "spec": {"containers": [{"name": "app", "image": "a", "resources": None}], "initContainers": None},
     "status": None},
], NEW))

# As other programs than Kubernetes write pods: numbers as quantities, times with an offset, a state without a name.
shape("other writers", kubectl([
    pod("numbers", [container("int", resources=limits(cpu=2, memory=1073741824)),
                    container("float", resources=limits(cpu=0.5, memory=1.5e9)),
                    container("null", resources={"limits": {"cpu": None, "memory": ""}})],
        [status("int", running("2026-03-01T12:20:30.5+02:00"), "a+b.c-d1"),
         status("float", running("2026-03-01T10:20:30.1239Z"), None, containerID="bare" + digest("bare")),
         {"restartCount": 3}, status("null", {"waiting": {"startedAt": "2026-03-01T10:20:30Z"}}, None,
                                       containerID=None, restartCount=None)],
        spec={"initContainers": [container("policy", restartPolicy=None)]}),
], NEW))

one = [pod(f"single-{number}", [container("app")], [status("app", running())]) for number in range(3)]
shape("one pod", json.dumps(one[0], indent=4, sort_keys=True) + "\n")
shape("pods, one a line", "".join(json.dumps(item) + "\n" for item in one))
shape("pods that kubectl watches", "".join(json.dumps(item, indent=4) + "\n" for item in one))
shape("the lists of two namespaces", kubectl(one[:1], NEW) + kubectl(one[1:], NEW))
shape("an array of pods", json.dumps(one))
shape("an empty List", kubectl([], NEW))
shape("PowerShell", "\ufeff" + kubectl(one, NEW).replace("\n", "\r\n"))
