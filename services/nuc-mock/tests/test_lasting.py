"""What survives: restarts, crashes at the first start, two processes; and what the audit can prove."""

import asyncio
import json
import os
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from egovkit.clock import HandClock, SystemClock
from egovkit.db import Database
from egovkit.db.migrate import assert_migrations_match
from egovkit.errors import EgovError
from egovkit.ids import SystemIds
from egovkit.journal import read_heads, read_rows, verify_rows
from nuc_mock import domain, store, tables
from nuc_mock.app import create_app
from nuc_mock.service.keys import Keyring
from nuc_mock.settings import Settings
from nuc_mock.store import keys

pytestmark = pytest.mark.service

Start = Any  # conftest's: settings -> a running twin


async def certificates_and_lists(twin: Any) -> tuple[bytes, ...]:
    paths = ("/ca/root.cer", "/ca/issuing.cer", "/crl", "/crl/root")
    return tuple([(await twin.http.get(path)).content for path in paths])


async def test_a_restart_keeps_authorities_certificates_lists_and_token(start: Start, settings: Settings) -> None:
    async with start(settings) as twin:
        person = await twin.person()
        await twin.revoke(person["serial"], "superseded")
        before = await certificates_and_lists(twin), settings.admin_token_path.read_text()
    async with start(settings) as twin:
        assert (await certificates_and_lists(twin), settings.admin_token_path.read_text()) == before
        kept = (await twin.admin.get(f"/v1/certificates/{person['serial']}")).json()
        assert (kept["state"], kept["certificate"]) == ("revoked", person["certificate"])
        assert (await twin.revoke(person["serial"], "superseded")).status_code == 409


async def test_a_list_of_a_clock_that_ran_ahead_is_replaced_after_a_restart(
    start: Start, settings: Settings, clock: HandClock
) -> None:
    late = HandClock(clock.now())
    await late.advance(86_400 * 300)
    app = create_app(settings, clock=late)
    async with app.router.lifespan_context(app):
        pass
    async with start(settings) as twin:
        crl = x509.load_der_x509_crl((await twin.http.get("/crl")).content)
        assert crl.last_update_utc == clock.now()
        assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 2


async def test_keys_and_token_are_readable_by_their_owner_alone(twin: Any) -> None:
    home = twin.settings.home / "nuc-mock"
    keys = sorted((home / "authority").iterdir())
    assert [file.name for file in keys] == ["issuing.p12", "ocsp.p12", "root.p12", "tsa.p12"]
    secrets = [home / "admin-token", twin.settings.keystore_password_file, *keys]
    assert [stat.S_IMODE(file.stat().st_mode) for file in secrets] == [0o600] * 6
    assert stat.S_IMODE((home / "authority").stat().st_mode) == 0o700
    assert sorted(file.name for file in home.iterdir()) == ["admin-token", "authority"]  # no drafts left behind


async def test_either_kind_of_key_can_be_chosen_for_the_authority(start: Start, tmp_path: Path) -> None:
    async with start(Settings(home=tmp_path, authority_key="rsa2048")) as twin:
        issuing = x509.load_der_x509_certificate((await twin.http.get("/ca/issuing.cer")).content)
        store_ = await twin.trust()
        person = await twin.person()
    assert issuing.signature_algorithm_oid._name == "sha256WithRSAEncryption"
    assert store_.root.subject == issuing.issuer and person["state"] == "good"


async def test_two_processes_starting_together_share_one_authority(settings: Settings, clock: HandClock) -> None:
    apps = [create_app(settings, clock=clock) for _ in range(2)]

    async def root_of(app: Any) -> bytes:
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://nuc") as http,
        ):
            return (await http.get("/ca/root.cer")).content

    first, second = await asyncio.gather(*(root_of(app) for app in apps))
    assert first == second


async def test_every_key_lies_encrypted_under_the_one_password(twin: Any) -> None:
    password = twin.settings.keystore_password_file.read_bytes()
    for file in twin.settings.authority_dir.iterdir():
        with pytest.raises(ValueError, match="password"):
            pkcs12.load_key_and_certificates(file.read_bytes(), b"another")
        key, certificate, _ = pkcs12.load_key_and_certificates(file.read_bytes(), password)
        assert key is not None and certificate is not None
        assert key.public_key() == certificate.public_key()


def leave_open(folder: Path, password: bytes) -> None:
    """The files as versions before custody wrote them."""
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for file in list(folder.iterdir()):
        key, certificate, _ = pkcs12.load_key_and_certificates(file.read_bytes(), password)
        assert key is not None and certificate is not None
        first = file.stem in ("root", "issuing")
        at = folder / (f"{file.stem}.key.pem" if first else f"{file.stem}.pem")
        at.touch(0o600)
        if first:
            (folder / f"{file.stem}.cer").write_bytes(certificate.public_bytes(Encoding.DER))
            at.write_bytes(key.private_bytes(*form))
        else:
            at.write_bytes(key.private_bytes(*form) + certificate.public_bytes(Encoding.PEM))
        file.unlink()


