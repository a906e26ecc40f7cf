"""The samples in docs/samples that load a cluster every night: their commands run with a kubectl that plays a cluster,
which may fail."""

import configparser
import json
import os
import re
import subprocess

import pytest
from deadline import DEADLINE
from loading import Inventory, numbered, pod, pods, summary
from samples import crontab, manifest, sample, unit, verify_units, words
from service import BUILD, environment

CONFIG = "/etc/waybill-load/waybill.conf"
LIST = json.dumps(json.loads(pods(*(pod(f"web-{number}") for number in range(5)))), indent=4) + "\n"
EMPTY = pods() + "\n"
projects = numbered("nightly")


def container():
    """Returns the pod template of the CronJob, and its container."""
    template = manifest("waybill-load.yaml")["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    only, = template["containers"]
    return template, only


def cron_command():
    variables, command = crontab("waybill-load.cron")
    return variables, ["/bin/sh", "-c", command]


def unit_command():
    variables, command = unit("waybill-load.service")
    return variables, words(command)


def cronjob_command():
    _, only = container()
    return {variable["name"]: variable["value"] for variable in only["env"]}, only["command"]


COMMANDS = {"cron": cron_command, "systemd": unit_command, "kubernetes": cronjob_command}


class Night:
    """A sample that loads into a project of its own, with a kubectl that prints what a test wants."""

    def __init__(self, site, command, directory):
        self.stock = Inventory(site, next(projects))
        self.directory = str(directory)
        self.variables, self.command = command()
        self.config = os.path.join(self.directory, "waybill.conf")
        self.write_config("[inventory]\nloader_conninfo = "
                          + site.postgres.conninfo(site.database, "waybill_loader") + "\n")
        os.symlink(os.path.join(BUILD, "waybill"), os.path.join(self.directory, "waybill"))

    def write_config(self, text):
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)

    def kubectl(self, printed, end="exit 0"):
        """The program prints this, if it gets the arguments that it needs, and ends so."""
        with open(os.path.join(self.directory, "output"), "w", encoding="utf-8") as file:
            file.write(printed)
        path = os.path.join(self.directory, "kubectl")
        with open(path, "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\n[ "$*" = "get pods -A -o json" ] || exit 9\n'
                       f"cat '{self.directory}/output'\necho 'message of kubectl' >&2\n{end}\n")
        os.chmod(path, 0o755)

    def run(self):
        assert self.variables["WAYBILL_CONFIG"] == CONFIG
        command = [word.replace("--project demo", f"--project {self.stock.project}") for word in self.command]
        variables = {name: value.replace("--project demo", f"--project {self.stock.project}")
                     for name, value in self.variables.items()}
        done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=DEADLINE, check=False,
                              env=environment(**{**variables, "WAYBILL_CONFIG": self.config,
                                                 "PATH": f"{self.directory}:/usr/bin:/bin"}))
        assert "message of kubectl" in done.stderr, f"{done}"
        return done

    def rows(self):
        return self.stock.rows("container_id, cluster_name, cluster_type, source, xmin::text, ctid::text")


@pytest.fixture(scope="module")
def site(start):
    return start("load_samples").site


@pytest.fixture(params=COMMANDS)
def night(request, site, tmp_path):
    return Night(site, COMMANDS[request.param], tmp_path)


def test_a_night_and_the_next_one(night):
    night.kubectl(LIST)
    for counts in (summary(added=5), summary(unchanged=5)):
        done = night.run()
        assert done.returncode == 0, f"{done}"
        assert done.stdout == ("" if night.command[2].endswith(">/dev/null") else counts + "\n")
    assert [row[:4] for row in night.rows()] == [(f"uid-web-{n}/app", "prod", "k8s", "prod") for n in range(5)]
    night.stock.load("container_id\nother\n", "--source", "other")
    night.kubectl(pods(pod("web-3"), pod("web-9")))
    assert night.run().returncode == 0
    assert night.stock.rows() == ["other", "uid-web-3/app", "uid-web-9/app"]


