"""Compose, Kubernetes, Dockerfiles, settings, ports, topology and participants name the same things."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from egovkit.bus.topology import Topology
from egovkit.ids import SystemIds
from egovkit.signatures.pdf import AT_ONCE
from egovkit.signatures.pdf_reading import MEGABYTE, MEMORY
from egovkit.testing.plugin import START
from sandbox.composition import ADMINISTERED, BY_CODE, PARTICIPANTS, SERVICES, Home, Service
from sandbox.deployment import SERVERS, broker_definitions, make_all_secrets
from sandbox.kubernetes import broker_objects, to_yaml

from .deploy.compose_file import BASE, ROOT, TLS, Image, image, project
from .deploy.kustomize import render

CODES = [service.code for service in SERVICES]
ALL = pytest.mark.parametrize("service", SERVICES, ids=CODES)
COMPOSE, WITH_TLS = project(BASE), project(BASE, TLS)
LIBRARY = {"PGSSLROOTCERT"}  # asyncpg reads it: whom to trust as PostgreSQL
OF_ALL = {"EGOV_CONTRACTS", "EGOV_HOME", "PYTHONUNBUFFERED"}
NOT_DEPLOYED = {"sandbox", "ncalayer-mock"}  # ours, and a program of the citizen's own computer
ONCE = {"secrets", "databases", "keys", "register", "operator"}
K8S = ROOT / "k8s"
OBJECTS = {(one["kind"], one["metadata"]["name"]): one for one in render(K8S / "base")}


def folder(service: Service) -> Path:
    [found] = [path.parents[2] for path in ROOT.glob(f"**/src/{service.package}/app.py") if ".venv" not in path.parts]
    return found


def image_of(service: Service) -> Image:
    return image(folder(service) / "Dockerfile")


def variables(service: Service) -> set[str]:
    """What the service reads from its environment."""
    return {f"{service.prefix}{name}".upper() for name in service.settings_class.model_fields}


def unread(service: Service, environment: Mapping[str, object]) -> set[str]:
    """Variables that nobody would ever look at."""
    return set(environment) - variables(service) - LIBRARY - OF_ALL


def config_of(service: Service) -> dict[str, str]:
    data: dict[str, str] = OBJECTS["ConfigMap", service.code]["data"]
    return data


def pod_of(service: Service) -> dict[str, Any]:
    pod: dict[str, Any] = OBJECTS["StatefulSet", service.code]["spec"]["template"]["spec"]
    return pod


def reads_pdfs(service: Service) -> bool:
    """Both origins fetch signed pages, and the portal checks anybody's."""
    return "egovorigin" in (folder(service) / "pyproject.toml").read_text()


# ---- every service is everywhere


def test_compose_runs_every_service_and_nothing_unknown() -> None:
    assert set(COMPOSE["services"]) == {*CODES, *SERVERS, *ONCE}
    assert set(WITH_TLS["services"]) == set(COMPOSE["services"])


def test_every_service_folder_has_its_image_its_compose_and_its_kubernetes_part() -> None:
    apps = {path.parents[2] for path in ROOT.glob("**/src/*/__main__.py") if ".venv" not in path.parts}
    assert {path.name for path in apps} == {*CODES, *NOT_DEPLOYED}
    for path in (path for path in apps if path.name not in NOT_DEPLOYED):
        assert (path / "Dockerfile").is_file()
        assert COMPOSE["services"][path.name]["image"] == f"egov/{path.name}:dev"
        assert COMPOSE["services"][path.name]["build"]["dockerfile"] == f"{path.relative_to(ROOT)}/Dockerfile"
        assert (K8S / "base" / f"{path.name}.yaml").is_file()


@ALL
def test_kubernetes_has_every_part_of_a_service(service: Service) -> None:
    kinds = {kind for kind, name in OBJECTS if name == service.code}
    assert kinds >= {"ConfigMap", "Service", "StatefulSet", "PodDisruptionBudget", "Database"}
    assert kinds >= {"User", "Permission"} or not service.on_bus


def test_every_overlay_names_every_image() -> None:
    built = {f"egov/{code}" for code in [*CODES, "sandbox"]}
    for overlay in (K8S / "overlays").iterdir():
        named = yaml.safe_load((overlay / "kustomization.yaml").read_text())["images"]
        assert {one["name"] for one in named} == built, overlay.name


