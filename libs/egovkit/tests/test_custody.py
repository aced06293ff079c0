from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from prometheus_client import CollectorRegistry

from egovkit.clock import HandClock
from egovkit.contracts import contracts_dir
from egovkit.errors import EgovError
from egovkit.ids import Ids
from egovkit.key_watch import KeyMetrics, KeyWatch
from egovkit.problems import Problems
from egovkit.signatures.custody import KeyFile, KeyState, alarm
from egovkit.signatures.jws import read_header, sign_detached, verify_detached
from egovkit.signatures.keys import SigningKey, private_pem
from egovkit.signatures.tokens import issue_token, verify_token
from egovkit.testing.pki import TestPki

CODE, PASSWORD = "provider-arm", "a long password"


class Place:
    """A key file and the list of whom ШЭП knows."""

    def __init__(self, folder: Path, pki: TestPki) -> None:
        self.pki = pki
        self.path, self.password = folder / "key.p12", folder / "password"
        self.password.write_text(PASSWORD + "\n")
        self.password.chmod(0o600)
        self.first = self.put()
        self.known = {self.first.thumbprint}

    def put(self, key: SigningKey | None = None, password: str = PASSWORD) -> SigningKey:
        """Another key takes the file's place, as an operator moves it there."""
        key = key or self.pki.system(CODE)
        scratch = self.path.with_suffix(".new")
        scratch.write_bytes(key.to_pkcs12(password, CODE))
        scratch.chmod(0o600)
        scratch.replace(self.path)
        return key

    def open(self) -> KeyFile:
        return KeyFile(self.path, self.password, self.known.__contains__)


@pytest.fixture
def place(tmp_path: Path, pki: TestPki) -> Place:
    return Place(tmp_path, pki)


def test_a_key_is_its_own_custody(pki: TestPki) -> None:
    key, other = pki.system(CODE), pki.system(CODE)
    assert key.signing_key() is key
    assert key.key_of(key.thumbprint) is key
    assert key.key_of(other.thumbprint) is None


def test_the_key_of_the_file_signs(place: Place) -> None:
    custody = place.open()
    verify_detached(b"bytes", sign_detached(b"bytes", custody), place.first.certificate)
    assert not custody.reload()


def test_a_new_file_signs_from_the_moment_its_certificate_is_known_and_the_old_key_is_kept(
    place: Place, clock: HandClock
) -> None:
    custody = place.open()
    second = place.put()
    assert custody.reload()
    assert read_header(sign_detached(b"x", custody)).thumbprint == place.first.thumbprint
    assert [key.state for key in custody.facts(clock.now())] == [KeyState.WAITING, KeyState.SIGNING]
    place.known.add(second.thumbprint)
    assert read_header(sign_detached(b"x", custody)).thumbprint == second.thumbprint
    assert [key.state for key in custody.facts(clock.now())] == [KeyState.SIGNING, KeyState.FORMER]
    assert custody.key_of(place.first.thumbprint) is not None


def test_a_new_key_that_is_withdrawn_leaves_the_old_one_signing(place: Place) -> None:
    custody = place.open()
    second = place.put()
    custody.reload()
    place.known.add(second.thumbprint)
    assert custody.signing_key().thumbprint == second.thumbprint
    place.known.remove(second.thumbprint)
    assert custody.signing_key().thumbprint == place.first.thumbprint
    place.known.clear()
    assert custody.signing_key().thumbprint == place.first.thumbprint


def test_before_the_first_member_list_the_key_of_the_file_signs(place: Place) -> None:
    place.known.clear()
    assert place.open().signing_key().thumbprint == place.first.thumbprint


def test_the_one_in_use_is_never_forgotten_however_many_files_follow(place: Place) -> None:
    custody = place.open()
    for _ in range(5):
        place.put()
        custody.reload()
    assert custody.signing_key().thumbprint == place.first.thumbprint
    last = place.put()
    place.known.add(last.thumbprint)
    custody.reload()
    assert custody.signing_key().thumbprint == last.thumbprint


def test_the_file_touched_without_a_new_key_is_no_news(place: Place, clock: HandClock) -> None:
    custody = place.open()
    place.put(place.first)
    assert not custody.reload()
    assert [key.state for key in custody.facts(clock.now())] == [KeyState.SIGNING]


def test_a_session_begun_with_the_old_key_lasts_beyond_the_rotation(place: Place, clock: HandClock, ids: Ids) -> None:
    custody = place.open()
    words = {"typ": "egov-test+jwt", "issuer": CODE, "audience": CODE}
    token = issue_token(custody, **words, subject="s", roles=(), ttl=timedelta(hours=1), clock=clock, ids=ids)
    place.known.add(place.put().thumbprint)
    custody.reload()
    assert verify_token(token, custody, **words, clock=clock).subject == "s"
    with pytest.raises(EgovError, match=r"session\.invalid"):
        verify_token(token, custody.signing_key(), **words, clock=clock)


@pytest.mark.parametrize("which", ["path", "password"])
def test_a_key_or_password_that_others_can_read_is_refused(place: Place, which: str) -> None:
    file: Path = getattr(place, which)
    file.chmod(0o640 if file.stat().st_uid else 0o644)
    with pytest.raises(EgovError, match=r"custody\.open_to_others"):
        place.open()