async def test_keys_of_an_older_version_are_encrypted_and_the_open_ones_go(start: Start, settings: Settings) -> None:
    async with start(settings) as twin:
        await twin.admin.post("/v1/authority/rotate")
        before = await certificates_and_lists(twin)
    names = {file.name for file in settings.authority_dir.iterdir()}
    leave_open(settings.authority_dir, settings.keystore_password_file.read_bytes())
    settings.keystore_password_file.unlink()  # nor had they a password
    async with start(settings) as twin:
        assert await certificates_and_lists(twin) == before
    assert {file.name for file in settings.authority_dir.iterdir()} == names


async def test_keys_another_password_opens_are_told_with_side_and_remedy(start: Start, settings: Settings) -> None:
    async with start(settings):
        pass
    settings.keystore_password_file.write_text("the password of something else")
    with capture_logs() as said, pytest.raises(EgovError, match=r"custody\.unreadable"):
        async with start(settings):
            pass
    [told] = [one for one in said if one["event"] == "custody.refused"]
    assert told["service"] == "nuc-mock" and "root.p12" in told["detail"] and told["remedy"]


async def test_a_lost_password_is_told_and_never_replaced(start: Start, settings: Settings) -> None:
    async with start(settings):
        pass
    settings.keystore_password_file.unlink()
    assert "nuc-mock.keystore can't be read" in await refused_to_start(start, settings)
    assert not settings.keystore_password_file.exists()


async def refused_to_start(start: Start, settings: Settings) -> str:
    with pytest.raises((store.AuthorityUnusable, EgovError)) as refusal:
        async with start(settings):
            pass
    return str(refusal.value)


async def test_lost_key_files_are_told_and_never_silently_replaced(start: Start, settings: Settings) -> None:
    async with start(settings):
        pass
    settings.authority_dir.rename(settings.home / "moved-away")
    assert "put the old key files back" in await refused_to_start(start, settings)


@pytest.mark.parametrize("name", ["root.p12", "issuing.p12"])
async def test_a_damaged_file_of_the_authority_is_named(start: Start, settings: Settings, name: str) -> None:
    async with start(settings):
        pass
    (settings.authority_dir / name).write_bytes(b"x")
    assert name in await refused_to_start(start, settings)


async def test_a_key_of_another_certificate_is_not_used(start: Start, settings: Settings) -> None:
    async with start(settings):
        pass
    folder = settings.authority_dir
    (folder / "root.p12").write_bytes((folder / "issuing.p12").read_bytes())
    assert "is not under the one in" in await refused_to_start(start, settings)


async def test_an_operators_own_token_file_is_used_and_must_exist(start: Start, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", admin_token_file=tmp_path / "token")
    assert "can't be read" in await refused_to_start(start, settings)
    (tmp_path / "token").write_text("short\n")
    assert "shorter" in await refused_to_start(start, settings)
    (tmp_path / "token").write_text("long enough to be a secret\n")
    async with start(settings) as twin:
        assert (await twin.admin.get("/v1/certificates")).status_code == 200


def test_a_crash_in_the_middle_of_the_first_start_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path)
    ring = Keyring(settings, None, SystemClock(), SystemIds(SystemClock()))  # type: ignore[arg-type]  # no database
    written: list[Path] = []
    real = keys.write_secret

    def dying(path: Path, content: bytes) -> None:
        if len(written) == 2:
            raise OSError("no space left on device")
        written.append(path)
        real(path, content)

    monkeypatch.setattr(keys, "write_secret", dying)
    with pytest.raises(OSError, match="no space"):
        ring.load()
    assert list(settings.authority_dir.parent.iterdir()) == []
    monkeypatch.setattr(keys, "write_secret", real)
    ring.load()
    made = ring.authorities
    ring.load()
    assert ring.authorities.issuing.certificate == made.issuing.certificate