@pytest.mark.parametrize("printed, end", [
    (EMPTY, "exit 1"), (pods(pod("web-1")) + "\n", "exit 1"), (LIST, "exit 1"), ("", "exit 1"),
    (LIST[:len(LIST) // 2], "exit 1"), (LIST[:len(LIST) // 2], "exit 0"), (LIST[:-2], "exit 0"), ("", "exit 0"),
    (EMPTY, "kill -KILL $$"), (LIST[:40], "kill -TERM $$"),
], ids=["an empty list", "a part of the pods", "the whole list", "nothing", "half of the list", "half, and it succeeds",
        "without the last bracket", "nothing, and it succeeds", "an empty list, and it is killed", "a killed one"])
def test_a_kubectl_that_fails_changes_nothing(night, printed, end):
    night.kubectl(LIST)
    assert night.run().returncode == 0
    before = night.rows()
    assert len(before) == 5
    night.kubectl(printed, end)
    done = night.run()
    assert done.returncode == 1 and "waybill: standard input" in done.stderr, f"{done}"
    assert night.rows() == before


def test_a_missing_kubectl_changes_nothing(night):
    night.kubectl(EMPTY, end="exit 127")
    night.stock.load("container_id\na\n", "--source", "prod")
    assert night.run().returncode == 1 and night.stock.rows() == ["a"]


def test_skipped_records(site, tmp_path):
    """With --on-error skip, what follows the list is a refused record: no container is removed."""
    night = Night(site, unit_command, tmp_path)
    night.command = [word.replace("--replace", "--replace --on-error skip") for word in night.command]
    night.stock.load("container_id\na\n", "--source", "prod")
    night.kubectl(pods(pod("web-1")), "exit 1")
    done = night.run()
    assert done.returncode == 3 and done.stdout == summary(added=1, refused=1) + "\n", f"{done}"
    assert night.stock.rows() == ["a", "uid-web-1/app"]


def test_a_list_that_is_cut_off_anywhere(site):
    """Only the newline at the end may be missing."""
    stock = Inventory(site, next(projects))
    stock.load(LIST)
    before = stock.rows("container_id, xmin::text")
    whole = len(LIST) - 1
    for length in {*range(0, whole, 97), *range(whole - 8, whole), LIST.index("}"), LIST.index("},") + 1}:
        for options in ([], ["--on-error", "skip"]):
            assert "removed=0" in stock.load(LIST[:length], "--replace", *options, status=1), length
    assert stock.rows("container_id, xmin::text") == before
    assert stock.load(LIST[:whole], "--replace") == summary(unchanged=5)


def test_the_units_are_valid(tmp_path):
    verify_units(tmp_path, "waybill-load.service", "waybill-load.timer")


def test_the_documents_have_the_command_of_the_samples():
    pipe = re.compile(r"\(kubectl get pods -A -o json \|\| echo failed\)\s*\|\s*waybill inventory load")
    texts = [command()[1][2] for command in COMMANDS.values()]
    for path in ("README.md", "man/waybill-deploy.7"):
        texts.append(sample("../../" + path))
    assert all(pipe.search(text) for text in texts), texts


def test_the_manifest():
    objects = manifest("waybill-load.yaml")
    assert {kind: document["apiVersion"] for kind, document in objects.items()} == {
        "ServiceAccount": "v1", "Secret": "v1", "CronJob": "batch/v1",
        "ClusterRole": "rbac.authorization.k8s.io/v1", "ClusterRoleBinding": "rbac.authorization.k8s.io/v1"}
    assert objects["ClusterRole"]["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    binding = objects["ClusterRoleBinding"]
    assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                                  "name": objects["ClusterRole"]["metadata"]["name"]}
    account = objects["ServiceAccount"]["metadata"]["name"]
    assert [(subject["kind"], subject["name"]) for subject in binding["subjects"]] == [("ServiceAccount", account)]
    assert f"kubectl create namespace {binding['subjects'][0]['namespace']}" in sample("waybill-load.yaml")

    schedule = objects["CronJob"]["spec"]
    assert re.fullmatch(r"[0-9]+ [0-9]+ \* \* \*", schedule["schedule"])
    assert schedule["concurrencyPolicy"] == "Forbid"
    assert set(schedule) == {"schedule", "timeZone", "concurrencyPolicy", "startingDeadlineSeconds", "jobTemplate"}
    assert schedule["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 0
    template, only = container()
    assert template["serviceAccountName"] == account and template["restartPolicy"] == "Never"
    assert template["securityContext"]["runAsNonRoot"] and only["securityContext"]["readOnlyRootFilesystem"]


def test_the_configuration_in_the_secret(site, tmp_path):
    """The container finds it where WAYBILL_CONFIG says, and it is all that a load needs."""
    secret = manifest("waybill-load.yaml")["Secret"]
    template, only = container()
    volume, = template["volumes"]
    mount, = only["volumeMounts"]
    assert volume["name"] == mount["name"] and volume["secret"]["secretName"] == secret["metadata"]["name"]
    assert volume["secret"]["defaultMode"] == 0o440 and mount["readOnly"]
    (name, text), = secret["stringData"].items()
    assert os.path.join(mount["mountPath"], name) == CONFIG

    config = configparser.ConfigParser(interpolation=None)
    config.read_string(text)
    assert config.sections() == ["inventory"] and list(config["inventory"]) == ["loader_conninfo"]
    sampled = config["inventory"]["loader_conninfo"]
    settings = dict(setting.split("=") for setting in sampled.split())
    assert settings["user"] == "waybill_loader"
    night = Night(site, cronjob_command, tmp_path)
    night.write_config(text.replace(sampled, site.postgres.conninfo(site.database, settings["user"])))
    night.kubectl(LIST)
    assert night.run().stdout == summary(added=5) + "\n"
