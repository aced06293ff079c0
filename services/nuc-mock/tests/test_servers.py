"""Certificates of servers: made before the twin starts, taken over by it, and issued by it afterwards."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from egovkit.clock import HandClock, SystemClock
from egovkit.errors import EgovError
from egovkit.ids import SystemIds
from egovkit.signatures.keys import csr, new_private_key
from nuc_mock import store
from nuc_mock.servers import MadeServers, certify_servers, new_authority
from nuc_mock.settings import Settings

pytestmark = pytest.mark.service

Start = Any  # conftest's: settings -> a running twin
HOSTS = {"rabbitmq": ["rabbitmq", "127.0.0.1"], "postgres": ["postgres"]}


def made_in(folder: Path) -> MadeServers:
    """The authority and two servers' certificates, from files alone. OpenSSL looks at no clock of ours."""
    clock = SystemClock()
    settings, ids = given(Settings(home=folder), folder), SystemIds(clock)
    write_private(settings.keystore_password_file, b"the password of the deployment")
    root, issuing = new_authority(settings, ids)
    write_private(folder / "root", root)
    write_private(folder / "issuing", issuing)
    made = certify_servers(settings, HOSTS, clock, ids)
    (folder / "servers").write_bytes(made.issued)
    return made


def write_private(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.touch(0o600)
    path.write_bytes(content)


def given(settings: Settings, folder: Path) -> Settings:
    files = {f"{name}_file": folder / name for name in ("root", "issuing", "servers")}
    return settings.model_copy(update={**files, "keystore_password_file": folder / "keystore"})


def names_of(certificate: x509.Certificate) -> list[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(one.value) for one in found]


def handshake(made: MadeServers, folder: Path, server: str, called: str) -> None:
    """A client that trusts the root alone, without a network."""
    (folder / "pem").write_bytes(made.keys[server] + made.chains[server])
    served, trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cadata=made.root.decode())
    served.load_cert_chain(folder / "pem")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusted.wrap_bio(to_client, to_server, server_hostname=called)
    waiting = [client, served.wrap_bio(to_server, to_client, server_side=True)]
    for side in waiting * 4:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert client.version() == "TLSv1.3"


@pytest.mark.parametrize(("server", "called"), [("rabbitmq", "rabbitmq"), ("rabbitmq", "127.0.0.1")])
def test_a_client_that_trusts_the_root_believes_the_server(tmp_path: Path, server: str, called: str) -> None:
    handshake(made_in(tmp_path), tmp_path, server, called)


def test_a_server_is_not_believed_under_anothers_name(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(made_in(tmp_path), tmp_path, "rabbitmq", "postgres")


async def test_the_twin_takes_over_the_authority_that_certified_the_servers(
    start: Start, settings: Settings, tmp_path: Path
) -> None:
    made = made_in(tmp_path)
    async with start(given(settings, tmp_path)) as twin:
        root = (await twin.http.get("/ca/root.cer")).content
        assert root == x509.load_pem_x509_certificate(made.root).public_bytes(Encoding.DER)
        found = (await twin.admin.get("/v1/certificates", params={"profile": "server"})).json()["items"]
    assert sorted(one["common_name"] for one in found) == ["postgres", "rabbitmq"]


async def test_what_was_entered_can_be_revoked_and_is_entered_once(
    start: Start, settings: Settings, tmp_path: Path
) -> None:
    made_in(tmp_path)
    mine = given(settings, tmp_path)
    async with start(mine) as twin:
        [one, _] = (await twin.admin.get("/v1/certificates", params={"profile": "server"})).json()["items"]
        await twin.revoke(one["serial"], "superseded")
        revoked = x509.load_der_x509_crl((await twin.http.get("/crl")).content)
        assert revoked.get_revoked_certificate_by_serial_number(int(one["serial"], 16)) is not None
    async with start(mine) as twin:
        again = (await twin.admin.get("/v1/certificates", params={"profile": "server"})).json()["items"]
    assert sorted(one["state"] for one in again) == ["good", "revoked"]


async def test_a_renewed_server_is_still_called_by_all_its_names(
    start: Start, settings: Settings, tmp_path: Path
) -> None:
    made_in(tmp_path)
    async with start(given(settings, tmp_path)) as twin:
        found = (await twin.admin.get("/v1/certificates", params={"profile": "server"})).json()["items"]
        [old] = [one for one in found if one["common_name"] == "rabbitmq"]
        request = csr(new_private_key(), "any").decode()
        answer = await twin.admin.post(f"/v1/certificates/{old['serial']}/renew", json={"csr": request})
    assert answer.status_code == 201, answer.text
    assert names_of(x509.load_pem_x509_certificate(answer.json()["certificate"].encode())) == HOSTS["rabbitmq"]


async def test_a_twin_that_has_been_another_authority_does_not_start(
    start: Start, settings: Settings, tmp_path: Path
) -> None:
    made_in(tmp_path)
    mine = given(settings, tmp_path)
    async with start(mine.model_copy(update={"root_file": None, "issuing_file": None, "servers_file": None})):
        pass
    with pytest.raises(store.AuthorityUnusable, match="is not the one this service has been since its first start"):
        async with start(mine):
            pass


@pytest.mark.parametrize("name", ["root", "issuing"])
def test_a_file_that_holds_no_authority_is_named(tmp_path: Path, name: str) -> None:
    made_in(tmp_path)
    (tmp_path / name).write_bytes(b"no PKCS#12")
    settings, clock = given(Settings(home=tmp_path), tmp_path), SystemClock()
    with pytest.raises(EgovError, match=r"custody\.unreadable"):
        certify_servers(settings, HOSTS, clock, SystemIds(clock))


def test_half_an_authority_is_no_setting(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="root_file and issuing_file belong together"):
        Settings(home=tmp_path, root_file=tmp_path / "root")


async def test_the_twin_certifies_a_server_by_its_name(start: Start, settings: Settings, clock: HandClock) -> None:
    async with start(settings) as twin:
        issued = (await twin.order(profile="server", common_name="rabbitmq", bin=None)).json()
    certificate = x509.load_pem_x509_certificate(issued["certificate"].encode())
    usages: Iterable[x509.ObjectIdentifier] = certificate.extensions.get_extension_for_class(
        x509.ExtendedKeyUsage
    ).value
    assert (names_of(certificate), list(usages)) == (["rabbitmq"], [ExtendedKeyUsageOID.SERVER_AUTH])


@pytest.mark.parametrize("name", ["Әуезова Қымбат", "a b", "-rabbit", "rabbit_mq"])
async def test_a_name_that_is_no_host_is_no_servers(start: Start, settings: Settings, name: str) -> None:
    async with start(settings) as twin:
        refused = await twin.order(profile="server", common_name=name, bin=None)
    assert refused.status_code == 422
    assert [one["field"] for one in refused.json()["errors"]] == ["common_name"]


async def test_nobody_gets_a_servers_certificate_as_a_person(start: Start, settings: Settings) -> None:
    async with start(settings) as twin:
        person = {"iin": "991231600012", "surname": "Әуезова", "password": "Qwerty12", "profile": "server"}
        assert (await twin.admin.post("/v1/persons", json=person)).status_code == 422
