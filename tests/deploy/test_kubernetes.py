"""k8s/, rendered and looked through: fields, references, probes, rights, and who may talk to whom."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.composition import PARTICIPANTS, SERVICES, SHEP
from sandbox.deployment import SERVERS

from .compose_file import ROOT
from .kubernetes_models import is_core, problems
from .kustomize import Object, containers, render

K8S = ROOT / "k8s"
FOLDERS = {folder.name: folder for folder in (K8S / "base", K8S / "overlays/dev", K8S / "overlays/production")}
RENDERED = {name: render(folder) for name, folder in FOLDERS.items()}
BASE, PRODUCTION = RENDERED["base"], RENDERED["production"]
CODES = [service.code for service in SERVICES]
PORTS = {service.code: service.port for service in SERVICES}
each_folder = pytest.mark.parametrize("folder", FOLDERS)

# The operators' kinds: the fields of `spec` that we use, those without which it means nothing first. By hand, from the
# operators' reference; their schemas are not in any package.
LASTING = {"name", "vhost", "rabbitmqClusterReference"}
OPERATORS_KINDS: dict[tuple[str, str], tuple[set[str], set[str]]] = {
    ("rabbitmq.com/v1beta1", "RabbitmqCluster"): (
        {"replicas", "persistence"}, {"image", "tls", "rabbitmq", "resources"},
    ),
    ("rabbitmq.com/v1beta1", "Vhost"): ({"name", "rabbitmqClusterReference"}, set()),
    ("rabbitmq.com/v1beta1", "User"): ({"importCredentialsSecret", "rabbitmqClusterReference"}, set()),
    ("rabbitmq.com/v1beta1", "Permission"): (
        {"vhost", "userReference", "permissions", "rabbitmqClusterReference"}, set(),
    ),
    ("rabbitmq.com/v1beta1", "Exchange"): ({*LASTING, "type", "durable"}, {"autoDelete", "arguments"}),
    ("rabbitmq.com/v1beta1", "Queue"): ({*LASTING, "type", "durable"}, {"autoDelete", "arguments"}),
    ("rabbitmq.com/v1beta1", "Binding"): (
        {"vhost", "source", "destination", "destinationType", "rabbitmqClusterReference"}, {"routingKey"},
    ),
    ("postgresql.cnpg.io/v1", "Cluster"): (
        {"instances", "storage"}, {"enableSuperuserAccess", "postgresql", "managed", "resources"},
    ),
    ("postgresql.cnpg.io/v1", "Database"): ({"cluster", "name", "owner"}, {"ensure"}),
}  # fmt: skip


def named(objects: list[Object], kind: str) -> dict[str, Object]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def pods(objects: list[Object]) -> dict[str, Object]:
    """The pod templates of everything that runs, by its name."""
    return {
        one["metadata"]["name"]: one["spec"]["template"] for one in objects if one["kind"] in ("StatefulSet", "Job")
    }


# ---- form


@each_folder
def test_every_object_of_kubernetes_has_the_fields_of_its_kind(folder: str) -> None:
    assert [problem for one in RENDERED[folder] if is_core(one) for problem in problems(one)] == []


@each_folder
def test_every_object_of_the_operators_has_the_fields_we_know(folder: str) -> None:
    for one in RENDERED[folder]:
        if not is_core(one):
            needed, allowed = OPERATORS_KINDS[one["apiVersion"], one["kind"]]
            assert needed <= set(one["spec"]) <= needed | allowed, one["metadata"]


MISTAKES = {
    "no such field": ["spec", "template", "spec", "containers", 0, "imagePullPolice"],
    "not a list": ["spec", "template", "spec", "volumes"],
    "is not int": ["spec", "replicas"],
}


@pytest.mark.parametrize("says", MISTAKES)
def test_a_wrong_field_would_be_noticed(says: str) -> None:
    one = deepcopy(named(BASE, "StatefulSet")["portal-pep"])
    *way, last = MISTAKES[says]
    place: Any = one
    for part in way:
        place = place[part]
    place[last] = "2"
    assert any(says in problem for problem in problems(one))
    del one["spec"]["selector"]
    assert any("spec.selector: missing" in problem for problem in problems(one))


@each_folder
def test_no_two_objects_have_one_name(folder: str) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in RENDERED[folder]]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", name) for _, name in names)


@each_folder
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kustomize's own answer needs kubectl")
def test_kustomize_renders_the_same(folder: str) -> None:
    printed = subprocess.run(["kubectl", "kustomize", str(FOLDERS[folder])], capture_output=True, check=True).stdout
    theirs = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(printed)}
    assert theirs == {(one["kind"], one["metadata"]["name"]): one for one in RENDERED[folder]}


# ---- references


def test_selectors_find_the_pods_they_mean() -> None:
    for code in CODES:
        labels = pods(BASE)[code]["metadata"]["labels"]
        selectors = [
            named(BASE, "Service")[code]["spec"]["selector"],
            named(BASE, "StatefulSet")[code]["spec"]["selector"]["matchLabels"],
            named(BASE, "PodDisruptionBudget")[code]["spec"]["selector"]["matchLabels"],
        ]
        assert all(selector == {"app.kubernetes.io/name": code} for selector in selectors)
        assert selectors[0].items() <= labels.items()
        assert named(BASE, "StatefulSet")[code]["spec"]["serviceName"] == code


def secret_files(template: Object) -> Iterator[tuple[str, str | None, str | None]]:
    """(Secret, its key, the file it becomes) of a pod; without items every key is a file of its name."""
    for volume in template["spec"]["volumes"]:
        for source in volume.get("projected", {}).get("sources", []):
            secret = source["secret"]
            for item in secret.get("items", [{}]):
                yield secret["name"], item.get("key"), item.get("path")


def made_by_script(tmp_path: Path) -> dict[str, set[str]]:
    """Secret -> keys, as k8s/secrets.sh asks kubectl for them, over the files of a first start."""
    from egovkit.bus.topology import Topology
    from egovkit.clock import SystemClock
    from egovkit.ids import SystemIds
    from sandbox.composition import Home
    from sandbox.deployment import make_all_secrets

    clock = SystemClock()
    folder = tmp_path / "secrets"
    make_all_secrets(Home(folder, secrets=folder), Topology.load(ROOT / "contracts"), clock, SystemIds(clock))
    fake = tmp_path / "bin/kubectl"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\n[ "$1" = create ] && echo "$@" >> {tmp_path}/calls || cat >/dev/null\n')
    fake.chmod(0o755)
    environment = {"PATH": f"{fake.parent}:{os.defpath}"}
    subprocess.run(["sh", str(K8S / "secrets.sh"), str(folder)], env=environment, check=True)
    made = {}
    for call in (tmp_path / "calls").read_text().splitlines():
        kind, name, *rest = call.split()[2:]
        given = re.findall(r"--from-(?:file|literal)=(\S+)", call)
        keys = {one.partition("=")[0] if "=" in one else Path(one).name for one in given}
        made[name] = {"tls.crt", "tls.key"} if kind == "tls" else keys
        for file in re.findall(rf"{folder}/[\w.-]+", call):
            assert Path(file).is_file(), file
        assert "--namespace egov" in " ".join(rest)
    return made


def test_the_script_makes_every_secret_that_is_referred_to(tmp_path: Path) -> None:
    made = made_by_script(tmp_path)
    wanted: dict[str, set[str]] = {"rabbitmq-tls": {"tls.crt", "tls.key"}}
    for template in pods(BASE).values():
        for name, key, _ in secret_files(template):
            wanted.setdefault(name, set()).update({key} if key else set())
    for user in named(BASE, "User").values():
        wanted.setdefault(user["spec"]["importCredentialsSecret"]["name"], set()).update({"username", "password"})
    for role in named(BASE, "Cluster")["postgres"]["spec"]["managed"]["roles"]:
        wanted.setdefault(role["passwordSecret"]["name"], set()).update({"username", "password"})
    assert wanted.pop("postgres-ca") == {"ca.crt"}, "CloudNativePG makes it"
    assert set(made) == set(wanted)
    assert {name: keys - made[name] for name, keys in wanted.items() if keys - made[name]} == {}


def test_every_file_a_service_is_told_of_is_there(tmp_path: Path) -> None:
    made = made_by_script(tmp_path)
    for code in CODES:
        template = pods(BASE)[code]
        given = {path for _, _, path in secret_files(template) if path}
        given |= {key for name, item, _ in secret_files(template) if item is None for key in made[name]}
        config = named(BASE, "ConfigMap")[code]["data"]
        assert set(re.findall(r"/run/secrets/([\w.-]+)", str(config))) <= given
        mounts = [mount["mountPath"] for mount in containers({"spec": {"template": template}})[0]["volumeMounts"]]
        for path in re.findall(r"(?<![\w:/])(/[\w./-]+)", " ".join(config.values())):
            assert any(path.startswith(f"{mount}/") for mount in mounts), (code, path)


def test_every_volume_of_a_pod_is_there_and_used() -> None:
    for name, template in pods(BASE).items():
        spec = template["spec"]
        claims = {one["metadata"]["name"] for one in named(BASE, "StatefulSet").get(name, {}).get("spec", {}).get(
            "volumeClaimTemplates", [])}  # fmt: skip
        volumes = {volume["name"] for volume in spec["volumes"]} | claims
        mounted = {
            mount["name"] for one in containers({"spec": {"template": template}}) for mount in one["volumeMounts"]
        }
        assert mounted == volumes, name
        for volume in spec["volumes"]:
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            assert claim is None or claim in named(BASE, "PersistentVolumeClaim")


def test_no_secret_value_is_in_the_repository() -> None:
    assert all(not named(objects, "Secret") for objects in RENDERED.values())


# ---- how a pod is kept


@pytest.mark.parametrize("name", pods(BASE))
def test_a_pod_can_do_no_more_than_it_has_to(name: str) -> None:
    spec = pods(BASE)[name]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False, "Kubernetes would set PORTAL_PEP_PORT to an address"
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["seccompProfile"]
    for container in containers({"spec": {"template": pods(BASE)[name]}}):
        kept = container["securityContext"]
        assert kept["readOnlyRootFilesystem"] and not kept["allowPrivilegeEscalation"]
        assert kept["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"]


@pytest.mark.parametrize("code", CODES)
def test_a_service_is_asked_how_it_is(code: str) -> None:
    [container] = pods(BASE)[code]["spec"]["containers"]
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/health/live", "liveness": "/health/live", "readiness": "/health/ready"}
    assert named(BASE, "PodDisruptionBudget")[code]["spec"]["maxUnavailable"] == 1
    [instance] = container["env"]
    assert instance["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}, "a journal writer of its own"


def test_only_what_scales_has_replicas_and_what_replicas_share_can_be_shared() -> None:
    scaled = {name for name, one in named(PRODUCTION, "StatefulSet").items() if one["spec"]["replicas"] > 1}
    assert scaled == {service.code for service in SERVICES if service.scales}
    claims = named(PRODUCTION, "PersistentVolumeClaim")
    assert all(claims[name]["spec"]["accessModes"] == ["ReadWriteMany"] for name in ("keys", SHEP))


def test_an_ingress_leads_to_a_service_that_the_ingress_controller_may_reach() -> None:
    for name, ingress in named(PRODUCTION, "Ingress").items():
        [rule] = ingress["spec"]["rules"]
        assert rule["http"]["paths"][0]["backend"]["service"] == {"name": name, "port": {"name": "http"}}
        assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]
        assert f"{name}-public" in named(PRODUCTION, "NetworkPolicy")


# ---- by hand


def rotating() -> Object:
    text = (ROOT / "k8s/rotate-key.yaml").read_text().replace("SYSTEM", "portal-pep")
    found: Object = yaml.safe_load(text)
    return found


def test_the_job_that_rotates_a_key_has_what_the_first_start_had_and_reaches_every_system() -> None:
    job, first = rotating(), pods(BASE)["bootstrap"]
    assert problems(job) == []
    pod, seen = job["spec"]["template"]["spec"], first["spec"]
    assert pod["containers"][0]["command"] == ["/app/bin/egov", "keys", "rotate", "portal-pep"]
    for same in ("securityContext", "volumes"):
        assert pod[same] == seen[same]
    labels = job["spec"]["template"]["metadata"]["labels"]
    policies = {name: one["spec"] for name, one in named(BASE, "NetworkPolicy").items() if name.startswith("operator-")}
    assert selects(policies["operator-egress"]["podSelector"], labels)
    for code in PARTICIPANTS:
        assert selects(policies["operator-ingress"]["podSelector"], labels_of(code))


# ---- who may talk to whom

OUTSIDE = {"ingress-nginx": "ingress-nginx", "stranger": "default"}  # a pod of another namespace, by its name


def labels_of(name: str) -> dict[str, str]:
    if name == "rabbitmq":
        return {"app.kubernetes.io/name": "rabbitmq"}  # as its operator labels it
    if name == "postgres":
        return {"cnpg.io/cluster": "postgres"}
    return dict(pods(BASE)[name]["metadata"]["labels"]) if name in pods(BASE) else {}


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels.items()


def is_peer(peer: dict[str, Any], name: str) -> bool:
    """Whether a pod is one that `from` or `to` means. Without a namespace its own is meant."""
    outside = name in OUTSIDE
    if "namespaceSelector" in peer:
        spaces = {"kubernetes.io/metadata.name": OUTSIDE.get(name, "egov")}
        return selects(peer["namespaceSelector"], spaces) and selects(peer.get("podSelector", {}), labels_of(name))
    return not outside and selects(peer["podSelector"], labels_of(name))


def lets(direction: str, of: str, other: str, port: int) -> bool:
    """Whether the policies over pod `of` let it exchange with `other` in this direction. Without any, all is let."""
    policies = [
        one["spec"]
        for one in named(BASE, "NetworkPolicy").values()
        if direction.capitalize() in one["spec"]["policyTypes"] and selects(one["spec"]["podSelector"], labels_of(of))
    ]
    side = "from" if direction == "ingress" else "to"
    for rule in (rule for policy in policies for rule in policy.get(direction, [])):
        peers, ports = rule.get(side), [one["port"] for one in rule.get("ports", [])]
        if (peers is None or any(is_peer(peer, other) for peer in peers)) and (not ports or port in ports):
            return True
    return not policies


def may_talk(source: str, target: str, port: int) -> bool:
    leaves = source in OUTSIDE or lets("egress", source, target, port)
    return leaves and lets("ingress", target, source, port)


def test_only_who_must_talks_to_whom() -> None:
    ports = {**PORTS, "rabbitmq": 5671, "postgres": 5432}
    sources = [*CODES, "bootstrap", *OUTSIDE]
    may = {(a, b) for a in sources for b in ports if a != b and may_talk(a, b, ports[b])}
    members = {*PARTICIPANTS, "bootstrap"}
    public = {"portal-pep", "con-arm", "provider-arm", SHEP, "regional-gateway-rshep"}
    expected = {(member, "nuc-mock") for member in members}
    expected |= {(member, SHEP) for member in members - {SHEP}}
    expected |= {(code, "rabbitmq") for code in PARTICIPANTS} | {(code, "postgres") for code in CODES}
    expected |= {("ingress-nginx", code) for code in public}
    assert may == expected


@pytest.mark.parametrize("server", SERVERS)
def test_nobody_reaches_a_server_by_another_of_its_doors(server: str) -> None:
    doors = {"rabbitmq": (5672, 15672, 15671, 25672, 4369), "postgres": (8000,)}[server]
    assert not any(may_talk(code, server, port) for code in [*CODES, "bootstrap", *OUTSIDE] for port in doors)
    assert may_talk(server, server, doors[-1]), "its own nodes do"
