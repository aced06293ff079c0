"""The shipped corpus of signatures: the product gives every one of them the verdict it was made for."""

from pathlib import Path

import pytest

from egovkit.contracts import contracts_dir
from egovkit.testing.vectors import FOLDER, cases_in, expected, play, unusable

CORPUS = contracts_dir() / FOLDER
CASES = cases_in(CORPUS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_signature_gets_the_verdict_it_was_made_for(case: Path) -> None:
    got = await play(case)
    assert got == expected(case)
    if unusable(case) is not None:
        assert got.facts is not None and got.facts.ocsp == unusable(case)


def test_the_corpus_is_large_in_kinds_and_small_in_bytes() -> None:
    bad = [one for one in CASES if expected(one).code is not None]
    assert len(bad) >= 40 and len(CASES) - len(bad) >= 8
    assert sum(one.stat().st_size for one in CORPUS.rglob("*") if one.is_file()) < 1_000_000
    assert len({(one.code, one.reason) for one in map(expected, bad)}) >= 30


def test_no_private_key_is_shipped() -> None:
    for one in CORPUS.rglob("*"):
        assert one.suffix not in (".p12", ".key", ".pem"), one
        assert one.is_dir() or b"PRIVATE KEY" not in one.read_bytes(), one
