"""What other people's tools say about our certificates, lists and containers."""

import shutil
import subprocess
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here"),
]
AT = ["-attime", "1768449660"]  # 2026-01-15T04:01Z, a minute after the clock of the tests


def openssl(*arguments: str, ok: bool = True) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is ok, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
async def folder(twin: Any, tmp_path: Path) -> Path:
    """root.pem, issuing.pem and both lists as files, as a partner would keep them."""
    for name, path in {"root": "/ca/root.cer", "issuing": "/ca/issuing.cer"}.items():
        (tmp_path / f"{name}.cer").write_bytes((await twin.http.get(path)).content)
        openssl("x509", "-inform", "DER", "-in", f"{tmp_path}/{name}.cer", "-out", f"{tmp_path}/{name}.pem")
    await write_lists(twin, tmp_path)
    return tmp_path


async def write_lists(twin: Any, folder: Path) -> None:
    pems = []
    for name, path in {"crl": "/crl", "root-crl": "/crl/root"}.items():
        (folder / f"{name}.der").write_bytes((await twin.http.get(path)).content)
        openssl("crl", "-inform", "DER", "-in", f"{folder}/{name}.der", "-out", f"{folder}/{name}.pem")
        pems.append((folder / f"{name}.pem").read_text())
    (folder / "lists.pem").write_text("".join(pems))


def verify(folder: Path, certificate: str, ok: bool = True) -> str:
    (folder / "leaf.pem").write_text(certificate)
    return openssl(
        "verify", *AT, "-x509_strict", "-crl_check_all", "-CAfile", f"{folder}/root.pem",
        "-untrusted", f"{folder}/issuing.pem", "-CRLfile", f"{folder}/lists.pem", f"{folder}/leaf.pem", ok=ok,
    )  # fmt: skip


@pytest.mark.parametrize("profile", ["person_sign", "person_auth", "employee_sign", "head_sign"])
async def test_openssl_verifies_every_profile_strictly_with_both_lists(twin: Any, folder: Path, profile: str) -> None:
    person = await twin.person(profile=profile, bin="999940000010", organisation="Бөлім")
    assert verify(folder, person["certificate"]).endswith("leaf.pem: OK\n")


async def test_openssl_verifies_a_systems_certificate(twin: Any, folder: Path) -> None:
    assert verify(folder, (await twin.order()).json()["certificate"]).endswith("leaf.pem: OK\n")


async def test_openssl_sees_a_revocation_as_soon_as_it_has_the_next_list(twin: Any, folder: Path) -> None:
    person = await twin.person()
    verify(folder, person["certificate"])
    await twin.revoke(person["serial"], "keyCompromise")
    await write_lists(twin, folder)
    assert "certificate revoked" in verify(folder, person["certificate"], ok=False)
    listed = openssl("crl", "-noout", "-text", "-in", f"{folder}/crl.pem")
    assert person["serial"].upper() in listed and "Key Compromise" in listed


async def test_openssl_refuses_the_expired_the_future_and_the_strangers(twin: Any, folder: Path) -> None:
    expired = await twin.person(not_after="2026-01-01T00:00:00Z")
    assert "certificate has expired" in verify(folder, expired["certificate"], ok=False)
    future = await twin.person(not_before="2026-02-01T00:00:00Z")
    assert "not yet valid" in verify(folder, future["certificate"], ok=False)
    stranger = await twin.person("/v1/control/persons", odd={"stranger": True})
    verify(folder, stranger["certificate"], ok=False)


async def test_openssl_checks_the_signature_of_the_list(folder: Path) -> None:
    assert "verify OK" in openssl("crl", "-noout", "-in", f"{folder}/crl.pem", "-CAfile", f"{folder}/issuing.pem")


async def test_openssl_shows_the_subject_as_nuc_writes_it(twin: Any, folder: Path) -> None:
    (folder / "leaf.pem").write_text((await twin.person())["certificate"])
    text = openssl("x509", "-noout", "-subject", "-nameopt", "utf8,sep_comma_plus,esc_msb", "-in", f"{folder}/leaf.pem")
    shown = openssl("x509", "-noout", "-subject", "-nameopt", "sep_multiline,utf8,sname", "-in", f"{folder}/leaf.pem")
    assert "IIN991231600012" in text
    assert [line.strip().split("=")[0] for line in shown.splitlines()[1:]] == ["CN", "SN", "serialNumber", "C", "GN"]


@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
async def test_openssl_opens_a_container_and_signs_with_its_key(twin: Any, folder: Path, kind: str) -> None:
    person = await twin.person(key=kind)
    (folder / "person.p12").write_bytes(b64decode(person["pkcs12"]))
    opened = ["-in", f"{folder}/person.p12", "-passin", "pass:Qwerty12"]
    openssl("pkcs12", *opened, "-nodes", "-out", f"{folder}/person.pem")
    openssl("pkcs12", "-in", f"{folder}/person.p12", "-passin", "pass:Wrong123", "-nodes", ok=False)
    (folder / "document").write_bytes("Өтініш".encode())
    openssl(
        "cms", "-sign", "-binary", "-in", f"{folder}/document", "-signer", f"{folder}/person.pem",
        "-outform", "DER", "-out", f"{folder}/signature",
    )  # fmt: skip
    (folder / "chain.pem").write_text(person["chain"])
    verified = openssl(
        "cms", "-verify", "-binary", *AT, "-inform", "DER", "-in", f"{folder}/signature", "-content",
        f"{folder}/document", "-CAfile", f"{folder}/chain.pem",
    )  # fmt: skip
    assert "successful" in verified.lower()