# ---- ports


@ALL
def test_a_service_has_one_port_everywhere(service: Service) -> None:
    assert service.settings_class.model_fields["port"].default == service.port
    built = image_of(service)
    assert built.exposed == [service.port]
    asked = re.findall(r"http://127\.0\.0\.1:(\d+)/health/ready", " ".join(built.healthcheck["test"]))
    assert asked == [str(service.port)]
    [published] = COMPOSE["services"][service.code]["ports"]
    assert published.split(":")[-2:] == [str(service.port)] * 2
    assert [port["port"] for port in OBJECTS["Service", service.code]["spec"]["ports"]] == [service.port]
    assert pod_of(service)["containers"][0]["ports"] == [{"name": "http", "containerPort": service.port}]


def test_every_url_names_a_service_at_its_port() -> None:
    texts = [str(COMPOSE["services"]), str(WITH_TLS["services"]), str(list(OBJECTS.values()))]
    for text in texts:
        for host, port in re.findall(r"https?://([a-z-]+):(\d+)", text):
            assert BY_CODE[host].port == int(port)
        for host, port in re.findall(r"@([a-z-]+):(\d+)", text):
            known = {("rabbitmq", "5672"), ("rabbitmq", "5671"), ("postgres", "5432"), ("postgres-rw", "5432")}
            assert (host, port) in known


def test_only_the_portal_is_published_to_the_world() -> None:
    world = {name for name, one in COMPOSE["services"].items() for p in one.get("ports", []) if p.count(":") == 1}
    assert world == {"portal-pep"}


# ---- variables


@ALL
def test_every_variable_is_one_that_the_service_reads(service: Service) -> None:
    assert unread(service, image_of(service).environment) == set()
    assert unread(service, COMPOSE["services"][service.code]["environment"]) == set()
    assert unread(service, WITH_TLS["services"][service.code]["environment"]) == set()
    assert unread(service, config_of(service)) == set()
    assert unread(service, {one["name"]: "" for one in pod_of(service)["containers"][0]["env"]}) == set()


def test_a_misspelt_variable_would_be_noticed() -> None:
    assert unread(BY_CODE["con-arm"], {"CON_ARM_DATABASE_URL": "x", "PORTAL_PEP_DB_URL": "x"}) == {
        "CON_ARM_DATABASE_URL", "PORTAL_PEP_DB_URL"
    }  # fmt: skip


@ALL
def test_compose_and_kubernetes_set_the_same_variables(service: Service) -> None:
    """Paths and names are the same too; only the servers are reached in another way."""
    compose = {**image_of(service).environment, **WITH_TLS["services"][service.code]["environment"]}
    kubernetes = config_of(service)
    assert set(kubernetes) == set(compose) - {f"{service.prefix}HOME"} - OF_ALL
    servers = {f"{service.prefix}DB_URL", f"{service.prefix}AMQP_URL", *LIBRARY}
    differing = {name for name in kubernetes if kubernetes[name] != compose[name]}
    assert differing <= servers


@ALL
def test_what_the_sandbox_sets_compose_sets(service: Service, tmp_path: Path) -> None:
    """A field that the sandbox gives a service and compose forgets would work in every test but those of compose."""
    from sandbox.composition import values_for

    given = values_for(service, Home(tmp_path), dict.fromkeys(CODES, "http://x"), service.port)
    own = given.keys() & service.settings_class.model_fields.keys() - {"home", "host", "port", "instance"}
    if not service.on_bus:
        own -= {"trust_root", "nuc_url", "shep_url"}  # НУЦ's twin trusts nobody and calls nobody
    if service.code == "gateway-shep":
        own -= {"shep_url"}
    assert {f"{service.prefix}{name}".upper() for name in own} <= set(COMPOSE["services"][service.code]["environment"])


# ---- secrets


@ALL
def test_every_secret_that_is_read_is_given_and_every_one_given_is_read(service: Service) -> None:
    for file in (COMPOSE, WITH_TLS):
        one = file["services"][service.code]
        read = set(re.findall(r"/run/secrets/([\w.-]+)", str(one["environment"])))
        assert read == set(one["secrets"])


