"""What somebody who may write into the databases cannot make: НУЦ's certificate, and НУЦ's stamp of an earlier day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from egovkit.clock import HandClock
from egovkit.journal_stamps import JournalStamp
from egovkit.signatures.keys import SigningKey, thumbprint
from egovkit.testing.pki import TestPki
from egovkit.testing.signing import LittleStamps
from sandbox.composition import Home
from sandbox.journal_trust import certified, token_check, trust_of
from sandbox.journals import Certificate, JournalCopy

NOW = datetime(2026, 1, 15, 4, tzinfo=UTC)
ROOT = bytes(range(32))


@pytest.fixture
def pki() -> TestPki:
    return TestPki(HandClock(NOW))


@pytest.fixture
def home(pki: TestPki, tmp_path: Path) -> Home:
    found = Home(tmp_path)
    found.trust_root.parent.mkdir(parents=True)
    found.trust_root.write_bytes(pki.root.public_bytes(Encoding.DER))
    return found


async def stamp(key: SigningKey, moment: datetime = NOW) -> JournalStamp:
    return JournalStamp("a/1", 1, 5, ROOT.hex(), await LittleStamps(key, moment).token(ROOT), moment)


def registered(code: str, key: SigningKey) -> Certificate:
    return Certificate(code, thumbprint(key.certificate), key.certificate.public_bytes(Encoding.DER))


async def said(home: Home, made: JournalStamp) -> str | None:
    check = token_check(trust_of(home, [JournalCopy("a", (), stamps=[made])]), NOW)
    assert check is not None
    return check(made)


async def test_a_stamp_of_nuc_holds_where_nuc_is_not(home: Home, pki: TestPki) -> None:
    assert await said(home, await stamp(pki.stamping().key)) is None


async def test_a_system_of_the_bus_cannot_stamp_its_own_journal(home: Home, pki: TestPki) -> None:
    """Its certificate leads to the same root, and its revocation is as unknown here as any."""
    own = pki.system("portal-pep", key="rsa2048")
    assert await said(home, await stamp(own)) == "certificate.wrong_usage"


async def test_a_stamp_is_of_the_moment_written_beside_it(home: Home, pki: TestPki) -> None:
    late = await stamp(pki.stamping().key)
    assert await said(home, replace(late, moment=NOW - timedelta(days=30))) == "it was given at 2026-01-15 04:00:00 UTC"


async def test_a_root_that_was_written_over_is_no_stamps(home: Home, pki: TestPki) -> None:
    good = await stamp(pki.stamping().key)
    assert await said(home, replace(good, root="no digest")) == "its root is no digest"


async def test_only_whom_nuc_certified_is_believed_to_stand_in_the_register(home: Home, pki: TestPki) -> None:
    """A key of one's own making, and a real one of another system, both entered for the portal."""
    good, other = pki.system("portal-pep"), pki.system("partner")
    forged = TestPki(HandClock(NOW)).system("portal-pep")
    entered = [registered("portal-pep", one) for one in (good, other, forged)]
    entered.append(Certificate("portal-pep", "x", b"no certificate"))
    copy = JournalCopy("gateway-shep", (), certificates=entered, stamps=[await stamp(pki.stamping().key)])
    (seen,) = certified([copy], trust_of(home, [copy]))
    assert seen.certificates == entered[:1]


def test_without_a_root_or_anything_under_it_nobody_is_asked(home: Home, tmp_path: Path) -> None:
    assert trust_of(home, []) is None
    assert trust_of(Home(tmp_path / "elsewhere"), []) is None