def test_a_store_its_password_does_not_open_is_refused_and_says_nothing_of_the_password(place: Place) -> None:
    place.put(password="another")
    with pytest.raises(EgovError, match=r"custody\.unreadable") as refused:
        place.open()
    assert "another" not in str(refused.value) and PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    ("days", "found"),
    [(61, None), (60, 60), (31, 60), (30, 30), (8, 30), (7, 7), (0.5, 7), (0, 0), (-1, 0)],
)
def test_alarms_are_raised_60_30_and_7_days_ahead_and_at_the_end(
    clock: HandClock, days: float, found: int | None
) -> None:
    assert alarm(clock.now() + timedelta(days=days), clock.now()) == found


class Watched:
    def __init__(self, place: Place, clock: HandClock) -> None:
        self.registry = CollectorRegistry()
        self.custody = place.open()
        problems = Problems.load(contracts_dir())
        self.watch = KeyWatch(CODE, self.custody, clock, KeyMetrics(CODE, self.registry), problems)

    async def gauge(self, name: str, key: SigningKey, state: str) -> float | None:
        await self.watch.refresh_metrics()
        labels = {"service": CODE, "thumbprint": key.thumbprint, "state": state}
        return self.registry.get_sample_value(name, labels)

    async def refused(self) -> float | None:
        await self.watch.refresh_metrics()
        return self.registry.get_sample_value("egov_key_file_refused", {"service": CODE})


@pytest.mark.asyncio
async def test_the_gauges_count_down_by_the_services_clock(place: Place, clock: HandClock) -> None:
    watched = Watched(place, clock)
    left = timedelta(days=365).total_seconds()
    assert await watched.gauge("egov_certificate_expires_seconds", place.first, "signing") == left
    assert await watched.gauge("egov_certificate_alarm_days", place.first, "signing") == -1
    await clock.advance(timedelta(days=340))
    assert await watched.gauge("egov_certificate_alarm_days", place.first, "signing") == 30


@pytest.mark.asyncio
async def test_each_alarm_is_told_once(place: Place, clock: HandClock, caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched(place, clock)
    told = []
    for days in (304, 2, 28, 1, 24, 7):  # 61, 59, 31, 30, 6 left, then ended
        await clock.advance(timedelta(days=days))
        caplog.clear()
        await watched.watch.look()
        await watched.watch.look()
        told.append(caplog.text.count("custody.certificate_ends"))
    assert told == [0, 1, 0, 1, 1, 1]


@pytest.mark.asyncio
async def test_a_bad_new_file_is_an_error_told_once_with_its_remedy_and_the_old_key_signs_on(
    place: Place, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(place, clock)
    place.put().to_pkcs12(PASSWORD, CODE)
    place.path.chmod(0o644)
    await watched.watch.look()
    await watched.watch.look()
    assert caplog.text.count("custody.refused") == 1
    assert "custody.open_to_others" in caplog.text and "chmod 600" in caplog.text
    assert watched.custody.signing_key().thumbprint == place.first.thumbprint
    assert await watched.refused() == 1
    place.path.chmod(0o600)
    await watched.watch.look()
    assert await watched.refused() == 0
    assert len(watched.custody.facts(clock.now())) == 2


@pytest.mark.asyncio
async def test_a_password_that_is_no_text_is_a_refusal_as_any_other_and_the_watch_goes_on(
    place: Place, clock: HandClock
) -> None:
    watched = Watched(place, clock)
    second = place.put()
    place.password.write_bytes(b"\xff\xfe")
    await watched.watch.look()
    assert await watched.refused() == 1
    place.password.write_text(PASSWORD)
    await watched.watch.look()
    assert await watched.refused() == 0
    assert watched.custody.key_of(second.thumbprint) is not None


@pytest.mark.asyncio
async def test_what_is_shown_of_a_key_is_nothing_secret(place: Place, clock: HandClock) -> None:
    (shown,) = Watched(place, clock).watch.shown()
    assert shown.keys() == {"thumbprint", "serial", "not_before", "not_after", "state", "alarm"}
    assert shown["thumbprint"] == place.first.thumbprint


def test_a_key_store_that_is_not_encrypted_is_refused(place: Place) -> None:
    place.path.write_bytes(place.first.to_pkcs12(None, CODE))
    with pytest.raises(EgovError, match=r"custody\.unreadable"):
        place.open()


@pytest.mark.parametrize("mac", [[], ["-nomac"]])
def test_a_key_in_the_clear_is_refused_though_its_password_opens_the_file(place: Place, mac: list[str]) -> None:
    pem = private_pem(place.first.private_key) + place.first.certificate.public_bytes(Encoding.PEM)
    command = ["openssl", "pkcs12", "-export", "-keypbe", "NONE", "-certpbe", "NONE", *mac]
    made = subprocess.run([*command, "-passout", f"pass:{PASSWORD}"], input=pem, capture_output=True, check=True)
    place.path.write_bytes(made.stdout)
    with pytest.raises(EgovError, match=r"custody\.unreadable.*not encrypted"):
        place.open()
