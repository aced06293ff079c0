from __future__ import annotations

from pathlib import Path

import pytest

from egovkit.errors import EgovError
from egovkit.private_files import OF_ANOTHER_OWNER, OPEN_TO_OTHERS, fault_of, read_private

US, ROOT, SOMEBODY = 10001, 0, 10002


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_of_ours_that_only_we_can_use_is_private(mode: int) -> None:
    assert fault_of(mode, US, US) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666, 0o777])
def test_a_file_of_ours_that_anybody_else_can_use_is_not(mode: int) -> None:
    assert fault_of(mode, US, US) == OPEN_TO_OTHERS


@pytest.mark.parametrize(
    ("mode", "fault"), [(0o440, None), (0o640, None), (0o444, OPEN_TO_OTHERS), (0o660, OPEN_TO_OTHERS)]
)
def test_roots_file_may_be_read_by_a_group_as_containers_are_given_secrets(mode: int, fault: str | None) -> None:
    assert fault_of(mode, ROOT, US) == fault


@pytest.mark.parametrize("us", [US, ROOT])
def test_a_file_of_somebody_else_is_refused_whatever_its_rights(us: int) -> None:
    assert fault_of(0o600, SOMEBODY, us) == OF_ANOTHER_OWNER


def test_what_is_private_is_read_and_what_is_not_is_named_with_its_rights(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"hush")
    secret.chmod(0o600)
    assert read_private(secret) == b"hush"
    secret.chmod(0o644)
    with pytest.raises(EgovError) as refused:
        read_private(secret)
    assert refused.value.code == OPEN_TO_OTHERS
    assert (refused.value.params["path"], refused.value.params["mode"]) == (str(secret), "0644")


def test_a_link_does_not_hide_the_rights_of_what_it_names(tmp_path: Path) -> None:
    secret, link = tmp_path / "secret", tmp_path / "link"
    secret.write_bytes(b"hush")
    secret.chmod(0o604)
    link.symlink_to(secret)
    with pytest.raises(EgovError, match=OPEN_TO_OTHERS):
        read_private(link)