async def test_a_failure_while_a_list_is_made_takes_the_revocation_back_with_it(
    twin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    serial = (await twin.person())["serial"]
    before = (await twin.http.get("/crl")).content

    def failing(*_: object, **__: object) -> bytes:
        raise RuntimeError("the key is gone")

    with monkeypatch.context() as broken:
        broken.setattr(domain, "build_crl", failing)
        answer = await twin.revoke(serial, "keyCompromise")
    assert (answer.status_code, answer.json()["code"]) == (500, "service.internal")
    assert (await twin.admin.get(f"/v1/certificates/{serial}")).json()["state"] == "good"
    assert (await twin.http.get("/crl")).content == before
    assert (await twin.revoke(serial, "keyCompromise")).status_code == 200


# --- the audit


async def journal_of(settings: Settings) -> tuple[list[Any], list[Any]]:
    db = Database(settings.database_url)
    async with db.read() as conn:
        found = await read_rows(conn, tables.journal), await read_heads(conn, tables.journal)
    await db.close()
    return found


async def test_every_act_is_in_the_audit_in_order_and_the_chain_holds(twin: Any) -> None:
    serial = (await twin.person())["serial"]
    await twin.revoke(serial, "certificateHold")
    await twin.admin.post(f"/v1/certificates/{serial}/release")
    await twin.revoke(serial, "keyCompromise")
    await twin.revoke(serial, "keyCompromise")  # refused: not an act
    await twin.admin.post("/v1/control/crl")
    rows, heads = await journal_of(twin.settings)
    assert [row.facts["action"] for row in rows] == [
        "list.published", "list.published", "certificate.issued", "certificate.hold", "list.published",
        "certificate.release", "list.published", "certificate.revoke", "list.published", "list.published",
        "list.published",
    ]  # fmt: skip
    assert verify_rows(rows, heads) == []
    revoked = rows[7].facts
    assert (revoked["serial"], revoked["state"], revoked["reason"]) == (serial, "revoked", "keyCompromise")
    assert {row.writer for row in rows} == {"nuc-mock/1"} and {row.kind for row in rows} == {"admin"}


async def test_the_audit_names_no_person(twin: Any) -> None:
    await twin.person()
    rows, _ = await journal_of(twin.settings)
    whole = json.dumps([row.body for row in rows], ensure_ascii=False)
    assert "991231600012" not in whole and "ӘУЕЗОВА" not in whole.upper()


@pytest.mark.parametrize("change", ["UPDATE journal SET kind = 'step'", "DELETE FROM journal"])
async def test_the_database_itself_refuses_to_change_the_audit(twin: Any, change: str) -> None:
    db = Database(twin.settings.database_url)
    with pytest.raises(DBAPIError, match="append-only"):
        async with db.begin() as conn:
            await conn.execute(text(change))
    await db.close()


def test_the_migrations_make_the_tables_of_tables_py() -> None:
    assert_migrations_match("nuc_mock", tables.metadata)


# --- health and documents


async def test_ready_once_the_authority_is_open_and_live_always(settings: Settings, clock: HandClock) -> None:
    app = create_app(settings, clock=clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://nuc") as http:
        assert (await http.get("/health/live")).status_code == 200
        waiting = await http.get("/health/ready")
        assert (waiting.status_code, waiting.json()["checks"]["authority"]) == (503, "authority")
        assert (await http.get("/crl")).json()["code"] in {"service.internal", "service.unavailable"}
        async with app.router.lifespan_context(app):
            assert (await http.get("/health/ready")).status_code == 200


async def test_it_says_at_its_start_and_to_whoever_looks_that_it_is_a_test(start: Start, settings: Settings) -> None:
    with capture_logs() as said:
        async with start(settings) as twin:
            page = await twin.http.get("/")
    [told] = [one for one in said if one["event"] == "nuc.test_authority"]
    assert "TEST" in told["says"]
    assert page.headers["content-type"].startswith("text/plain")
    assert [line.split(".")[0] for line in page.text.splitlines() if "Т." in line or "T." in line] == [
        "ТЕСТ",
        "ТЕСТ",
        "TEST",
    ]


async def test_the_openapi_document_names_every_route_and_says_what_needs_the_token(twin: Any) -> None:
    document = (await twin.http.get("/openapi.json")).json()
    secured = {path for path, verbs in document["paths"].items() if any(verb["security"] for verb in verbs.values())}
    assert secured == {path for path in document["paths"] if path.startswith("/v1/")}
    assert set(document["paths"]) - secured == {
        "/", "/ca/root.cer", "/ca/issuing.cer", "/crl", "/crl/root", "/ocsp", "/ocsp/{request_b64}", "/tsp",
        "/ca/issuing-{generation}.cer", "/crl/delta", "/crl/{generation}", "/crl/{generation}/delta",
    }  # fmt: skip


def test_addresses_in_certificates_follow_the_settings(tmp_path: Path) -> None:
    assert Settings(home=tmp_path).base_url == "http://127.0.0.1:8010"
    assert Settings(home=tmp_path, public_url="http://nuc-mock:8010/").base_url == "http://nuc-mock:8010"


def test_settings_come_from_the_services_own_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {"HOME": str(tmp_path), "AUTHORITY_KEY": "rsa2048", "CRL_HOURS": "2"}.items():
        monkeypatch.setitem(os.environ, f"NUC_MOCK_{name}", value)
    settings = Settings()
    assert (settings.home, settings.authority_key, settings.crl_validity.total_seconds()) == (tmp_path, "rsa2048", 7200)
