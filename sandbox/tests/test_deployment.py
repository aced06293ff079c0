"""The first start of a deployment that compose or Kubernetes start: what is made, once, and by whom it can be read."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from typer.testing import CliRunner

from egovkit.bus.topology import Topology
from egovkit.clock import HandClock
from egovkit.contracts import contracts_dir
from egovkit.ids import Ids
from egovkit.signatures.certificates import load_certificate, load_certificates
from egovkit.signatures.keys import SigningKey, thumbprint
from egovkit.testing.pki import TestPki
from sandbox.bootstrap import register_certificates, write_private
from sandbox.cli import app
from sandbox.composition import NUC, PARTICIPANTS, SERVICES, SHEP, Home
from sandbox.deployment import CERTIFIED, DEFINITIONS, broker_definitions, make_all_secrets, share
from sandbox.kubernetes import broker_objects, to_yaml

TOPOLOGY = Topology.load(contracts_dir())


@pytest.fixture
def home(tmp_path: Path, clock: HandClock, ids: Ids) -> Home:
    made = Home(tmp_path / "home", secrets=tmp_path / "secrets")
    make_all_secrets(made, TOPOLOGY, clock, ids)
    return made


def files(home: Home) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in home.tls_root.parent.iterdir()}


def test_every_service_gets_passwords_of_its_own(home: Home) -> None:
    names = [f"{service.code}.db" for service in SERVICES] + [f"{code}.amqp" for code in PARTICIPANTS]
    names += [f"{code}.{kind}" for code in PARTICIPANTS for kind in ("keystore", "journal")]
    made = [files(home)[name] for name in names]
    assert len(set(made)) == len(names)
    assert all(len(password) >= 40 for password in made)


def test_only_the_owner_can_read_what_was_made(home: Home) -> None:
    folder = home.tls_root.parent
    assert folder.stat().st_mode & 0o077 == 0
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_the_second_time_nothing_changes(home: Home, clock: HandClock, ids: Ids) -> None:
    before = files(home)
    make_all_secrets(home, TOPOLOGY, clock, ids)
    assert files(home) == before


def test_a_lost_secret_is_made_anew_and_the_broker_learns_of_it(home: Home, clock: HandClock, ids: Ids) -> None:
    before = files(home)
    home.broker_password("con-arm").unlink()
    make_all_secrets(home, TOPOLOGY, clock, ids)
    changed = {name for name, content in files(home).items() if content != before[name]}
    assert changed == {"con-arm.amqp", DEFINITIONS}


def test_another_topology_changes_the_definitions_alone(home: Home, clock: HandClock, ids: Ids) -> None:
    before = files(home)
    make_all_secrets(home, Topology(TOPOLOGY.queues, max_length=5), clock, ids)
    assert {name for name, content in files(home).items() if content != before[name]} == {DEFINITIONS}


def test_the_definitions_hold_hashes_that_the_passwords_fit(home: Home) -> None:
    made = json.loads(home.secret(DEFINITIONS).read_text())
    for user in made["users"]:
        salted = base64.b64decode(user["password_hash"])
        password = home.broker_password(user["name"]).read_bytes()
        assert salted[4:] == hashlib.sha256(salted[:4] + password).digest()
        assert (user["tags"] == ["administrator"]) == (user["name"] == "operator")
    assert len({user["password_hash"] for user in made["users"]}) == len(made["users"])


def test_the_definitions_say_what_the_topology_says(home: Home) -> None:
    made = broker_definitions(home, TOPOLOGY)
    rights = {right["user"]: (right["configure"], right["write"], right["read"]) for right in made["permissions"]}
    for system in TOPOLOGY.systems:
        right = TOPOLOGY.permission(system)
        assert rights[system] == (right.configure, right.write, right.read)
    assert {queue["name"]: queue["arguments"] for queue in made["queues"]} == {
        name: TOPOLOGY.arguments(name) for name in TOPOLOGY.names
    }
    assert {(one["source"], one["destination"]) for one in made["bindings"]} == {(n, n) for n in TOPOLOGY.names}


def test_the_servers_certificates_have_the_names_the_services_call_them_by(home: Home) -> None:
    from cryptography import x509

    root = load_certificate(home.tls_root.read_bytes())
    assert {"rabbitmq", "postgres", *(service.code for service in SERVICES)} == set(CERTIFIED)
    for server in CERTIFIED:
        certificate, issuing = load_certificates(home.server_certificate(server).read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [server, "localhost"]
        assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
        certificate.verify_directly_issued_by(issuing)
        issuing.verify_directly_issued_by(root)


def test_the_authority_lies_encrypted_and_one_kept_in_the_open_is_taken_up(
    home: Home, clock: HandClock, ids: Ids
) -> None:
    password = home.keystore_password(NUC).read_bytes()
    pem = b""
    for file in (home.root_key, home.issuing_key):
        assert b"PRIVATE KEY" not in file.read_bytes()
        key, certificate, _ = pkcs12.load_key_and_certificates(file.read_bytes(), password)
        assert key is not None and certificate is not None
        pem += key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pem += certificate.public_bytes(Encoding.PEM)
        file.unlink()
    before = home.secret(f"{NUC}.authority")
    before.write_bytes(pem)
    make_all_secrets(home, TOPOLOGY, clock, ids)
    assert not before.exists()
    _, root, _ = pkcs12.load_key_and_certificates(home.root_key.read_bytes(), password)
    assert root == load_certificate(home.tls_root.read_bytes())


def test_renewed_certificates_are_of_the_same_authority(home: Home, clock: HandClock, ids: Ids) -> None:
    before = files(home)
    home.tls_root.unlink()
    make_all_secrets(home, TOPOLOGY, clock, ids)
    pairs = {f"{server}.{kind}" for server in CERTIFIED for kind in ("crt", "key")}
    assert {name for name, content in files(home).items() if content != before[name]} == {*pairs, home.servers.name}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_shared_secrets_are_the_groups_to_read_and_nobodys_to_write(home: Home) -> None:
    folder = home.tls_root.parent
    share(folder, 10001)
    assert {(path.stat().st_uid, path.stat().st_gid) for path in (folder, *folder.iterdir())} == {(0, 10001)}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o440}
    assert folder.stat().st_mode & 0o777 == 0o750


def test_the_objects_for_kubernetes_name_every_queue_user_and_right() -> None:
    objects = list(yaml.safe_load_all(to_yaml(broker_objects(TOPOLOGY))))
    kinds: dict[str, list[Any]] = {}
    for one in objects:
        assert one["spec"]["rabbitmqClusterReference"] == {"name": "rabbitmq"}
        kinds.setdefault(one["kind"], []).append(one)
    assert {kind: len(found) for kind, found in kinds.items()} == {
        "Vhost": 1, "User": len(TOPOLOGY.systems), "Permission": len(TOPOLOGY.systems),
        **dict.fromkeys(("Exchange", "Queue", "Binding"), len(TOPOLOGY.names)),
    }  # fmt: skip
    assert all(queue["spec"]["type"] == "quorum" for queue in kinds["Queue"])
    by_user = {
        one["spec"]["userReference"]["name"]: one["spec"]["permissions"]["configure"] for one in kinds["Permission"]
    }
    assert set(by_user.values()) == {"^$"}


async def test_a_certificate_is_registered_once_and_no_password_is_needed_for_it(
    home: Home, pki: TestPki, clock: HandClock
) -> None:
    keys: dict[str, SigningKey] = {code: pki.system(code) for code in PARTICIPANTS}
    for code, key in keys.items():
        write_private(home.certificate(code), key.certificate.public_bytes(encoding()))
        home.keystore_password(code).unlink()
    known = {thumbprint(keys[SHEP].certificate)}
    posted = []

    def shep(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200 if request.url.path.rpartition("/")[2] in known else 404, json={})
        assert request.headers["Authorization"] == f"Bearer {home.admin_token(SHEP).read_text()}"
        certificate = load_certificate(json.loads(request.content)["certificate"].encode())
        known.add(thumbprint(certificate))
        posted.append(request.url.path.split("/")[3])
        return httpx.Response(201, json={})

    async with httpx.AsyncClient(transport=httpx.MockTransport(shep)) as http:
        await register_certificates(http, home, "http://shep")
        await register_certificates(http, home, "http://shep")
    assert posted == [code for code in PARTICIPANTS if code != SHEP]


def encoding() -> Any:
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.PEM


def test_a_step_that_can_not_be_done_says_why_and_exits_1(home: Home) -> None:
    given = ["--home", str(home.path), "--secrets", str(home.tls_root.parent)]
    done = CliRunner().invoke(app, ["bootstrap", "databases", "postgresql://operator@127.0.0.1:1/postgres", *given])
    assert done.exit_code == 1
    assert home.database_password("operator").read_text() not in done.output
    assert "Traceback" not in done.output
    home.database_password("operator").unlink()
    done = CliRunner().invoke(app, ["bootstrap", "databases", "postgresql://operator@127.0.0.1:1/postgres", *given])
    assert (done.exit_code, "operator.db" in done.output) == (1, True)


def test_tls_belongs_to_production() -> None:
    refused = CliRunner().invoke(app, ["up", "--tls"])
    assert (refused.exit_code, refused.output.strip()) == (2, "--tls belongs to --production")
