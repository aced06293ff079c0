"""What an origin is put together of: its secret, its passwords."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import argon2
import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from egovkit.ids import Ids
from egovorigin.assembly import secret_of
from egovorigin.passwords import nobodys

from .conftest import TinyWorld


def test_the_secret_is_made_once_and_for_the_owner_alone(tmp_path: Path, ids: Ids) -> None:
    path = tmp_path / "new" / "origin.secret"
    secret = secret_of(path, ids)
    assert secret == path.read_text() == secret_of(path, ids) and len(secret) >= 32
    assert path.stat().st_mode & 0o777 == 0o600 and list(path.parent.iterdir()) == [path]


def test_a_secret_the_operators_gave_is_taken(tmp_path: Path, ids: Ids) -> None:
    path = tmp_path / "given.secret"
    path.write_text("of the deployment\n")
    path.chmod(0o600)
    assert secret_of(path, ids) == "of the deployment"


def test_somebody_without_an_account_costs_the_same_work_as_a_wrong_password() -> None:
    """The made-up hash is read as a real one with the same costs; one that could not be read would answer at once."""
    hasher = PasswordHasher(time_cost=2, memory_cost=64, parallelism=1)
    made_up, true = nobodys(hasher), hasher.hash("some password")
    assert argon2.extract_parameters(made_up) == argon2.extract_parameters(true)
    with pytest.raises(VerifyMismatchError):
        hasher.verify(made_up, "some password")


@pytest.mark.service
async def test_a_started_origin_has_its_secret_beside_its_keys_and_its_passwords_hashed(world: TinyWorld) -> None:
    settings: Any = world.settings
    assert settings.secret_path == settings.keystore.with_name("portal-pep.secret") and settings.secret_path.exists()
    hashed = await world.origin.passwords.hash("a password")
    assert hashed.startswith("$argon2id$") and await world.origin.passwords.verify(hashed, "a password")
    assert not await world.origin.passwords.verify(hashed, "another")
    assert not await world.origin.passwords.verify(None, "a password")