def test_the_first_start_makes_exactly_the_secrets_that_are_used(tmp_path: Path) -> None:
    from egovkit.clock import HandClock

    home = Home(tmp_path, secrets=tmp_path / "secrets")
    clock = HandClock(START)
    make_all_secrets(home, topology(), clock, SystemIds(clock))
    made = {path.name for path in (tmp_path / "secrets").iterdir()}
    declared = set(WITH_TLS["secrets"])
    used = {secret for one in WITH_TLS["services"].values() for secret in one.get("secrets", [])}
    assert declared == used
    # For people: RabbitMQ has the hash of the one; the other is of the sandbox's clock, which compose does not offer.
    operators = {"operator.amqp", "clock.admin"}
    assert made == used | operators
    assert home.tls_root.name in used
    assert all(one["file"] == f"./secrets/{name}" for name, one in WITH_TLS["secrets"].items())


def test_no_url_holds_a_password() -> None:
    files = [BASE, TLS, *(ROOT / "compose").iterdir(), *K8S.rglob("*.yaml")]
    assert [path.name for path in files if re.search(r"://[^/\s:@]+:[^/\s@]+@", path.read_text())] == []


def test_whatever_is_mounted_is_a_file_because_nothing_can_be_written_into_the_containers() -> None:
    for one in (*WITH_TLS["secrets"].values(), *WITH_TLS["configs"].values()):
        assert set(one) == {"file"}
    assert all((ROOT / one["file"]).is_file() for one in WITH_TLS["configs"].values())


def test_git_and_images_never_see_the_secrets() -> None:
    assert "/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    assert "secrets" in (ROOT / ".dockerignore").read_text().splitlines()


# ---- broker and database


def topology() -> Topology:
    return Topology.load(ROOT / "contracts")


def participants() -> dict[str, dict[str, Any]]:
    found = yaml.safe_load((ROOT / "contracts/participants.yaml").read_text())["participants"]
    return {one["code"]: one for one in found}


def test_queues_participants_and_services_are_the_same_systems() -> None:
    assert set(topology().systems) == set(participants()) == set(PARTICIPANTS)
    assert {queue.owner for queue in topology().queues} <= set(CODES)
    assert {code: one["broker_user"] for code, one in participants().items()} == {code: code for code in PARTICIPANTS}


@ALL
def test_a_service_comes_to_the_servers_as_itself(service: Service) -> None:
    for environment in (COMPOSE["services"][service.code]["environment"], config_of(service)):
        database = environment[f"{service.prefix}DB_URL"]
        assert re.match(rf"postgresql://{service.code}@[a-z-]+:5432/egov_{service.package}(\?|$)", database)
        broker = environment.get(f"{service.prefix}AMQP_URL")
        assert (broker is not None) == service.on_bus
        if broker:
            user = participants()[service.code]["broker_user"]
            assert re.match(rf"amqps?://{user}@rabbitmq:\d+/{topology().vhost}(\?|$)", broker)


def test_the_broker_has_a_user_and_rights_for_every_participant(tmp_path: Path) -> None:
    from egovkit.clock import HandClock

    clock = HandClock(START)
    home = Home(tmp_path)
    make_all_secrets(home, topology(), clock, SystemIds(clock))
    made = broker_definitions(home, topology())
    assert {user["name"] for user in made["users"]} == {*PARTICIPANTS, "operator"}
    assert {right["user"] for right in made["permissions"] if right["configure"] != "^$"} == {"operator"}
    assert [queue["name"] for queue in made["queues"]] == list(topology().names)
    passwords = {home.broker_password(code).read_text() for code in PARTICIPANTS}
    assert not any(password in str(made) for password in passwords)


def test_the_kubernetes_topology_is_made_from_the_contract() -> None:
    made = to_yaml(broker_objects(topology()))
    assert (K8S / "base/broker-topology.yaml").read_text() == made, (
        "egov bootstrap topology > k8s/base/broker-topology.yaml"
    )


def test_every_database_has_its_role_and_its_rule() -> None:
    cluster = OBJECTS["Cluster", "postgres"]["spec"]
    assert {role["name"]: role["passwordSecret"]["name"] for role in cluster["managed"]["roles"]} == {
        code: f"{code}-db" for code in CODES
    }
    for service in SERVICES:
        database = OBJECTS["Database", service.code]["spec"]
        assert (database["name"], database["owner"]) == (f"egov_{service.package}", service.code)
        rule = f"hostssl egov_{service.package} {service.code} all scram-sha-256"
        assert rule in cluster["postgresql"]["pg_hba"]
    assert cluster["postgresql"]["pg_hba"][-1] == "host all all all reject"


def test_both_deployments_start_for_the_first_time_with_the_same_commands() -> None:
    job = OBJECTS["Job", "bootstrap"]["spec"]["template"]["spec"]
    for step in (*job["initContainers"], *job["containers"]):
        assert [*step["command"], *step["args"]] == WITH_TLS["services"][step["name"]]["command"]


# ---- how a container is kept


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_container_can_do_no_more_than_it_has_to(name: str) -> None:
    one = COMPOSE["services"][name]
    assert one["read_only"] and one["security_opt"] == ["no-new-privileges:true"] and one["cap_drop"] == ["ALL"]
    assert one["deploy"]["resources"]["limits"]["memory"]
    assert one["restart"] == ("no" if name in ONCE else "unless-stopped")
    assert "privileged" not in one and not any("docker.sock" in volume for volume in one.get("volumes", []))
    assert (one.get("user") == "0:0") == (name == "secrets"), "only it gives files away, and it has no network"


@pytest.mark.parametrize("service", [one for one in SERVICES if reads_pdfs(one)], ids=lambda one: one.code)
def test_where_strangers_pdfs_are_read_there_is_room_for_the_worst_of_them(service: Service) -> None:
    """Kubernetes ends the whole container where one process of it takes too much."""
    needed = 200 * MEGABYTE + AT_ONCE * MEMORY
    limit = COMPOSE["services"][service.code]["deploy"]["resources"]["limits"]["memory"]
    [container] = pod_of(service)["containers"]
    assert limit == "1G" and container["resources"]["limits"]["memory"] == "1Gi" and needed <= 1024 * MEGABYTE


def test_portal_and_centre_read_strangers_pdfs() -> None:
    assert {service.code for service in SERVICES if reads_pdfs(service)} == {"portal-pep", "con-arm"}


@ALL
def test_an_image_runs_as_the_user_that_the_deployments_count_on(service: Service) -> None:
    text = (folder(service) / "Dockerfile").read_text()
    assert "--uid 10001 " in text and image_of(service).user == "egov"
    assert pod_of(service)["securityContext"]["runAsUser"] == 10001
    assert COMPOSE["services"][service.code]["group_add"] == ["10001"]
    assert image_of(service).command == ["/app/bin/python", "-m", service.package]


def needed(member: Path) -> set[Path]:
    """The member's folder, and those of the members it depends on."""
    sources = tomllib.loads((member / "pyproject.toml").read_text())["tool"].get("uv", {}).get("sources", {})
    members = [path.parent for place in ("*", "libs/*", "services/*") for path in ROOT.glob(f"{place}/pyproject.toml")]
    return {member}.union(*(needed(other) for other in members if other.name in sources))


@pytest.mark.parametrize("name", [*CODES, "sandbox"])
def test_an_image_holds_every_package_that_its_service_needs(name: str) -> None:
    """Nothing else would: pip is told to look for no dependencies."""
    member = ROOT / "sandbox" if name == "sandbox" else folder(BY_CODE[name])
    installed = set(re.findall(r"(?:\./|-e /)([\w/-]+)", (member / "Dockerfile").read_text()))
    assert installed == {path.relative_to(ROOT).as_posix() for path in needed(member)}


def test_the_first_start_reads_the_tokens_it_needs_and_no_more() -> None:
    given = {name: set(COMPOSE["services"][name].get("secrets", [])) for name in ONCE}
    assert given["secrets"] == set()
    assert given["databases"] == {f"{code}.db" for code in [*CODES, "operator"]}
    assert given["keys"] == {"nuc-mock.admin"} | {f"{code}.keystore" for code in PARTICIPANTS}
    assert given["register"] == {"gateway-shep.admin"}
    assert {"nuc-mock", "gateway-shep"} <= set(ADMINISTERED)


def test_the_tests_that_compose_has_to_pass_exist() -> None:
    e2e = ROOT / "tests/e2e"
    named = re.findall(r'"(test_\w+)"', (e2e / "conftest.py").read_text())
    written = "".join(path.read_text() for path in e2e.glob("test_*.py"))
    assert named and all(f"def {name}(" in written for name in named)
